package node

import (
	"context"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"holdfast/connmgr"
	"holdfast/netaddr"
	"holdfast/simnet"
	"holdfast/socks"
)

// TestNamedAndAutomatic: a fixed peer that is given by name is nobody's second
// connection, and none of its group is an automatic peer, whoever came first.
func TestNamedAndAutomatic(t *testing.T) {
	for _, resolves := range []time.Duration{0, time.Millisecond, 50 * time.Millisecond, 70 * time.Millisecond, 5 * time.Second} {
		t.Run(resolves.String(), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				here := netip.MustParseAddr("11.0.0.1")
				dns := &fakeDNS{delay: resolves}
				dns.answer = func(string) ([]netip.Addr, error) { return []netip.Addr{here}, nil }
				near := &net.TCPAddr{IP: net.IPv4(11, 0, 9, 9), Port: 18444}
				specs := append(honest(4), simnet.Spec{Addr: near, Gossip: make([]simnetAddr, 0)})
				w := newWorld(t, Config{
					AddPeer: []string{"named.test"}, Resolver: dns, Feelers: -1, TargetOutbound: 4,
					Seeds: append(fabricSeeds(4), Seed{Host: near.String()}),
				}, specs...)
				same := w.net.Peers()[0]
				wait(2 * time.Minute)
				dials := w.fabric.Dialed(same.Addr()) + w.fabric.Dialed(near)
				wait(2 * time.Hour)
				if c := w.node.Counts(); c.Permanent != 1 || c.Outbound != 3 {
					t.Errorf("%v", c)
				}
				if n := len(same.Conns()); n != 1 {
					t.Errorf("%d connections to the one that has a name", n)
				}
				if n := len(w.net.Peers()[4].Conns()); n != 0 {
					t.Errorf("%d connections to its group", n)
				}
				if n := w.fabric.Dialed(same.Addr()) + w.fabric.Dialed(near) - dials; n != 0 {
					t.Errorf("they were dialed %d times more in vain", n)
				}
				ended := append(w.of(KindLost), w.of(KindUnready)...)
				for _, e := range ended {
					if e.Why != ReasonDuplicate || e.Class != connmgr.ClassOutbound {
						t.Errorf("ended: %v", e)
					}
				}
				if resolves == 5*time.Second && len(ended) != 1 {
					t.Errorf("%d sessions ended, want 1", len(ended))
				}
				// It is not the address's fault.
				for _, a := range []netaddr.Addr{endpoint("11.0.0.1:18444"), endpoint("11.0.9.9:18444")} {
					if e, _ := w.node.book.Lookup(a); e.Attempts != 0 || w.node.inARow(a) != 0 {
						t.Errorf("%v has failed %d times, %d in a row", a, e.Attempts, w.node.inARow(a))
					}
				}

				// The name moves: who had it is one like others.
				dns.mu.Lock()
				here = netip.MustParseAddr("11.1.0.1")
				dns.mu.Unlock()
				w.fabric.Reset(same.Addr())
				wait(10 * time.Minute)
				for i, want := range []int{1, 1, 1, 1} {
					if i == 0 { // or the other one of its group
						want -= len(w.net.Peers()[4].Conns())
					}
					if n := len(w.net.Peers()[i].Conns()); n != want {
						t.Errorf("after the name has moved: %d connections to peer %d, want %d", n, i, want)
					}
				}
			})
		})
	}
}

// TestDialedMeanwhile: who is dialed automatically before the fixed peer has come, and
// connects after it, becomes no peer.
func TestDialedMeanwhile(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		dns := &fakeDNS{delay: 100 * time.Millisecond}
		dns.answer = func(string) ([]netip.Addr, error) { return []netip.Addr{netip.MustParseAddr("11.0.0.1")}, nil }
		w := newWorld(t, Config{Seeds: []Seed{}}, honest(1)...)
		w.stop()
		dial := w.fabric.Dialer(ourAddr)
		var dialed atomic.Int32
		w.start(Config{
			AddPeer: []string{"named.test"}, Resolver: dns, Seeds: fabricSeeds(1), Feelers: -1,
			Dial: func(ctx context.Context, addr net.Addr) (net.Conn, error) {
				if dialed.Add(1) == 1 {
					time.Sleep(time.Second)
				}
				return dial(ctx, addr)
			},
		})
		wait(time.Minute)
		ended := w.of(KindUnready)
		if len(ended) != 1 || ended[0].Why != ReasonDuplicate || ended[0].Class != connmgr.ClassOutbound {
			t.Errorf("ended: %v", ended)
		}
		if c := w.node.Counts(); c.Permanent != 1 || c.Outbound != 0 || len(w.of(KindReady)) != 1 || dialed.Load() != 2 {
			t.Errorf("%v, %d became peers, %d dials", c, len(w.of(KindReady)), dialed.Load())
		}
	})
}

