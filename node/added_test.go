package node

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/btcsuite/btcd/chaincfg/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"holdfast/connmgr"
)

// requests returns connmgr's requests of a class.
func (w *world) requests(c connmgr.Class) []connmgr.RequestInfo {
	var list []connmgr.RequestInfo
	for _, r := range w.node.cm.Snapshot().Requests {
		if r.Class == c {
			list = append(list, r)
		}
	}
	return list
}

// nothingAdded checks that nothing is left of peers that were added.
func (w *world) nothingAdded() {
	w.t.Helper()
	n := w.node
	if len(w.requests(ClassManual))+len(w.requests(ClassTry)) > 0 || len(n.AddedPeers()) > 0 {
		w.t.Errorf("left: %+v, %+v", n.cm.Snapshot().Requests, n.AddedPeers())
	}
	for _, p := range w.peers() {
		if p.Permanent {
			w.t.Errorf("left: %+v", p)
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	start, _ := n.cfg.budget().divide(0)
	if len(n.chosen) > 0 || n.tries != 0 || n.shares != start {
		w.t.Errorf("left: chosen %v, %d tried, places %+v, %+v at the start", n.chosen, n.tries, n.shares, start)
	}
	if d := n.cm.Snapshot().Networks; slices.ContainsFunc(d, func(i connmgr.NetworkInfo) bool { return i.Parked > 0 }) {
		w.t.Errorf("left: %+v", d)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

const addedAt = "11.0.0.1:18444"

// TestDefect11RemoveRemoves: btcd's "addnode remove" closes the connection and dials it
// again in 5 s, and says of a peer that cannot be reached that there is none, and dials
// it for ever. Here it is over, whatever the peer was at.
func TestDefect11RemoveRemoves(t *testing.T) {
	remove := func(w *world) { must(w.t, w.node.RemovePeer(" 11.0.0.1 ")) } // the port may be left out
	for _, tt := range []struct {
		name  string
		begin func(*world) // the peer was added after this
		after time.Duration
	}{
		{"connected", func(w *world) { w.serve(true) }, time.Minute},
		{"in its handshake", func(w *world) { w.serve(false) }, time.Second},
		{"waiting for its retry", func(*world) {}, time.Minute},
		{"being dialed", func(w *world) { w.fabric.BlackHole(endpointAddr(addedAt), true) }, time.Second},
		{"at once", func(w *world) { w.serve(true) }, 0},
		{"on the way back", func(w *world) { w.serve(true) }, 30 * time.Millisecond},
		{"waiting for our network", func(w *world) { w.fabric.SetUp(false) }, 10 * time.Minute},
		{"while networking is off", func(w *world) { w.node.SetNetworkActive(false) }, time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := scripted(t, Config{TargetOutbound: -1})
				tt.begin(w)
				must(t, w.node.AddPeer("11.0.0.1"))
				wait(tt.after)
				if tt.name == "waiting for our network" && w.node.cm.Snapshot().Networks[0].Parked != 1 {
					t.Fatal("it does not wait")
				}
				remove(w)
				wait(time.Second) // for who was connected to notice
				w.nothingAdded()
				w.fabric.SetUp(true)
				w.node.SetNetworkActive(true)
				before := w.fabric.Dialed(endpointAddr(addedAt))
				wait(2 * time.Hour)
				if now := w.fabric.Dialed(endpointAddr(addedAt)); now != before {
					t.Errorf("dialed %d times more\n%s", now-before, w.lines())
				}
				if err := w.node.RemovePeer(addedAt); !errors.Is(err, ErrNotAdded) {
					t.Errorf("removed twice: %v", err)
				}
				for _, e := range append(w.of(KindLost), w.of(KindUnready)...) {
					if e.Why != ReasonOperator && e.Why != ReasonNetworkOff {
						t.Errorf("%v", e)
					}
				}
				if n := len(w.of(KindRemoved)); n != 1 {
					t.Errorf("told %d times", n)
				}
				w.noUnknownID()
			})
		})
	}
}

// noUnknownID: nobody ended what had ended.
func (w *world) noUnknownID() {
	w.t.Helper()
	for _, e := range w.of(KindConnection) {
		if e.Type == connmgr.EventUnknownID {
			w.t.Errorf("%v", e)
		}
	}
}

func endpointAddr(text string) net.Addr { return dialable(endpoint(text)) }

// serve takes connections at addedAt, and shakes hands on them if answer is set.
func (w *world) serve(answer bool) {
	l := w.listenFor(addedAt).l
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			r := &remote{w.t, conn}
			if answer {
				r.send(version(), wire.NewMsgVerAck())
			}
			go func() {
				for r.next() != nil {
				}
				_ = conn.Close()
			}()
		}
	}()
}

