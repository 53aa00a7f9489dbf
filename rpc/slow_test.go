package rpc

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"holdfast/internal/webserver"
	"holdfast/node"
	"holdfast/stream"
)

// pipes is a listener in memory, for virtual time.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// dial returns the client's end of a connection.
func (p *pipes) dial() net.Conn {
	ours, theirs := net.Pipe()
	p.conns <- theirs
	return ours
}

// head is the head of a request with so long a body.
func head(length int) string {
	return fmt.Sprintf("POST / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic YWxpY2U6c2VjcmV0\r\nContent-Length: %d\r\n\r\n", length)
}

// inMemory runs a test in virtual time against a server that listens in memory.
func inMemory(t *testing.T, change func(*Config), test func(t *testing.T, s *Server, p *pipes)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig(newFake(t))
		if change != nil {
			change(&cfg)
		}
		s := handlerOf(t, cfg)
		p := newPipes()
		s.web.Add(p)
		serve(t, s)
		test(t, s, p)
	})
}

// untilClosed reads until the server closes, and returns what came and when.
func untilClosed(c net.Conn) (string, time.Duration) {
	start := time.Now()
	text, _ := io.ReadAll(c) // until EOF or the end of the pipe
	return string(text), time.Since(start)
}

func TestSlowHead(t *testing.T) {
	inMemory(t, nil, func(t *testing.T, _ *Server, p *pipes) {
		c := p.dial()
		defer c.Close()
		fmt.Fprint(c, "POST / HTTP/1.1\r\nHost: loc")
		if text, d := untilClosed(c); text != "" || d != headerTimeout {
			t.Errorf("after %v: %q", d, text)
		}
	})
}

// Who does not finish his request is cut, and holds no slot.
func TestSlowBody(t *testing.T) {
	inMemory(t, nil, func(t *testing.T, s *Server, p *pipes) {
		c := p.dial()
		defer c.Close()
		fmt.Fprint(c, head(100)+"{")
		synctest.Wait()
		if len(s.working) != 0 {
			t.Error("it has a slot already")
		}
		if _, d := untilClosed(c); d != DefaultTimeout {
			t.Errorf("closed after %v", d)
		}
	})
}

// Who does not read his answer is cut, and holds no slot. A net.Pipe has no buffer, so
// that not even the first byte gets out.
func TestSlowReader(t *testing.T) {
	one := func(c *Config) { c.Limits.Requests = 1 }
	inMemory(t, one, func(t *testing.T, s *Server, p *pipes) {
		c := p.dial()
		defer c.Close()
		fmt.Fprint(c, head(len(anyCall))+anyCall)
		synctest.Wait()
		if w := s.ask(anyCall); w.Code != http.StatusOK {
			t.Errorf("another one meanwhile: %d", w.Code)
		}
		time.Sleep(DefaultTimeout)
		synctest.Wait()
		if text, d := untilClosed(c); text != "" || d != 0 {
			t.Errorf("he is not cut: %q after %v", text, d)
		}
	})
}

// When as many are worked on as may be, the next is told so.
func TestBusy(t *testing.T) {
	one := func(c *Config) { c.Limits.Requests = 1 }
	inMemory(t, one, func(t *testing.T, s *Server, _ *pipes) {
		s.working.take()
		if w := s.ask(anyCall); w.Code != http.StatusServiceUnavailable {
			t.Errorf("among too many: %d", w.Code)
		}
		s.working.give()
		if w := s.ask(anyCall); w.Code != http.StatusOK || len(s.working) != 0 {
			t.Errorf("afterwards: %d, %d slots taken", w.Code, len(s.working))
		}
	})
}

// waitCall waits for what is of interest to it.
const waitCall = `{"id":1,"method":"events","params":{"wait":60,"kinds":"banned,started"}}`

