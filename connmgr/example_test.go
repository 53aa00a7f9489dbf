package connmgr_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"holdfast/connmgr"
)

// A manager that keeps three connections to addresses from a list.
func Example() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
		}
	}()

	var connected sync.WaitGroup
	connected.Add(3)
	var dialer net.Dialer
	cm, err := connmgr.New(&connmgr.Config{
		TargetOutbound: 3,
		GetNewAddress:  func() (net.Addr, error) { return listener.Addr(), nil },
		DialContext: func(ctx context.Context, addr net.Addr) (net.Conn, error) {
			return dialer.DialContext(ctx, addr.Network(), addr.String())
		},
		DialTimeout:  10 * time.Second,
		OnConnection: func(c *connmgr.ConnReq, conn net.Conn) { connected.Done() },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- cm.Run(ctx) }()

	connected.Wait()
	fmt.Println(cm.Snapshot().Outbound)
	cancel()
	fmt.Println("ended:", <-done)
	// Output:
	// 3 of 3 connected
	// ended: <nil>
}

// Errors and events share one Reason.
func ExampleConnManager_ConnectContext() {
	cm, err := connmgr.New(&connmgr.Config{
		Unique: true,
		Dial: func(addr net.Addr) (net.Conn, error) {
			conn, _ := net.Pipe()
			return conn, nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	cm.Start()
	defer cm.Stop()

	addr := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 8333}
	fmt.Println(cm.ConnectContext(context.Background(), &connmgr.ConnReq{Addr: addr}))
	err = cm.ConnectContext(context.Background(), &connmgr.ConnReq{Addr: addr})
	fmt.Println(err)
	fmt.Println(errors.Is(err, connmgr.ReasonDuplicate))
	// Output:
	// <nil>
	// connmgr: connect 192.0.2.1:8333: duplicate
	// true
}

func ExampleBackoff_Wait() {
	b := connmgr.Backoff{Min: time.Second, Max: time.Minute, Factor: 2}
	for n := range uint32(8) {
		fmt.Print(b.Wait(n+1, 0), " ")
	}
	// Output: 1s 2s 4s 8s 16s 32s 1m0s 1m0s
}

func ExampleDynamicBanScore() {
	var score connmgr.DynamicBanScore
	score.Increase(0, 50)  // decays: half of it is gone in a minute
	score.Increase(40, 0)  // stays
	if score.Int() >= 90 { // the owner's threshold
		fmt.Println("banned")
	}
	// Output: banned
}
