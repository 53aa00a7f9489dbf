package connmgr

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// Each test here is a fault of btcd's connmgr, numbered as in README.md, shown
// to be absent.

// badListener fails every Accept with err, until that is taken away; then it
// accepts n connections and blocks.
type badListener struct {
	w       *world
	err     atomic.Pointer[error]
	accepts atomic.Int64
	conns   chan net.Conn
	closed  chan struct{}
	once    sync.Once
}

func newBadListener(w *world, err error) *badListener {
	l := &badListener{w: w, conns: make(chan net.Conn, 16), closed: make(chan struct{})}
	if err != nil {
		l.err.Store(&err)
	}
	return l
}

func (l *badListener) Accept() (net.Conn, error) {
	l.accepts.Add(1)
	if err := l.err.Load(); err != nil {
		return nil, *err
	}
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *badListener) Addr() net.Addr { return someAddr }

func (l *badListener) Close() error {
	if l.closed == nil {
		return nil
	}
	l.once.Do(func() { close(l.closed) })
	return nil
}

func TestDefect01AcceptErrorDoesNotSpin(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		l := newBadListener(w, &net.OpError{Op: "accept", Err: syscall.EMFILE})
		var accepted atomic.Int64
		cm := w.manager(Config{
			TargetOutbound: TargetNone,
			Listeners:      []net.Listener{l},
			OnAccept:       func(c net.Conn) { accepted.Add(1); c.Close() },
		})
		cm.Start()
		time.Sleep(10 * time.Minute)
		// btcd: half a million a second, and as many log lines.
		if n := l.accepts.Load(); n > 620 {
			t.Errorf("%d calls of Accept in 10 minutes of EMFILE, want at most one a second", n)
		}
		if n := w.count(EventAcceptFailed); n < 2 || n > 21 {
			t.Errorf("told %d times in 10 minutes, want about 20", n)
		}
		t.Logf("10 minutes of EMFILE: %d calls of Accept, told %d times", l.accepts.Load(), w.count(EventAcceptFailed))
		l.err.Store(nil)
		l.conns <- w.conn(addrN(1))
		time.Sleep(maxAcceptPause)
		synctest.Wait()
		if accepted.Load() != 1 {
			t.Error("nothing is accepted after the descriptors came back")
		}
	})
}

func TestDefect01ListenerClosedByAnother(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		l := newBadListener(w, net.ErrClosed)
		cm := w.manager(Config{
			TargetOutbound: TargetNone,
			Listeners:      []net.Listener{l},
			OnAccept:       func(c net.Conn) {},
		})
		cm.Start()
		time.Sleep(time.Hour)
		if n := l.accepts.Load(); n != 1 {
			t.Errorf("%d calls of Accept on a listener that is closed, want 1", n)
		}
		if n := w.count(EventAcceptFailed); n != 1 {
			t.Errorf("told %d times, want once", n)
		}
	})
}

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
				// then each of 8 slots pauses for 4 to 5 s after each.
				if n := w.dials.Load(); n > 25+8*16 {
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

func TestDefect03StopLeavesNothing(t *testing.T) {
	for _, kind := range []string{"DialContext", "Dial"} {
		t.Run(kind, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				release := make(chan struct{})
				var block atomic.Bool
				w.answer = func(ctx context.Context, _ net.Addr) error {
					if !block.Load() {
						return nil
					}
					select {
					case <-release:
						return nil
					case <-ctx.Done():
						return ctx.Err()
					}
				}
				cfg := Config{TargetOutbound: 50, GetNewAddress: addresses()}
				var disconnected atomic.Int64
				cfg.OnDisconnection = func(*ConnReq) { disconnected.Add(1) }
				if kind == "Dial" {
					cfg.Dial = w.oldDial
				}
				cm := w.manager(cfg)
				cm.Start()
				synctest.Wait()
				block.Store(true)
				for i := range 100 {
					go cm.Connect(&ConnReq{Addr: addrN(1000 + i), Permanent: true})
				}
				synctest.Wait()
				if w.open.Load() != 50 || w.dials.Load() != 150 {
					t.Fatalf("%d open, %d dials", w.open.Load(), w.dials.Load())
				}
				cm.Stop()
				if kind == "Dial" {
					// These dials cannot be aborted. What they open is closed.
					if w.open.Load() != 0 {
						t.Errorf("%d connections open after Stop", w.open.Load())
					}
					close(release)
				}
				cm.Wait()
				if n := w.open.Load(); n != 0 {
					t.Errorf("%d connections open after Wait, want 0", n)
				}
				if n := disconnected.Load(); n != 0 {
					t.Errorf("%d calls of OnDisconnection by Stop, want none", n)
				}
			})
		})
	}
}

