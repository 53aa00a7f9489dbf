package torctl

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"holdfast/internal/testenv"
)

// running is a Service in a bubble of virtual time.
type running struct {
	t      *testing.T
	began  time.Time
	mu     sync.Mutex
	events []Event
	times  []time.Duration
	stop   func() // ends Run, and waits for it
}

// noChance is a source without jitter: a wait is as long as can be.
type noChance struct{}

func (noChance) Uint64() uint64 { return 0 }

// run runs a service of f, with what change makes of it.
func run(t *testing.T, f *fakeTor, change func(*Service)) *running {
	t.Helper()
	r := &running{t: t, began: time.Now()}
	s := &Service{Control: f.options(), VirtualPort: 8333, Target: "127.0.0.1:8334", Rand: noChance{}, OnEvent: func(e Event) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.events = append(r.events, e)
		r.times = append(r.times, time.Since(r.began))
	}}
	if change != nil {
		change(s)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	var once sync.Once
	r.stop = func() {
		once.Do(func() {
			cancel()
			at := time.Now()
			if err := <-ended; err != nil || time.Since(at) != 0 {
				t.Errorf("Run returns %v after %v", err, time.Since(at))
			}
		})
	}
	t.Cleanup(r.stop)
	return r
}

// got returns the events since it was called last, as "time kind".
func (r *running) got() string {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []string
	for i, e := range r.events {
		all = append(all, fmt.Sprint(r.times[i], " ", e.Kind))
	}
	r.events, r.times = nil, nil
	return strings.Join(all, ", ")
}

func (r *running) check(want string) {
	r.t.Helper()
	if got := r.got(); got != want {
		r.t.Errorf("got  %s\nwant %s", got, want)
	}
}

// last returns the last event.
func (r *running) last() Event {
	r.t.Helper()
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.events) == 0 {
		r.t.Fatal("no event")
	}
	return r.events[len(r.events)-1]
}

func TestPublish(t *testing.T) {
	t.Parallel()
	file := keyFile(t)
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTor{}
		r := run(t, f, func(s *Service) { s.KeyFile = file })
		e := r.last()
		if e.Kind != KindPublished || e.Version != "0.4.9.8" || e.Addr.Port != 8333 ||
			!slices.Equal(f.published(), []string{strings.TrimSuffix(e.Addr.Host.String(), ".onion")}) {
			t.Errorf("%+v, %q", e, f.published())
		}
		if read(t, file) != fakeKey(1) {
			t.Error("the key is not kept")
		}
		r.check("0s published")
		time.Sleep(24 * time.Hour)
		r.stop()
		synctest.Wait()
		if f.published() != nil {
			t.Error("still published")
		}
		r.check("") // its end is no news

		// The next start has the same address.
		f.said()
		if again := run(t, f, func(s *Service) { s.KeyFile = file }).last(); again.Addr != e.Addr {
			t.Errorf("%+v", again)
		}
		if said := f.said(); said[2] != "ADD_ONION "+fakeKey(1)+" Port=8333,127.0.0.1:8334" {
			t.Errorf("%q", said)
		}
	})
}

// The waits between the tries of a Tor that is down, and after it is back.
func TestBackoff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTor{down: true}
		r := run(t, f, nil)
		want := time.Duration(0)
		for i, wait := range []int{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600, 600} {
			e := r.last()
			if e.Kind != KindFailed || e.Attempt != i+1 || !errors.Is(e.Err, errRefused) || !e.Next.Equal(time.Now().Add(time.Duration(wait)*time.Second)) {
				t.Errorf("try %d: %+v", i+1, e)
			}
			r.check(want.String() + " failed")
			time.Sleep(time.Duration(wait) * time.Second)
			want += time.Duration(wait) * time.Second
		}
		r.got()
		f.set(func() { f.down = false })
		time.Sleep(10 * time.Minute)
		r.check((want + 10*time.Minute).String() + " published")

		// From the start again.
		f.set(func() { f.down = true })
		f.kill()
		time.Sleep(3 * time.Second)
		at := want + 10*time.Minute
		r.check(fmt.Sprint(at, " lost, ", at+time.Second, " failed, ", at+2*time.Second, " failed"))
	})
}

