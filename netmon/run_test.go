package netmon

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"reflect"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// call is a call of changed, with its time since the test began.
type call struct {
	at   time.Duration
	what Change
}

// world runs run in virtual time, and is its source of news.
type world struct {
	t      *testing.T
	news   chan Change
	broken chan error
	cancel func()
	ended  chan error

	mu             sync.Mutex
	opened, closed int
	ahead          time.Duration // of the wall clock
	busy           time.Duration // how long changed takes
	got            []call
}

func (w *world) next(ctx context.Context, until time.Time) (Change, error) {
	select {
	case c := <-w.news:
		return c, nil
	case err := <-w.broken:
		return 0, err
	case <-time.After(time.Until(until)):
	case <-ctx.Done():
	}
	return 0, nil
}

func (w *world) open(context.Context, Options) (source, error) {
	w.with(func() { w.opened++ })
	return w, nil
}

func (w *world) close() { w.with(func() { w.closed++ }) }

func (w *world) with(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

// inBubble runs a test beside a run with options o, which has begun and is ended
// afterwards.
func inBubble(t *testing.T, o Options, test func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, news: make(chan Change), broken: make(chan error), ended: make(chan error, 1)}
		ctx, cancel := context.WithCancel(t.Context())
		w.cancel = cancel
		begin := time.Now()
		wall := func() (now time.Time) {
			w.with(func() { now = time.Now().Round(0).Add(w.ahead) })
			return now
		}
		go func() {
			w.ended <- run(ctx, o.withDefaults(), w.open, wall, func(c Change) {
				var busy time.Duration
				w.with(func() {
					w.got = append(w.got, call{time.Since(begin), c})
					busy = w.busy
				})
				time.Sleep(busy)
			})
		}()
		synctest.Wait()
		test(w)
		w.end()
	})
}

// end ends run, if it has not ended, and checks that it does so at once.
func (w *world) end() {
	w.t.Helper()
	if w.cancel == nil {
		return
	}
	w.cancel()
	w.cancel = nil
	synctest.Wait()
	select {
	case err := <-w.ended:
		if err != nil {
			w.t.Errorf("Run: %v", err)
		}
	default:
		w.t.Error("Run has not ended with its context")
		<-w.ended
	}
	if w.opened != w.closed {
		w.t.Errorf("opened %d sources, closed %d", w.opened, w.closed)
	}
}

// want checks what was told until now.
func (w *world) want(want ...call) {
	w.t.Helper()
	synctest.Wait()
	w.with(func() {
		if !slices.Equal(w.got, want) {
			w.t.Errorf("told %v, want %v", w.got, want)
		}
	})
}

func TestBurstIsToldOnce(t *testing.T) {
	inBubble(t, Options{}, func(w *world) {
		for range 15 {
			w.news <- Link
			w.news <- Address
			time.Sleep(10 * ms)
		}
		time.Sleep(time.Hour)
		w.want(call{200 * ms, Link | Address})
	})
}

func TestStreamIsToldOnceASecond(t *testing.T) {
	inBubble(t, Options{}, func(w *world) {
		for range 1000 {
			w.news <- Route
			time.Sleep(10 * ms)
		}
		time.Sleep(time.Hour)
		var want []call
		for i := range 11 { // the last tells of what came after the tenth
			want = append(want, call{200*ms + time.Duration(i)*time.Second, Route})
		}
		w.want(want...)
	})
}

func TestOptions(t *testing.T) {
	inBubble(t, Options{Settle: time.Second, Gap: time.Minute}, func(w *world) {
		w.news <- Route
		time.Sleep(2 * time.Second)
		w.news <- Link
		time.Sleep(time.Hour)
		w.want(call{time.Second, Route}, call{61 * time.Second, Link})
	})
	inBubble(t, Options{Settle: -1, Gap: -1}, func(w *world) {
		for range 3 {
			w.news <- Route
		}
		synctest.Wait()
		w.want(call{0, Route}, call{0, Route}, call{0, Route})
	})
}

func TestNothingIsToldOfNothing(t *testing.T) {
	inBubble(t, Options{}, func(w *world) {
		time.Sleep(100 * time.Hour)
		w.want()
	})
}

// An hour of sleep is one of which the monotonic clock knows nothing.
func TestSleep(t *testing.T) {
	inBubble(t, Options{}, func(w *world) {
		time.Sleep(10 * time.Second)
		w.with(func() { w.ahead += time.Hour })
		time.Sleep(time.Minute)
		w.want(call{30*time.Second + 200*ms, Slept})
		// The network is another one after sleep: told at once, with the sleep.
		w.with(func() { w.ahead += 5 * time.Hour })
		w.news <- Address
		time.Sleep(time.Hour)
		w.want(call{30*time.Second + 200*ms, Slept}, call{70*time.Second + 200*ms, Slept | Address})
	})
}

