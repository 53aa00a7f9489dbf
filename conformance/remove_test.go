package conformance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/btcsuite/btcd/rpcclient"
)

// gone waits until there is no connection.
func gone(ctx context.Context, t *testing.T, c *rpcclient.Client) {
	t.Helper()
	eventually(ctx, t, func() error {
		n, err := c.GetConnectionCount()
		if err == nil && n != 0 {
			err = fmt.Errorf("there are %d connections", n)
		}
		return err
	})
}

// TestRemove: a peer that is removed is disconnected, and not dialed again, wherever its
// connection stands. (Btcd's "addnode remove" keeps on dialing who cannot be reached.)
func TestRemove(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		peer func(context.Context, *testing.T) (addr string, left func() error)
		at   string // the event at which it is removed
	}{
		{"connected", peerBTCD, "ready"},
		{"shaking hands", mute, "connected"},
		{"refused", refused, "failed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx := begin(t)
			addr, left := c.peer(ctx, t)
			d := startHoldfast(ctx, t)
			client := newClient(t, d, nil, single)
			must(t, client.AddNode(addr, rpcclient.ANAdd))
			at := d.await(ctx, t, 0, c.at, addr)
			must(t, client.AddNode(addr, rpcclient.ANRemove))
			removed := d.await(ctx, t, at.Seq, "removed", addr)
			gone(ctx, t, client)
			eventually(ctx, t, left)

			// Networking that is switched on again has all be dialed that are kept, at
			// once: another one is, and the one that was removed is not.
			other, _ := refused(ctx, t)
			must(t, client.AddNode(other, rpcclient.ANAdd))
			failed := d.await(ctx, t, removed.Seq, "failed", other)
			raw(t, client, nil, "setnetworkactive", false)
			raw(t, client, nil, "setnetworkactive", true)
			d.await(ctx, t, failed.Seq, "failed", other)
			after, _ := d.events(ctx, t, removed.Seq, addr)
			for _, e := range after {
				if e.Kind == "dialing" || e.Kind == "connected" || e.Kind == "waiting" {
					t.Errorf("after it was removed: %s", e.Text)
				}
			}
			names, err := client.GetAddedNodeInfoNoDNS("")
			if err != nil || len(names) != 1 || names[0] != other {
				t.Errorf("kept: %v, %v", names, err)
			}
			var why struct {
				State string
				Next  *int64 `json:"next_attempt"`
			}
			if raw(t, client, &why, "explain", addr); why.Next != nil || why.State != "ended" && why.State != "unknown" {
				t.Errorf("it is %+v", why)
			}
		})
	}
}

// peerBTCD returns the address of a btcd, and what fails while that has peers.
func peerBTCD(ctx context.Context, t *testing.T) (string, func() error) {
	t.Helper()
	d := startBTCD(ctx, t)
	return d.peer, func() error {
		var n int
		err := d.call(ctx, &n, "getconnectioncount")
		if err == nil && n != 0 {
			err = fmt.Errorf("btcd has %d peers", n)
		}
		return err
	}
}

// refused returns an address where nobody listens.
func refused(_ context.Context, t *testing.T) (string, func() error) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	must(t, ln.Close())
	return ln.Addr().String(), func() error { return nil }
}

// mute returns the address of one who takes a connection and says nothing, and what fails
// until that was closed by the other side.
func mute(_ context.Context, t *testing.T) (string, func() error) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		conn, err := ln.Accept()
		if err != nil {
			return // the test ends
		}
		_, _ = io.Copy(io.Discard, conn) // however it ends
		_ = conn.Close()
	}()
	t.Cleanup(func() {
		_ = ln.Close()
		<-closed // by the end of the daemon, if not before
	})
	return ln.Addr().String(), func() error {
		select {
		case <-closed:
			return nil
		default:
			return errors.New("its connection is open")
		}
	}
}
