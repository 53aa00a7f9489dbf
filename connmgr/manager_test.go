package connmgr

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestNewNeedsADialer(t *testing.T) {
	if _, err := New(&Config{}); !errors.Is(err, ErrDialNil) {
		t.Errorf("New without a dialer: %v", err)
	}
}

func TestConnectBeforeStartWaits(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		cm := w.manager(Config{})
		one, two := &ConnReq{Addr: addrN(1)}, &ConnReq{Addr: addrN(2), Permanent: true}
		var returned atomic.Int64
		for _, c := range []*ConnReq{one, two} {
			go func() { cm.Connect(c); returned.Add(1) }()
		}
		synctest.Wait()
		if one.ID() == 0 || two.ID() == 0 || returned.Load() != 0 || w.dials.Load() != 0 {
			t.Errorf("before Start: ids %d and %d, %d returned, %d dials", one.ID(), two.ID(), returned.Load(), w.dials.Load())
		}
		cm.Start()
		synctest.Wait()
		if returned.Load() != 2 || w.open.Load() != 2 {
			t.Errorf("after Start: %d returned, %d open", returned.Load(), w.open.Load())
		}
	})
}

func TestStopBeforeStart(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		l := newBadListener(w, nil)
		cm := w.manager(Config{Listeners: []net.Listener{l}})
		c := &ConnReq{Addr: someAddr}
		go cm.Connect(c)
		synctest.Wait()
		cm.Stop()
		cm.Start()
		cm.Wait()
		if c.State() != ConnCanceled || w.dials.Load() != 0 {
			t.Errorf("state %v, %d dials", c.State(), w.dials.Load())
		}
		late := &ConnReq{Addr: someAddr}
		cm.Connect(late)
		if late.ID() != 0 {
			t.Errorf("a request after Stop got the id %d", late.ID())
		}
	})
}

// onceListener fails the test if it is closed twice.
type onceListener struct {
	*badListener
	closes atomic.Int64
}

func (l *onceListener) Close() error {
	l.closes.Add(1)
	return l.badListener.Close()
}

func TestListenersAreClosedOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		l := &onceListener{badListener: newBadListener(w, nil)}
		cm := w.manager(Config{Listeners: []net.Listener{l}, OnAccept: func(net.Conn) {}})
		cm.Start()
		cm.Stop()
		cm.Stop()
		if err := cm.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if n := l.closes.Load(); n != 1 {
			t.Errorf("closed %d times", n)
		}
	})
}

func TestShutdownSaysWhatItLeftBehind(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		release := make(chan struct{})
		w.answer = func(_ context.Context, a net.Addr) error {
			if a == someAddr {
				<-release // ignores its context
			}
			return nil
		}
		cm := w.manager(Config{OnConnection: func(*ConnReq, net.Conn) { <-release }})
		cm.Start()
		cm.Connect(&ConnReq{Addr: addrN(1)})
		go cm.Connect(&ConnReq{Addr: someAddr})
		synctest.Wait()

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		err := cm.Shutdown(ctx)
		var left *LeftBehind
		if !errors.As(err, &left) || left.Dials != 1 || left.Callbacks != 1 || left.Listeners != 0 || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown: %v", err)
		}
		if d := time.Since(began); d != time.Second {
			t.Errorf("Shutdown took %v, want 1 s", d)
		}
		if want := "connmgr: shutdown left behind 1 dials, 1 callbacks: context deadline exceeded"; err.Error() != want {
			t.Errorf("%q, want %q", err, want)
		}
		close(release)
		if err := cm.Shutdown(t.Context()); err != nil {
			t.Errorf("second Shutdown: %v", err)
		}
		if w.open.Load() != 0 {
			t.Error("what the dialer opened after Shutdown was not closed")
		}
	})
}

