package connmgr

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestNetworkBackIsNoticedByAProbe(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		var down atomic.Bool
		down.Store(true)
		w.answer = func(context.Context, net.Addr) error {
			if down.Load() {
				return errNoNet
			}
			return nil
		}
		cm := w.manager(Config{TargetOutbound: 1, GetNewAddress: addresses()})
		cm.Start()
		for i := range 50 {
			go cm.Connect(&ConnReq{Addr: addrN(1000 + i), Permanent: true})
		}
		time.Sleep(time.Hour)
		down.Store(false)
		before := len(w.dialTimes())
		time.Sleep(maxProbeInterval + 2*time.Second)
		if w.open.Load() != 51 {
			t.Fatalf("%d connections after a probe interval, want 51", w.open.Load())
		}
		// Resumed staggered, not in one burst.
		times := w.dialTimes()[before:]
		burst := 0
		for _, at := range times[1:] {
			if at == times[1] {
				burst++
			}
		}
		if burst > 3 {
			t.Errorf("%d of %d dials at one moment", burst, len(times))
		}
	})
}

// IPv6 without a route must not slow IPv4 down.
func TestOneNetworkDown(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.answer = func(_ context.Context, a net.Addr) error {
			if NetworkOf(a) == "ip6" {
				return errNoNet
			}
			return nil
		}
		var count atomic.Int64
		cm := w.manager(Config{GetNewAddress: func() (net.Addr, error) {
			n := int(count.Add(1))
			if n%2 == 0 {
				return &net.TCPAddr{IP: net.ParseIP("2001:db8::1"), Port: n}, nil
			}
			return addrN(n), nil
		}})
		cm.Start()
		time.Sleep(time.Second)
		if w.open.Load() != 8 {
			t.Errorf("%d connections, want 8: %v", w.open.Load(), cm.Snapshot().Outbound)
		}
		time.Sleep(time.Hour)
		six := &ConnReq{Addr: &net.TCPAddr{IP: net.ParseIP("2001:db8::2"), Port: 1}}
		if err := cm.ConnectContext(t.Context(), six); err == nil {
			t.Error("connected without a route")
		}
		for _, n := range cm.Snapshot().Networks {
			if n.Down != (n.Name == "ip6") {
				t.Errorf("network %s: down is %v", n.Name, n.Down)
			}
		}
	})
}

func TestOneShotWhileNetworkIsDown(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.answer = func(context.Context, net.Addr) error { return errNoNet }
		cm := w.manager(Config{})
		cm.Start()
		var err error
		for i := range 4 {
			err = cm.ConnectContext(t.Context(), &ConnReq{Addr: addrN(i)})
		}
		if !errors.Is(err, ReasonNetworkDown) || w.dials.Load() != outageAfter {
			t.Errorf("the fourth dial: %v, after %d dials", err, w.dials.Load())
		}
		time.Sleep(defaultRetryDuration) // then it is the probe
		if err := cm.ConnectContext(t.Context(), &ConnReq{Addr: addrN(9)}); !errors.Is(err, ReasonNoNetwork) {
			t.Errorf("the probe: %v", err)
		}
	})
}

// One host without a route is that host's trouble, two are ours.
func TestNoRouteToOneHost(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.answer = func(context.Context, net.Addr) error {
			return &net.OpError{Op: "dial", Err: syscall.EHOSTUNREACH}
		}
		cm := w.manager(Config{})
		cm.Start()
		cm.Connect(&ConnReq{Addr: addrN(1), Permanent: true})
		time.Sleep(time.Hour)
		if w.count(EventNetworkDown) != 0 {
			t.Error("one host without a route brought the network down")
		}
		cm.Connect(&ConnReq{Addr: addrN(2), Permanent: true})
		time.Sleep(time.Hour)
		if w.count(EventNetworkDown) != 1 {
			t.Error("two hosts without a route did not")
		}
	})
}

// What was dialed before the cut and times out after it proves nothing.
func TestLateTimeoutIsNoAnswer(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		var down atomic.Bool
		w.answer = func(ctx context.Context, a net.Addr) error {
			if down.Load() {
				return errNoNet
			}
			return hang(ctx, a)
		}
		cm := w.manager(Config{DialTimeout: 30 * time.Second})
		cm.Start()
		go cm.Connect(&ConnReq{Addr: addrN(0), Permanent: true})
		synctest.Wait()
		down.Store(true)
		for i := range 3 {
			cm.Connect(&ConnReq{Addr: addrN(1 + i), Permanent: true})
		}
		time.Sleep(time.Minute)
		if w.count(EventNetworkDown) != 1 || w.count(EventNetworkUp) != 0 {
			t.Errorf("down %d times, up %d times", w.count(EventNetworkDown), w.count(EventNetworkUp))
		}
	})
}

func TestRemoveWhileParked(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.answer = func(context.Context, net.Addr) error { return errNoNet }
		cm := w.manager(Config{})
		cm.Start()
		reqs := make([]*ConnReq, 10)
		for i := range reqs {
			reqs[i] = &ConnReq{Addr: addrN(i), Permanent: true}
			go cm.Connect(reqs[i])
		}
		time.Sleep(time.Minute)
		for _, c := range reqs {
			cm.Disconnect(c.ID()) // does not lose it
			cm.Remove(c.ID())
			if c.State() != ConnCanceled {
				t.Errorf("%v is %v", c, c.State())
			}
		}
		if s := cm.Snapshot(); len(s.Requests) != 0 || s.Networks[0].Parked != 0 {
			t.Errorf("left over: %+v", s)
		}
		before := w.dials.Load()
		time.Sleep(time.Hour)
		if w.dials.Load() != before {
			t.Error("removed requests are dialed")
		}
	})
}

