package webserver

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// anyone has no connection that stays.
func anyone(State) int { return 0 }

// newServer returns one that is not served yet.
func newServer(h http.HandlerFunc) *Server {
	return &Server{
		Name: "test", Room: Room{Most: 2, Rank: anyone},
		HTTP: http.Server{Handler: h, ReadHeaderTimeout: time.Minute},
	}
}

func plain(l net.Listener, _ bool) (net.Listener, error) { return l, nil }

// serve runs a server, and returns what ends it and waits for that.
func serve(t *testing.T, s *Server, beside ...func(context.Context)) (end func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, beside...) }()
	return func() error { cancel(); return <-done }
}

// pipes is a listener in memory, for virtual time.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func newPipes() pipes { return pipes{make(chan net.Conn), make(chan struct{})} }

func (p pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p pipes) Close() error { close(p.done); return nil }
func (pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// ask opens a connection and sends a request.
func (p pipes) ask() net.Conn {
	ours, theirs := net.Pipe()
	p.conns <- theirs
	_, _ = io.WriteString(ours, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n") // it may be closed by now
	return ours
}

// TestServe: who asks is answered, what runs beside ends with it, and a second time there
// is none.
func TestServe(t *testing.T) {
	s := newServer(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })
	if err := s.Listen("127.0.0.1:0", plain); err != nil {
		t.Fatal(err)
	}
	beside := false
	end := serve(t, s, func(ctx context.Context) { <-ctx.Done(); beside = true })
	tr := &http.Transport{}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.Addrs()[0].String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := tr.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil || string(body) != "hello" {
		t.Errorf("%q, %v", body, err)
	}
	_ = resp.Body.Close() // it was read
	if err := end(); err != nil || !beside {
		t.Errorf("the end: %v; what ran beside has ended: %v", err, beside)
	}
	tr.CloseIdleConnections()
	if err := s.Serve(t.Context()); !errors.Is(err, ErrServing) || s.Close() {
		t.Errorf("a second time: %v", err)
	}
}

// TestLastWords: an answer that is under way has its time, and no more.
func TestLastWords(t *testing.T) {
	for _, tt := range []struct {
		name        string
		takes, want time.Duration
		answered    bool
	}{
		{"one that takes long", LastWords / 2, LastWords / 2, true},
		{"one that takes too long", 2 * LastWords, 2 * LastWords, false}, // the handler is waited for
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(func(_ http.ResponseWriter, r *http.Request) {
					<-r.Context().Done()
					time.Sleep(tt.takes) // virtual
				})
				p := newPipes()
				s.Add(p)
				end := serve(t, s)
				c := p.ask()
				answer := make(chan string, 1)
				go func() { b, _ := io.ReadAll(c); answer <- string(b) }() // until it is closed
				synctest.Wait()
				start := time.Now()
				err := end()
				// Shutdown looks each half second whether all are idle.
				if d := time.Since(start); err != nil || d < tt.want || d > tt.want+time.Second {
					t.Errorf("%v after %v, want %v", err, d, tt.want)
				}
				if got := strings.HasPrefix(<-answer, "HTTP/1.1 200"); got != tt.answered {
					t.Errorf("he was answered: %v", got)
				}
				_ = c.Close() // the server has
			})
		})
	}
}

// failing is a listener that breaks.
type failing struct{ pipes }

func (failing) Accept() (net.Conn, error) { return nil, errors.New("out of order") }

func TestErrors(t *testing.T) {
	s := newServer(nil)
	if err := s.Listen("127.0.0.1:0", plain); err != nil {
		t.Fatal(err)
	}
	taken := s.Addrs()[0].String()
	if err := s.Listen(taken, plain); err == nil || !strings.HasPrefix(err.Error(), "test: listen ") {
		t.Errorf("a port that is taken: %v", err)
	}
	refused := errors.New("refused")
	var l net.Listener
	err := s.Listen("127.0.0.1:0", func(on net.Listener, local bool) (net.Listener, error) {
		if l = on; !local {
			t.Error("it is not told that it is on loopback")
		}
		return nil, refused
	})
	if err != refused || len(s.Addrs()) != 1 {
		t.Errorf("%v, %v", err, s.Addrs())
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("what was refused still listens: %v", err)
	}
	s.Add(failing{newPipes()})
	if err := s.Serve(t.Context()); err == nil || err.Error() != "test: out of order" {
		t.Errorf("a listener that fails: %v", err)
	}
	s = newServer(nil)
	keep := func(on net.Listener, _ bool) (net.Listener, error) { l = on; return on, nil }
	if err := s.Listen("127.0.0.1:0", keep); err != nil {
		t.Fatal(err)
	}
	if !s.Close() || s.Close() {
		t.Error("it is not closed once")
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("it still listens: %v", err)
	}
}

// TestHold: a handler that has taken its connection is waited for, and its connection is
// closed when there was time enough.
func TestHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		over := false
		var s *Server
		s = newServer(func(w http.ResponseWriter, _ *http.Request) {
			defer s.Hold()()
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close() //nolint:errcheck // it is closed already
			_, err = conn.Read(make([]byte, 1))
			over = err != nil
		})
		p := newPipes()
		s.Add(p)
		end := serve(t, s)
		c := p.ask()
		synctest.Wait()
		start := time.Now()
		if err := end(); err != nil || !over || time.Since(start) != LastWords {
			t.Errorf("%v after %v; the handler has ended: %v", err, time.Since(start), over)
		}
		_ = c.Close() // the server has
		if s.Room.Taken() != 0 {
			t.Error("its place is taken")
		}
	})
}
