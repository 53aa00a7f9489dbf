package socks

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// What a proxy says when all is well.
var (
	noLogin   = []byte{5, 0}
	wantLogin = []byte{5, 2}
	loggedIn  = []byte{1, 0}
	okIPv4    = []byte{5, 0, 0, 1, 192, 0, 2, 7, 0x12, 0x34}
	okIPv6    = join([]byte{5, 0, 0, 4}, net.ParseIP("2001:db8::7"), []byte{0, 0})
	okName    = join([]byte{5, 0, 0, 3, 11}, "example.org", []byte{0, 80})
)

// join makes one slice of byte slices, strings and IP addresses.
func join(parts ...any) []byte {
	var b bytes.Buffer
	for _, part := range parts {
		switch p := part.(type) {
		case string:
			b.WriteString(p)
		case net.IP:
			b.Write(p)
		case []byte:
			b.Write(p)
		}
	}
	return b.Bytes()
}

// scriptConn is a proxy in memory: it answers with what is in r, however that
// comes, and keeps what was sent to it.
type scriptConn struct {
	net.Conn // nil: nothing else may be called
	r        io.Reader
	sent     []string // one string a write
	closed   bool
}

func (c *scriptConn) Read(p []byte) (int, error) { return c.r.Read(p) }
func (c *scriptConn) Write(p []byte) (int, error) {
	c.sent = append(c.sent, string(p))
	return len(p), nil
}
func (c *scriptConn) Close() error { c.closed = true; return nil }

// script makes d's proxy answer with r.
func script(d Dialer, r io.Reader) (*Dialer, *scriptConn) {
	c := &scriptConn{r: r}
	if d.Proxy == "" {
		d.Proxy = "proxy:9050"
	}
	d.DialProxy = func(context.Context, string, string) (net.Conn, error) { return c, nil }
	return &d, c
}

// answers is script for an answer that is all there.
func answers(d Dialer, parts ...any) (*Dialer, *scriptConn) {
	return script(d, bytes.NewReader(join(parts...)))
}

// never is a Dialer that must not get as far as its proxy.
func never(t *testing.T, d Dialer) *Dialer {
	if d.Proxy == "" {
		d.Proxy = "proxy:9050"
	}
	d.DialProxy = func(context.Context, string, string) (net.Conn, error) {
		t.Errorf("the proxy was dialed")
		return nil, errors.New("no")
	}
	return &d
}

// piped makes proxy run at the other end of a pipe, which it must close. It is for
// synctest bubbles.
func piped(d Dialer, proxy func(net.Conn)) *Dialer {
	d.Proxy = "proxy:9050"
	d.DialProxy = func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go proxy(theirs)
		return ours, nil
	}
	return &d
}

// listen starts a server that handles each connection, and ends with the test.
func listen(t *testing.T, network, address string, handle func(net.Conn)) net.Listener {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			handle(c)
			c.Close()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-ended
	})
	return l
}

// isAll checks that an error is all of these, by errors.Is.
func isAll(t *testing.T, err error, want ...error) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	for _, w := range want {
		if !errors.Is(err, w) {
			t.Errorf("error %q is not %q", err, w)
		}
	}
}