func TestDefect03WaitWaits(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		l := newBadListener(w, nil)
		release := make(chan struct{})
		cm := w.manager(Config{
			TargetOutbound: TargetNone,
			Listeners:      []net.Listener{l},
			OnAccept:       func(c net.Conn) { <-release; c.Close() },
		})
		var waited atomic.Bool
		go func() {
			cm.Wait() // before Start: btcd returns at once
			waited.Store(true)
		}()
		go cm.Start()
		synctest.Wait()
		for i := range 4 {
			l.conns <- w.conn(addrN(i))
		}
		synctest.Wait()
		cm.Stop()
		synctest.Wait()
		if waited.Load() {
			t.Error("Wait returned while callbacks ran")
		}
		close(release)
		synctest.Wait()
		if !waited.Load() {
			t.Error("Wait did not return")
		}
	})
}

func TestDefect03NoTimersAfterStop(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.answer = func(context.Context, net.Addr) error { return errRefused }
		cm := w.manager(Config{GetNewAddress: addresses()})
		cm.Start()
		for i := range 1000 {
			cm.Connect(&ConnReq{Addr: addrN(i), Permanent: true})
		}
		synctest.Wait() // the automatic slots pause
		cm.Stop()
		cm.mu.Lock()
		defer cm.mu.Unlock()
		if cm.busy[busyTimers] != 0 {
			t.Errorf("%d timers after Stop", cm.busy[busyTimers])
		}
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

func TestDefect06CallbacksInOrder(t *testing.T) {
	const cycles = 960
	for _, workers := range []int{1, 16, 64} {
		t.Run(fmt.Sprint(workers, " workers"), func(t *testing.T) {
			w := newWorld(t)
			var wrong, calls atomic.Int64
			cm := w.manager(Config{
				Dial: w.oldDial,
				OnConnection: func(c *ConnReq, _ net.Conn) {
					calls.Add(1)
					if s := c.State(); s != ConnEstablished && s != ConnDisconnected {
						wrong.Add(1)
					}
				},
				OnDisconnection: func(c *ConnReq) {
					if calls.Add(1)%2 != 0 && workers == 1 || c.State() != ConnDisconnected {
						wrong.Add(1)
					}
				},
			})
			cm.Start()
			var wg sync.WaitGroup
			for range workers {
				wg.Go(func() {
					for range cycles / workers {
						c := &ConnReq{Addr: someAddr}
						cm.Connect(c)
						cm.Remove(c.ID())
						if workers == 1 {
							waitCalls(cm, c)
						}
					}
				})
			}
			wg.Wait()
			cm.Stop()
			cm.Wait()
			if n := int64(cycles * 2); wrong.Load() != 0 || calls.Load() != n {
				t.Errorf("%d of %d callbacks out of order, want %d callbacks", wrong.Load(), calls.Load(), n)
			}
		})
	}
}

// waitCalls waits until the callbacks of c have run.
func waitCalls(cm *ConnManager, c *ConnReq) {
	for {
		cm.mu.Lock()
		done := !c.calling
		cm.mu.Unlock()
		if done {
			return
		}
		runtime.Gosched()
	}
}

func TestDefect07RemoveAbortsTheDial(t *testing.T) {
	ends := map[string]func(cm *ConnManager, id uint64){
		"Remove":     func(cm *ConnManager, id uint64) { cm.Remove(id) },
		"Disconnect": func(cm *ConnManager, id uint64) { cm.Disconnect(id) },
		"Stop":       func(cm *ConnManager, id uint64) { cm.Stop() },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				var dialing atomic.Int64
				w.answer = func(ctx context.Context, a net.Addr) error {
					dialing.Add(1)
					defer dialing.Add(-1)
					return hang(ctx, a)
				}
				cm := w.manager(Config{})
				cm.Start()
				c := &ConnReq{Addr: someAddr}
				result := make(chan error, 1)
				go func() { result <- cm.ConnectContext(t.Context(), c) }()
				synctest.Wait()
				began := time.Now()
				end(cm, c.ID())
				if c.State() != ConnCanceled {
					t.Errorf("state %v, want canceled", c.State())
				}
				synctest.Wait()
				if dialing.Load() != 0 || time.Since(began) != 0 {
					t.Errorf("%d dials go on after %v", dialing.Load(), time.Since(began))
				}
				var e *Error
				if err := <-result; !errors.As(err, &e) || e.ID != c.ID() {
					t.Errorf("Connect returned %v", err)
				}
			})
		})
	}
}

