package node_test

import (
	"context"
	"fmt"

	"github.com/btcsuite/btcd/chaincfg/v2"

	"holdfast/node"
)

// A node that only takes inbound peers, on a free port of this machine.
func Example() {
	ctx, cancel := context.WithCancel(context.Background())
	n, err := node.New(node.Config{
		Params:         &chaincfg.RegressionNetParams,
		Listen:         []string{"127.0.0.1:0"},
		TargetOutbound: -1,
		OnEvent: func(e node.Event) {
			if e.Kind == node.KindStarted {
				fmt.Println(e)
				cancel()
			}
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("ended:", n.Run(ctx))
	// Output:
	// Joining regtest as /holdfast:0.1.0/: no outbound peers wanted, up to 125 inbound ones
	// ended: <nil>
}

// What is wrong with a configuration is told by field.
func ExampleConfigError() {
	_, err := node.New(node.Config{
		Params:  &chaincfg.MainNetParams,
		AddPeer: []string{"192.0.2.1:port"},
	})
	fmt.Println(err)
	// Output: addpeer "192.0.2.1:port": port "port" is not a number from 1 to 65535
}
