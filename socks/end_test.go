package socks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// stages are how far a proxy gets before it says and does nothing more: how many
// bytes it reads and then says. Those that we wait for with the request not yet
// taken are the proxy's fault.
var stages = []struct {
	name  string
	steps []step
	fault bool
}{
	{"does not read", nil, true},
	{"reads a byte", []step{{1, nil}}, true},
	{"silent", []step{{4, nil}}, true},
	{"half a choice", []step{{4, []byte{5}}}, true},
	{"does not read the login", []step{{4, wantLogin}}, true},
	{"reads half the login", []step{{4, wantLogin}, {5, nil}}, true},
	{"silent to the login", []step{{4, wantLogin}, {13, nil}}, true},
	{"half an answer to the login", []step{{4, wantLogin}, {13, loggedIn[:1]}}, true},
	{"does not read the request", []step{{4, wantLogin}, {13, loggedIn}}, true},
	{"reads half the request", []step{{4, wantLogin}, {13, loggedIn}, {9, nil}}, true},
	{"silent to the request", []step{{4, wantLogin}, {13, loggedIn}, {18, nil}}, false},
	{"half a head", []step{{4, wantLogin}, {13, loggedIn}, {18, okName[:2]}}, false},
	{"no length", []step{{4, wantLogin}, {13, loggedIn}, {18, okName[:4]}}, false},
	{"no name", []step{{4, wantLogin}, {13, loggedIn}, {18, okName[:5]}}, false},
	{"half a name", []step{{4, wantLogin}, {13, loggedIn}, {18, okName[:9]}}, false},
	{"half a port", []step{{4, wantLogin}, {13, loggedIn}, {18, okName[:17]}}, false},
}

type step struct {
	reads int
	says  []byte
}

// stalls plays the steps, waits for the other side to hang up, and says when that was.
func stalls(steps []step, hungUp chan<- time.Time) func(net.Conn) {
	return func(c net.Conn) {
		defer c.Close()
		for _, s := range steps {
			if _, err := io.ReadFull(c, make([]byte, s.reads)); err != nil {
				panic(fmt.Sprint("the test is wrong: ", err))
			}
			c.Write(s.says) //nolint:errcheck // seen by what comes then
		}
		// A write of nothing disturbs neither who reads nor who writes at the other
		// end, and fails once that is closed.
		for {
			if _, err := c.Write(nil); errors.Is(err, io.ErrClosedPipe) {
				break
			}
			time.Sleep(time.Millisecond)
		}
		hungUp <- time.Now()
	}
}

// A proxy that stalls, at whatever stage, holds nobody longer than the context: 200
// ms are 200 ms. The connection to it is closed then. (A goroutine that is left
// fails the bubble.)
func TestStalledHandshake(t *testing.T) {
	t.Parallel()
	const limit = 200 * time.Millisecond
	for _, stage := range stages {
		for _, how := range []string{"deadline", "cancel"} {
			t.Run(stage.name+", "+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					hungUp := make(chan time.Time, 1)
					d := piped(Dialer{Username: "user", Password: "secret"}, stalls(stage.steps, hungUp))
					ctx, cancel := context.WithCancel(t.Context())
					want := context.Canceled
					if how == "deadline" {
						ctx, cancel = context.WithTimeout(t.Context(), limit)
						want = context.DeadlineExceeded
					} else {
						time.AfterFunc(limit, cancel)
					}
					defer cancel()
					start := time.Now()
					conn, err := d.DialContext(ctx, "tcp", "example.org:80")
					if took := time.Since(start); took != limit {
						t.Errorf("it took %v", took)
					}
					if conn != nil {
						t.Error("there is a connection")
					}
					isAll(t, err, want)
					if fault := stage.fault && how == "deadline"; errors.Is(err, ErrProxy) != fault {
						t.Errorf("error %q is ErrProxy: %v, want %v", err, !fault, fault)
					}
					if ne, ok := errors.AsType[*Error](err); !ok || ne.Timeout() != (how == "deadline") {
						t.Errorf("error %q: Timeout is wrong", err)
					}
					if late := (<-hungUp).Sub(start); late > limit+time.Millisecond {
						t.Errorf("the connection to the proxy was closed after %v", late)
					}
				})
			})
		}
	}
}

