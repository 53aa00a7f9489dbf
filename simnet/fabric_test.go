package simnet

import (
	"context"
	"errors"
	"net"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

const latency = 50 * time.Millisecond

func tcp(s string) net.Addr {
	a, err := net.ResolveTCPAddr("tcp", s)
	if err != nil {
		panic(err)
	}
	return a
}

func TestDialOutcomes(t *testing.T) {
	target := tcp("11.0.0.1:8333")
	tests := []struct {
		name    string
		prepare func(*Fabric)
		listen  bool
		limit   time.Duration // of the dial's context; 0 for none
		want    error         // errors.Is; nil for success
		timeout bool
		took    time.Duration
	}{
		{name: "listener", listen: true, took: 2 * latency},
		{name: "nobody listens", want: syscall.ECONNREFUSED, took: 2 * latency},
		{
			name: "black hole", listen: true, limit: 7 * time.Second,
			prepare: func(f *Fabric) { f.BlackHole(target, true) },
			want:    context.DeadlineExceeded, timeout: true, took: 7 * time.Second,
		},
		{
			name: "black hole mended", listen: true, took: 2 * latency,
			prepare: func(f *Fabric) { f.BlackHole(target, true); f.BlackHole(target, false) },
		},
		{
			name: "another black hole", listen: true, took: 2 * latency,
			prepare: func(f *Fabric) { f.BlackHole(tcp("11.0.0.1:8334"), true) },
		},
		{
			name: "our network is down", listen: true, want: syscall.ENETUNREACH,
			prepare: func(f *Fabric) { f.SetUp(false) },
		},
		{
			name: "cut", listen: true, limit: time.Second,
			prepare: func(f *Fabric) { f.Cut(true) },
			want:    context.DeadlineExceeded, timeout: true, took: time.Second,
		},
		{
			name: "host cut", listen: true, limit: time.Second,
			prepare: func(f *Fabric) { f.Cut(true, tcp("11.0.0.1:1")) },
			want:    context.DeadlineExceeded, timeout: true, took: time.Second,
		},
		{
			name: "another host cut", listen: true, took: 2 * latency,
			prepare: func(f *Fabric) { f.Cut(true, tcp("11.0.0.2:8333")) },
		},
		{
			name: "too slow", listen: true, limit: latency,
			want: context.DeadlineExceeded, timeout: true, took: latency,
		},
		{
			name: "fabric closed", listen: true, want: net.ErrClosed,
			prepare: func(f *Fabric) { f.Close() },
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := NewFabric(FabricConfig{Latency: latency})
				defer f.Close()
				if tt.listen {
					if _, err := f.Listen(target); err != nil {
						t.Fatal(err)
					}
				}
				if tt.prepare != nil {
					tt.prepare(f)
				}
				ctx := t.Context()
				if tt.limit > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, tt.limit)
					defer cancel()
				}
				start := time.Now()
				conn, err := f.Dialer(nil)(ctx, target)
				if took := time.Since(start); took != tt.took {
					t.Errorf("took %v, want %v", took, tt.took)
				}
				if !errors.Is(err, tt.want) {
					t.Fatalf("error %v, want %v", err, tt.want)
				}
				if tt.want == nil {
					if conn.RemoteAddr().String() != target.String() {
						t.Errorf("remote %v", conn.RemoteAddr())
					}
					if conn.LocalAddr().String() != "10.0.0.1:20000" {
						t.Errorf("local %v", conn.LocalAddr())
					}
					return
				}
				var op *net.OpError
				if !errors.As(err, &op) || op.Op != "dial" || op.Addr != target || op.Timeout() != tt.timeout {
					t.Errorf("error %#v", err)
				}
				if s := f.Stats(); s.Dials != 1 || s.Opened != 0 || s.Open != 0 || s.Dialing != 0 {
					t.Errorf("stats %+v", s)
				}
			})
		})
	}
}