// TestRemoveFromCallback: each event of a peer may be the occasion to remove it.
func TestRemoveFromCallback(t *testing.T) {
	for _, at := range []string{"added", "dialing", "connected", "ready", "lost", "retry-at"} {
		t.Run(at, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				var node atomic.Pointer[Node]
				var once sync.Once
				w := newWorld(t, Config{TargetOutbound: -1, OnEvent: func(e Event) {
					name := e.Kind.String()
					if e.Kind == KindConnection {
						name = e.Type.String()
					}
					if n := node.Load(); n != nil && name == at {
						once.Do(func() { must(t, n.RemovePeer(addedAt)) })
					}
				}}, honest(1)...)
				node.Store(w.node)
				must(t, w.node.AddPeer(addedAt))
				wait(time.Minute)
				w.fabric.Reset(endpointAddr(addedAt)) // so that it is lost
				wait(time.Hour)
				w.nothingAdded()
				w.noUnknownID()
			})
		})
	}
}

// TestAddPeer: it is kept like those of the Config, and shown.
func TestAddPeer(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, Config{AddPeer: []string{" 11.0.0.1 "}, TargetOutbound: -1}, honest(3)...)
		wait(time.Second)
		for _, text := range []string{"11.1.0.1:18444", "11.2.0.1", "named.invalid"} {
			must(t, w.node.AddPeer(text))
		}
		if c := w.node.Counts(); c.Wanted != 4 {
			t.Errorf("%v", c)
		}
		wait(time.Minute)
		w.net.Peers()[2].Stop()
		wait(10 * time.Minute)
		added := w.node.AddedPeers()
		if len(added) != 4 {
			t.Fatalf("%+v", added)
		}
		for i, want := range []struct {
			addr      string
			connected bool
			state     connmgr.ConnState
		}{
			{"11.0.0.1", true, connmgr.ConnEstablished},
			{"11.1.0.1:18444", true, connmgr.ConnEstablished},
			{"11.2.0.1", false, connmgr.ConnFailing},
			{"named.invalid", false, connmgr.ConnFailing},
		} {
			p := added[i]
			if p.Addr != want.addr || (p.Peer != nil) != want.connected || p.State != want.state {
				t.Errorf("%+v, want %+v", p, want)
			}
			if why := p.Reason != connmgr.ReasonNone && p.Err != nil && p.NextTry.After(time.Now()); why == want.connected {
				t.Errorf("%s: %v, %v, next at %v", p.Addr, p.Reason, p.Err, p.NextTry)
			}
			if want.connected && (p.Peer.State != StateReady || !p.Peer.Permanent || len(p.Peer.SentBy) == 0) {
				t.Errorf("%+v", p.Peer)
			}
		}
		must(t, w.net.Peers()[2].Start())
		wait(6 * time.Minute)
		if c := w.node.Counts(); c.Permanent != 3 {
			t.Errorf("after it is back: %v", c)
		}
	})
}

// TestAddPeerRefuses what cannot be kept, and changes nothing then.
func TestAddPeerRefuses(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, Config{AddPeer: []string{"11.0.0.1", "node.test"}, TargetOutbound: -1, MaxAddPeers: 3})
		wait(time.Second)
		for _, text := range []string{"", ":1", "1.2.3.4:0", "1.2.3.4:99999", "a b", "[::1", strings.Repeat("a", 56) + ".onion"} {
			for _, err := range []error{w.node.AddPeer(text), w.node.TryPeer(text)} {
				var e *ConfigError
				if !errors.As(err, &e) || e.Value != text {
					t.Errorf("%q: %v", text, err)
				}
			}
			if err := w.node.RemovePeer(text); !errors.Is(err, ErrNotAdded) {
				t.Errorf("%q: %v", text, err)
			}
		}
		for _, text := range []string{"11.0.0.1", "11.0.0.1:18444", "::ffff:11.0.0.1", "[::ffff:11.0.0.1]:18444", "NODE.test"} {
			if err := w.node.AddPeer(text); !errors.Is(err, ErrAdded) {
				t.Errorf("%q: %v", text, err)
			}
		}
		must(t, w.node.AddPeer("11.0.0.2"))
		if err := w.node.AddPeer("11.0.0.3"); !errors.Is(err, ErrTooManyAdded) {
			t.Errorf("the fourth of three: %v", err)
		}
		if c := w.node.Counts(); c.Wanted != 3 || len(w.requests(ClassManual)) != 3 {
			t.Errorf("%v", c)
		}
	})
}