// Who is told to retry does so at once, and waits as little after it as at the start. A
// service that is published is asked for.
func TestRetry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTor{down: true}
		retry := make(chan struct{}, 1)
		r := run(t, f, func(s *Service) { s.Retry = retry })
		time.Sleep(20 * time.Minute)
		r.got() // the next is due after 27m3s
		retry <- struct{}{}
		r.check("20m0s failed")
		time.Sleep(2 * time.Second)
		r.check("20m1s failed") // and then after 20m3s
		f.set(func() { f.down = false })
		retry <- struct{}{}
		r.check("20m2s published")

		// Between the questions of each minute.
		time.Sleep(10 * time.Second)
		retry <- struct{}{}
		r.check("")
		f.set(func() { f.answer = func(string) (string, bool) { return "250-onions/current=\r\n250 OK\r\n", true } })
		retry <- struct{}{}
		r.check("20m12s lost")
		f.set(func() { f.answer = nil })
		retry <- struct{}{}
		r.check("20m12s published")

		// What is closed says nothing.
		close(retry)
		time.Sleep(time.Hour)
		r.check("")
		f.set(func() { f.down = true })
		f.kill()
		time.Sleep(3 * time.Second)
		r.check("1h20m12s lost, 1h20m13s failed, 1h20m14s failed")
	})
}

func TestBackoffSettings(t *testing.T) {
	t.Parallel()
	rnd := testenv.NewRand(t)
	for range 1000 {
		s := &Service{BackoffMin: time.Duration(rnd.Int64N(int64(time.Hour))), BackoffMax: time.Duration(rnd.Int64())}
		if rnd.IntN(4) == 0 {
			s.BackoffMin, s.BackoffMax = 0, 0
		}
		r := serviceRun{Service: s, rand: rnd}
		full := s.BackoffMin
		if full == 0 {
			full = time.Second
		}
		most := s.BackoffMax
		if most == 0 {
			most = 10 * time.Minute
		}
		for n := 1; n < 100; n++ {
			full = min(full, most)
			if w := r.wait(n); w > full || w < full-full/5-1 {
				t.Fatalf("%+v: wait %d is %v of %v", s, n, w, full)
			}
			if full *= 2; full <= 0 {
				full = most
			}
		}
	}
	// Those who come at the same time do not come again at the same time.
	a, b := serviceRun{Service: &Service{}, rand: rand.New(rand.NewPCG(1, 1))}, serviceRun{Service: &Service{}, rand: rand.New(rand.NewPCG(2, 2))}
	if a.wait(1) == b.wait(1) {
		t.Error("no jitter")
	}
}

func TestPublishedAgain(t *testing.T) {
	t.Parallel()
	file := keyFile(t)
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTor{}
		r := run(t, f, func(s *Service) { s.KeyFile = file })
		addr := r.last().Addr
		r.check("0s published")
		time.Sleep(90 * time.Second)
		f.kill()
		if e := r.last(); e.Kind != KindLost || e.Addr != addr || e.Err == nil || errors.Is(e.Err, ErrClosed) || !e.Next.Equal(time.Now().Add(time.Second)) {
			t.Errorf("%+v", e)
		}
		time.Sleep(time.Second)
		if e := r.last(); e.Addr != addr {
			t.Errorf("%+v", e)
		}
		r.check("1m30s lost, 1m31s published")
	})
}

// A connection that is dead without having ended, and a Tor that hangs.
func TestSilence(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTor{}
		r := run(t, f, nil)
		time.Sleep(5*time.Minute + time.Second)
		r.check("0s published")
		f.set(func() { f.answer = func(string) (string, bool) { return "", true } })
		time.Sleep(2 * time.Minute)
		if e := r.last(); !errors.Is(e.Err, ErrSilent) {
			t.Errorf("%+v", e)
		}
		r.check("6m30s lost") // asked at 6m
		time.Sleep(30*time.Second + 500*time.Millisecond)
		if e := r.last(); !errors.Is(e.Err, ErrSilent) || e.Attempt != 1 {
			t.Errorf("%+v", e)
		}
		r.check("7m31s failed") // dialed at 6m31s, and given a minute
		f.set(func() { f.answer = nil })
		time.Sleep(time.Minute)
		r.check("7m32s published")
	})
}