func TestDefect07LateConnectionIsClosed(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.answer = func(context.Context, net.Addr) error { time.Sleep(30 * time.Second); return nil }
		cm := w.manager(Config{
			Dial:         w.oldDial,
			OnConnection: func(*ConnReq, net.Conn) { t.Error("OnConnection of a request that was removed") },
		})
		cm.Start()
		c := &ConnReq{Addr: someAddr, Permanent: true}
		go cm.Connect(c)
		synctest.Wait()
		cm.Remove(c.ID())
		time.Sleep(31 * time.Second)
		if w.open.Load() != 0 || c.State() != ConnCanceled {
			t.Errorf("%d open, state %v", w.open.Load(), c.State())
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

func TestDefect10InboundLimits(t *testing.T) {
	tests := []struct {
		name      string
		cfg       Config
		from      []string
		want      int // accepted
		unlimited bool
	}{
		{name: "btcd's default takes all", from: repeat("10.0.0.1", 12), want: 12},
		{name: "total", cfg: Config{MaxInbound: ptr(8)}, from: repeat("10.0.0.1", 12), want: 8},
		{name: "none", cfg: Config{MaxInbound: ptr(0)}, from: repeat("10.0.0.1", 3), want: 0},
		{name: "one host cannot take all", cfg: Config{MaxInbound: ptr(8), MaxInboundPerHost: 2}, from: append(repeat("10.0.0.1", 8), "10.0.0.2", "10.1.0.1"), want: 4},
		{name: "a prefix", cfg: Config{MaxInboundPerPrefix: 2}, from: []string{"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.1.1"}, want: 3},
		{name: "a prefix of IPv6", cfg: Config{MaxInboundPerPrefix: 1}, from: []string{"2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"}, want: 2},
		{name: "mapped is IPv4", cfg: Config{MaxInboundPerHost: 1}, from: []string{"10.0.0.1", "::ffff:10.0.0.1"}, want: 1},
		{name: "exempt", cfg: Config{MaxInboundPerHost: 1, InboundExempt: func(a net.Addr) bool { return true }}, from: repeat("10.0.0.1", 3), want: 3},
	}
	for _, test := range tests {
		for _, unwrapped := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/unwrapped=%v", test.name, unwrapped), func(t *testing.T) {
				inBubble(t, func(t *testing.T, w *world) {
					l := newBadListener(w, nil)
					var conns []net.Conn
					cfg := test.cfg
					cfg.TargetOutbound = TargetNone
					cfg.Listeners = []net.Listener{l}
					cfg.OnAccept = func(c net.Conn) { conns = append(conns, c) }
					cfg.UnwrappedInbound = unwrapped
					cm := w.manager(cfg)
					cm.Start()
					send := func() {
						for i, host := range test.from {
							l.conns <- w.conn(&net.TCPAddr{IP: net.ParseIP(host), Port: 10000 + i})
							synctest.Wait()
						}
					}
					send()
					if len(conns) != test.want || int(w.open.Load()) != test.want {
						t.Fatalf("accepted %d, %d open, want %d", len(conns), w.open.Load(), test.want)
					}
					// All leave, and as many find room again.
					for _, c := range conns {
						if _, bare := c.(*fakeConn); unwrapped && !bare {
							t.Errorf("the connection is wrapped: %T", c)
						}
						c.Close()
						c.Close()
						if unwrapped {
							cm.InboundClosed(c)
							cm.InboundClosed(c)
						}
					}
					if n := cm.Snapshot().Inbound.Open; n != 0 {
						t.Errorf("%d are counted after all were closed", n)
					}
					conns = nil
					send()
					if len(conns) != test.want {
						t.Errorf("accepted %d the second time, want %d", len(conns), test.want)
					}
					for _, c := range conns {
						c.Close()
						cm.InboundClosed(c)
					}
				})
			})
		}
	}
}

