package node

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/btcsuite/btcd/wire/v2"

	"holdfast/connmgr"
)

// unblamed checks that nothing is held against any address of the book.
func (w *world) unblamed() {
	w.t.Helper()
	for e := range w.node.book.All() {
		if e.Attempts != 0 || w.node.inARow(e.Addr) != 0 {
			w.t.Errorf("%v is blamed: %d attempts, %d in a row", e.Addr, e.Attempts, w.node.inARow(e.Addr))
		}
	}
}

// dialsBegun is how many dials were told so far.
func (w *world) dialsBegun() (n int) {
	for _, e := range w.of(KindConnection) {
		if e.Type == connmgr.EventDialing {
			n++
		}
	}
	return n
}

// TestNetworkOff: no sessions, no dials, no questions, no way in; nobody is blamed, and
// all is back when it is on again.
func TestNetworkOff(t *testing.T) {
	for _, after := range []time.Duration{0, 10 * time.Millisecond, 50 * time.Millisecond, 90 * time.Millisecond, 130 * time.Millisecond, time.Second, 20 * time.Minute} {
		t.Run(after.String(), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				dns := &fakeDNS{delay: 40 * time.Millisecond, answer: func(host string) (list []netip.Addr, err error) {
					if host == "named.test" {
						return []netip.Addr{netip.MustParseAddr("11.22.0.1")}, nil
					}
					for i := range byte(20) {
						list = append(list, netip.AddrFrom4([4]byte{11, i, 0, 1}))
					}
					return list, nil
				}}
				w := newWorld(t, Config{
					Seeds: []Seed{{Host: "seed.test"}}, Resolver: dns, Listen: []string{listenAt},
					AddPeer: []string{"11.20.0.1", "11.21.0.1", "named.test"}, Feelers: 10 * time.Second,
				}, honest(23)...)
				go comeIn(w, net.IPv4(30, 1, 1, 1))
				wait(after)
				w.node.SetNetworkActive(false)
				if w.node.NetworkActive() {
					t.Error("it is on")
				}
				wait(0)
				begun := w.dialsBegun()
				if n := len(w.peers()); n != 0 {
					t.Errorf("%d sessions at the moment when it is off", n)
				}
				wait(10 * time.Second) // what was on its way
				dials, asked := w.fabric.Stats().Dials, dns.count()
				if s := w.node.cm.Snapshot(); len(s.Requests) != 0 || dns.opened() != 0 {
					t.Errorf("%+v, %d questions are open", s.Requests, dns.opened())
				}
				for range 24 {
					wait(time.Hour)
					if r, err := w.tryDialIn("30.2.2.2"); err == nil {
						dials++ // ours
						if m := r.next(); m != nil {
							t.Errorf("got %s", m.Command())
						}
					}
				}
				if d, q := w.fabric.Stats().Dials-dials, dns.count()-asked; d != 0 || q != 0 || len(w.peers()) != 0 {
					t.Errorf("%d dials, %d questions in a day, %d sessions", d, q, len(w.peers()))
				}
				if n := w.dialsBegun() - begun; n != 0 {
					t.Errorf("%d dials are told", n)
				}
				w.unblamed()
				for _, p := range w.node.AddedPeers() {
					if p.Peer != nil || !p.NextTry.IsZero() || !errors.Is(p.Err, ReasonNetworkOff) {
						t.Errorf("%+v", p)
					}
				}
				if err := w.node.TryPeer("11.0.0.1"); !errors.Is(err, ReasonNetworkOff) {
					t.Errorf("try: %v", err)
				}

				w.node.SetNetworkActive(true)
				wait(time.Minute)
				if c := w.node.Counts(); c.Outbound != 8 || c.Permanent != 3 {
					t.Errorf("on again: %v", c)
				}
				w.dialIn("30.3.3.3").shake()
				told := w.of(KindNetworkActive)
				if len(told) != 2 || told[0].Text != "off" || told[1].Text != "on" || told[0].Level() != slog.LevelInfo {
					t.Errorf("%v", told)
				}
				for _, e := range append(w.of(KindLost), w.of(KindUnready)...) {
					if e.Why != ReasonNetworkOff && e.Why != ReasonProbed && e.Why != ReasonDuplicate {
						t.Errorf("%v", e)
					}
				}
				w.noUnknownID()
			})
		})
	}
}

