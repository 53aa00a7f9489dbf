package connmgr

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// The faults of btcd's connmgr that are about whom it dials and how often,
// numbered as in README.md, shown to be absent.

func TestDefect02PeersThatAcceptAndDrop(t *testing.T) {
	tests := []struct {
		name string
		fail func(n int64) bool // of the n-th dial
		drop func(cm *ConnManager, id uint64)
	}{
		{"Remove and NewConnReq", nil, func(cm *ConnManager, id uint64) {
			cm.Remove(id)
			cm.NewConnReq()
		}},
		{"Disconnect", nil, func(cm *ConnManager, id uint64) { cm.Disconnect(id) }},
		{"19 of 20 fail", func(n int64) bool { return n%20 != 0 }, func(cm *ConnManager, id uint64) {
			cm.Remove(id)
			cm.NewConnReq()
		}},
		{"handshake and drop", nil, func(cm *ConnManager, id uint64) {
			cm.MarkGood(id)
			cm.Remove(id)
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				var n atomic.Int64
				w.answer = func(context.Context, net.Addr) error {
					if test.fail != nil && test.fail(n.Add(1)) {
						return errRefused
					}
					return nil
				}
				var cm *ConnManager
				cm = w.manager(Config{
					GetNewAddress: addresses(),
					OnConnection:  func(c *ConnReq, _ net.Conn) { test.drop(cm, c.ID()) },
				})
				cm.Start()
				time.Sleep(time.Minute)
				// btcd: 100,000 to 200,000 dials a second. Here 25 are free, and
				// 25 more for each connection that is open just then; and then
				// each of 8 slots pauses for 4 to 5 s after each.
				if n := w.dials.Load(); n > 25*(1+8)+8*16 {
					t.Errorf("%d dials in a minute", n)
				} else if n < 25+8*11 {
					t.Errorf("only %d dials in a minute: are slots refilled?", n)
				}
				t.Logf("%d dials in a minute", w.dials.Load())
			})
		})
	}
}

func TestDefect02PermanentPeerThatDrops(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		var cm *ConnManager
		cm = w.manager(Config{OnConnection: func(c *ConnReq, _ net.Conn) { cm.Disconnect(c.ID()) }})
		cm.Start()
		cm.Connect(&ConnReq{Addr: someAddr, Permanent: true})
		time.Sleep(2 * time.Hour)
		times := w.dialTimes()
		for i := 1; i < len(times); i++ {
			gap := times[i] - times[i-1]
			want := min(time.Duration(i)*defaultRetryDuration, maxRetryDuration)
			if gap > want || gap < want*8/10 {
				t.Errorf("gap %d is %v, want up to %v", i, gap, want)
			}
		}
		if len(times) < 50 || len(times) > 90 {
			t.Errorf("%d dials in two hours", len(times))
		}
		t.Logf("%d dials in two hours", len(times))
	})
}

func TestDefect04PermanentSurvivesTwoDisconnects(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		var hangs atomic.Bool
		w.answer = func(ctx context.Context, a net.Addr) error {
			if hangs.Load() {
				return hang(ctx, a)
			}
			return nil
		}
		cm := w.manager(Config{})
		cm.Start()
		c := &ConnReq{Addr: someAddr, Permanent: true}
		cm.Connect(c)
		cm.Disconnect(c.ID())
		cm.Disconnect(c.ID())
		cm.Disconnect(c.ID())
		if c.State() != ConnPending {
			t.Errorf("state %v after Disconnect, want pending", c.State())
		}
		time.Sleep(defaultRetryDuration)
		synctest.Wait()
		if c.State() != ConnEstablished || w.dials.Load() != 2 {
			t.Errorf("state %v after %d dials, want established after 2", c.State(), w.dials.Load())
		}

		// Nor is it lost by a Disconnect while it is dialed.
		hangs.Store(true)
		cm.Disconnect(c.ID())
		time.Sleep(time.Minute)
		cm.Disconnect(c.ID())
		hangs.Store(false)
		time.Sleep(time.Minute)
		if c.State() != ConnEstablished {
			t.Errorf("state %v, want established", c.State())
		}
	})
}

