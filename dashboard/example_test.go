package dashboard_test

import (
	"context"
	"fmt"
	"net/http"

	"github.com/btcsuite/btcd/chaincfg/v2"

	"holdfast/dashboard"
	"holdfast/node"
	"holdfast/stream"
)

// A node with its page: what is counted must be there before the node is, so that no
// event is missed.
func Example() {
	hub, meter := stream.NewHub(0), dashboard.NewMeter()
	n, err := node.New(node.Config{
		Params: &chaincfg.RegressionNetParams,
		Seeds:  []node.Seed{},
		OnEvent: func(e node.Event) {
			hub.Feed(e)
			meter.Feed(e)
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer n.Close() //nolint:errcheck // it returns none
	s, err := dashboard.New(dashboard.Config{Listen: []string{"127.0.0.1:0"}, Node: n, Hub: hub, Meter: meter})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error)
	go func() { ended <- s.Serve(ctx) }()

	resp, err := http.Get(s.URL())
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = resp.Body.Close() // the status is all that is looked at
	fmt.Println(resp.Status)
	http.DefaultClient.CloseIdleConnections()
	cancel()
	fmt.Println(<-ended)
	// Output:
	// 200 OK
	// <nil>
}