// TestNetworkOffAndAgain: to switch it often changes nothing, and to switch it to what
// it is does nothing.
func TestNetworkOffAndAgain(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, Config{Seeds: fabricSeeds(12), AddPeer: []string{"11.11.0.1"}}, honest(12)...)
		for i := range 100 {
			w.node.SetNetworkActive(i%2 == 1)
			w.node.SetNetworkActive(i%2 == 1)
			wait(time.Duration(i%7) * 30 * time.Millisecond)
		}
		wait(time.Minute)
		if c := w.node.Counts(); c.Outbound != 8 || c.Permanent != 1 {
			t.Errorf("%v", c)
		}
		if n := len(w.of(KindNetworkActive)); n != 100 {
			t.Errorf("told %d times", n)
		}
		w.unblamed()
		w.node.mu.Lock()
		if n := len(w.node.anchors); n > 2 {
			t.Errorf("%d anchors", n)
		}
		w.node.mu.Unlock()
	})
}

// TestNetworkOffFirst: a node may begin with networking off, and end with it. Its last
// peers are the first to be dialed at the next start all the same.
func TestNetworkOffFirst(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		dir := t.TempDir()
		w := newWorld(t, Config{DataDir: dir, Seeds: fabricSeeds(60), AddPeer: []string{"11.11.0.1"}}, honest(60)...)
		wait(time.Minute)
		longest := w.node.longest()
		w.node.SetNetworkActive(false)
		wait(time.Minute)
		w.stop()
		w.node.SetNetworkActive(true) // of no effect any more
		if w.node.NetworkActive() || len(w.of(KindNetworkActive)) != 1 {
			t.Error("it was switched on after the end")
		}

		dials := w.fabric.Stats().Dials
		off := Config{DataDir: dir, Seeds: fabricSeeds(60), AddPeer: []string{"11.11.0.1"}}
		var mu sync.Mutex
		var first []net.Addr
		dial := w.fabric.Dialer(ourAddr)
		off.Dial = func(ctx context.Context, a net.Addr) (net.Conn, error) {
			mu.Lock()
			first = append(first, a)
			mu.Unlock()
			return dial(ctx, a)
		}
		w.startWith(off, func(n *Node) { n.SetNetworkActive(false) })
		wait(time.Hour)
		if d := w.fabric.Stats().Dials - dials; d != 0 {
			t.Errorf("%d dials", d)
		}
		w.node.SetNetworkActive(true)
		wait(time.Minute)
		if c := w.node.Counts(); c.Outbound != 8 || c.Permanent != 1 {
			t.Errorf("%v", c)
		}
		for _, a := range longest {
			found := false
			for _, b := range first[:min(len(first), 9)] { // eight are asked for at once, beside the added one
				found = found || a.String() == b.String()
			}
			if !found {
				t.Errorf("the anchor %v is not among the first to be dialed: %v", a, first)
			}
		}
	})
}

// TestNetworkOnTriesAgain: what waited for our network, or for a better time, is tried at
// once.
func TestNetworkOnTriesAgain(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, Config{Seeds: fabricSeeds(4), AddPeer: []string{"11.4.0.1"}, TargetOutbound: 2}, honest(5)...)
		wait(time.Minute)
		w.fabric.SetUp(false)
		w.fabric.Reset(nil)
		wait(2 * time.Hour)
		w.node.SetNetworkActive(false)
		w.fabric.SetUp(true)
		wait(time.Second)
		w.node.SetNetworkActive(true)
		wait(time.Second)
		if c := w.node.Counts(); c.Permanent != 1 || c.Outbound != 2 {
			t.Errorf("a second later: %v", c)
		}
	})
}

// TestNetworkOffBeatsWhoIsLate: a dial that begins after all others were given up.
func TestNetworkOffBeatsWhoIsLate(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, Config{Seeds: []Seed{}}, honest(1)...)
		wait(time.Second)
		w.node.SetNetworkActive(false)
		err := w.node.cm.ConnectContext(context.Background(), &connmgr.ConnReq{Addr: endpointAddr(addedAt), Class: ClassFeeler})
		if !errors.Is(err, ReasonNetworkOff) || w.fabric.Stats().Dials != 0 {
			t.Errorf("%v, %d dials", err, w.fabric.Stats().Dials)
		}
	})
}

