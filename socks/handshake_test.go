package socks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
)

// What goes over the wire, message by message, and how each is one write.
func TestWire(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("n", 255)
	v6 := net.ParseIP("2001:db8::5")
	tests := []struct {
		name    string
		dialer  Dialer
		address string
		answer  []byte
		sent    []string
	}{
		{"IPv4", Dialer{}, "192.0.2.1:8333", join(noLogin, okIPv4), []string{"\x05\x01\x00", "\x05\x01\x00\x01\xc0\x00\x02\x01\x20\x8d"}},
		{"IPv6", Dialer{}, "[2001:db8::5]:1", join(noLogin, okIPv6), []string{"\x05\x01\x00", "\x05\x01\x00\x04" + string(v6) + "\x00\x01"}},
		{"IPv4 in IPv6", Dialer{}, "[::ffff:192.0.2.1]:8333", join(noLogin, okIPv4), []string{"\x05\x01\x00", "\x05\x01\x00\x01\xc0\x00\x02\x01\x20\x8d"}},
		{"name", Dialer{}, "Example.org:65535", join(noLogin, okName), []string{"\x05\x01\x00", "\x05\x01\x00\x03\x0bExample.org\xff\xff"}},
		{"rooted name", Dialer{}, "example.org.:80", join(noLogin, okName), []string{"\x05\x01\x00", "\x05\x01\x00\x03\x0cexample.org.\x00\x50"}},
		{"no IP, so a name", Dialer{}, "127.1:80", join(noLogin, okName), []string{"\x05\x01\x00", "\x05\x01\x00\x03\x05127.1\x00\x50"}},
		{"longest name", Dialer{}, long + ":80", join(noLogin, okName), []string{"\x05\x01\x00", "\x05\x01\x00\x03\xff" + long + "\x00\x50"}},
		{
			"login",
			Dialer{Username: "user", Password: "secret"},
			"a:80", join(wantLogin, loggedIn, okIPv4),
			[]string{"\x05\x02\x02\x00", "\x01\x04user\x06secret", "\x05\x01\x00\x03\x01a\x00\x50"},
		},
		{
			"empty password",
			Dialer{Username: "user"},
			"a:80", join(wantLogin, loggedIn, okIPv4),
			[]string{"\x05\x02\x02\x00", "\x01\x04user\x00", "\x05\x01\x00\x03\x01a\x00\x50"},
		},
		{
			"longest login",
			Dialer{Username: long, Password: long},
			"a:80", join(wantLogin, loggedIn, okIPv4),
			[]string{"\x05\x02\x02\x00", "\x01\xff" + long + "\xff" + long, "\x05\x01\x00\x03\x01a\x00\x50"},
		},
		{
			"a login that is not wanted",
			Dialer{Username: "user", Password: "secret"},
			"a:80", join(noLogin, okIPv4),
			[]string{"\x05\x02\x02\x00", "\x05\x01\x00\x03\x01a\x00\x50"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, c := answers(tt.dialer, tt.answer, "the stream")
			conn, err := d.DialContext(t.Context(), "tcp", tt.address)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(c.sent, tt.sent) {
				t.Errorf("sent %q\nwant %q", c.sent, tt.sent)
			}
			if rest, _ := io.ReadAll(conn); string(rest) != "the stream" {
				t.Errorf("the stream behind the reply is %q", rest)
			}
			if c.closed {
				t.Error("the connection is closed")
			}
		})
	}
}

// Tor takes "x.onion." for a name of the DNS and has an exit look it up.
func TestOnionGoesWithoutDot(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{
		"x.onion.": "x.onion", "x.ONION.": "x.ONION", "x.onion": "x.onion",
		"onion.": "onion.", ".onion.": ".onion.", "x.onion.example.": "x.onion.example.", "xonion.": "xonion.",
	} {
		d, c := answers(Dialer{}, noLogin, okIPv4)
		conn, err := d.DialContext(t.Context(), "tcp", host+":80")
		if err != nil {
			t.Errorf("%s: %v", host, err)
			continue
		}
		if got := c.sent[1]; got != fmt.Sprintf("\x05\x01\x00\x03%c%s\x00\x50", len(want), want) {
			t.Errorf("%s was asked for as %q", host, got)
		}
		if got := conn.RemoteAddr().String(); got != want+":80" {
			t.Errorf("%s: RemoteAddr is %s", host, got)
		}
		d, c = answers(Dialer{}, noLogin, okIPv4)
		if _, err := d.Resolve(t.Context(), host); err != nil || !strings.Contains(c.sent[1], want+"\x00\x00") {
			t.Errorf("%s was looked up as %q: %v", host, c.sent, err)
		}
	}
}