// A proxy that sends one byte a second is slow, and no more.
func TestSlowProxy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slowly := func(c net.Conn, b []byte) {
			for i := range b {
				time.Sleep(time.Second)
				c.Write(b[i : i+1])
			}
		}
		d := piped(Dialer{}, func(c net.Conn) {
			defer c.Close()
			io.ReadFull(c, make([]byte, 3))
			slowly(c, noLogin)
			io.ReadFull(c, make([]byte, 18))
			slowly(c, okName)
			c.Write([]byte("hello"))
		})
		start := time.Now()
		conn, err := d.DialContext(t.Context(), "tcp", "example.org:80")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if took := time.Since(start); took != time.Duration(2+len(okName))*time.Second {
			t.Errorf("it took %v", took)
		}
		if got, err := io.ReadAll(conn); string(got) != "hello" || err != nil {
			t.Errorf("the stream is %q, %v", got, err)
		}
	})
}

// A context that ends at the very moment of success leaves a connection that works,
// or an error and a closed connection. It does no harm later.
func TestEndAtSuccess(t *testing.T) {
	t.Parallel()
	for range 50 {
		synctest.Test(t, func(t *testing.T) {
			closed := make(chan struct{})
			d := piped(Dialer{}, func(c net.Conn) {
				defer close(closed)
				defer c.Close()
				io.ReadFull(c, make([]byte, 3))
				c.Write(noLogin)
				io.ReadFull(c, make([]byte, 18))
				time.Sleep(time.Second)
				c.Write(okIPv4)
				io.Copy(c, c)
			})
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			conn, err := d.DialContext(ctx, "tcp", "example.org:80")
			if err != nil {
				isAll(t, err, context.DeadlineExceeded)
				<-closed
				return
			}
			works(t, conn)
			conn.Close()
			<-closed
		})
	}
}

// works sends something over a connection, now and an hour later.
func works(t *testing.T, conn net.Conn) {
	t.Helper()
	for range 2 {
		go conn.Write([]byte("x"))
		if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
			t.Errorf("the connection does not work: %v", err)
		}
		time.Sleep(time.Hour)
	}
}

// The context ends within the read of the last byte: too late for a connection. It
// ends right after: too late to do harm, and no deadline is left.
func TestEndAroundSuccess(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	answer := bytes.NewReader(join(noLogin, okIPv4))
	c := &openConn{scriptConn{r: readFunc(func(p []byte) (int, error) {
		n, err := answer.Read(p)
		if answer.Len() == 0 {
			cancel()
		}
		return n, err
	})}}
	d := &Dialer{Proxy: "p:1", DialProxy: func(context.Context, string, string) (net.Conn, error) { return c, nil }}
	if conn, err := d.DialContext(ctx, "tcp", "a:80"); conn != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("ended within the last read: %v, %v", conn, err)
	}

	synctest.Test(t, func(t *testing.T) {
		d := piped(Dialer{}, func(c net.Conn) {
			defer c.Close()
			io.ReadFull(c, make([]byte, 3))
			c.Write(noLogin)
			io.ReadFull(c, make([]byte, 8))
			c.Write(okIPv4)
			io.Copy(c, c)
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		conn, err := d.DialContext(ctx, "tcp", "a:80")
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		synctest.Wait()
		works(t, conn)
		conn.Close()
	})
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

// openConn may be closed twice at once, and does not care.
type openConn struct{ scriptConn }

func (c *openConn) Close() error { return nil }

// The end of the context while the proxy is dialed.
func TestEndWhileDialing(t *testing.T) {
	t.Parallel()
	for _, ask := range []func(context.Context, *Dialer) error{
		func(ctx context.Context, d *Dialer) error { _, err := d.DialContext(ctx, "tcp", "a:80"); return err },
		func(ctx context.Context, d *Dialer) error { _, err := d.Resolve(ctx, "a"); return err },
		func(ctx context.Context, d *Dialer) error { return d.Probe(ctx) },
	} {
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		isAll(t, ask(ended, never(t, Dialer{})), context.Canceled)

		hang := &Dialer{Proxy: "p:1", DialProxy: func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("operation was canceled")}
		}}
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, cancel)
			err := ask(ctx, hang)
			if isAll(t, err, context.Canceled); errors.Is(err, ErrProxy) {
				t.Errorf("a canceled dial is the proxy's fault: %v", err)
			}
		})
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			isAll(t, ask(ctx, hang), context.DeadlineExceeded, ErrProxy)
		})
		// A dialer whose own clock strikes before the context's.
		synctest.Test(t, func(t *testing.T) {
			ctx := slowContext{t.Context(), time.Now().Add(time.Second)}
			early := &Dialer{Proxy: "p:1", DialProxy: func(context.Context, string, string) (net.Conn, error) {
				time.Sleep(time.Second)
				return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.ErrDeadlineExceeded}
			}}
			isAll(t, ask(ctx, early), context.DeadlineExceeded, ErrProxy)
		})
	}
}

// slowContext has a deadline and is slow to end by it.
type slowContext struct {
	context.Context
	at time.Time
}

func (c slowContext) Deadline() (time.Time, bool) { return c.at, true }
