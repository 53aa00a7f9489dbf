package webserver

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"testing"
	"time"
)

var (
	one   = netip.MustParseAddr("192.0.2.1")
	other = netip.MustParseAddr("192.0.2.2")
)

// host is one of many.
func host(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
}

// TestRates: who asks too often is told to wait, and nobody else.
func TestRates(t *testing.T) {
	t.Parallel()
	r := Rates{PerSecond: 2, AtOnce: 3}
	now := time.Unix(1000, 0)
	var got []bool
	for _, d := range []time.Duration{0, 0, 0, 0, 499 * time.Millisecond, 500 * time.Millisecond, 501 * time.Millisecond, time.Hour, time.Hour, time.Hour, time.Hour} {
		got = append(got, r.Allow(one, 1, now.Add(d)))
	}
	want := []bool{true, true, true, false, false, true, false, true, true, true, false}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if now = now.Add(time.Hour); !r.Allow(other, 1, now) {
		t.Error("another host pays for it")
	}
	if !r.Allow(one, 8, now.Add(time.Minute)) {
		t.Error("more than a bucket holds does not pass a full one")
	}
	if r.Allow(one, 1, now.Add(time.Minute+2500*time.Millisecond)) || !r.Allow(one, 1, now.Add(time.Minute+3*time.Second)) {
		t.Error("it leaves another debt than of five calls")
	}
}

// TestManyHosts: buckets are forgotten when they are full again, and there are only so
// many.
func TestManyHosts(t *testing.T) {
	t.Parallel()
	r := Rates{PerSecond: 1, AtOnce: 2}
	now := time.Unix(1000, 0)
	for i := range 3 * maxRated {
		r.Allow(host(i), 1, now)
	}
	if len(r.from) != maxRated+1 { // and the one that the rest shares
		t.Errorf("%d buckets, want %d", len(r.from), maxRated+1)
	}
	if r.Allow(host(4*maxRated), 1, now) {
		t.Error("the bucket of all others is never empty")
	}
	if now = now.Add(time.Hour); !r.Allow(host(4*maxRated), 1, now) || len(r.from) != 1 {
		t.Errorf("%d buckets after an hour, want 1", len(r.from))
	}
}

// TestGuesses: so many of a host and so many of all, and it is forgotten who is done.
func TestGuesses(t *testing.T) {
	t.Parallel()
	g := Guesses{Most: 3, MostPerHost: 2}
	for i, tt := range []struct {
		host netip.Addr
		want bool
	}{
		{one, true},
		{one, true},
		{one, false}, // two of a host
		{other, true},
		{other, false}, // three of all
	} {
		if g.Begin(tt.host) != tt.want {
			t.Errorf("%d: %v may begin: %v", i, tt.host, !tt.want)
		}
	}
	g.End(one)
	if !g.Begin(other) {
		t.Error("who is done is still counted")
	}
	g.End(one)
	g.End(other)
	g.End(other)
	if g.all != 0 || len(g.from) != 0 {
		t.Errorf("%d, %v are left", g.all, g.from)
	}
	var alone Guesses
	alone.MostPerHost = 1
	first, second := alone.Begin(one), alone.Begin(one)
	if !first || second || !alone.Begin(other) {
		t.Error("without a bound for all there is one, or none for a host")
	}
}

func TestRemoteHost(t *testing.T) {
	t.Parallel()
	for remote, want := range map[string]string{
		"192.0.2.1:80":              "192.0.2.1",
		"[::ffff:192.0.2.1]:80":     "192.0.2.1",
		"[2001:db8:1:2:3::4]:80":    "2001:db8:1:2::",
		"[fe80::1%eth0]:80":         "fe80::",
		"@":                         "invalid IP", // a socket file's
		"node.example:80":           "invalid IP",
		"[2001:db8:1:2:5::6%x]:443": "2001:db8:1:2::",
	} {
		if got := RemoteHost(remote).String(); got != want {
			t.Errorf("%s: %s, want %s", remote, got, want)
		}
	}
}

// TestNames: an IP address leads nowhere else, a name must be ours.
func TestNames(t *testing.T) {
	t.Parallel()
	names := NewNames("Node.Example")
	names.Add("HERE")
	h := names.Only(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for name, want := range map[string]int{
		"localhost":               200,
		"LocalHost:8332":          200,
		"node.example:80":         200,
		"here":                    200,
		"127.0.0.1":               200,
		"192.0.2.1:80":            200,
		"[::1]":                   200,
		"[::1]:80":                200,
		"":                        403,
		"evil.example":            403,
		"127.0.0.1.evil.example":  403,
		"localhost.evil.example:": 403,
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, &http.Request{Host: name})
		if w.Code != want {
			t.Errorf("%q: %d, want %d", name, w.Code, want)
		}
	}
}