// Who waits for an event is answered as soon as there is one, and holds up nobody.
func TestWait(t *testing.T) {
	one := func(c *Config) { c.Limits.Requests, c.Hub = 1, stream.NewHub(10) }
	inMemory(t, one, func(t *testing.T, s *Server, p *pipes) {
		start := time.Now()
		c := p.dial()
		defer c.Close()
		fmt.Fprint(c, head(len(waitCall))+waitCall)
		synctest.Wait()
		if w := s.ask(anyCall); w.Code != 200 {
			t.Errorf("another one meanwhile: %d", w.Code)
		}
		if w := s.ask(waitCall); !strings.Contains(w.Body.String(), "too many clients wait") {
			t.Errorf("a second one that waits: %s", w.Body)
		}
		time.Sleep(time.Second)
		s.cfg.Hub.Feed(node.Event{Kind: node.KindProbed}) // not asked for
		time.Sleep(time.Second)
		s.cfg.Hub.Feed(numbered(7))
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil || !bytes.Contains(body, []byte(`"last":7,`)) {
			t.Errorf("%v, %s", err, body)
		}
		if d := time.Since(start); d != 2*time.Second {
			t.Errorf("it took %v", d)
		}
	})
}

// Nothing happens, and he is told so after a minute, though requests must be sent within
// half of one. Who hangs up meanwhile frees his slot.
func TestWaitInVain(t *testing.T) {
	inMemory(t, nil, func(t *testing.T, s *Server, p *pipes) {
		start := time.Now()
		c := p.dial()
		defer c.Close()
		fmt.Fprint(c, head(len(waitCall))+waitCall)
		gone := p.dial()
		fmt.Fprint(gone, head(len(waitCall))+waitCall)
		synctest.Wait()
		_ = gone.Close()
		synctest.Wait()
		if len(s.waiting) != 1 {
			t.Errorf("%d wait", len(s.waiting))
		}
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		if d := time.Since(start); d != maxWait || !bytes.Contains(body, []byte(`"events":[]`)) {
			t.Errorf("after %v: %s", d, body)
		}
	})
}

// Who waits does not hold up the end, and is answered.
func TestWaitAtTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := handlerOf(t, testConfig(newFake(t)))
		p := newPipes()
		s.web.Add(p)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Serve(ctx) }()
		c := p.dial()
		defer c.Close()
		fmt.Fprint(c, head(len(waitCall))+waitCall)
		synctest.Wait()
		start := time.Now()
		cancel()
		if text, _ := untilClosed(c); !strings.Contains(text, `"events":[]`) {
			t.Errorf("he was told %q", text)
		}
		if err := <-done; err != nil || time.Since(start) >= webserver.LastWords {
			t.Errorf("the end took %v, %v", time.Since(start), err)
		}
	})
}

// A thousand clients that begin a request and never end it are cut by each other; who has
// a password gets in, and what they cost is bounded.
func TestThousandSlowClients(t *testing.T) {
	cfg := testConfig(newFake(t))
	s := started(t, cfg)
	before := runtime.NumGoroutine()
	addr := s.Addrs()[0].String()
	const clients = 1000
	conns := make([]net.Conn, clients)
	for i := range conns {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := fmt.Fprint(c, "POST / HTTP/1.1\r\nHost: local"); err != nil && i == 0 {
			t.Fatal(err)
		}
		conns[i] = c
	}
	code, body := post(t, newClient(t), "http://"+addr, "alice", "secret", anyCall)
	if code != 200 {
		t.Errorf("%d %s", code, body)
	}
	// The oldest made room for the youngest, and for us.
	for _, c := range conns[:clients-DefaultMaxConnections] {
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Fatal("a slow client was answered")
		}
	}
	if open := s.web.Room.Taken(); open != DefaultMaxConnections {
		t.Errorf("%d connections are open", open)
	}
	// Those that were cut have one goroutine, which is about to end.
	for runtime.NumGoroutine() > before+DefaultMaxConnections+20 {
		runtime.Gosched()
	}
}

// When all places are taken by those that have logged in, those that have nothing under
// way go first, and nobody who has.
func TestPlaces(t *testing.T) {
	t.Parallel()
	order := []webserver.State{{}, {Trusted: true}, {Trusted: true, Busy: true}}
	for i, s := range order {
		if i > 0 && goesFirst(s) <= goesFirst(order[i-1]) {
			t.Errorf("%+v does not stay longer than %+v", s, order[i-1])
		}
		if (goesFirst(s) == webserver.Stays) != s.Busy {
			t.Errorf("%+v stays: %v", s, !s.Busy)
		}
		if (strangersOnly(s) == webserver.Stays) != s.Trusted {
			t.Errorf("%+v stays at the end: %v", s, !s.Trusted)
		}
	}
}