// A probe that is removed while it hangs must not keep others from probing.
func TestRemovedProbeMakesRoom(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		var hangs atomic.Bool
		w.answer = func(ctx context.Context, a net.Addr) error {
			if hangs.Load() {
				return hang(ctx, a)
			}
			return errNoNet
		}
		cm := w.manager(Config{})
		cm.Start()
		reqs := make([]*ConnReq, 5)
		for i := range reqs {
			reqs[i] = &ConnReq{Addr: addrN(i), Permanent: true}
			go cm.Connect(reqs[i])
		}
		synctest.Wait()
		hangs.Store(true)
		for range reqs {
			time.Sleep(maxProbeInterval)
			synctest.Wait()
			probing := 0
			for _, r := range cm.Snapshot().Requests {
				if r.Dialing {
					probing++
					cm.Remove(r.ID)
				}
			}
			if probing != 1 {
				t.Fatalf("%d probes at once, want 1", probing)
			}
		}
	})
}

// Dead hosts of our own network must not cut off the others.
func TestDeadNeighboursAreTheirOwnTrouble(t *testing.T) {
	for name, dead := range map[string]error{
		"no route":   &net.OpError{Op: "dial", Net: "tcp", Err: syscall.EHOSTUNREACH},
		"no network": errNoNet,
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				w.answer = func(_ context.Context, a net.Addr) error {
					if strings.HasPrefix(a.String(), "192.168.") {
						return dead
					}
					return nil
				}
				cm := w.manager(Config{GetNewAddress: addresses()})
				cm.Start()
				for i := range 4 {
					go cm.Connect(&ConnReq{Addr: &net.TCPAddr{IP: net.IPv4(192, 168, 1, byte(5+i)), Port: 8333}, Permanent: true})
				}
				for range 50 {
					time.Sleep(10 * time.Minute)
					for _, r := range cm.Snapshot().Requests {
						if r.Automatic {
							cm.Remove(r.ID)
							break
						}
					}
					time.Sleep(2 * maxProbeInterval)
					if o := cm.Snapshot().Outbound; o.Connected != 8 {
						t.Fatalf("%v because of dead hosts nearby", o)
					}
				}
			})
		})
	}
}

// While one network is down and another is not, few addresses are asked for.
func TestPartialOutageBurnsFewAddresses(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.answer = func(_ context.Context, a net.Addr) error {
			if NetworkOf(a) == "ip6" {
				return nil
			}
			return errNoNet
		}
		var asked atomic.Int64
		cm := w.manager(Config{GetNewAddress: func() (net.Addr, error) { return addrN(int(asked.Add(1))), nil }})
		cm.Start()
		go cm.Connect(&ConnReq{Addr: &net.TCPAddr{IP: net.ParseIP("2001:db8::1"), Port: 1}, Permanent: true})
		time.Sleep(time.Hour)
		if n := asked.Load(); n > 150 {
			t.Errorf("%d addresses were asked for in an hour", n)
		}
	})
}

// unsureError is of a dial of which nobody can say whose failure it is.
type unsureError struct{ localError }

func (unsureError) Unsure() bool { return true }

// Failures that may be the address's show that the network is down when they are many, of
// several hosts, with no answer between. The address is not blamed, and waits for the
// network.
func TestUnsureFailures(t *testing.T) {
	for _, tt := range []struct {
		name   string
		hosts  int
		answer int // each so manyth dial is refused; 0 means none
		down   bool
	}{
		{"several hosts", 3, 0, true},
		{"one host", 1, 0, false},
		{"one answers now and then", 3, 20, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				var dials, at atomic.Int64
				var works atomic.Bool
				w.answer = func(context.Context, net.Addr) error {
					switch n := dials.Add(1); {
					case works.Load():
						return nil
					case tt.answer > 0 && n%int64(tt.answer) == 0:
						return syscall.ECONNREFUSED
					}
					return unsureError{localError{errors.New("silent")}}
				}
				cm := w.manager(Config{OnEvent: func(e Event) {
					if e.Type == EventNetworkDown && e.Reason == ReasonProxy {
						at.CompareAndSwap(0, dials.Load())
					}
				}})
				cm.Start()
				for i := range tt.hosts {
					go cm.Connect(&ConnReq{Addr: addrN(i), Permanent: true})
				}
				time.Sleep(6 * time.Hour)
				want := int64(0)
				if tt.down {
					want = unsureAfter
				}
				if at.Load() != want {
					t.Errorf("down after %d dials, want %d", at.Load(), want)
				}
				works.Store(true)
				time.Sleep(maxProbeInterval + time.Second)
				if tt.down && w.open.Load() != int64(tt.hosts) {
					t.Errorf("%d connections a probe later, want %d", w.open.Load(), tt.hosts)
				}
			})
		})
	}
}

// A probe that was silent for longer than the wait between probes has been wait enough.
func TestSilentProbes(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.answer = func(ctx context.Context, _ net.Addr) error {
			select {
			case <-time.After(time.Minute):
			case <-ctx.Done():
			}
			return errNoNet
		}
		cm := w.manager(Config{})
		cm.Start()
		for i := range 5 {
			go cm.Connect(&ConnReq{Addr: addrN(i), Permanent: true})
		}
		time.Sleep(time.Hour)
		times := w.dialTimes()
		last := times[len(times)-10:]
		for i := range last[1:] {
			if gap := last[i+1] - last[i]; gap < time.Minute || gap > time.Minute+defaultRetryDuration {
				t.Errorf("%v from probe to probe, each of a minute", gap)
			}
		}
	})
}