func TestDefect05OneShotsDoNotGrowTheTarget(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		bad := addrN(9999)
		w.answer = func(_ context.Context, a net.Addr) error {
			if a.String() == bad.String() {
				return errRefused
			}
			return nil
		}
		cm := w.manager(Config{GetNewAddress: addresses()})
		cm.Start()
		for range 20 {
			cm.Connect(&ConnReq{Addr: bad})
		}
		for range 20 {
			cm.NewConnReq()
		}
		time.Sleep(time.Minute)
		if n := cm.Snapshot().Outbound.Connected; n != 8 || w.open.Load() != 8 {
			t.Errorf("%d automatic connections, %d open, want 8 (btcd: 28)", n, w.open.Load())
		}
	})
}

func TestDefect05ReconnectBesidePermanents(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		cm := w.manager(Config{GetNewAddress: addresses()})
		cm.Start()
		for i := range 8 {
			cm.Connect(&ConnReq{Addr: addrN(5000 + i), Permanent: true})
		}
		synctest.Wait()
		var auto []RequestInfo
		for _, r := range cm.Snapshot().Requests {
			if r.Automatic {
				auto = append(auto, r)
				cm.Disconnect(r.ID, WithTriggerReconnect())
			}
		}
		if len(auto) != 8 || cm.Snapshot().Outbound.Connected != 0 {
			t.Fatalf("%d automatic connections before, %+v after", len(auto), cm.Snapshot().Outbound)
		}
		time.Sleep(defaultRetryDuration)
		synctest.Wait()
		for _, was := range auto {
			ids := cm.Lookup(was.Addr)
			if len(ids) != 1 || ids[0] != was.ID {
				t.Errorf("%v has requests %v, want %d again", was.Addr, ids, was.ID)
			}
		}
		if n := cm.Snapshot().Outbound.Connected; n != 8 {
			t.Errorf("%d automatic connections, want 8 (btcd: 0)", n)
		}
	})
}

func TestDefect05DisconnectInConnectOnlyMode(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		cm := w.manager(Config{})
		cm.Start()
		c := &ConnReq{Addr: someAddr}
		cm.Connect(c)
		cm.Disconnect(c.ID())
		time.Sleep(time.Hour)
		if c.State() != ConnDisconnected || len(cm.Snapshot().Requests) != 0 {
			t.Errorf("state %v, want disconnected (btcd: pending for ever)", c.State())
		}
	})
}

func TestDefect08OneConnectionAnAddress(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.answer = after(time.Second)
		cm := w.manager(Config{Unique: true, GetNewAddress: func() (net.Addr, error) { return someAddr, nil }})
		cm.Start()
		synctest.Wait()
		for i := range 16 {
			err := cm.ConnectContext(t.Context(), &ConnReq{Addr: someAddr, Permanent: i%2 == 0})
			if !errors.Is(err, ReasonDuplicate) {
				t.Fatalf("Connect number %d: %v, want duplicate", i, err)
			}
		}
		time.Sleep(time.Minute)
		if n := w.open.Load(); n != 1 {
			t.Errorf("%d connections to one address, want 1 (btcd: 16)", n)
		}
		if ids := cm.Lookup(someAddr); len(ids) != 1 {
			t.Errorf("requests %v for one address", ids)
		}
	})
}

func TestDefect09NoHerd(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.answer = func(context.Context, net.Addr) error { return errRefused }
		cm := w.manager(Config{})
		cm.Start()
		for i := range 1000 {
			cm.Connect(&ConnReq{Addr: addrN(i), Permanent: true})
		}
		time.Sleep(time.Minute) // four rounds of retries
		times := w.dialTimes()
		slices.Sort(times)
		times = times[1000:] // the first round is ours
		most := 0
		for i, j := 0, 0; i < len(times); i++ {
			for times[i]-times[j] >= 10*time.Millisecond {
				j++
			}
			most = max(most, i-j+1)
		}
		// btcd: 1000 of 1000 in one 10 ms window, in each round.
		if most > 40 {
			t.Errorf("%d of 1000 retries within 10 ms", most)
		}
		t.Logf("at most %d of 1000 retries within 10 ms", most)
	})
}

