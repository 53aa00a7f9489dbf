package connmgr

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"holdfast/socks"
)

// What a proxy says when all is well.
var (
	torHello = []byte{5, 0}
	torIPv4  = []byte{5, 0, 0, 1, 192, 0, 2, 7, 0x12, 0x34}
	torIPv6  = append([]byte{5, 0, 0, 4}, append(net.ParseIP("2001:db8::7"), 0, 0)...)
)

// torScriptConn is a proxy in memory: it answers with what is in r, however that
// comes, and keeps what was sent to it.
type torScriptConn struct {
	net.Conn // nil: nothing else may be called
	r        io.Reader
	sent     bytes.Buffer
	closed   bool
}

func (c *torScriptConn) Read(p []byte) (int, error)  { return c.r.Read(p) }
func (c *torScriptConn) Write(p []byte) (int, error) { return c.sent.Write(p) }
func (c *torScriptConn) Close() error                { c.closed = true; return nil }

// torProxy is a dialer to a proxy that is the other end of conn.
func torProxy(conn func() net.Conn) *socks.Dialer {
	return &socks.Dialer{Proxy: "proxy:9050", DialProxy: func(context.Context, string, string) (net.Conn, error) {
		return conn(), nil
	}}
}

// torLookupScript looks host up through a proxy that answers with r.
func torLookupScript(t *testing.T, host string, r io.Reader) ([]net.IP, error) {
	t.Helper()
	c := &torScriptConn{r: r}
	ips, err := torLookup(t.Context(), torProxy(func() net.Conn { return c }), host)
	if !c.closed {
		t.Error("the connection to the proxy was left open")
	}
	return ips, err
}

// torLookupPipe looks a name up through a proxy that runs at the other end of a
// pipe, and is to be called inside a synctest bubble. The proxy's end stays open
// until the lookup has returned.
func torLookupPipe(ctx context.Context, proxy func(net.Conn)) ([]net.IP, error) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	return torLookup(ctx, torProxy(func() net.Conn {
		go proxy(theirs)
		return ours
	}), "example.org")
}

func joinBytes(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func TestTorLookupReplies(t *testing.T) {
	tests := []struct {
		name   string
		answer []byte
		want   string
		errs   []error // all must be found by errors.Is
	}{
		{"IPv4", joinBytes(torHello, torIPv4), "192.0.2.7", nil},
		{"IPv6", joinBytes(torHello, torIPv6), "2001:db8::7", nil},
		{"more than the reply", joinBytes(torHello, torIPv4, make([]byte, 99)), "192.0.2.7", nil},

		{"hangs up at once", nil, "", []error{ErrTorInvalidProxyResponse, io.ErrUnexpectedEOF}},
		{"hangs up in the hello", []byte{5}, "", []error{ErrTorInvalidProxyResponse, io.ErrUnexpectedEOF}},
		{"SOCKS4", []byte{4, 0}, "", []error{ErrTorInvalidProxyResponse}},
		{"HTTP", []byte("HTTP/1.0 400 Bad Request\r\n"), "", []error{ErrTorInvalidProxyResponse}},
		{"wants a password", []byte{5, 2}, "", []error{ErrTorUnrecognizedAuthMethod}},
		{"takes no method", []byte{5, 0xff}, "", []error{ErrTorUnrecognizedAuthMethod}},

		{"hangs up before the reply", torHello, "", []error{ErrTorInvalidProxyResponse, io.ErrUnexpectedEOF}},
		{"hangs up in the head", joinBytes(torHello, torIPv4[:3]), "", []error{ErrTorInvalidProxyResponse, io.ErrUnexpectedEOF}},
		{"wrong version in the reply", joinBytes(torHello, []byte{4, 0, 0, 1, 1, 2, 3, 4, 0, 0}), "", []error{ErrTorInvalidProxyResponse}},
		{"hangs up before the address", joinBytes(torHello, torIPv4[:4]), "", []error{ErrTorInvalidAddressResponse, io.ErrUnexpectedEOF}},
		{"hangs up in the address", joinBytes(torHello, torIPv4[:6]), "", []error{ErrTorInvalidAddressResponse, io.ErrUnexpectedEOF}},
		{"hangs up in the port", joinBytes(torHello, torIPv4[:9]), "", []error{ErrTorInvalidAddressResponse, io.ErrUnexpectedEOF}},
		{"hangs up in the IPv6 address", joinBytes(torHello, torIPv6[:12]), "", []error{ErrTorInvalidAddressResponse, io.ErrUnexpectedEOF}},
		{"a name for an answer", joinBytes(torHello, []byte{5, 0, 0, 3, 1, 'a', 0, 0}), "", []error{ErrTorInvalidAddressResponse}},
		{"no address type", joinBytes(torHello, []byte{5, 0, 0, 0, 0, 0, 0, 0, 0, 0}), "", []error{ErrTorInvalidAddressResponse}},

		{"refused, whole reply", joinBytes(torHello, []byte{5, 4, 0, 1, 0, 0, 0, 0, 0, 0}), "", []error{TorError(4)}},
		{"refused, head only", joinBytes(torHello, []byte{5, 1, 0, 1}), "", []error{TorError(1)}},
		{"an unknown code", joinBytes(torHello, []byte{5, 9, 0, 1, 0, 0, 0, 0, 0, 0}), "", []error{ErrTorInvalidProxyResponse}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ips, err := torLookupScript(t, "example.org", bytes.NewReader(tt.answer))
			if tt.want != "" {
				if err != nil || len(ips) != 1 || ips[0].String() != tt.want {
					t.Fatalf("got %v, %v; want %s", ips, err, tt.want)
				}
				return
			}
			if err == nil {
				t.Fatalf("got %v, want an error", ips)
			}
			for _, want := range tt.errs {
				if !errors.Is(err, want) {
					t.Errorf("error %q is not %q", err, want)
				}
			}
			for _, part := range []string{"example.org", "proxy:9050"} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q does not name %s", err, part)
				}
			}
		})
	}
}