func TestDialCanceled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewFabric(FabricConfig{})
		target := tcp("11.0.0.1:1")
		f.BlackHole(target, true)
		ctx, cancel := context.WithCancel(t.Context())
		var err error
		var wg sync.WaitGroup
		wg.Go(func() { _, err = f.Dial(ctx, nil, target) })
		synctest.Wait()
		if s := f.Stats(); s.Dialing != 1 {
			t.Errorf("stats %+v", s)
		}
		cancel()
		wg.Wait()
		var ne net.Error
		if !errors.Is(err, context.Canceled) || !errors.As(err, &ne) || ne.Timeout() {
			t.Errorf("error %v", err)
		}
	})
}

// A dial that waits goes on when the way heals, and then takes a round trip.
func TestDialGoesOn(t *testing.T) {
	target := tcp("11.0.0.1:1")
	for name, block := range map[string]func(*Fabric, bool){
		"black hole": func(f *Fabric, on bool) { f.BlackHole(target, on) },
		"cut":        func(f *Fabric, on bool) { f.Cut(on) },
		"host cut":   func(f *Fabric, on bool) { f.Cut(on, target) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := NewFabric(FabricConfig{Latency: latency})
				defer f.Close()
				if _, err := f.Listen(target); err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				time.AfterFunc(latency, func() { block(f, true) })
				time.AfterFunc(time.Second, func() { block(f, false) })
				if _, err := f.Dial(t.Context(), nil, target); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(start); took != time.Second+2*latency {
					t.Errorf("took %v", took)
				}
			})
		})
	}
}

func TestBacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewFabric(FabricConfig{Latency: latency, Backlog: 2})
		defer f.Close()
		target := tcp("11.0.0.1:1")
		l, err := f.Listen(target)
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if _, err := f.Dial(t.Context(), nil, target); err != nil {
					t.Error(err)
				}
			})
		}
		time.Sleep(time.Minute)
		if s := f.Stats(); s.Dialing != 1 || s.Opened != 2 {
			t.Errorf("before Accept: %+v", s)
		}
		for range 3 {
			if _, err := l.Accept(); err != nil {
				t.Fatal(err)
			}
		}
		wg.Wait()
		if s := f.Stats(); s.Opened != 3 || s.Open != 3 || f.Dialed(target) != 3 {
			t.Errorf("after Accept: %+v", s)
		}
	})
}

func TestListenerClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewFabric(FabricConfig{})
		defer f.Close()
		target := tcp("11.0.0.1:1")
		l, err := f.Listen(target)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Listen(target); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("second listener: %v", err)
		}
		waiting, err := f.Dial(t.Context(), nil, target)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("second Close: %v", err)
		}
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept: %v", err)
		}
		if _, err := waiting.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("connection that waited for Accept: %v", err)
		}
		waiting.Close()
		if s := f.Stats(); s.Open != 0 {
			t.Errorf("stats %+v", s)
		}
		if _, err := f.Listen(target); err != nil {
			t.Errorf("address is not free again: %v", err)
		}
	})
}

func TestAcceptEndsWithListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewFabric(FabricConfig{})
		l, err := f.Listen(tcp("11.0.0.1:0"))
		if err != nil {
			t.Fatal(err)
		}
		if l.Addr().String() != "11.0.0.1:20000" {
			t.Errorf("port 0 became %v", l.Addr())
		}
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		f.Close()
		wg.Wait()
		if _, err := f.Listen(tcp("11.0.0.1:1")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Listen after Close: %v", err)
		}
	})
}

// Equal seeds give equal delays, others do not.
func TestJitterIsSeeded(t *testing.T) {
	took := func(seed uint64) (d time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			f := NewFabric(FabricConfig{Latency: latency, Jitter: latency, Seed: seed})
			defer f.Close()
			start := time.Now()
			for range 5 {
				_, _ = f.Dial(t.Context(), nil, tcp("11.0.0.1:1"))
			}
			d = time.Since(start)
		})
		return d
	}
	a, again, b := took(1), took(1), took(2)
	if a != again || a == b {
		t.Errorf("seed 1: %v, then %v; seed 2: %v", a, again, b)
	}
	if a < 10*latency || a > 20*latency {
		t.Errorf("five round trips took %v", a)
	}
}