func TestRunEndsWithItsContext(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		cm := w.manager(Config{GetNewAddress: addresses()})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := cm.Run(ctx); err != nil {
			t.Error(err)
		}
		if w.open.Load() != 0 || w.dials.Load() != 8 {
			t.Errorf("%d open, %d dials", w.open.Load(), w.dials.Load())
		}
	})
	inBubble(t, func(t *testing.T, w *world) {
		cm := w.manager(Config{GetNewAddress: addresses()})
		time.AfterFunc(time.Minute, cm.Stop)
		if err := cm.Run(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestDialTimeout(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.answer = hang
		cm := w.manager(Config{DialTimeout: 10 * time.Second})
		cm.Start()
		began := time.Now()
		err := cm.ConnectContext(t.Context(), &ConnReq{Addr: someAddr})
		if d := time.Since(began); d != 10*time.Second || !errors.Is(err, ReasonTimedOut) {
			t.Errorf("after %v: %v", d, err)
		}
	})
}

func TestNilConnection(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		cm := w.manager(Config{Dial: func(net.Addr) (net.Conn, error) { return nil, nil }})
		cm.Start()
		c := &ConnReq{Addr: someAddr}
		if err := cm.ConnectContext(t.Context(), c); !errors.Is(err, errNilConn) || c.State() != ConnFailing {
			t.Errorf("%v, state %v", err, c.State())
		}
	})
}

// What TestRetryPermanent of btcd checks, and that a retry waits for
// OnDisconnection to return.
func TestStatesInCallbacks(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		var (
			mu  sync.Mutex
			log []string
		)
		note := func(what string, c *ConnReq) {
			mu.Lock()
			defer mu.Unlock()
			log = append(log, what+" "+c.State().String())
		}
		cm := w.manager(Config{
			OnConnection: func(c *ConnReq, _ net.Conn) { note("connected", c) },
			OnDisconnection: func(c *ConnReq) {
				time.Sleep(time.Hour)
				note("disconnected", c)
			},
		})
		cm.Start()
		c := &ConnReq{Addr: someAddr, Permanent: true}
		cm.Connect(c)
		synctest.Wait()
		cm.Disconnect(c.ID())
		time.Sleep(time.Hour + defaultRetryDuration)
		synctest.Wait()
		cm.Remove(c.ID())
		time.Sleep(time.Hour + time.Minute)
		mu.Lock()
		defer mu.Unlock()
		want := []string{"connected established", "disconnected pending", "connected established", "disconnected disconnected"}
		if !slices.Equal(log, want) {
			t.Errorf("callbacks saw %q, want %q", log, want)
		}
	})
}

func TestABlockedCallbackBlocksNobodyElse(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		release := make(chan struct{})
		var through atomic.Int64
		cm := w.manager(Config{
			OnConnection: func(c *ConnReq, _ net.Conn) {
				if c.Addr == someAddr {
					<-release
				}
				through.Add(1)
			},
			OnEvent: func(Event) {
				<-release // nor does a blocked OnEvent
			},
			EventBuffer: 10,
		})
		cm.Start()
		blocked := &ConnReq{Addr: someAddr}
		cm.Connect(blocked)
		for i := range 100 {
			cm.Connect(&ConnReq{Addr: addrN(i)})
		}
		cm.Remove(blocked.ID())
		cm.Disconnect(blocked.ID())
		_ = cm.Snapshot()
		synctest.Wait()
		if through.Load() != 100 {
			t.Errorf("%d of 100 others were connected", through.Load())
		}
		close(release)
	})
}

func TestCallsFromInsideCallbacks(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		var cm *ConnManager
		var used atomic.Int64
		use := func(id uint64) {
			cm.Disconnect(id)
			cm.Remove(id)
			cm.MarkGood(id)
			cm.NewConnReq()
			if used.Add(1) < 5 { // each lets 25 dials fail anew
				cm.NetworkChanged()
			}
			cm.SetLimits(cm.Limits())
			_ = cm.Snapshot()
			_ = cm.Lookup(someAddr)
			_ = cm.Check(someAddr, ClassManual)
		}
		next := addresses()
		var once atomic.Uint64
		cm = w.manager(Config{
			TargetOutbound:  2,
			GetNewAddress:   func() (net.Addr, error) { use(once.Add(1)); return next() },
			OnConnection:    func(c *ConnReq, _ net.Conn) { use(c.ID()) },
			OnDisconnection: func(c *ConnReq) { use(c.ID()) },
			OnEvent: func(e Event) {
				w.onEvent(e)
				if e.Type == EventConnected {
					use(e.ID)
				}
			},
		})
		cm.Start()
		time.Sleep(time.Minute)
	})
}