// A service that Tor has no more is published again; an answer that we may not ask is a
// sign of life.
func TestAskedForTheService(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTor{}
		current := func(answer string) func(string) (string, bool) {
			return func(line string) (string, bool) { return answer, line == "GETINFO onions/current" }
		}
		r := run(t, f, nil)
		id := strings.TrimSuffix(r.last().Addr.Host.String(), ".onion")
		for _, alive := range []string{
			"510 Command filtered\r\n",
			"250-onions/current=" + id + "\r\n250 OK\r\n",
			"250+onions/current=\r\nother\r\n" + id + "\r\n.\r\n250 OK\r\n",
		} {
			f.set(func() { f.answer = current(alive) })
			time.Sleep(time.Minute + time.Second)
			r.check(map[bool]string{true: "0s published"}[strings.HasPrefix(alive, "510")])
		}
		f.set(func() { f.answer = current("250-onions/current=\r\n250 OK\r\n") })
		time.Sleep(time.Minute)
		r.check("4m0s lost, 4m1s published")
	})
}

// What may end at any moment of a try is tried again.
func TestTorEndsInTheMiddle(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"PROTOCOLINFO", "AUTHENTICATE", "ADD_ONION"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			file := keyFile(t)
			synctest.Test(t, func(t *testing.T) {
				f := &fakeTor{quit: func(f *fakeTor, line string) bool {
					return strings.HasPrefix(line, at) && len(f.dials) <= 2
				}}
				r := run(t, f, func(s *Service) { s.KeyFile = file })
				time.Sleep(time.Minute)
				r.check("0s failed, 1s failed, 3s published")
				r.stop()
			})
		})
	}
}

// What an operator can mend is tried again, so that he need not start anew.
func TestMended(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name         string
		wrong, right func(f *fakeTor, file string)
		check        func(err error) bool
	}{
		{
			"no way in", func(f *fakeTor, _ string) { f.auth = "METHODS=HASHEDPASSWORD" }, func(f *fakeTor, _ string) { f.auth = "" },
			func(err error) bool { return errors.Is(err, ErrAuth) },
		},
		{
			"open key",
			func(_ *fakeTor, file string) {
				_ = os.WriteFile(file, []byte(fakeKey(1)), 0o600)
				_ = os.Chmod(file, 0o644)
			},
			func(_ *fakeTor, file string) { _ = os.Chmod(file, 0o600) },
			func(err error) bool { return errors.Is(err, ErrKeyMode) },
		},
		{
			"published by another",
			func(f *fakeTor, file string) {
				_ = os.WriteFile(file, []byte(fakeKey(1)), 0o600)
				f.answer = func(line string) (string, bool) {
					return "550 Onion address collision\r\n", strings.HasPrefix(line, "ADD_ONION")
				}
			},
			func(f *fakeTor, _ string) { f.answer = nil },
			func(err error) bool { return isReply(err, 550) && strings.Contains(err.Error(), "another program") },
		},
		{
			"no key given",
			func(f *fakeTor, _ string) {
				f.answer = func(line string) (string, bool) {
					return "250-ServiceID=pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd\r\n250 OK\r\n", strings.HasPrefix(line, "ADD_ONION")
				}
			},
			func(f *fakeTor, _ string) { f.answer = nil },
			func(err error) bool { return errors.Is(err, ErrProtocol) },
		},
		{
			"no directory for the key",
			func(_ *fakeTor, file string) { _ = os.Remove(filepath.Dir(file)) },
			func(_ *fakeTor, file string) { _ = os.Mkdir(filepath.Dir(file), 0o700) },
			func(err error) bool { return errors.Is(err, fs.ErrNotExist) },
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			file := keyFile(t)
			synctest.Test(t, func(t *testing.T) {
				f := &fakeTor{}
				tt.wrong(f, file)
				r := run(t, f, func(s *Service) { s.KeyFile = file })
				if e := r.last(); e.Kind != KindFailed || !tt.check(e.Err) {
					t.Errorf("%+v", e)
				}
				if f.published() != nil {
					t.Error("published nevertheless")
				}
				time.Sleep(2 * time.Second) // between tries
				f.set(func() { tt.right(f, file) })
				time.Sleep(2 * time.Second)
				r.check("0s failed, 1s failed, 3s published")
				r.stop()
			})
		})
	}
}