func TestTorErrors(t *testing.T) {
	texts := make(map[string]TorError)
	for code := 1; code <= 0xff; code++ {
		known := code <= 8 || code >= 0xf0 && code <= 0xf7
		_, err := torLookupScript(t, "example.org", bytes.NewReader(joinBytes(torHello, []byte{5, byte(code), 0, 1})))
		var te TorError
		if got := errors.As(err, &te); got != known {
			t.Errorf("code %#x: is a TorError: %v, want %v (%v)", code, got, known, err)
		}
		if !known {
			continue
		}
		if int(te) != code {
			t.Errorf("code %#x came as %#x", code, uint8(te))
		}
		if other, dup := texts[te.Error()]; dup {
			t.Errorf("codes %#x and %#x have the same text", code, uint8(other))
		}
		texts[te.Error()] = te
	}
}

// What goes over the wire, byte by byte, and not a byte read past the reply.
func TestTorLookupWire(t *testing.T) {
	rest := strings.NewReader("rest")
	c := &torScriptConn{r: io.MultiReader(bytes.NewReader(joinBytes(torHello, torIPv6)), rest)}
	if _, err := torLookup(t.Context(), torProxy(func() net.Conn { return c }), "a.onion"); err != nil {
		t.Fatal(err)
	}
	want := joinBytes([]byte{5, 1, 0}, []byte{5, 0xf0, 0, 3, 7}, []byte("a.onion"), []byte{0, 0})
	if got := c.sent.Bytes(); !bytes.Equal(got, want) {
		t.Errorf("sent %x\nwant %x", got, want)
	}
	if rest.Len() != 4 {
		t.Errorf("%d bytes past the reply were read", 4-rest.Len())
	}
}