// TestAddPeerHoldsMaxPeers: an added peer takes the place of an inbound one, or where
// none are an automatic one's, and gives it back.
func TestAddPeerHoldsMaxPeers(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, Config{MaxPeers: 12, TargetOutbound: 4, MaxAddPeers: 100, Seeds: fabricSeeds(6), Listen: []string{listenAt}}, honest(30)...)
		wait(time.Minute)
		for i := range byte(7) { // 12-4-1
			go comeIn(w, net.IPv4(30, i, 1, 1))
			wait(time.Second)
		}
		most := 0
		var stop atomic.Bool
		defer stop.Store(true)
		go func() {
			for !stop.Load() {
				time.Sleep(time.Millisecond)
				most = max(most, w.node.cm.Snapshot().Inbound.Open+w.node.Counts().Outbound+w.node.Counts().Permanent)
			}
		}()
		for i := range 11 {
			must(t, w.node.AddPeer(fmt.Sprintf("11.%d.0.1", 10+i)))
			wait(10 * time.Second)
			if c := w.node.Counts(); c.Permanent != i+1 || len(w.peers()) > 12 || c.Target != min(4, 12-1-(i+1)) {
				t.Fatalf("%d added: %v, %d sessions\n%s", i+1, c, len(w.peers()), w.lines())
			}
		}
		if err := w.node.AddPeer("11.29.0.1"); !errors.Is(err, ErrTooManyAdded) {
			t.Errorf("the 12th beside a feeler: %v", err)
		}
		if most > 12 {
			t.Errorf("at most %d of 12", most)
		}
		for i := range 11 {
			must(t, w.node.RemovePeer(fmt.Sprintf("11.%d.0.1", 10+i)))
		}
		go comeIn(w, net.IPv4(30, 99, 1, 1))
		wait(10 * time.Minute)
		if c := w.node.Counts(); c.Outbound != 4 || c.Inbound != 1 || c.Permanent != 0 {
			t.Errorf("all removed: %v", c)
		}
		stop.Store(true)
		wait(time.Second)
		w.nothingAdded()
	})
}

// comeIn dials in and shakes hands, and reads whatever comes.
func comeIn(w *world, ip net.IP) {
	r, err := w.tryDialIn(ip.String())
	if err != nil {
		return
	}
	r.send(version(), wire.NewMsgVerAck())
	for r.next() != nil {
	}
}

// TestAddPeerThatIsAutomatic at present: the automatic connection makes room for one
// that is kept, and another one takes its slot.
func TestAddPeerThatIsAutomatic(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, Config{TargetOutbound: 3, Seeds: fabricSeeds(6)}, honest(6)...)
		wait(time.Minute)
		addr := w.peers()[0].Addr.String()
		must(t, w.node.AddPeer(addr))
		wait(time.Minute)
		if c := w.node.Counts(); c.Outbound != 3 || c.Permanent != 1 {
			t.Errorf("%v\n%s", c, w.lines())
		}
		for _, p := range w.peers() {
			if (p.Addr.String() == addr) != p.Permanent {
				t.Errorf("%+v", p)
			}
		}
		for _, p := range w.net.Peers() {
			if n := len(p.Conns()); n > 1 {
				t.Errorf("%d connections to %v", n, p.Addr())
			}
		}
		w.noUnknownID()
	})
}

// TestAddPeerWhileItIsDialed: an automatic dial, a feeler or a try of the address makes
// room too.
func TestAddPeerWhileItIsDialed(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, Config{TargetOutbound: 1, Seeds: []Seed{{Host: addedAt}}}, honest(1)...)
		w.fabric.BlackHole(endpointAddr(addedAt), true)
		wait(5 * time.Second)
		if n := len(w.requests(connmgr.ClassOutbound)); n != 1 {
			t.Fatalf("%d automatic dials", n)
		}
		must(t, w.node.AddPeer(addedAt))
		wait(time.Second)
		if a, m := w.requests(connmgr.ClassOutbound), w.requests(ClassManual); len(a) != 0 || len(m) != 1 {
			t.Errorf("%+v, %+v", a, m)
		}
		must(t, w.node.RemovePeer(addedAt))
		must(t, w.node.TryPeer(addedAt))
		must(t, w.node.AddPeer(addedAt))
		w.fabric.BlackHole(endpointAddr(addedAt), false)
		wait(time.Minute)
		if c := w.node.Counts(); c.Permanent != 1 || c.Wanted != 1 {
			t.Errorf("%v", c)
		}
	})
}

// TestAddedSelf: a peer that turns out to be this node is not tried again, and says why.
func TestAddedSelf(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := scripted(t, Config{TargetOutbound: -1})
		must(t, w.node.AddPeer(listenAt))
		wait(time.Minute)
		p := w.node.AddedPeers()
		if len(p) != 1 || !errors.Is(p[0].Err, ReasonSelf) || p[0].Peer != nil || !p[0].NextTry.IsZero() {
			t.Errorf("%+v", p)
		}
		must(t, w.node.RemovePeer(listenAt))
		w.nothingAdded()
		w.noUnknownID()
	})
}

// TestAddedIsNoAutomatic: who is added is not chosen by itself any more, until it is
// removed; and that holds for each of its ways in.
func TestAddedIsNoAutomatic(t *testing.T) {
	n, err := New(Config{Params: &chaincfg.RegressionNetParams, TargetOutbound: 1})
	must(t, err)
	defer n.Close()
	knows(t, n, addedAt)
	for range 2 {
		must(t, n.AddPeer(addedAt))
		if a, err := n.newAddress(); err == nil {
			t.Errorf("chosen while it is added: %v", a)
		}
		must(t, n.RemovePeer(netip.MustParseAddrPort(addedAt).Addr().String()))
		if _, err := n.newAddress(); err != nil {
			t.Errorf("not chosen after it was removed: %v", err)
		}
	}
}