func TestDamagedKeyIsTold(t *testing.T) {
	t.Parallel()
	file := keyFile(t)
	put(t, file, fakeKey(9)[:40], 0o600)
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTor{down: true}
		r := run(t, f, func(s *Service) { s.KeyFile = file })
		time.Sleep(1500 * time.Millisecond)
		f.set(func() { f.down = false })
		time.Sleep(time.Minute)
		r.check("0s key set aside, 0s failed, 1s failed, 3s published")
		r.stop()
		if read(t, file) != fakeKey(1) || read(t, file+".bad-1") != fakeKey(9)[:40] {
			t.Error("not kept, or not set aside")
		}
	})
}

// Without a file there is a new address each time.
func TestNoKeyFile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTor{}
		r := run(t, f, nil)
		first := r.last().Addr
		f.kill()
		time.Sleep(time.Minute)
		if second := r.last(); second.Kind != KindPublished || second.Addr == first {
			t.Errorf("%+v", second)
		}
	})
}

// Run ends at once, wherever it is; running.stop checks that.
func TestRunEnds(t *testing.T) {
	t.Parallel()
	for _, silentAt := range []string{"PROTOCOLINFO", "AUTHENTICATE", "ADD_ONION", "GETINFO", "never", "down"} {
		t.Run(silentAt, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := &fakeTor{down: silentAt == "down"}
				f.answer = func(line string) (string, bool) { return "", strings.HasPrefix(line, silentAt) }
				r := run(t, f, nil)
				time.Sleep(61500 * time.Millisecond)
				r.stop()
				synctest.Wait()
				if f.set(func() {}); len(f.conns) != 0 || f.published() != nil {
					t.Error("something is left")
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		f := &fakeTor{}
		s := Service{Control: f.options(), VirtualPort: 1, Target: "x"}
		if err := s.Run(ctx); err != nil || len(f.dials) != 0 {
			t.Error(err, f.dials)
		}
	})
}

// Who is told takes his time, and is told of what came meanwhile, in order. What ends
// while he does is no news any more.
func TestSlowOwner(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTor{}
		ctx, cancel := context.WithCancel(t.Context())
		var kinds []Kind
		s := Service{Control: f.options(), VirtualPort: 8333, Target: "x", OnEvent: func(e Event) {
			kinds = append(kinds, e.Kind)
			f.kill()
			time.Sleep(time.Hour)
			if len(kinds) == 3 {
				cancel()
			}
		}}
		if err := s.Run(ctx); err != nil {
			t.Error(err)
		}
		if !slices.Equal(kinds, []Kind{KindPublished, KindLost, KindPublished}) {
			t.Error(kinds)
		}
	})
}

func TestServiceSettings(t *testing.T) {
	t.Parallel()
	for _, s := range []Service{{}, {VirtualPort: 1}, {Target: "x"}, {VirtualPort: 1, Target: "a b"}, {VirtualPort: 1, Target: "a\r\nSIGNAL HALT"}, {VirtualPort: 1, Target: "a,b"}} {
		if err := s.Run(t.Context()); err == nil {
			t.Errorf("%+v runs", s)
		}
	}
}

func TestKinds(t *testing.T) {
	t.Parallel()
	for k, want := range map[Kind]string{KindPublished: "published", KindLost: "lost", KindFailed: "failed", KindKeySetAside: "key set aside", 9: "kind-9"} {
		if k.String() != want {
			t.Error(k)
		}
	}
}
