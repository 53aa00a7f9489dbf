package simnet

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/btcsuite/btcd/chaincfg/v2"
	"github.com/btcsuite/btcd/wire/v2"
	"github.com/google/go-cmp/cmp"
)

// A peer that dials speaks first, tells its address and asks for ours.
func TestConnect(t *testing.T) {
	for _, b := range Behaviours() {
		t.Run(b.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := NewFabric(FabricConfig{Latency: latency})
				defer f.Close()
				l, err := f.Listen(tcp("10.0.0.1:18444"))
				if err != nil {
					t.Fatal(err)
				}
				n, err := New(Config{Transport: f, Peers: []Spec{{Behaviour: b}}})
				if err != nil {
					t.Fatal(err)
				}
				p := n.Peers()[0]
				if err := p.Connect(t.Context(), l.Addr()); !errors.Is(err, ErrStopped) {
					t.Errorf("Connect before Start: %v", err)
				}
				if err := n.Start(t.Context()); err != nil {
					t.Fatal(err)
				}
				defer n.Close()
				if err := p.Connect(t.Context(), l.Addr()); err != nil {
					t.Fatal(err)
				}
				conn, err := l.Accept()
				if err != nil {
					t.Fatal(err)
				}
				if host(conn.RemoteAddr()) != "11.0.0.1" {
					t.Errorf("dialed from %v", conn.RemoteAddr())
				}
				c := client{t, conn}
				if b.Name != "honest" {
					_, _ = c.receive() // whatever it is, everything ends with Close
					return
				}
				c.expect(wire.CmdVersion)
				c.send(ourVersion(), wire.NewMsgSendAddrV2(), wire.NewMsgVerAck())
				c.expect(wire.CmdSendAddrV2, wire.CmdVerAck)
				own := c.expect(wire.CmdAddrV2).(*wire.MsgAddrV2).AddrList
				if len(own) != 1 || own[0].Addr.String() != "11.0.0.1" || own[0].Port != 18444 {
					t.Errorf("announced %+v", own)
				}
				c.expect(wire.CmdGetAddr)
				c.send(wire.NewMsgGetAddr(), wire.NewMsgPing(1))
				c.expect(wire.CmdPong) // and no addresses: it dialed us
			})
		})
	}
}

// Two honest peers get along.
func TestPeerToPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewFabric(FabricConfig{Latency: latency})
		var mu sync.Mutex
		var events []string
		n, err := New(Config{
			Transport: f, Params: &chaincfg.SigNetParams, Peers: []Spec{{Count: 2}},
			OnEvent: func(e Event) {
				mu.Lock()
				defer mu.Unlock()
				if e.Peer.Index() == 1 {
					events = append(events, strings.TrimSpace(e.Kind.String()+" "+e.Command))
				}
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := n.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		a, b := n.Peers()[0], n.Peers()[1]
		if err := a.Connect(t.Context(), b.Addr()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if b.Addr().String() != "11.1.0.1:38333" || a.Received(wire.CmdAddrV2) != 1 || b.Accepted() != 1 {
			t.Errorf("b is at %v; a got %d addrv2; b accepted %d", b.Addr(), a.Received(wire.CmdAddrV2), b.Accepted())
		}
		a.Stop()
		time.Sleep(time.Second)
		n.Close()
		want := []string{
			"started", "opened", "received version", "received sendaddrv2", "received verack",
			"ready", "received addrv2", "received getaddr", "closed", "stopped",
		}
		if diff := cmp.Diff(want, events); diff != "" {
			t.Error(diff)
		}
	})
}

func TestMaxConns(t *testing.T) {
	withPeer(t, Spec{MaxConns: 1}, func(c client, p *Peer) {
		f := p.net.cfg.Transport.(*Fabric)
		second, err := f.Dial(context.Background(), nil, p.Addr())
		if err != nil {
			c.t.Fatal(err)
		}
		defer second.Close()
		client{c.t, second}.expectError(io.EOF)
		c.shake()
		if err := p.Connect(context.Background(), p.Addr()); err == nil {
			c.t.Error("Connect found room")
		}
	})
}

// Equal seeds give equal conversations.
func TestSessionsAreSeeded(t *testing.T) {
	talk := func(seed uint64) (nonce uint64, addrs []string) {
		synctest.Test(t, func(t *testing.T) {
			f := NewFabric(FabricConfig{})
			n, err := New(Config{Transport: f, Seed: seed, Peers: []Spec{{Count: 20}}})
			if err != nil {
				t.Fatal(err)
			}
			if err := n.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			defer n.Close()
			conn, err := f.Dial(t.Context(), nil, n.Peers()[0].Addr())
			if err != nil {
				t.Fatal(err)
			}
			c := client{t, conn}
			nonce = c.shake().Nonce
			c.send(wire.NewMsgGetAddr())
			for _, na := range c.expect(wire.CmdAddrV2).(*wire.MsgAddrV2).AddrList {
				addrs = append(addrs, na.Addr.String()+na.Timestamp.String())
			}
		})
		return nonce, addrs
	}
	nonce1, addrs1 := talk(1)
	nonceAgain, addrsAgain := talk(1)
	nonce2, addrs2 := talk(2)
	if nonce1 != nonceAgain || cmp.Diff(addrs1, addrsAgain) != "" {
		t.Error("equal seeds, but other nonces or addresses")
	}
	if nonce1 == nonce2 || cmp.Diff(addrs1, addrs2) == "" {
		t.Error("other seeds, but equal nonces or addresses")
	}
}