// What a proxy can say instead of yes, and what comes of it.
func TestWrongAnswers(t *testing.T) {
	t.Parallel()
	user := Dialer{Username: "user", Password: "secret"}
	tests := []struct {
		name   string
		dialer Dialer
		answer []byte
		errs   []error
	}{
		{"SOCKS4", Dialer{}, []byte{4, 0}, []error{ErrProxy, ErrProtocol}},
		{"HTTP", Dialer{}, []byte("HTTP/1.0 400 Bad Request\r\n"), []error{ErrProxy, ErrProtocol}},
		{"wants a login", Dialer{}, wantLogin, []error{ErrProxy, ErrAuth}},
		{"takes no method", Dialer{}, []byte{5, 0xff}, []error{ErrProxy, ErrAuth}},
		{"takes no method, with login", user, []byte{5, 0xff}, []error{ErrProxy, ErrAuth}},
		{"wants GSSAPI", user, []byte{5, 1}, []error{ErrProxy, ErrAuth}},
		{"no login, so no isolation", Dialer{Isolate: true}, noLogin, []error{ErrProxy, ErrAuth}},
		{"login refused", user, join(wantLogin, []byte{1, 1}), []error{ErrProxy, ErrAuth}},
		{"login of another version", user, join(wantLogin, []byte{5, 0}), []error{ErrProxy, ErrProtocol}},
		{"reply of another version", Dialer{}, join(noLogin, []byte{4, 0, 0, 1, 1, 2, 3, 4, 0, 0}), []error{ErrProxy, ErrProtocol}},
		{"no address type", Dialer{}, join(noLogin, []byte{5, 0, 0, 0, 0, 0, 0, 0, 0, 0}), []error{ErrProxy, ErrProtocol, ErrAnswer}},
		{"address type 2", Dialer{}, join(noLogin, []byte{5, 0, 0, 2, 0, 0, 0, 0, 0, 0}), []error{ErrProxy, ErrProtocol, ErrAnswer}},
		{"refused, whole reply", Dialer{}, join(noLogin, []byte{5, 5, 0, 1, 0, 0, 0, 0, 0, 0}), []error{ReplyRefused}},
		{"refused, head only", Dialer{}, join(noLogin, []byte{5, 1, 0, 1}), []error{ReplyGeneralFailure}},
		{"refused, after login", user, join(wantLogin, loggedIn, []byte{5, 2, 0, 0}), []error{ReplyNotAllowed}},
		{"refused, of a type that is none", Dialer{}, join(noLogin, []byte{5, 4, 0, 0}), []error{ReplyHostUnreachable}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, c := answers(tt.dialer, tt.answer)
			conn, err := d.DialContext(t.Context(), "tcp", "example.org:80")
			if conn != nil || !c.closed {
				t.Errorf("connection %v, closed: %v", conn, c.closed)
			}
			isAll(t, err, tt.errs...)
			for _, mark := range []error{ErrProxy, ErrAuth, ErrProtocol, ErrAnswer} {
				if errors.Is(err, mark) != slices.Contains(tt.errs, mark) {
					t.Errorf("error %q: is %q: %v", err, mark, errors.Is(err, mark))
				}
			}
			var e *Error
			if !errors.As(err, &e) || e.Op != "connect" || e.Target != "example.org:80" || e.Proxy != "proxy:9050" ||
				e.Local() != errors.Is(err, ErrProxy) || e.Timeout() {
				t.Errorf("error %#v", e)
			}
			for _, part := range []string{"example.org:80", "proxy:9050"} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q does not name %s", err, part)
				}
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("error %q names the password", err)
			}
		})
	}
}