// An owner that takes its time is not taken for sleep, and misses nothing.
func TestSlowOwner(t *testing.T) {
	inBubble(t, Options{}, func(w *world) {
		w.with(func() { w.busy = time.Hour })
		w.news <- Link
		w.news <- Address // still in time
		time.Sleep(time.Second)
		w.news <- Route // taken when the owner is done
		time.Sleep(3 * time.Hour)
		w.want(call{200 * ms, Link | Address}, call{time.Hour + 400*ms, Route})
	})
}

// News that were lost are told, and the source is opened again; but not more
// often than it is told, whatever happens to it.
func TestLost(t *testing.T) {
	inBubble(t, Options{}, func(w *world) {
		state := func() (s [2]int) {
			synctest.Wait()
			w.with(func() { s = [2]int{w.opened, w.closed} })
			return s
		}
		w.broken <- errors.New("no buffer space available, says the test")
		time.Sleep(199 * ms)
		if s := state(); s != [2]int{1, 1} {
			t.Errorf("before it is told: opened, closed: %v", s)
		}
		time.Sleep(time.Second)
		w.want(call{200 * ms, Lost})
		if s := state(); s != [2]int{2, 1} {
			t.Errorf("after it is told: opened, closed: %v", s)
		}
		w.news <- Link
		time.Sleep(time.Second)
		w.want(call{200 * ms, Lost}, call{1399 * ms, Link})
		end := time.Now().Add(100 * time.Second)
		for time.Now().Before(end) {
			w.broken <- errors.New("again, says the test")
		}
		if s := state(); s[0] < 100 || s[0] > 104 {
			t.Errorf("opened %d times in 102 s", s[0])
		}
	})
}

// The context can end while the source is closed.
func TestEndWhileLost(t *testing.T) {
	inBubble(t, Options{Settle: time.Hour}, func(w *world) {
		w.broken <- errors.New("says the test")
		time.Sleep(time.Minute)
	})
}

func TestNoCallAfterTheEnd(t *testing.T) {
	inBubble(t, Options{}, func(w *world) {
		w.news <- Link
		w.end()
		time.Sleep(time.Hour)
		w.want()
	})
}

func TestNothingCanBeDone(t *testing.T) {
	w := &world{}
	open := func(context.Context, Options) (source, error) { return w, fs.ErrPermission }
	err := run(t.Context(), Options{}, open, time.Now, nil)
	if !errors.Is(err, fs.ErrPermission) || w.closed != 1 {
		t.Errorf("error %v, closed %d times", err, w.closed)
	}
}

func TestPolling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		network, broken := known(), error(nil)
		change := func(f func()) {
			mu.Lock()
			defer mu.Unlock()
			f()
		}
		ask := func() (facts, error) {
			mu.Lock()
			defer mu.Unlock()
			return maps.Clone(network), broken
		}
		open := func(_ context.Context, o Options) (source, error) { return newPoller(o.PollEvery, ask) }
		ctx, cancel := context.WithCancel(t.Context())
		begin := time.Now()
		var got []call
		ended := make(chan error)
		go func() {
			ended <- run(ctx, Options{}.withDefaults(), open, time.Now, func(c Change) {
				got = append(got, call{time.Since(begin), c})
			})
		}()
		time.Sleep(12 * time.Second)
		change(func() { network[eth0] = "down" })
		time.Sleep(10 * time.Second)
		change(func() { delete(network, ourIP); broken = errors.New("too many open files, says the test") })
		time.Sleep(20 * time.Second)
		change(func() { broken = nil }) // only now the address is seen to be gone
		time.Sleep(time.Hour)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		want := []call{{15*time.Second + 200*ms, Link | Polled}, {45*time.Second + 200*ms, Address | Polled}}
		if !slices.Equal(got, want) {
			t.Errorf("told %v, want %v", got, want)
		}
	})
}

// The interfaces of this machine: at least asking works, and says the same twice
// unless somebody changes them meanwhile.
func TestInterfaces(t *testing.T) {
	for range 100 {
		a, err := interfaces()
		if err != nil {
			t.Fatal(err)
		}
		b, err := interfaces()
		if err != nil {
			t.Fatal(err)
		}
		if reflect.DeepEqual(a, b) {
			return
		}
	}
	t.Error("the interfaces are different each time")
}

// The real thing ends when its context does, be it before it begins.
func TestRunEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Run(ctx, Options{}, func(Change) {}); err != nil {
		t.Error(err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	opened := make(chan struct{})
	ended := make(chan error)
	go func() {
		ended <- run(ctx, Options{ClockEvery: time.Hour, PollEvery: time.Hour},
			func(ctx context.Context, o Options) (source, error) {
				defer close(opened)
				return open(ctx, o)
			}, time.Now, func(Change) {})
	}()
	<-opened
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