// TestDisconnect ends sessions by id, by address, by host and by name; who is kept comes
// back.
func TestDisconnect(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		dns := &fakeDNS{answer: func(string) ([]netip.Addr, error) { return []netip.Addr{netip.MustParseAddr("11.0.0.1")}, nil }}
		w := newWorld(t, Config{AddPeer: []string{"node.test", "11.1.0.1"}, Resolver: dns, TargetOutbound: -1, Listen: []string{listenAt}}, honest(2)...)
		for range 2 {
			go comeIn(w, net.IPv4(30, 1, 1, 1))
		}
		wait(time.Minute)
		for _, tt := range []struct {
			addr string
			want int
		}{
			{"", 0},
			{"11.9.0.1", 0},
			{"11.1.0.1:18445", 0},
			{"11.1.0.1:18444", 1},
			{"11.1.0.1:18444", 0},
			{"::ffff:11.0.0.1", 1}, // where the name leads to
			{"30.1.1.1", 2},
		} {
			if got := w.node.DisconnectAddr(tt.addr); got != tt.want {
				t.Errorf("%q: %d ended, want %d", tt.addr, got, tt.want)
			}
		}
		wait(time.Minute)
		if c := w.node.Counts(); c.Permanent != 2 || c.Inbound != 0 {
			t.Errorf("%v", c)
		}
		if n := w.node.DisconnectAddr("NODE.test"); n != 1 {
			t.Errorf("%d by name", n)
		}
		wait(time.Second)
		id := w.peers()[0].ID
		if !w.node.Disconnect(id) || w.node.Disconnect(id) || w.node.Disconnect(1<<60) {
			t.Error("by id: the first time only")
		}
		for _, e := range w.of(KindLost) {
			if e.Why != ReasonOperator {
				t.Errorf("%v", e)
			}
		}
		wait(time.Minute)
		w.noUnknownID()
	})
}

// TestDisconnectIsNoBlame: what the operator ends says nothing of the address.
func TestDisconnectIsNoBlame(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, Config{TargetOutbound: 2, Seeds: fabricSeeds(8)}, honest(8)...)
		wait(time.Minute)
		for _, p := range w.peers() {
			w.node.Disconnect(p.ID)
		}
		wait(time.Minute)
		if c := w.node.Counts(); c.Outbound != 2 || len(w.of(KindLost)) != 2 {
			t.Errorf("%v", c)
		}
		w.unblamed()
	})
}

// TestPingOften: however often it is asked for, a peer is pinged once a second, and its
// answers are no flood.
func TestPingOften(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := scripted(t, Config{})
		r := w.dialIn("8.8.8.8")
		r.send(version(), wire.NewMsgVerAck())
		var pings atomic.Int32
		go func() {
			for m := r.next(); m != nil; m = r.next() {
				if p, ok := m.(*wire.MsgPing); ok {
					pings.Add(1)
					r.send(wire.NewMsgPong(p.Nonce))
				}
			}
		}()
		for range 6000 {
			w.node.Ping()
			wait(10 * time.Millisecond)
		}
		if n := pings.Load(); n < 50 || n > 61 {
			t.Errorf("%d pings in a minute", n)
		}
		w.unblamed()
	})
}

// TestPing pings at once, and not twice.
func TestPing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := scripted(t, Config{})
		w.node.Ping() // nobody
		r := w.dialIn("8.8.8.8")
		r.send(version())
		w.node.Ping() // in its handshake: it is pinged when that is done
		r.until(wire.CmdVersion)
		r.send(wire.NewMsgVerAck())
		first := r.until(wire.CmdPing).(*wire.MsgPing)
		w.node.Ping()
		wait(time.Second)
		if p := w.peers()[0]; p.PingWait < time.Second || p.PingWait > 2*time.Second {
			t.Errorf("waits for %v", p.PingWait)
		}
		r.send(wire.NewMsgPong(first.Nonce))
		wait(time.Second)
		w.node.Ping()
		began := time.Now()
		second := r.until(wire.CmdPing).(*wire.MsgPing)
		if took := time.Since(began); took > time.Second || second.Nonce == first.Nonce {
			t.Errorf("after %v, %d then %d", took, first.Nonce, second.Nonce)
		}
		r.send(wire.NewMsgPong(second.Nonce))
		wait(time.Second)
		p := w.peers()[0]
		if p.PingWait != 0 || p.MinPing == 0 || p.MinPing > p.Ping && p.Ping != 0 {
			t.Errorf("%v, least %v, waits %v", p.Ping, p.MinPing, p.PingWait)
		}
	})
}
