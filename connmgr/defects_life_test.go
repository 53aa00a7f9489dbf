package connmgr

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// The faults of btcd's connmgr that are about how requests, callbacks and the
// manager itself live and end, numbered as in README.md, shown to be absent.

// accepts n connections and blocks.

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