// TestDuplicateOf: automatic peers only are too many, and only of a fixed peer that is
// there.
func TestDuplicateOf(t *testing.T) {
	at := func(text string) *net.TCPAddr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(text)) }
	same, near, far := at("11.0.0.1:18444"), at("11.0.9.9:18444"), at("11.1.0.1:18444")
	for _, tt := range []struct {
		name  string
		state State // of the fixed one
		addr  *net.TCPAddr
		req   *connmgr.ConnReq
		want  bool
	}{
		{"the same", StateReady, same, &connmgr.ConnReq{Class: connmgr.ClassOutbound}, true},
		{"of its group", StateReady, near, &connmgr.ConnReq{Class: connmgr.ClassOutbound}, true},
		{"of another group", StateReady, far, &connmgr.ConnReq{Class: connmgr.ClassOutbound}, false},
		{"it shakes hands still", StateHandshake, same, &connmgr.ConnReq{Class: connmgr.ClassOutbound}, false},
		{"fixed, too", StateReady, near, &connmgr.ConnReq{Class: ClassManual, Permanent: true}, false},
		{"a feeler", StateReady, near, &connmgr.ConnReq{Class: ClassFeeler}, false},
		{"a seed node", StateReady, near, &connmgr.ConnReq{Class: ClassSeed}, false},
		{"inbound", StateReady, same, nil, false},
	} {
		n := atRest(t, Config{})
		fixed := n.newSession(&feed{remote: *same}, &connmgr.ConnReq{Addr: hostAddr{"a.test", 18444}, Permanent: true, Class: ClassManual})
		fixed.facts.State = tt.state
		n.enter(fixed)
		if tt.req != nil {
			tt.req.Addr = tt.addr
		}
		s := n.newSession(&feed{remote: *tt.addr}, tt.req)
		n.enter(s)
		if of, ok := s.duplicateOf(); ok != tt.want || ok && of != fixed {
			t.Errorf("%s: %v", tt.name, ok)
		}
	}
}

// TestWhereabouts are known only of fixed peers that are given by name, and only where
// there is no proxy in between.
func TestWhereabouts(t *testing.T) {
	there := net.TCPAddr{IP: net.IPv4(11, 0, 0, 1), Port: 18444}
	for _, tt := range []struct {
		name  string
		proxy *socks.Dialer
		req   *connmgr.ConnReq
		ok    bool
	}{
		{"fixed, by name", nil, &connmgr.ConnReq{Addr: hostAddr{"a.test", 1}, Permanent: true, Class: ClassManual}, true},
		{"fixed, by address", nil, &connmgr.ConnReq{Addr: &there, Permanent: true, Class: ClassManual}, false},
		{"a seed node", nil, &connmgr.ConnReq{Addr: hostAddr{"a.test", 1}, Class: ClassSeed}, false},
		{"automatic", nil, &connmgr.ConnReq{Addr: &there}, false},
		{"inbound", nil, nil, false},
		{"through a proxy", &socks.Dialer{Proxy: "127.0.0.1:9050"}, &connmgr.ConnReq{Addr: hostAddr{"a.test", 1}, Permanent: true, Class: ClassManual}, false},
	} {
		n := atRest(t, Config{Proxy: tt.proxy})
		a, ok := n.newSession(&feed{remote: there}, tt.req).whereabouts()
		if ok != tt.ok || ok && a != endpoint("11.0.0.1:18444") {
			t.Errorf("%s: %v, %v", tt.name, a, ok)
		}
	}
}

// TestFeelersMayTestTheGroup of a fixed peer that is given by name, but not the peer.
func TestFeelersMayTestTheGroup(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		dns := &fakeDNS{answer: func(string) ([]netip.Addr, error) { return []netip.Addr{netip.MustParseAddr("11.0.0.1")}, nil }}
		w := newWorld(t, Config{AddPeer: []string{"named.test"}, Resolver: dns, Seeds: []Seed{}}, honest(1)...)
		wait(time.Second)
		for text, want := range map[string][2]bool{
			"11.0.0.1:18444": {false, false},
			"11.0.0.1:18445": {false, true},
			"11.0.9.9:18444": {false, true},
			"11.1.0.1:18444": {true, true},
		} {
			a := endpoint(text)
			if got := [2]bool{w.node.fits(a, connmgr.ClassOutbound), w.node.fits(a, ClassFeeler)}; got != want {
				t.Errorf("%s fits an automatic place, a feeler: %v, want %v", text, got, want)
			}
		}
	})
}