func repeat(s string, n int) []string { return slices.Repeat([]string{s}, n) }

func ptr(n uint32) *uint32 { return &n }

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

func TestDefect14FailedOneShotsAreForgotten(t *testing.T) {
	w := newWorld(t)
	w.answer = func(context.Context, net.Addr) error { return errRefused }
	cm := w.manager(Config{Dial: w.oldDial})
	cm.Start()
	for i := range 1000 {
		cm.Connect(&ConnReq{Addr: addrN(i)})
	}
	kept := &ConnReq{Addr: someAddr}
	for range 100 {
		cm.Connect(kept) // again and again, and still it is remembered once
	}
	left := func() (live, ended int) {
		cm.mu.Lock()
		defer cm.mu.Unlock()
		return len(cm.reqs), len(cm.ended)
	}
	live, ended := left()
	for i := 0; i < 1000 && ended > 1; i++ {
		runtime.GC()
		runtime.Gosched()
		live, ended = left()
	}
	if live != 0 || ended != 1 {
		t.Errorf("%d live requests and %d ended ones are kept, want 0 and 1 (btcd: all)", live, ended)
	}
	// The owner still has this one, and may cancel it as if it were pending.
	if kept.State() != ConnFailing {
		t.Errorf("state %v, want failing", kept.State())
	}
	cm.Remove(kept.ID())
	if kept.State() != ConnCanceled {
		t.Errorf("state %v, want canceled", kept.State())
	}
}

// The defects 15 (TorLookupIP), 16 (SeedFromDNS) and 18 (ban score) have their
// tests beside the code.

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

// With -race this shows that nothing races; see also the compat package for
// UseLogger.
func TestDefect19NoDataRaces(t *testing.T) {
	t.Run("one request connected twice", func(t *testing.T) {
		w := newWorld(t)
		cm := w.manager(Config{Dial: w.oldDial})
		cm.Start()
		for range 200 {
			c := &ConnReq{Addr: someAddr}
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() { cm.Connect(c) })
				wg.Go(func() { _ = c.String() + c.State().String(); cm.Remove(c.ID()) })
			}
			wg.Wait()
			cm.Remove(c.ID())
		}
	})
	t.Run("Remove while an address is asked for", func(t *testing.T) {
		w := newWorld(t)
		var cm *ConnManager
		next := addresses()
		cm = w.manager(Config{
			GetNewAddress: func() (net.Addr, error) {
				for id := range uint64(20) {
					cm.Remove(id)
				}
				return next()
			},
			OnConnection: func(c *ConnReq, _ net.Conn) { _ = c.String() },
			Logger:       slog.New(slog.DiscardHandler),
		})
		cm.Start()
		for range 100 {
			cm.NewConnReq()
		}
	})
	t.Run("two managers of one Config", func(t *testing.T) {
		w := newWorld(t)
		cfg := Config{Dial: w.oldDial}
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if _, err := New(&cfg); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if cfg.RetryDuration != 0 || cfg.TargetOutbound != 0 {
			t.Errorf("New wrote %+v into the owner's Config", cfg)
		}
	})
}

