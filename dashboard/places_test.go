package dashboard

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"testing"

	"holdfast/internal/webserver"
	"holdfast/stream"
)

// TestNobodyTakesAllPlaces: 500 connections that ask for the live stream and read nothing,
// and as many that say nothing, take neither the health nor the metrics nor the page from
// others, nor the live page from who has the token.
func TestNobodyTakesAllPlaces(t *testing.T) {
	h := serve(t, nil)
	token := h.trusted(http.MethodGet, "/events", "")
	h.client.CloseIdleConnections()
	for i := range 1000 {
		conn, err := net.Dial("tcp", h.Addrs()[0].String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close() //nolint:errcheck // the test has ended
		_ = conn.(*net.TCPConn).SetReadBuffer(4096)
		if i < 500 {
			_, _ = fmt.Fprint(conn, "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n") // it may be closed by now
		}
	}
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/metrics": 200} {
		h.client.CloseIdleConnections()
		if resp, body := h.get(path); resp.StatusCode != want {
			t.Errorf("%s: %d %.80s", path, resp.StatusCode, body)
		}
	}
	page := h.trusted(http.MethodGet, "/", "")
	if resp, _ := h.do(page); resp.StatusCode != http.StatusOK {
		t.Errorf("the page: %d", resp.StatusCode)
	}
	resp, err := h.client.Do(token)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close() // the status is all that is looked at
	if resp.StatusCode != http.StatusOK {
		t.Errorf("the live page with the token: %d", resp.StatusCode)
	}
}

// TestWhoGoes: never a live page makes room, but for one with the token.
func TestWhoGoes(t *testing.T) {
	for _, tt := range []struct {
		name                     string
		state                    webserver.State
		whenFull, whenManyViewed bool
	}{
		{"nothing asked for yet, or all answered", webserver.State{}, true, false},
		{"a live page", webserver.State{Busy: true}, false, true},
		{"one with the token", webserver.State{Busy: true, Trusted: true}, false, false},
	} {
		if got := goesFirst(tt.state) != webserver.Stays; got != tt.whenFull {
			t.Errorf("%s: it makes room for whoever comes: %v", tt.name, got)
		}
		if got := viewersFirst(tt.state) != webserver.Stays; got != tt.whenManyViewed {
			t.Errorf("%s: it makes room for a live page with the token: %v", tt.name, got)
		}
	}
}

// TestHostsDoNotShare: a host that asks in a loop or guesses passwords is refused, and no
// other one; and whoever has the token goes on.
func TestHostsDoNotShare(t *testing.T) {
	h := serve(t, func(c *Config) { c.Login = func(u, _ string) bool { return u == "ann" } })
	handler := h.handler()
	ask := func(path, remote string, change func(*http.Request)) int {
		r := h.request(http.MethodGet, path, "")
		r.RemoteAddr, r.TLS = remote, &tls.ConnectionState{}
		if change != nil {
			change(r)
		}
		w := &keptAnswer{ResponseWriter: discard{http.Header{}}, status: http.StatusOK}
		handler.ServeHTTP(w, r)
		return w.status
	}
	limit := 0
	for range 10 * pagesAtOnce {
		if limit = ask("/", "192.0.2.1:1", nil); limit == http.StatusTooManyRequests {
			break
		}
	}
	if limit != http.StatusTooManyRequests {
		t.Fatal("a loop is not refused")
	}
	login := func(r *http.Request) { r.SetBasicAuth("ann", "") }
	guess := func(r *http.Request) { r.SetBasicAuth("eve", "") }
	token := func(r *http.Request) { r.AddCookie(&http.Cookie{Name: "holdfast", Value: h.token}) }
	for range 2 * pagesAtOnce { // a monitor may ask as often as it likes
		if got := ask("/readyz", "192.0.2.1:2", nil); got != http.StatusOK {
			t.Fatalf("/readyz: %d", got)
		}
	}
	for range maxWrongPerHost {
		h.guesses.Begin(netip.MustParseAddr("2001:db8::"))
	}
	for _, tt := range []struct {
		name, path, remote string
		change             func(*http.Request)
		want               int
	}{
		{"another host", "/", "192.0.2.2:1", login, 200},
		{"the metrics, from the same host", "/metrics", "192.0.2.1:1", login, 200},
		{"the token, from the same host", "/", "192.0.2.1:1", token, 200},
		{"a host that guesses", "/", "[2001:db8::1]:1", guess, 429},
		{"another of its /64", "/", "[2001:db8::2]:1", guess, 429},
		{"who knows it, from the same host", "/", "[2001:db8::1]:1", login, 200},
		{"one of another /64", "/", "[2001:db8:0:1::1]:1", login, 200},
	} {
		if got := ask(tt.path, tt.remote, tt.change); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}

// discard is an answer that nobody reads.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

// TestURL: the address is one that a browser can open, and that the server answers to.
func TestURL(t *testing.T) {
	self, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		listen, hosts []string
		want          string
	}{
		{[]string{"0.0.0.0:0"}, nil, "https://" + self + ":"},
		{[]string{"[::]:0"}, nil, "https://" + self + ":"},
		{[]string{"0.0.0.0:0"}, []string{"node.example"}, "https://node.example:"},
		{[]string{"0.0.0.0:0", "127.0.0.1:0"}, nil, "http://127.0.0.1:"},
	} {
		s, err := New(Config{
			Listen: tt.listen, Hosts: tt.hosts, Node: newFake(), Hub: stream.NewHub(1), Meter: NewMeter(),
			Login: func(string, string) bool { return false }, TLS: &tls.Config{},
		})
		if err != nil {
			t.Fatal(err)
		}
		_ = s.Close()
		u, err := url.Parse(s.URL())
		if err != nil || !strings.HasPrefix(s.URL(), tt.want) || !s.names.Has(u.Host) {
			t.Errorf("%v: %s (%v), want %s", tt.listen, s.URL(), err, tt.want)
		}
	}
}