// Every code is a Reply, which is about the target, and has words of its own.
func TestReplies(t *testing.T) {
	t.Parallel()
	texts := make(map[string]Reply)
	named := 0
	for code := 1; code <= 0xff; code++ {
		d, _ := answers(Dialer{}, noLogin, []byte{5, byte(code), 0, 1})
		_, err := d.DialContext(t.Context(), "tcp", "example.org:80")
		var reply Reply
		if !errors.As(err, &reply) || int(reply) != code || errors.Is(err, ErrProxy) {
			t.Fatalf("code %#x: %v", code, err)
		}
		if other, dup := texts[reply.Error()]; dup {
			t.Errorf("codes %#x and %#x have the same text", code, uint8(other))
		}
		texts[reply.Error()] = reply
		if !strings.Contains(reply.Error(), "unknown here") {
			named++
		}
		timeout := reply == ReplyTTLExpired || reply == ReplyIntroTimedOut
		if ne, ok := errors.AsType[net.Error](err); !ok || ne.Timeout() != timeout {
			t.Errorf("code %#x: is a net.Error that timed out: %v, want %v", code, !timeout, timeout)
		}
	}
	if named != 16 {
		t.Errorf("%d codes have words, want 8 of RFC 1928 and 8 of Tor", named)
	}
	if got := ReplyOnionNotFound.Error(); got != "onion service not found (SOCKS reply 0xf0)" {
		t.Errorf("0xf0 is %q", got)
	}
}

// A proxy that hangs up, after however many bytes.
func TestHangsUp(t *testing.T) {
	t.Parallel()
	user := Dialer{Username: "user", Password: "secret"}
	for _, tt := range []struct {
		dialer Dialer
		answer []byte
		reply  int // where the reply's address begins
	}{
		{Dialer{}, join(noLogin, okIPv4), 6},
		{Dialer{}, join(noLogin, okIPv6), 6},
		{Dialer{}, join(noLogin, okName), 6},
		{user, join(wantLogin, loggedIn, okIPv4), 8},
	} {
		for n := range len(tt.answer) {
			d, c := answers(tt.dialer, tt.answer[:n])
			_, err := d.DialContext(t.Context(), "tcp", "example.org:80")
			isAll(t, err, ErrProxy, io.ErrUnexpectedEOF)
			if !c.closed {
				t.Errorf("hung up after %d bytes: left open", n)
			}
			if errors.Is(err, ErrAnswer) != (n >= tt.reply) {
				t.Errorf("hung up after %d bytes: ErrAnswer is %v", n, !(n >= tt.reply))
			}
		}
		d, _ := answers(tt.dialer, tt.answer)
		if _, err := d.DialContext(t.Context(), "tcp", "example.org:80"); err != nil {
			t.Errorf("with all bytes: %v", err)
		}
	}
}

// A correct answer that comes in small segments is a correct answer: every way to
// cut it in two, and every byte on its own.
func TestSegments(t *testing.T) {
	t.Parallel()
	for _, reply := range [][]byte{okIPv4, okIPv6, okName} {
		stream := join(wantLogin, loggedIn, reply, "rest")
		readers := map[string]io.Reader{
			"one at a time": iotest.OneByteReader(bytes.NewReader(stream)),
			"with the end":  iotest.DataErrReader(bytes.NewReader(stream)),
		}
		for cut := range len(stream) + 1 {
			readers[fmt.Sprint("cut after ", cut)] = io.MultiReader(bytes.NewReader(stream[:cut]), bytes.NewReader(stream[cut:]))
		}
		for name, r := range readers {
			d, _ := script(Dialer{Username: "user"}, r)
			conn, err := d.DialContext(t.Context(), "tcp", "example.org:80")
			if err != nil {
				t.Errorf("%d bytes, %s: %v", len(stream), name, err)
				continue
			}
			if rest, err := io.ReadAll(conn); string(rest) != "rest" || err != nil {
				t.Errorf("%d bytes, %s: the stream is %q, %v", len(stream), name, rest, err)
			}
		}
	}
}

// Gigabytes of answer cost no more than the longest answer there is.
func TestEndlessAnswers(t *testing.T) {
	t.Parallel()
	const longest = 2 + 2 + 4 + 1 + 255 + 2
	worst := 0
	for _, begin := range [][]byte{
		nil, noLogin, wantLogin, join(wantLogin, loggedIn), join(wantLogin, loggedIn, []byte{5, 0, 0}),
		join(wantLogin, loggedIn, []byte{5, 0, 0, 3}), join(wantLogin, loggedIn, []byte{5, 0, 0, 3, 255}), join(wantLogin, loggedIn, okName),
	} {
		for fill := range 256 {
			for _, ask := range []func(*Dialer) error{
				func(d *Dialer) error { _, err := d.DialContext(t.Context(), "tcp", "example.org:80"); return err },
				func(d *Dialer) error { _, err := d.ResolvePTR(t.Context(), netipAddr("192.0.2.1")); return err },
			} {
				endless := &endless{fill: byte(fill)}
				d, _ := script(Dialer{Username: "user"}, io.MultiReader(bytes.NewReader(begin), endless))
				ask(d) //nolint:errcheck // some are right
				if endless.n > longest {
					t.Errorf("%x, then %#02x without end: %d bytes were read", begin, fill, endless.n)
				}
				worst = max(worst, endless.n)
			}
		}
	}
	if worst < 255 {
		t.Errorf("at most %d bytes were read, so this tests nothing", worst)
	}
}

