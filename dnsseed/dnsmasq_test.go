package dnsseed

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"holdfast/internal/testenv"
)

// dnsmasq is a real DNS server on loopback, with the zone "test" of its own. It asks
// nobody else, but for mute.test a server on loopback that never answers.
type dnsmasq struct {
	*testenv.DNSMasq
	mute net.PacketConn

	mu   sync.Mutex
	nets []string // the network of each connection of the resolver
}

// startDNSMasq starts it, with a zone of names and their addresses.
func startDNSMasq(t *testing.T, zone map[string][]netip.Addr) *dnsmasq {
	t.Helper()
	mute, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mute.Close() })
	return &dnsmasq{mute: mute, DNSMasq: testenv.StartDNSMasq(t, zone,
		"--local=/test/", fmt.Sprintf("--server=/mute.test/127.0.0.1#%d", mute.LocalAddr().(*net.UDPAddr).Port))}
}

// resolver returns Go's own resolver, with this server as the only one. Its
// connections end with the context, so that none outlives its lookup.
func (d *dnsmasq) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		d.mu.Lock()
		d.nets = append(d.nets, network)
		d.mu.Unlock()
		var dialer net.Dialer
		c, err := dialer.DialContext(ctx, network, d.Addr)
		if err == nil {
			context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
		}
		return c, err
	}}
}

// network reports whether a connection of a network was made.
func (d *dnsmasq) network(name string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Contains(d.nets, name)
}

// harvest runs cfg until each seed has answered or failed once, and returns the
// addresses of each, and its last event.
func harvest(t *testing.T, cfg Config) (map[string][]Found, map[string]Event) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	all, events := make(map[string][]Found), make(map[string]Event)
	cfg.Port = 8333
	if cfg.Timeout == 0 {
		cfg.Timeout = 5 * minute // a slow machine fails nothing
	}
	cfg.State = func() (int, int) { return 0, 0 }
	cfg.OnFound = func(seed string, list []Found) { all[seed] = append(all[seed], list...) }
	cfg.OnEvent = func(e Event) {
		if e.Kind != KindTold && e.Kind != KindFailed {
			return
		}
		if events[e.Seed] = e; len(events) == len(cfg.Seeds) {
			cancel()
		}
	}
	if err := Run(ctx, cfg); err != nil {
		t.Error(err)
	}
	return all, events
}

// families counts the addresses of IPv4 and of IPv6.
func families(list []Found) (v4, v6 int) {
	for _, f := range list {
		if ip, _ := f.Addr.Host.IP(); ip.Is4() {
			v4++
		} else {
			v6++
		}
	}
	return v4, v6
}

func only(v4 bool, list []netip.Addr) []netip.Addr {
	return slices.DeleteFunc(list, func(a netip.Addr) bool { return a.Unmap().Is4() != v4 })
}

func TestRealDNS(t *testing.T) {
	d := startDNSMasq(t, map[string][]netip.Addr{
		"four.test":         only(true, addrs(0, 8)),
		"six.test":          only(false, addrs(100, 8)),
		"both.test":         addrs(200, 8),
		"x49.filters.test":  addrs(300, 4),
		"filters.test":      addrs(400, 4),
		"x9.knows-few.test": addrs(500, 4),
		"knows-few.test":    addrs(600, 6),
		"same.test":         addrs(200, 8),
		"nothere.example":   addrs(700, 1),
	})
	got, events := harvest(t, Config{
		Seeds: []Seed{
			{"four.test", false},
			{"six.test", false},
			{"both.test", false},
			{"filters.test", true},
			{"knows-few.test", true},
			{"same.test", false},
			{"gone.test", true},
			{"other.example", false}, // not its zone: it refuses
			{"178.128.221.177", false},
		},
		Services: 0x49, Unfiltered: 1, Resolver: d.resolver(),
	})
	for seed, want := range map[string][2]int{
		"four.test": {4, 0}, "six.test": {0, 4}, "filters.test": {2, 2}, "knows-few.test": {3, 3}, "178.128.221.177": {1, 0},
	} {
		v4, v6 := families(got[seed])
		if v4 != want[0] || v6 != want[1] {
			t.Errorf("%s gave %d of IPv4 and %d of IPv6, want %v", seed, v4, v6, want)
		}
	}
	if v4, v6 := families(append(got["both.test"], got["same.test"]...)); v4 != 4 || v6 != 4 {
		t.Errorf("two that give the same gave %d and %d", v4, v6)
	}
	for _, f := range got["filters.test"] {
		if ip, _ := f.Addr.Host.IP(); f.Services != 0x49 || !slices.ContainsFunc(addrs(300, 4), func(a netip.Addr) bool { return a.Unmap() == ip }) {
			t.Errorf("filters.test gave %+v", f)
		}
	}
	for _, f := range got["knows-few.test"] {
		if f.Services != 1 {
			t.Errorf("knows-few.test gave %+v", f)
		}
	}
	for seed, notThere := range map[string]bool{"gone.test": true, "other.example": false} {
		var lookup *LookupError
		if e := events[seed]; e.Kind != KindFailed || !errors.As(e.Err, &lookup) || notFound(lookup) != notThere || lookup.Timeout() {
			t.Errorf("%s: %v", seed, e)
		}
	}
}

// An answer that is too long for UDP is asked for again by TCP. Of 60 addresses, and
// of thousands, 32 are taken.
func TestRealLongAnswers(t *testing.T) {
	for _, n := range []int{60, 2000} {
		d := startDNSMasq(t, map[string][]netip.Addr{
			"v4.test": only(true, addrs(0, 2*n)),
			"v6.test": only(false, addrs(0, 2*n)),
		})
		for _, seed := range []string{"v4.test", "v6.test"} {
			got, events := harvest(t, Config{Seeds: []Seed{{Host: seed}}, Resolver: d.resolver()})
			e := events[seed]
			if len(got[seed]) != 32 || e.Answered != n || e.Given != 32 {
				t.Errorf("%d addresses of %s: took %d; %v", n, seed, len(got[seed]), e)
			}
		}
		if !d.network("tcp") {
			t.Errorf("%d addresses: TCP was never used", n)
		}
	}
}

// A server that never answers costs its seed a deadline, and the others nothing.
func TestRealMute(t *testing.T) {
	d := startDNSMasq(t, nil)
	_, events := harvest(t, Config{Seeds: []Seed{{Host: "mute.test"}, {Host: "a.mute.test"}}, Resolver: d.resolver(), Timeout: 50 * time.Millisecond})
	for _, e := range events {
		var lookup *LookupError
		if e.Kind != KindFailed || !errors.As(e.Err, &lookup) || !lookup.Timeout() {
			t.Errorf("%v", e)
		}
	}
	if len(events) != 2 {
		t.Errorf("%d seeds failed", len(events))
	}
}

// The end in the middle of a lookup cancels it, and does not wait for its deadline.
func TestRealCancel(t *testing.T) {
	d := startDNSMasq(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error)
	var last Event
	go func() {
		done <- Run(ctx, Config{
			Seeds: []Seed{{Host: "mute.test"}}, Port: 8333, Resolver: d.resolver(), Timeout: time.Hour,
			State:   func() (int, int) { return 0, 0 },
			OnFound: func(string, []Found) {},
			OnEvent: func(e Event) { last = e },
		})
	}()
	// The question has come to the server behind dnsmasq: now it is the middle.
	if _, _, err := d.mute.ReadFrom(make([]byte, 1500)); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-done; err != nil || last.Kind != KindAsked {
		t.Errorf("%v; last event %v", err, last)
	}
}