func TestDefect20Errors(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.answer = func(ctx context.Context, a net.Addr) error {
			if a == someAddr {
				return errRefused
			}
			return hang(ctx, a)
		}
		cm := w.manager(Config{Classes: map[Class]ClassRule{"feeler": {Max: 1}}})
		ctx, cancel := context.WithCancelCause(t.Context())
		early := make(chan error)
		go func() { early <- cm.ConnectContext(ctx, &ConnReq{Addr: addrN(1), Class: "feeler"}) }()
		synctest.Wait()
		if err := cm.ConnectContext(t.Context(), &ConnReq{Addr: addrN(2), Class: "feeler"}); !errors.Is(err, ReasonClassFull) {
			t.Errorf("second feeler: %v", err)
		}
		cm.Start()
		c := &ConnReq{Addr: someAddr}
		err := cm.ConnectContext(t.Context(), c)
		var e *Error
		if !errors.As(err, &e) || e.Addr != someAddr || e.ID != c.ID() || !errors.Is(err, errRefused) {
			t.Errorf("a dial that failed: %v", err)
		}
		if want := "connmgr: dial 8.0.0.1:8333 (reqid 2): failed: refused, says the test"; err.Error() != want {
			t.Errorf("error %q, want %q", err, want)
		}
		if err := cm.ConnectContext(t.Context(), &ConnReq{}); !errors.Is(err, ReasonNoAddress) {
			t.Errorf("no address: %v", err)
		}
		if err := cm.ConnectContext(t.Context(), nil); err == nil {
			t.Error("a nil request is taken")
		}
		why := errors.New("the user changed his mind")
		cancel(why)
		if err := <-early; !errors.Is(err, ReasonCanceled) || !errors.Is(err, why) {
			t.Errorf("canceled: %v", err)
		}
		cm.Stop()
		if err := cm.ConnectContext(t.Context(), c); !errors.Is(err, ReasonStopped) || !errors.Is(err, net.ErrClosed) {
			t.Errorf("after Stop: %v", err)
		}
		if err := cm.Check(someAddr, ClassManual); !errors.Is(err, ReasonStopped) {
			t.Errorf("Check after Stop: %v", err)
		}
	})
}

func TestDefect20EndedRequestConnectsAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		var hangs atomic.Bool
		hangs.Store(true)
		w.answer = func(ctx context.Context, a net.Addr) error {
			if a != someAddr && hangs.Load() {
				return hang(ctx, a)
			}
			return nil
		}
		cm := w.manager(Config{})
		cm.Start()
		c := &ConnReq{Addr: someAddr}
		cm.Connect(c)
		first := c.ID()
		if err := cm.ConnectContext(t.Context(), c); !errors.Is(err, ReasonInUse) {
			t.Errorf("connected twice: %v", err)
		}
		cm.Remove(first)
		if err := cm.ConnectContext(t.Context(), c); err != nil { // btcd: dialed and silently closed
			t.Error(err)
		}
		if c.State() != ConnEstablished || c.ID() == first || w.open.Load() != 1 {
			t.Errorf("%v is %v, was reqid %d, %d open", c, c.State(), first, w.open.Load())
		}
		d := &ConnReq{Addr: addrN(1)}
		go cm.Connect(d)
		synctest.Wait()
		cm.Remove(d.ID())
		hangs.Store(false)
		if err := cm.ConnectContext(t.Context(), d); err != nil { // btcd: ignored
			t.Error(err)
		}

		// What went wrong before is forgotten.
		p := &ConnReq{Addr: addrN(2), Permanent: true}
		cm.Connect(p)
		cm.Disconnect(p.ID())
		cm.Remove(p.ID())
		cm.Connect(p)
		for _, r := range cm.Snapshot().Requests {
			if r.ID == p.ID() && r.Retries != 0 {
				t.Errorf("a new request begins with %d retries", r.Retries)
			}
		}
	})
}

