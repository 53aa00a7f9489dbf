package simnet

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/nettest"
	"pgregory.net/rapid"
)

// connect makes one connection on f.
func connect(t rapid.TB, f *Fabric) (dialed, accepted net.Conn) {
	t.Helper()
	l, err := f.Listen(tcp("11.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	a, err := f.Dialer(nil)(context.Background(), l.Addr())
	if err != nil {
		t.Fatal(err)
	}
	b, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if a.LocalAddr() != b.RemoteAddr() || a.RemoteAddr() != b.LocalAddr() {
		t.Fatal("addresses do not match")
	}
	return a, b
}

// bubble runs body with a connection whose latency is 50 ms.
func bubble(t *testing.T, cfg FabricConfig, body func(t *testing.T, f *Fabric, a, b net.Conn)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := NewFabric(cfg)
		defer f.Close()
		a, b := connect(t, f)
		body(t, f, a, b)
	})
}

func mustWrite(t *testing.T, c net.Conn, s string) {
	t.Helper()
	if n, err := io.WriteString(c, s); n != len(s) || err != nil {
		t.Fatalf("wrote %d of %q: %v", n, s, err)
	}
}

func mustRead(t *testing.T, c net.Conn, want string) {
	t.Helper()
	buf := make([]byte, len(want))
	if n, err := io.ReadFull(c, buf); err != nil || string(buf) != want {
		t.Fatalf("read %q, %v; want %q", buf[:n], err, want)
	}
}

func TestConnDelivers(t *testing.T) {
	bubble(t, FabricConfig{Latency: latency}, func(t *testing.T, _ *Fabric, a, b net.Conn) {
		start := time.Now()
		mustWrite(t, a, "to b") // both write before either reads
		mustWrite(t, b, "to a")
		if time.Since(start) != 0 {
			t.Error("a write waited")
		}
		mustRead(t, b, "to b")
		if took := time.Since(start); took != latency {
			t.Errorf("arrived after %v", took)
		}
		mustRead(t, a, "to a")
		mustWrite(t, a, "1")
		time.Sleep(latency / 2)
		mustWrite(t, a, "2")
		mustRead(t, b, "12")
		if took := time.Since(start); took != 2*latency+latency/2 {
			t.Errorf("second write arrived after %v", took)
		}
	})
}

func TestConnBufferIsBounded(t *testing.T) {
	bubble(t, FabricConfig{Latency: latency, Buffer: 8}, func(t *testing.T, _ *Fabric, a, b net.Conn) {
		var wg sync.WaitGroup
		start := time.Now()
		wg.Go(func() { mustWrite(t, a, "0123456789") })
		time.Sleep(time.Second)
		mustRead(t, b, "01234")
		wg.Wait()
		if took := time.Since(start); took != time.Second {
			t.Errorf("write of too much took %v", took)
		}
		mustRead(t, b, "56789")

		// A deadline ends a write that is stuck, and says how much went.
		if err := a.SetWriteDeadline(time.Now().Add(3 * time.Second)); err != nil {
			t.Fatal(err)
		}
		n, err := a.Write(make([]byte, 10))
		if n != 8 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("stuck write: %d, %v", n, err)
		}
	})
}

func TestConnWritesDoNotMix(t *testing.T) {
	bubble(t, FabricConfig{Buffer: 8}, func(t *testing.T, _ *Fabric, a, b net.Conn) {
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				if _, err := a.Write(bytes.Repeat([]byte{byte(i)}, 50)); err != nil {
					t.Error(err)
				}
			})
		}
		buf := make([]byte, 200)
		if _, err := io.ReadFull(b, buf); err != nil {
			t.Fatal(err)
		}
		for i, c := range buf {
			if c != buf[i-i%50] {
				t.Fatalf("byte %d is of another write: %v", i, buf)
			}
		}
		wg.Wait()
	})
}

func TestConnDeadlines(t *testing.T) {
	bubble(t, FabricConfig{Latency: latency}, func(t *testing.T, _ *Fabric, a, b net.Conn) {
		start := time.Now()
		_ = a.SetReadDeadline(start.Add(time.Second))
		_, err := a.Read(make([]byte, 1))
		var ne net.Error
		if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &ne) || !ne.Timeout() {
			t.Errorf("error %v", err)
		}
		if took := time.Since(start); took != time.Second {
			t.Errorf("deadline fired after %v", took)
		}
		if _, err := a.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("deadline in the past: %v", err)
		}
		_ = a.SetDeadline(time.Time{})
		mustWrite(t, b, "x")
		mustRead(t, a, "x")

		// A deadline set while a Read waits holds for it too.
		time.AfterFunc(time.Second, func() { _ = a.SetReadDeadline(time.Now()) })
		if _, err := a.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("deadline set meanwhile: %v", err)
		}
	})
}

func TestConnClose(t *testing.T) {
	bubble(t, FabricConfig{Latency: latency}, func(t *testing.T, f *Fabric, a, b net.Conn) {
		mustWrite(t, a, "last words")
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		if err := a.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("second Close: %v", err)
		}
		if _, err := a.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Write after own Close: %v", err)
		}
		if _, err := a.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Read after own Close: %v", err)
		}
		if err := a.SetDeadline(time.Now()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("SetDeadline after own Close: %v", err)
		}
		mustWrite(t, b, "b does not know yet")
		time.Sleep(latency)
		if _, err := b.Write([]byte("x")); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("Write after the other side's Close: %v", err)
		}
		all, err := io.ReadAll(b)
		if string(all) != "last words" || err != nil {
			t.Errorf("read %q, %v", all, err)
		}
		if s := f.Stats(); s.Open != 1 {
			t.Errorf("half closed: %+v", s)
		}
		b.Close()
		if s := f.Stats(); s.Open != 0 {
			t.Errorf("closed: %+v", s)
		}
	})
}

