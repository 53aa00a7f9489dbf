package netmon_test

import (
	"context"
	"fmt"
	"time"

	"holdfast/netmon"
)

func ExampleRun() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	err := netmon.Run(ctx, netmon.Options{}, func(c netmon.Change) {
		fmt.Println("Our network may have changed:", c)
	})
	fmt.Println(err)
	// Output: <nil>
}