func TestDefect20UnknownIDs(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		var lines []string
		cm := w.manager(Config{Logger: slog.New(lineHandler{&lines})})
		cm.Start()
		for id := range uint64(1000) {
			cm.Remove(id)
			cm.Disconnect(id)
		}
		synctest.Wait()
		if len(lines) != 1 || !strings.Contains(lines[0], "Unknown connid") {
			t.Errorf("%d lines for 2000 unknown ids: %q", len(lines), lines)
		}
	})
}

// lineHandler is a slog.Handler that keeps the messages of level Info and above.
type lineHandler struct{ lines *[]string }

func (h lineHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelInfo }
func (h lineHandler) WithAttrs([]slog.Attr) slog.Handler           { return h }
func (h lineHandler) WithGroup(string) slog.Handler                { return h }
func (h lineHandler) Handle(_ context.Context, r slog.Record) error {
	*h.lines = append(*h.lines, r.Message)
	return nil
}

func TestDefect20NoTarget(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		cm := w.manager(Config{TargetOutbound: TargetNone, GetNewAddress: addresses()})
		cm.Start()
		cm.NewConnReq()
		time.Sleep(time.Hour)
		if n := w.dials.Load(); n != 0 {
			t.Errorf("%d dials with a target of none", n)
		}
	})
}

func TestDefect20PanickingCallback(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		var got any
		cm := w.manager(Config{
			OnConnection: func(*ConnReq, net.Conn) { panic("the owner's fault") },
			OnPanic: func(v any, stack []byte) {
				if !strings.Contains(string(stack), "TestDefect20PanickingCallback") {
					t.Errorf("the stack does not show who panicked: %s", stack)
				}
				got = v
			},
		})
		cm.Start()
		c := &ConnReq{Addr: someAddr}
		cm.Connect(c)
		synctest.Wait()
		if got != "the owner's fault" || c.State() != ConnEstablished {
			t.Errorf("OnPanic got %v, state %v", got, c.State())
		}
	})
}

func TestDefect20Snapshot(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.answer = func(ctx context.Context, a net.Addr) error {
			switch a.String() {
			case addrN(1).String():
				return errRefused
			case addrN(2).String():
				return hang(ctx, a)
			}
			return nil
		}
		cm := w.manager(Config{GetNewAddress: func() (net.Addr, error) { return nil, errors.New("book is empty") }})
		cm.Start()
		cm.Connect(&ConnReq{Addr: someAddr})
		cm.Connect(&ConnReq{Addr: addrN(1), Permanent: true})
		go cm.Connect(&ConnReq{Addr: addrN(2), Class: "feeler"})
		synctest.Wait()
		s := cm.Snapshot()
		if want := "0 of 8 connected, 8 pausing: no address"; s.Outbound.String() != want {
			t.Errorf("outbound %q, want %q", s.Outbound, want)
		}
		var got []string
		for _, r := range s.Requests {
			got = append(got, fmt.Sprintf("%d %v %v %v dialing=%v retries=%d next=%v %v",
				r.ID, r.Addr, r.Class, r.State, r.Dialing, r.Retries, !r.Next.IsZero(), r.Reason))
		}
		want := []string{
			"1 8.0.0.1:8333 manual established dialing=false retries=0 next=false none",
			"2 2.0.0.1:8333 manual failing dialing=false retries=1 next=true failed",
			"3 3.0.0.1:8333 feeler pending dialing=true retries=0 next=false none",
		}
		if !slices.Equal(got, want) {
			t.Errorf("requests\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}