// Close wakes whoever waits: own calls at once, the other side's after the latency.
func TestConnCloseWakes(t *testing.T) {
	bubble(t, FabricConfig{Latency: latency, Buffer: 4}, func(t *testing.T, _ *Fabric, a, b net.Conn) {
		var wg sync.WaitGroup
		start := time.Now()
		check := func(name string, call func() (int, error), want error, took time.Duration) {
			wg.Go(func() {
				_, err := call()
				if !errors.Is(err, want) || time.Since(start) != took {
					t.Errorf("%s: %v after %v, want %v after %v", name, err, time.Since(start), want, took)
				}
			})
		}
		big := make([]byte, 100)
		check("own Read", func() (int, error) { return a.Read(make([]byte, 1)) }, nil, latency)
		check("own Write", func() (int, error) { return a.Write(big) }, net.ErrClosed, time.Second)
		check("other Write", func() (int, error) { return b.Write(big) }, syscall.ECONNRESET, time.Second+latency)
		time.Sleep(time.Second)
		a.Close()
		wg.Wait()
	})
}

func TestCut(t *testing.T) {
	for name, cut := range map[string]func(*Fabric, bool){
		"all":     func(f *Fabric, on bool) { f.Cut(on) },
		"host":    func(f *Fabric, on bool) { f.Cut(on, tcp("11.0.0.1:9")) },
		"network": func(f *Fabric, on bool) { f.SetUp(!on) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, FabricConfig{Latency: latency, Buffer: 8}, func(t *testing.T, f *Fabric, a, b net.Conn) {
				mustWrite(t, a, "1") // arrives before the cut
				time.Sleep(latency)
				mustWrite(t, a, "2") // is under way
				cut(f, true)
				cut(f, true)
				mustWrite(t, a, "3") // is sent into it
				mustRead(t, b, "1")
				_ = b.SetReadDeadline(time.Now().Add(time.Hour))
				if _, err := b.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Fatalf("read through the cut: %v", err)
				}
				_ = b.SetReadDeadline(time.Time{})
				_ = a.SetWriteDeadline(time.Now().Add(time.Hour))
				if n, err := a.Write(make([]byte, 8)); n != 6 || !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Fatalf("write into the cut: %d, %v", n, err)
				}
				a.Close()
				healed := time.Now()
				cut(f, false)
				mustRead(t, b, "23\x00\x00\x00\x00\x00\x00")
				if took := time.Since(healed); took != latency {
					t.Errorf("arrived %v after the cut", took)
				}
				if _, err := b.Read(make([]byte, 1)); err != io.EOF {
					t.Errorf("end of stream: %v", err)
				}
			})
		})
	}
}

func TestReset(t *testing.T) {
	bubble(t, FabricConfig{Latency: latency}, func(t *testing.T, f *Fabric, a, b net.Conn) {
		mustWrite(t, a, "lost")
		if n := f.Reset(tcp("12.0.0.1:1")); n != 0 {
			t.Errorf("reset %d of another host", n)
		}
		if n := f.Reset(tcp("11.0.0.1:1")); n != 1 {
			t.Errorf("reset %d", n)
		}
		for _, c := range []net.Conn{a, b} {
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("Read: %v", err)
			}
			if _, err := c.Write([]byte("x")); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("Write: %v", err)
			}
			c.Close()
		}
		if s := f.Stats(); s.Open != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

// Whatever the sizes, the pauses and the cuts: what is read is what was written.
func TestConnKeepsOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		cfg := FabricConfig{
			Latency: time.Duration(rapid.IntRange(0, 3).Draw(rt, "latency")) * time.Millisecond,
			Jitter:  time.Duration(rapid.IntRange(0, 20).Draw(rt, "jitter")) * time.Millisecond,
			Buffer:  rapid.IntRange(1, 64).Draw(rt, "buffer"),
			Seed:    rapid.Uint64().Draw(rt, "seed"),
		}
		writes := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 100), 1, 20).Draw(rt, "writes")
		synctest.Test(t, func(t *testing.T) {
			f := NewFabric(cfg)
			defer f.Close()
			a, b := connect(rt, f)
			rng := rand.New(rand.NewPCG(cfg.Seed, 0))
			var wg sync.WaitGroup
			wg.Go(func() {
				for _, w := range writes {
					if _, err := a.Write(w); err != nil {
						rt.Errorf("Write: %v", err)
					}
					time.Sleep(time.Duration(rng.IntN(5)) * time.Millisecond)
				}
				a.Close()
			})
			for i := range 4 {
				time.AfterFunc(time.Duration(i*7)*time.Millisecond, func() { f.Cut(i%2 == 0) })
			}
			got, err := io.ReadAll(b)
			wg.Wait()
			if want := bytes.Join(writes, nil); err != nil || !bytes.Equal(got, want) {
				rt.Errorf("read %d bytes of %d, %v", len(got), len(want), err)
			}
		})
	})
}

// The suite that every net.Conn should pass. It is not made for virtual time.
func TestConnConforms(t *testing.T) {
	if testing.Short() {
		t.Skip("takes real time")
	}
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		f := NewFabric(FabricConfig{})
		a, b := connect(t, f)
		return a, b, func() { f.Close() }, nil
	})
}