// endless is a stream without end, which counts what was taken of it.
type endless struct {
	fill byte
	n    int
}

func (r *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = r.fill
	}
	r.n += len(p)
	return len(p), nil
}

// The proxy cannot be reached, or breaks while we talk.
func TestProxyBreaks(t *testing.T) {
	t.Parallel()
	d := &Dialer{Proxy: "proxy:9050", DialProxy: func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}}
	_, err := d.DialContext(t.Context(), "tcp", "example.org:80")
	isAll(t, err, ErrProxy, syscall.ECONNREFUSED)
	isAll(t, d.Probe(t.Context()), ErrProxy, syscall.ECONNREFUSED)

	d, _ = script(Dialer{}, io.MultiReader(bytes.NewReader(noLogin), iotest.ErrReader(syscall.ECONNRESET)))
	_, err = d.DialContext(t.Context(), "tcp", "example.org:80")
	isAll(t, err, ErrProxy, syscall.ECONNRESET)

	for good := range 3 {
		c := &brittleConn{scriptConn{r: bytes.NewReader(join(wantLogin, loggedIn, okIPv4))}, good}
		d := &Dialer{Proxy: "proxy:9050", Username: "user", DialProxy: func(context.Context, string, string) (net.Conn, error) { return c, nil }}
		_, err = d.DialContext(t.Context(), "tcp", "example.org:80")
		isAll(t, err, ErrProxy, syscall.EPIPE)
		if !c.closed {
			t.Errorf("write %d fails: left open", good)
		}
	}
}

// brittleConn takes so many writes.
type brittleConn struct {
	scriptConn
	good int
}

func (c *brittleConn) Write(p []byte) (int, error) {
	if c.good--; c.good < 0 {
		return 0, syscall.EPIPE
	}
	return c.scriptConn.Write(p)
}

// A refusal by the first proxy of a chain says nothing of the target of the second.
func TestChain(t *testing.T) {
	t.Parallel()
	first, c := answers(Dialer{Proxy: "first:1"}, noLogin, okIPv4, noLogin, okIPv4, "stream")
	second := &Dialer{Proxy: "second:2", DialProxy: first.DialContext}
	conn, err := second.DialContext(t.Context(), "tcp", "target:3")
	if err != nil {
		t.Fatal(err)
	}
	if rest, _ := io.ReadAll(conn); string(rest) != "stream" {
		t.Errorf("the stream is %q", rest)
	}
	if got := conn.RemoteAddr(); got != (Addr{"target", 3}) {
		t.Errorf("RemoteAddr is %v", got)
	}
	if all := strings.Join(c.sent, ""); !strings.Contains(all, "second\x00\x02") || !strings.Contains(all, "target\x00\x03") {
		t.Errorf("sent %q", c.sent)
	}

	first, _ = answers(Dialer{Proxy: "first:1"}, noLogin, []byte{5, 5, 0, 1})
	second.DialProxy = first.DialContext
	_, err = second.DialContext(t.Context(), "tcp", "target:3")
	isAll(t, err, ErrProxy, ReplyRefused)
}

// Probe logs in and asks nothing.
func TestProbe(t *testing.T) {
	t.Parallel()
	d, c := answers(Dialer{Username: "user"}, wantLogin, loggedIn)
	if err := d.Probe(t.Context()); err != nil {
		t.Error(err)
	}
	if want := []string{"\x05\x02\x02\x00", "\x01\x04user\x00"}; !slices.Equal(c.sent, want) || !c.closed {
		t.Errorf("sent %q, want %q; closed: %v", c.sent, want, c.closed)
	}
	d, c = answers(Dialer{Username: "user"}, wantLogin, []byte{1, 1})
	isAll(t, d.Probe(t.Context()), ErrProxy, ErrAuth)
	if !c.closed {
		t.Error("left open")
	}
}
