package connmgr_test

import (
	"fmt"
	"net"

	"holdfast/compat/btcd/connmgr"
)

// Code that was written for btcd's connmgr: only the import path has changed.
func Example() {
	connected := make(chan *connmgr.ConnReq)
	cmgr, err := connmgr.New(&connmgr.Config{
		OnConnection: func(c *connmgr.ConnReq, conn net.Conn) { connected <- c },
		Dial: func(addr net.Addr) (net.Conn, error) {
			conn, _ := net.Pipe()
			return conn, nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	cmgr.Start()
	go cmgr.Connect(&connmgr.ConnReq{
		Addr:      &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 8333},
		Permanent: true,
	})
	c := <-connected
	fmt.Println(c, c.State() == connmgr.ConnEstablished)
	cmgr.Stop()
	cmgr.Wait()
	// Output: 192.0.2.1:8333 (reqid 1) true
}
