package socks_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"holdfast/socks"
)

// A node tells whose fault it is that a peer was not reached: the peer's, or the
// proxy's, for which no peer should be held to blame.
func Example() {
	d := &socks.Dialer{
		Proxy:     "127.0.0.1:9050",
		Isolate:   true, // a circuit of its own for each peer
		DialProxy: fakeTor,
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	_, err := d.DialContext(ctx, "tcp", "nobody.onion:8333")
	var reply socks.Reply
	switch {
	case errors.As(err, &reply):
		fmt.Println("the peer:", reply)
	case errors.Is(err, socks.ErrProxy):
		fmt.Println("the proxy:", err)
	}

	conn, err := d.DialContext(ctx, "tcp", "seed.example.org:8333")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	fmt.Println("connected to", conn.RemoteAddr())
	// Output:
	// the peer: onion service not found (SOCKS reply 0xf0)
	// connected to seed.example.org:8333
}

// fakeTor is a proxy that knows no onion services, and all else.
func fakeTor(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	go func() {
		defer theirs.Close()
		io.ReadFull(theirs, make([]byte, 3))
		theirs.Write([]byte{5, 2})
		io.ReadFull(theirs, make([]byte, 1+1+9+1+26))
		theirs.Write([]byte{1, 0})
		head := make([]byte, 5)
		io.ReadFull(theirs, head)
		name := make([]byte, int(head[4])+2)
		io.ReadFull(theirs, name)
		if string(name[:len(name)-2]) == "nobody.onion" {
			theirs.Write([]byte{5, byte(socks.ReplyOnionNotFound), 0, 1, 0, 0, 0, 0, 0, 0})
			return
		}
		theirs.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
	}()
	return ours, nil
}