func TestTorLookupHostLength(t *testing.T) {
	for _, n := range []int{0, 256, 1 << 16} {
		_, err := torLookup(t.Context(), torProxy(func() net.Conn {
			t.Errorf("%d bytes: the proxy was dialed", n)
			return &torScriptConn{r: strings.NewReader("")}
		}), strings.Repeat("a", n))
		if err == nil || !strings.Contains(err.Error(), "1 to 255 bytes") {
			t.Errorf("host of %d bytes: error %v", n, err)
		}
	}
	for _, n := range []int{1, 255} {
		if _, err := torLookupScript(t, strings.Repeat("a", n), bytes.NewReader(joinBytes(torHello, torIPv4))); err != nil {
			t.Errorf("host of %d bytes: %v", n, err)
		}
	}
}

// A correct reply that comes in small segments is a correct reply. Every way to
// cut the stream in two, and every byte on its own.
func TestDefect15SegmentedReply(t *testing.T) {
	for _, reply := range [][]byte{torIPv4, torIPv6} {
		stream := joinBytes(torHello, reply)
		for cut := range len(stream) + 1 {
			r := io.MultiReader(bytes.NewReader(stream[:cut]), bytes.NewReader(stream[cut:]))
			if ips, err := torLookupScript(t, "example.org", r); err != nil || len(ips) != 1 {
				t.Errorf("%d bytes, cut after %d: %v, %v", len(stream), cut, ips, err)
			}
		}
		if ips, err := torLookupScript(t, "example.org", iotest.OneByteReader(bytes.NewReader(stream))); err != nil || len(ips) != 1 {
			t.Errorf("%d bytes, one at a time: %v, %v", len(stream), ips, err)
		}
		// The last byte and the end of the stream together.
		if ips, err := torLookupScript(t, "example.org", iotest.DataErrReader(bytes.NewReader(stream))); err != nil || len(ips) != 1 {
			t.Errorf("%d bytes with the end: %v, %v", len(stream), ips, err)
		}
	}

	// And with time between the segments.
	synctest.Test(t, func(t *testing.T) {
		ips, err := torLookupPipe(t.Context(), func(c net.Conn) {
			slowly := func(b []byte) {
				for i := range b {
					time.Sleep(time.Second)
					c.Write(b[i : i+1])
				}
			}
			io.ReadFull(c, make([]byte, 3))
			slowly(torHello)
			io.ReadFull(c, make([]byte, 5+len("example.org")+2))
			slowly(torIPv4)
		})
		if err != nil || len(ips) != 1 || !ips[0].Equal(net.IPv4(192, 0, 2, 7)) {
			t.Errorf("one byte a second: %v, %v", ips, err)
		}
	})
}

// A proxy that says nothing more, at whatever stage, holds nobody longer than
// ctx.
func TestDefect15SilentProxy(t *testing.T) {
	stream := joinBytes(torHello, torIPv4)
	for said := range len(stream) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 7*time.Second)
			defer cancel()
			start := time.Now()
			_, err := torLookupPipe(ctx, func(c net.Conn) {
				go io.Copy(io.Discard, c)
				c.Write(stream[:said])
			})
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("silent after %d bytes: error %v, want the deadline's", said, err)
			}
			if d := time.Since(start); d != 7*time.Second {
				t.Errorf("silent after %d bytes: ended after %v, want 7s", said, d)
			}
		})
	}
}

// A proxy that does not read holds up a write; ctx ends that too.
func TestDefect15ProxyDoesNotRead(t *testing.T) {
	for _, reads := range []int{0, 1, 3} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			time.AfterFunc(time.Minute, cancel)
			start := time.Now()
			_, err := torLookupPipe(ctx, func(c net.Conn) {
				io.ReadFull(c, make([]byte, reads))
				if reads == 3 {
					c.Write(torHello)
				}
			})
			if !errors.Is(err, context.Canceled) {
				t.Errorf("reads %d bytes: error %v, want the cancellation", reads, err)
			}
			if d := time.Since(start); d != time.Minute {
				t.Errorf("reads %d bytes: ended after %v, want 1m", reads, d)
			}
		})
	}
}

func TestTorLookupDialEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		d := &socks.Dialer{Proxy: "proxy:9050", DialProxy: func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("operation was canceled")}
		}}
		if _, err := torLookup(ctx, d, "example.org"); !errors.Is(err, context.Canceled) {
			t.Errorf("canceled while dialing: %v", err)
		}
	})

	refused := errors.New("connection refused")
	d := &socks.Dialer{Proxy: "proxy:9050", DialProxy: func(context.Context, string, string) (net.Conn, error) { return nil, refused }}
	if _, err := torLookup(t.Context(), d, "example.org"); !errors.Is(err, refused) || !errors.Is(err, socks.ErrProxy) {
		t.Errorf("a dial that failed: %v", err)
	}
}

// Gigabytes of answer cost 24 bytes.
func TestTorLookupEndlessAnswer(t *testing.T) {
	endless := &torEndless{fill: 5}
	if _, err := torLookupScript(t, "example.org", endless); err == nil {
		t.Error("an endless stream of fives was taken for an answer")
	}
	if endless.n > 24 {
		t.Errorf("%d bytes of an endless answer were read", endless.n)
	}
}

type torEndless struct {
	fill byte
	n    int
}

func (r *torEndless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = r.fill
	}
	r.n += len(p)
	return len(p), nil
}

// The exported functions over a real socket. Nothing here waits for a clock.
func TestTorLookupIPLoopback(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				io.ReadFull(c, make([]byte, 3))
				c.Write(torHello)
				head := make([]byte, 5)
				io.ReadFull(c, head)
				host := make([]byte, int(head[4])+2)
				io.ReadFull(c, host)
				switch string(host[:len(host)-2]) {
				case "silent.example":
					io.Copy(io.Discard, c) // until the other side hangs up
				case "v6.example":
					c.Write(torIPv6)
				default:
					c.Write(torIPv4)
				}
			}()
		}
	}()

	proxy := l.Addr().String()
	if ips, err := TorLookupIP("example.org", proxy); err != nil || len(ips) != 1 || ips[0].String() != "192.0.2.7" {
		t.Errorf("IPv4: %v, %v", ips, err)
	}
	if ips, err := TorLookupIPContext(t.Context(), "v6.example", proxy); err != nil || len(ips) != 1 || ips[0].String() != "2001:db8::7" {
		t.Errorf("IPv6: %v, %v", ips, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := TorLookupIPContext(ctx, "silent.example", proxy); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("silent: %v, want the deadline's error", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	if _, err := TorLookupIPContext(ctx, "example.org", proxy); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled before: %v, want the cancellation", err)
	}
}

// FuzzTorReply: whatever a proxy answers, a lookup returns either an address that
// stands in the answer, or an error of one of the kinds that the API has.
func FuzzTorReply(f *testing.F) {
	f.Add(joinBytes(torHello, torIPv4))
	f.Add(joinBytes(torHello, torIPv6))
	f.Add(joinBytes(torHello, []byte{5, 0xf0, 0, 1}))
	f.Add(joinBytes(torHello, []byte{5, 9, 0, 1}))
	f.Add(joinBytes(torHello, []byte{5, 0, 0, 3, 1, 'a', 0, 0}))
	f.Add([]byte{5, 2})
	f.Add([]byte(nil))
	f.Fuzz(func(t *testing.T, answer []byte) {
		ips, err := torLookupScript(t, "example.org", bytes.NewReader(answer))
		var te TorError
		if err != nil {
			if !errors.Is(err, ErrTorInvalidAddressResponse) && !errors.Is(err, ErrTorInvalidProxyResponse) &&
				!errors.Is(err, ErrTorUnrecognizedAuthMethod) && !errors.As(err, &te) {
				t.Fatalf("error %v is of no known kind", err)
			}
			if ips != nil {
				t.Fatalf("both an address and an error: %v, %v", ips, err)
			}
			return
		}
		reply := answer[2:]
		size := map[byte]int{1: 4, 4: 16}[reply[3]]
		if reply[0] != 5 || reply[1] != 0 || size == 0 || len(reply) < 4+size+2 {
			t.Fatalf("%x was taken for an answer", answer)
		}
		if len(ips) != 1 || !ips[0].Equal(net.IP(reply[4:4+size])) {
			t.Fatalf("%x gave %v", answer, ips)
		}
	})
}
