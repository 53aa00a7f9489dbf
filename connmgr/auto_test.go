package connmgr

import (
	"context"
	"hash/fnv"
	"io"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestParallelDialing: nine of ten addresses swallow SYNs. btcd, with a time-out
// of 30 s, needs 790 s for eight connections.
func TestParallelDialing(t *testing.T) {
	// Which addresses are dead is the same in each run; bench/ has 101 seeds.
	isDead := func(a net.Addr, share uint32) bool {
		h := fnv.New32a()
		io.WriteString(h, a.String())
		return h.Sum32()>>8%10 < share
	}
	for dead, most := range map[uint32]time.Duration{0: 100 * time.Millisecond, 5: 2 * time.Second, 7: 5 * time.Second, 9: 20 * time.Second} {
		inBubble(t, func(t *testing.T, w *world) {
			w.answer = func(ctx context.Context, a net.Addr) error {
				if isDead(a, dead) {
					return hang(ctx, a)
				}
				return after(100*time.Millisecond)(ctx, a)
			}
			full := make(chan time.Duration, 1)
			start := time.Now()
			kept := 0
			cm := w.manager(Config{
				MaxPending: 128, DialTimeout: 30 * time.Second, GetNewAddress: addresses(),
				OnEvent: func(e Event) {
					w.onEvent(e)
					if e.Type == EventConnected {
						if kept++; kept == 8 {
							full <- time.Since(start)
						}
					}
				},
			})
			cm.Start()
			took := <-full
			if took > most {
				t.Errorf("%d of 10 addresses dead: 8 connections after %v, want at most %v", dead, took, most)
			}
			synctest.Wait()
			if w.open.Load() != 8 {
				t.Errorf("%d open, want the surplus closed", w.open.Load())
			}
			for _, r := range cm.Snapshot().Requests {
				if r.Dialing {
					t.Errorf("%v is dialed still", r.Addr)
				}
			}
			t.Logf("%d of 10 dead: %v, %d dials", dead, took, w.dials.Load())
		})
	}
}

func TestSurplusIsNotHeldAgainstTheAddress(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		var n atomic.Int64
		w.answer = func(ctx context.Context, a net.Addr) error {
			if n.Add(1) <= 2 {
				return after(time.Second)(ctx, a) // slow, but good
			}
			return nil
		}
		cm := w.manager(Config{TargetOutbound: 2, MaxPending: 16, GetNewAddress: addresses()})
		cm.Start()
		time.Sleep(time.Minute)
		if w.open.Load() != 2 || w.count(EventFailed) != 0 || w.count(EventClosed, ReasonSurplus) == 0 {
			t.Errorf("%d open, %d failed, %d surplus", w.open.Load(), w.count(EventFailed), w.count(EventClosed, ReasonSurplus))
		}
	})
}

func TestStarvedSlotsAreFilledByNewConnReq(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		var (
			full  atomic.Bool
			asked atomic.Int64
		)
		next := addresses()
		cm := w.manager(Config{TargetOutbound: 1, GetNewAddress: func() (net.Addr, error) {
			if asked.Add(1); !full.Load() {
				return nil, nil
			}
			return next()
		}})
		cm.Start()
		time.Sleep(10 * time.Minute)
		if n := asked.Load(); n < 100 || n > 160 {
			t.Errorf("asked %d times in 10 minutes, want about every 4.5 s", n)
		}
		full.Store(true)
		cm.NewConnReq()
		synctest.Wait()
		if w.open.Load() != 1 {
			t.Error("an address was there, and was not dialed at once")
		}
	})
}

func TestReplacementsKeepTheTarget(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		cm := w.manager(Config{GetNewAddress: addresses()})
		cm.Start()
		for range 100 {
			time.Sleep(time.Minute) // so that each proves itself
			reqs := cm.Snapshot().Requests
			if len(reqs) != 8 {
				t.Fatalf("%d requests", len(reqs))
			}
			slices.SortFunc(reqs, func(a, b RequestInfo) int { return a.Since.Compare(b.Since) })
			cm.Remove(reqs[0].ID)
			synctest.Wait()
			if w.open.Load() != 8 {
				t.Fatalf("%d open after one was replaced", w.open.Load())
			}
		}
	})
}