func TestMaxPendingQueuesRequests(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		most, now := atomic.Int64{}, atomic.Int64{}
		w.answer = func(ctx context.Context, a net.Addr) error {
			n := now.Add(1)
			defer now.Add(-1)
			for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
			}
			return after(time.Second)(ctx, a)
		}
		cm := w.manager(Config{MaxPending: 10})
		cm.Start()
		for i := range 95 {
			go cm.Connect(&ConnReq{Addr: addrN(i), Permanent: i%2 == 0})
		}
		go cm.Connect(&ConnReq{Addr: someAddr})
		synctest.Wait()
		for _, r := range cm.Snapshot().Requests {
			if !r.Dialing && (r.Addr.String() == someAddr.String() || r.ID%9 == 0) {
				cm.Remove(r.ID) // some leave the queue
			}
		}
		time.Sleep(10 * time.Second)
		if most.Load() != 10 {
			t.Errorf("%d dials at once, want 10", most.Load())
		}
		if n := len(cm.Snapshot().Requests); int64(n) != w.open.Load() || n < 80 {
			t.Errorf("%d requests, %d open", n, w.open.Load())
		}
	})
}

func TestEventsOfOneRequest(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		var works atomic.Bool
		w.answer = func(context.Context, net.Addr) error {
			if !works.Load() {
				return errRefused
			}
			return nil
		}
		var lines []string
		cm := w.manager(Config{Backoff: Backoff{Jitter: -1}})
		cm.Start()
		c := &ConnReq{Addr: someAddr, Permanent: true}
		cm.Connect(c)
		works.Store(true)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		cm.MarkGood(c.ID())
		cm.Publish(Event{ID: c.ID(), Addr: c.Addr, Detail: "speaks version 70016"})
		cm.Disconnect(c.ID(), WithCause(errors.New("ping time-out")))
		cm.RemoveCause(c.ID(), errors.New("the operator said so"))
		cm.Stop()
		cm.Wait()
		for _, e := range w.events {
			lines = append(lines, e.String())
		}
		want := []string{
			"Dialing 8.0.0.1:8333 [manual] (reqid 1)",
			"Cannot connect to 8.0.0.1:8333: refused, says the test [manual] (reqid 1)",
			"Cannot connect to 8.0.0.1:8333 (refused, says the test): next try in 5s [manual] (reqid 1)",
			"Dialing 8.0.0.1:8333 [manual] (reqid 1)",
			"Connected to 8.0.0.1:8333 [manual] (reqid 1)",
			"Good: 8.0.0.1:8333 [manual] (reqid 1)",
			"8.0.0.1:8333: speaks version 70016 (reqid 1)",
			"Closed 8.0.0.1:8333: disconnected: ping time-out [manual] (reqid 1)",
			"Connecting to 8.0.0.1:8333 again in 5s [manual] (reqid 1)",
			"Closed 8.0.0.1:8333: removed: the operator said so [manual] (reqid 1)",
			"Connection manager stopped",
		}
		if !slices.Equal(lines, want) {
			t.Errorf("events:\n%q\nwant\n%q", lines, want)
		}
	})
}

func TestSlowOwnerLosesEventsAndIsTold(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		release := make(chan struct{})
		cm := w.manager(Config{
			EventBuffer: 5,
			OnEvent:     func(e Event) { <-release; w.onEvent(e) },
		})
		cm.Start()
		for i := range 100 {
			cm.Connect(&ConnReq{Addr: addrN(i)})
			if i == 0 {
				synctest.Wait()
			}
		}
		close(release)
		cm.Stop()
		cm.Wait()
		lost := 0
		for _, e := range w.events {
			lost += e.Count
		}
		if lost == 0 || len(w.events) > 3*(5+2) {
			t.Errorf("%d events, %d lost", len(w.events), lost)
		}
	})
}
