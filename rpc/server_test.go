package rpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"holdfast/node"
)

const anyCall = `{"id":1,"method":"getconnectioncount"}`

func TestConfigRefused(t *testing.T) {
	t.Parallel()
	good := testConfig(newFake(t))
	for _, c := range []struct {
		field  string
		change func(*Config)
	}{
		{"node", func(c *Config) { c.Node = nil }},
		{"rpclisten", func(c *Config) { c.Listen = nil }},
		{"rpclisten", func(c *Config) { c.Listen = []string{"127.0.0.1"} }},
		{"rpclisten", func(c *Config) { c.Listen = []string{"example.org:8332"} }},
		{"rpclisten", func(c *Config) { c.Listen = []string{"192.0.2.1:8332"} }}, // the password in clear
		{"rpclisten", func(c *Config) { c.Listen = []string{":8332"} }},          // the same
		{"rpclisten", func(c *Config) { c.Listen = []string{"[::]:8332"} }},      // the same
		{"rpccert", func(c *Config) { c.TLSCert = "rpc.cert" }},
		{"rpcuser", func(c *Config) { c.User, c.Password = "", "" }}, // nobody could log in
		{"rpcuser", func(c *Config) { c.User = "" }},
		{"rpcuser", func(c *Config) { c.User = "a:b" }},
		{"rpcpass", func(c *Config) { c.Password = "" }},
		{"rpcauth", func(c *Config) { c.Auth = []string{"alice:secret"} }},
		{"rpcauth", func(c *Config) { c.Auth = []string{"alice:salt$abcd"} }},
	} {
		cfg := good
		c.change(&cfg)
		s, err := New(cfg)
		var bad *node.ConfigError
		if !errors.As(err, &bad) || bad.Field != c.field {
			t.Errorf("want an error of %s, got %v", c.field, err)
		}
		if strings.Contains(fmt.Sprint(err), "secret") {
			t.Errorf("the error shows a password: %v", err)
		}
		if s != nil {
			_ = s.Close()
		}
	}
}

// What is refused before a call is looked at.
func TestDoor(t *testing.T) {
	t.Parallel()
	cfg := testConfig(newFake(t))
	cfg.Hosts = []string{"Node.Example"}
	cfg.Limits.Body = 1000
	s := handlerOf(t, cfg)
	host := func(name string) func(*http.Request) { return func(r *http.Request) { r.Host = name } }
	header := func(k, v string) func(*http.Request) { return func(r *http.Request) { r.Header.Set(k, v) } }
	for _, c := range []struct {
		name   string
		change func(*http.Request)
		want   int
	}{
		{"well", func(*http.Request) {}, 200},
		{"localhost", host("localhost:8332"), 200},
		{"IPv6", host("[::1]:8332"), 200},
		{"IPv6 without a port", host("[::1]"), 200},
		{"a name of ours", host("node.example:8332"), 200},
		{"no name", host(""), 200},
		{"a name that was made to lead here", host("evil.example:8332"), 403},
		{"a name that looks like an address", host("127.0.0.1.evil.example"), 403},
		{"another site's page", header("Origin", "https://evil.example"), 403},
		{"another site's page, newer browser", header("Sec-Fetch-Site", "cross-site"), 403},
		{"a look", func(r *http.Request) { r.Method = http.MethodGet }, 405},
		{"elsewhere", func(r *http.Request) { r.URL.Path = "/wallet/x" }, 404},
		{"no login", func(r *http.Request) { r.Header.Del("Authorization") }, 401},
		{"another way to log in", header("Authorization", "Bearer x"), 401},
		{"too long", func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader(strings.Repeat(" ", 1001))) }, 413},
	} {
		w := s.ask(anyCall, c.change)
		if w.Code != c.want {
			t.Errorf("%s: %d %s", c.name, w.Code, w.Body)
		}
		if c.want == 401 && !strings.HasPrefix(w.Header().Get("WWW-Authenticate"), "Basic ") {
			t.Errorf("%s: it does not say how to log in", c.name)
		}
	}
}

// Calls are counted by host, those of a batch one by one.
func TestRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig(newFake(t))
		cfg.Limits.Rate = 10
		s := handlerOf(t, cfg)
		from := func(addr string) func(*http.Request) { return func(r *http.Request) { r.RemoteAddr = addr } }
		allowed := func(addr string) int {
			n := 0
			for s.ask(anyCall, from(addr)).Code == 200 {
				n++
			}
			return n
		}
		if n := allowed("192.0.2.1:1"); n != 20 {
			t.Errorf("%d calls at once", n)
		}
		time.Sleep(time.Second) // virtual
		if n := allowed("192.0.2.1:2"); n != 10 {
			t.Errorf("%d calls a second", n)
		}
		batch := "[" + strings.Repeat(anyCall+",", 29) + anyCall + "]" // more than the bucket holds
		if w := s.ask(batch, from("192.0.2.2:1")); w.Code != 200 {
			t.Errorf("a large batch with a full bucket: %d", w.Code)
		}
		time.Sleep(time.Second)
		if w := s.ask(anyCall, from("192.0.2.2:1")); w.Code != 429 || w.Header().Get("Retry-After") == "" {
			t.Errorf("in debt: %d", w.Code)
		}
	})
}

// The answer to stop is sent before the program ends.
func TestStop(t *testing.T) {
	t.Parallel()
	cfg := testConfig(newFake(t))
	ctx, stop := context.WithCancel(t.Context())
	cfg.Stop = stop
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	code, body := post(t, newClient(t), "http://"+s.Addrs()[0].String(), "alice", "secret", `{"id":1,"method":"stop"}`)
	if code != 200 || !strings.Contains(body, "stopping") {
		t.Errorf("%d %s", code, body)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := s.Serve(t.Context()); !errors.Is(err, ErrServing) {
		t.Errorf("a second Serve: %v", err)
	}
}

// A batch whose answers would fill the memory gets no more of them.
func TestLongBatch(t *testing.T) {
	t.Parallel()
	n := newFake(t)
	for range 300 {
		n.snap.Peers = append(n.snap.Peers, n.snap.Peers[0])
	}
	cfg := testConfig(n)
	s := handlerOf(t, cfg)
	const call = `{"id":1,"method":"getpeerinfo"}`
	w := s.ask("[" + strings.Repeat(call+",", 499) + call + "]")
	if w.Code != 200 || w.Body.Len() > maxAnswer*5/4 || !strings.Contains(w.Body.String(), "ask for less") {
		t.Errorf("%d, %d bytes", w.Code, w.Body.Len())
	}
}