// A full node refuses a permanent peer each time it connects. btcd #577: it
// came back every 5 s for ever.
func TestDefect12FullHouseSlowsDown(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		var cm *ConnManager
		cm = w.manager(Config{
			OnConnection: func(c *ConnReq, _ net.Conn) {
				cm.Disconnect(c.ID(), WithCause(errors.New("max peers reached")))
			},
		})
		cm.Start()
		cm.Connect(&ConnReq{Addr: someAddr, Permanent: true})
		time.Sleep(time.Hour)
		if n := w.dials.Load(); n > 50 {
			t.Errorf("%d dials in an hour, want the back-off to grow (btcd: 720)", n)
		}
		t.Logf("%d dials in an hour", w.dials.Load())
	})
}

func TestDefect12TargetChangesWhileRunning(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		var disconnected atomic.Int64
		cm := w.manager(Config{GetNewAddress: addresses(), OnDisconnection: func(*ConnReq) { disconnected.Add(1) }})
		cm.Start()
		for _, target := range []uint32{8, 20, 3, 0, 5} {
			l := cm.Limits()
			l.TargetOutbound = target
			cm.SetLimits(l)
			time.Sleep(time.Second)
			if n := w.open.Load(); n != int64(target) {
				t.Errorf("%d connections, target %d", n, target)
			}
		}
		if n := disconnected.Load(); n != 20 {
			t.Errorf("%d disconnections, want 20", n)
		}
	})
}

var errNoNet = &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ENETUNREACH}

func TestDefect13NetworkDown(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		var down atomic.Bool
		down.Store(true)
		w.answer = func(context.Context, net.Addr) error {
			if down.Load() {
				return errNoNet
			}
			return nil
		}
		var asked atomic.Int64
		next := addresses()
		cm := w.manager(Config{GetNewAddress: func() (net.Addr, error) { asked.Add(1); return next() }})
		cm.Start()
		for i := range 4 {
			go cm.Connect(&ConnReq{Addr: addrN(7000 + i), Permanent: true})
		}
		time.Sleep(time.Hour)
		// btcd: 2 a second, 7200 in the hour.
		if n := w.dials.Load(); n > 120 || n < 60 {
			t.Errorf("%d dials in an hour without network, want a slow probe", n)
		}
		if n := asked.Load(); n > 120 {
			t.Errorf("%d addresses were burnt", n)
		}
		t.Logf("%d dials in an hour without network", w.dials.Load())
		if s := cm.Snapshot(); s.Outbound.Why != ReasonNetworkDown || len(s.Networks) != 1 || !s.Networks[0].Down {
			t.Errorf("snapshot does not tell: %v, %+v", s.Outbound, s.Networks)
		}
		if n := w.count(EventNetworkDown); n != 1 {
			t.Errorf("told %d times that the network is down, want once", n)
		}
		down.Store(false)
		back := time.Now()
		cm.NetworkChanged()
		time.Sleep(time.Second)
		if n := w.open.Load(); n != 12 {
			t.Errorf("%d connections %v after the network is back, want 12", n, time.Since(back))
		}
		for _, r := range cm.Snapshot().Requests {
			if r.Retries != 0 {
				t.Errorf("the outage is held against %v: %d retries", r.Addr, r.Retries)
			}
		}
	})
}

func TestDefect17GroupsCountFromTheChoice(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.answer = after(100 * time.Millisecond) // all eight are chosen before one is connected
		var n atomic.Int64
		cm := w.manager(Config{
			Group:       groupOf,
			MaxPerGroup: 1,
			MaxPending:  64,
			GetNewAddress: func() (net.Addr, error) {
				i := n.Add(1)
				if i%10 != 0 { // nine of ten come from one /16
					return &net.TCPAddr{IP: net.IPv4(99, 99, byte(i/256), byte(i)), Port: 8333}, nil
				}
				return addrN(int(i)), nil
			},
		})
		cm.Start()
		time.Sleep(time.Minute)
		groups := make(map[string]int)
		for _, r := range cm.Snapshot().Requests {
			groups[groupOf(r.Addr)]++
		}
		if len(groups) != 8 || w.open.Load() != 8 {
			t.Errorf("%d connections in %d groups, want 8 in 8 (btcd: 8 in 1)", w.open.Load(), len(groups))
		}
	})
}