func TestBurstOfFailuresThenSlow(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.answer = func(context.Context, net.Addr) error { return errRefused }
		cm := w.manager(Config{GetNewAddress: addresses(), MaxPending: 64})
		cm.Start()
		synctest.Wait()
		if n := w.dials.Load(); n < 25 || n > 25+32 {
			t.Errorf("%d dials at once when all are refused, want about 25", n)
		}
		before := w.dials.Load()
		time.Sleep(time.Hour)
		if n := w.dials.Load() - before; n < 3600*8/5 || n > 3600*8/4 {
			t.Errorf("%d dials in the hour after, want 8 every 4 to 5 s", n)
		}
		if why := cm.Snapshot().Outbound.Why; why != ReasonTooManyFails {
			t.Errorf("the snapshot says %v", why)
		}
		if n := w.count(EventLimitReached); n != 1 {
			t.Errorf("told %d times", n)
		}
	})
}

// Slow dials that fill MaxPending give way, but only where dials are known to
// succeed sooner.
func TestSlowDialsGiveWay(t *testing.T) {
	for _, test := range []struct {
		name  string
		works bool // every fifth address answers
		least int64
		most  int64
	}{
		{"some answer", true, 200, 1e6},
		{"none answers", false, 16, 32},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				var n atomic.Int64
				w.answer = func(ctx context.Context, a net.Addr) error {
					if n.Add(1)%5 == 0 && test.works {
						return after(100*time.Millisecond)(ctx, a)
					}
					return hang(ctx, a)
				}
				cm := w.manager(Config{
					TargetOutbound: 100, MaxPending: 16, DialTimeout: time.Minute, GetNewAddress: addresses(),
				})
				cm.Start()
				time.Sleep(90 * time.Second)
				if n := w.dials.Load(); n < test.least || n > test.most {
					t.Errorf("%d dials in 90 s, want %d to %d", n, test.least, test.most)
				}
			})
		})
	}
}

// When nobody answers for long, the pace falls to one dial for each slot, and
// rises again with the first connection.
func TestNobodyAnswers(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		var works atomic.Bool
		w.answer = func(ctx context.Context, a net.Addr) error {
			if works.Load() {
				return nil
			}
			return hang(ctx, a)
		}
		cm := w.manager(Config{MaxPending: 16, DialTimeout: 10 * time.Second, GetNewAddress: addresses()})
		cm.Start()
		time.Sleep(10 * time.Minute)
		before := w.dials.Load()
		time.Sleep(10 * time.Minute)
		if n := w.dials.Load() - before; n > 8*61 {
			t.Errorf("%d dials in 10 minutes while nobody answers, want at most one each 10 s for each of 8 slots", n)
		}
		works.Store(true)
		time.Sleep(20 * time.Second)
		cm.mu.Lock()
		defer cm.mu.Unlock()
		if cm.autoState().failing || w.open.Load() != 8 {
			t.Errorf("%d open, still failing: %v", w.open.Load(), cm.autoState().failing)
		}
	})
}

// Where four of five addresses refuse, the connections that are made keep the
// failures from counting.
func TestManyRefuse(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		var n atomic.Int64
		w.answer = func(ctx context.Context, a net.Addr) error {
			if err := after(100*time.Millisecond)(ctx, a); err != nil {
				return err
			}
			if n.Add(1)%5 != 0 {
				return errRefused
			}
			return nil
		}
		cm := w.manager(Config{GetNewAddress: addresses()})
		cm.Start()
		time.Sleep(3 * time.Second)
		if w.open.Load() != 8 {
			t.Errorf("%v after 3 s, with 4 of 5 addresses refusing", cm.Snapshot().Outbound)
		}
	})
}
