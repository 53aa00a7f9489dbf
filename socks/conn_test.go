package socks

import (
	"bytes"
	"context"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// A proxy on a real socket, TCP and unix: the whole exchange, the stream behind it,
// half-close, addresses.
func TestRealSockets(t *testing.T) {
	t.Parallel()
	serve := func(c net.Conn) {
		io.ReadFull(c, make([]byte, 4))
		c.Write(wantLogin)
		io.ReadFull(c, make([]byte, 2+4+1+6))
		c.Write(loggedIn)
		io.ReadFull(c, make([]byte, 4+1+11+2))
		c.Write(join(okIPv4, "hello "))
		all, _ := io.ReadAll(c) // until the other side closes its half
		c.Write(all)
	}
	tcp := listen(t, "tcp", "127.0.0.1:0", serve).Addr().String()
	unix := filepath.Join(t.TempDir(), "socks")
	listen(t, "unix", unix, serve)

	for _, proxy := range []string{tcp, "unix:" + unix} {
		d := &Dialer{Proxy: proxy, Username: "user", Password: "secret"}
		conn, err := d.DialContext(t.Context(), "tcp", "example.org:80")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(conn, struct{ io.Reader }{strings.NewReader("world")}); err != nil {
			t.Error(err)
		}
		if err := conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			t.Error(err)
		}
		if got, err := io.ReadAll(conn); string(got) != "hello world" || err != nil {
			t.Errorf("%s: the stream is %q, %v", proxy, got, err)
		}
		if _, ok := conn.(syscall.Conn); !ok {
			t.Errorf("%s: %T has no SyscallConn", proxy, conn)
		}
		if got := conn.RemoteAddr(); got != (Addr{"example.org", 80}) {
			t.Errorf("%s: RemoteAddr is %v", proxy, got)
		}
		_, isTCP := conn.LocalAddr().(*net.TCPAddr)
		if isTCP != (proxy == tcp) {
			t.Errorf("%s: LocalAddr is a %T", proxy, conn.LocalAddr())
		}
		conn.Close()
	}

	gone := &Dialer{Proxy: "unix:" + unix + ".gone"}
	_, err := gone.DialContext(t.Context(), "tcp", "example.org:80")
	isAll(t, err, ErrProxy, syscall.ENOENT)
}

// How the proxy is reached.
func TestDialProxy(t *testing.T) {
	t.Parallel()
	for proxy, want := range map[string]string{
		"127.0.0.1:9050": "tcp 127.0.0.1:9050", "tor.example:9050": "tcp tor.example:9050",
		"unix:/run/tor/socks": "unix /run/tor/socks", "unix:@tor": "unix @tor",
	} {
		d, c := answers(Dialer{Proxy: proxy}, noLogin)
		d.DialProxy = func(_ context.Context, network, address string) (net.Conn, error) {
			if got := network + " " + address; got != want {
				t.Errorf("%s: dialed %s", proxy, got)
			}
			return c, nil
		}
		if err := d.Probe(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// A connection can close its half if what it runs on can.
func TestCloseWrite(t *testing.T) {
	t.Parallel()
	half := &halfScript{scriptConn: scriptConn{r: bytes.NewReader(join(noLogin, okIPv4))}}
	d := &Dialer{Proxy: "p:1", DialProxy: func(context.Context, string, string) (net.Conn, error) { return half, nil }}
	conn, err := d.DialContext(t.Context(), "tcp", "a:80")
	if err != nil {
		t.Fatal(err)
	}
	if w, ok := conn.(interface{ CloseWrite() error }); !ok || w.CloseWrite() != nil || !half.half {
		t.Errorf("%T: CloseWrite did nothing", conn)
	}
	if got := conn.RemoteAddr().String(); got != "a:80" {
		t.Errorf("RemoteAddr is %s", got)
	}
	d, _ = answers(Dialer{}, noLogin, okIPv4)
	conn, err = d.DialContext(t.Context(), "tcp", "a:80")
	if _, ok := conn.(interface{ CloseWrite() error }); ok || err != nil {
		t.Errorf("%T, %v: there is a CloseWrite", conn, err)
	}
}

type halfScript struct {
	scriptConn
	half bool
}

func (c *halfScript) CloseWrite() error { c.half = true; return nil }

// One Dialer, many at once.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	d := &Dialer{Proxy: "p:1", Isolate: true, DialProxy: func(context.Context, string, string) (net.Conn, error) {
		return &scriptConn{r: bytes.NewReader(join(wantLogin, loggedIn, okIPv4))}, nil
	}}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				if _, err := d.DialContext(t.Context(), "tcp", "a:80"); err != nil {
					t.Error(err)
				}
				if _, err := d.LookupNetIP(t.Context(), "ip", "a"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}
