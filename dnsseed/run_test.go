package dnsseed

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"holdfast/netaddr"
)

// With nothing known all seeds are asked at once, three at a time; of each 32
// addresses are taken at most, and none that another gave.
func TestEmptyBook(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dns := &fakeDNS{delay: 5 * sec, answer: func(host string) ([]netip.Addr, error) {
			list := append(addrs(0, 10), addrs(1000*int(host[1]), 50)...)
			return append(list, list...), nil // seeds repeat themselves
		}}
		w := start(t, Config{Seeds: seeds(8), Resolver: dns, Services: 9, Unfiltered: 1}, 0, 0)
		wait(0)
		if len(dns.names()) != 3 {
			t.Fatalf("%d seeds asked at once", len(dns.names()))
		}
		wait(15 * sec)
		_, most := dns.lookups()
		if len(dns.names()) != 8 || most != 3 {
			t.Errorf("%d questions, %d at once", len(dns.names()), most)
		}
		if len(w.known()) != 8*32 {
			t.Errorf("%d addresses known", len(w.known()))
		}
		for a, f := range w.known() {
			if ip, _ := a.Host.IP(); a.Port != 8333 || f.Services != 1 || ip.Is4In6() || f.Addr != a {
				t.Errorf("%+v", f)
			}
		}
		told := w.of(KindTold)
		if len(told) != 8 || told[0].Answered != 120 || told[0].Given != 32 || told[0].Took != 5*sec {
			t.Errorf("told %+v", told)
		}
		if asked := w.of(KindAsked); len(asked) != 8 || !strings.HasPrefix(asked[0].Host, asked[0].Seed) {
			t.Errorf("asked: %v", asked)
		}
	})
}

// With addresses known these get 11 s, then three seeds are asked, in random order,
// and what those told gets 11 s; until there are two peers.
func TestBookFirst(t *testing.T) {
	orders := make(map[string]bool)
	for range 8 {
		bubble(t, func(t *testing.T) {
			dns := &fakeDNS{delay: sec, answer: func(host string) ([]netip.Addr, error) { return addrs(100*int(host[1]), 2), nil }}
			w := start(t, Config{Seeds: seeds(8), Resolver: dns}, 1, 1)
			wait(11*sec - 1)
			if len(dns.names()) != 0 {
				t.Fatalf("asked too early: %v", dns.names())
			}
			wait(1)
			if len(dns.names()) != 3 {
				t.Fatalf("after 11 s: %v", dns.names())
			}
			wait(12*sec - 1)
			if len(dns.names()) != 3 {
				t.Fatalf("asked too early again: %v", dns.names())
			}
			wait(1)
			if len(dns.names()) != 6 || len(w.known()) != 1+6 {
				t.Fatalf("after another 12 s: %v", dns.names())
			}
			w.setPeers(2)
			wait(48 * time.Hour)
			if len(dns.names()) != 6 {
				t.Errorf("asked with peers enough: %v", dns.names())
			}
			// The rest of the round, when they are gone; then from the beginning.
			w.setPeers(1)
			wait(11*sec + 5*sec)
			if len(dns.names()) != 8 {
				t.Errorf("16 s after the peers went: %v", dns.names())
			}
			asked := dns.names()
			slices.Sort(asked)
			if len(slices.Compact(asked)) != 8 {
				t.Errorf("some twice: %v", dns.names())
			}
			for _, e := range w.of(KindAsked)[:3] {
				orders[e.Seed] = true
			}
		})
	}
	if len(orders) < 4 {
		t.Errorf("always the same first: %v", orders)
	}
}

func TestMuchKnown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dns := &fakeDNS{answer: func(string) ([]netip.Addr, error) { return addrs(0, 1), nil }}
		start(t, Config{Seeds: seeds(8), Resolver: dns}, 1000, 0)
		wait(5*minute - 1)
		if len(dns.names()) != 0 {
			t.Fatalf("asked too early: %v", dns.names())
		}
		wait(1)
		if len(dns.names()) != 3 {
			t.Fatalf("after 5 min: %v", dns.names())
		}
	})
}

// Service bits go before the names of seeds that filter. If there is no such name
// the seed's own is asked for.
func TestServiceBits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dns := &fakeDNS{answer: func(host string) ([]netip.Addr, error) {
			switch host {
			case "x49.yes.test.":
				return addrs(0, 2), nil
			case "x49.empty.test.":
				return nil, nil
			case "plain.test.", "none.test.", "empty.test.":
				return addrs(int(host[0])*100, 1), nil
			}
			return nil, errNotFound
		}}
		w := start(t, Config{
			Seeds:    []Seed{{"yes.test", true}, {"none.test.", true}, {"plain.test", false}, {"empty.test", true}, {"gone.test", true}, {"YES.test.", true}},
			Services: 0x49, Unfiltered: 9, Resolver: dns,
		}, 0, 0)
		wait(0)
		asked := dns.names()
		slices.Sort(asked)
		want := "[empty.test. gone.test. none.test. plain.test. x49.empty.test. x49.gone.test. x49.none.test. x49.yes.test.]"
		if got := fmt.Sprint(asked); got != want {
			t.Errorf("asked for %v, want %v", got, want)
		}
		counts := make(map[uint64]int)
		for _, f := range w.known() {
			counts[f.Services]++
		}
		if counts[0x49] != 2 || counts[9] != 3 {
			t.Errorf("addresses by services: %v", counts)
		}
		failed := w.of(KindFailed)
		if len(failed) != 1 || failed[0].Seed != "gone.test" || failed[0].Host != "gone.test." {
			t.Fatalf("failed: %v", failed)
		}
		var lookup *LookupError
		if err := failed[0].Err; !errors.As(err, &lookup) || !errors.Is(err, errNotFound) || lookup.Timeout() ||
			err.Error() != "dnsseed: gone.test.: no such host" {
			t.Errorf("error: %v", err)
		}
	})
}

// btcsuite's list for signet: addresses are not asked for, but told.
func TestLiteralSeeds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dns := &fakeDNS{answer: func(string) ([]netip.Addr, error) { return nil, errNotFound }}
		w := start(t, Config{
			Seeds: []Seed{
				{"seed.signet.test", true},
				{"178.128.221.177", false},
				{"2a01:7c8:d005:390::5", false},
				{onion + ":38334", false},
				{"bad_port.test:1", true},
				{"178.128.221.177:8333", false}, // the same again
				{"127.0.0.1", false},
			},
			Port: 8333, Services: 1, Unfiltered: 2, Resolver: dns,
			Plausible: func(a netaddr.Addr) bool { return a.String() != "127.0.0.1:8333" },
		}, 0, 0)
		wait(0)
		if fmt.Sprint(dns.names()) != "[x1.seed.signet.test. seed.signet.test.]" {
			t.Errorf("asked for %v", dns.names())
		}
		var got []string
		for a, f := range w.known() {
			if got = append(got, a.String()); f.Services != 2 {
				t.Errorf("%+v", f)
			}
		}
		slices.Sort(got)
		if want := []string{"178.128.221.177:8333", "[2a01:7c8:d005:390::5]:8333", onion + ":38334"}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		bad := w.of(KindMalformed)
		var seedErr *SeedError
		if len(bad) != 1 || !errors.As(bad[0].Err, &seedErr) || seedErr.Seed != "bad_port.test:1" || w.of()[0].Kind != KindMalformed {
			t.Errorf("malformed: %v", bad)
		}
		failed := w.of(KindFailed)
		if len(failed) != 2 || !slices.ContainsFunc(failed, func(e Event) bool {
			return e.Seed == "127.0.0.1" && errors.Is(e.Err, ErrNoAddresses)
		}) {
			t.Errorf("failed: %v", failed)
		}
		// They are told again in the next round, and nobody is told to have failed.
		if n := len(w.of(KindNoneAnswered)); n != 0 {
			t.Errorf("%d times told that none answered", n)
		}
		w.mu.Lock()
		clear(w.book)
		w.mu.Unlock()
		wait(72 * sec)
		if len(w.known()) != 3 || len(w.of(KindMalformed)) != 1 {
			t.Errorf("%d known after the next round", len(w.known()))
		}
	})
}

// While nobody answers they are asked less and less often, it is told once a round,
// with the right time, and the end does not wait for them.
func TestDeadSeeds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dns := &fakeDNS{delay: 24 * time.Hour}
		w := start(t, Config{Seeds: seeds(4), Resolver: dns}, 0, 0)
		wait(3 * time.Hour)
		rounds := w.of(KindNoneAnswered)
		if n := len(rounds); n < 6 || n > 9 {
			t.Errorf("%d rounds in 3 h", n)
		}
		asked := w.of(KindAsked)
		for i, e := range rounds[:len(rounds)-1] {
			if next := asked[4*(i+1)]; !next.Time.Equal(e.Next) || e.Asked != 4 {
				t.Errorf("told %v, asked again at %v", e, next.Time)
			}
		}
		failed := w.of(KindFailed)
		var lookup *LookupError
		if err := failed[0].Err; !errors.As(err, &lookup) || !lookup.Timeout() || !errors.Is(err, context.DeadlineExceeded) || failed[0].Took != 15*sec {
			t.Errorf("failed: %+v", failed[0])
		}
		for open, _ := dns.lookups(); open == 0; open, _ = dns.lookups() {
			wait(sec)
		}
		told, began := len(w.of()), time.Now()
		w.stop()
		open, _ := dns.lookups()
		if took := time.Since(began); took != 0 || open != 0 || len(w.of()) != told {
			t.Errorf("the end took %v, with %d lookups left and %d events", took, open, len(w.of())-told)
		}
	})
}

// A machine that gets its network seconds after its node started does not wait for
// the next round.
func TestNetworkChanged(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var up atomic.Bool
		dns := &fakeDNS{answer: func(string) ([]netip.Addr, error) {
			if !up.Load() {
				return nil, &net.OpError{Op: "dial", Net: "udp", Err: errors.New("network is unreachable")}
			}
			return addrs(0, 5), nil
		}}
		changed := make(chan struct{}, 1)
		w := start(t, Config{Seeds: seeds(4), Resolver: dns, NetworkChanged: changed}, 0, 0)
		wait(3 * sec)
		up.Store(true)
		changed <- struct{}{}
		wait(7 * sec)
		if len(w.known()) != 5 {
			t.Errorf("%d known, asked %v", len(w.known()), dns.names())
		}
		close(changed) // nothing spins
		wait(sec)
	})
}

// Tor's RESOLVE answers one address.
func TestOneAnswer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dns := &fakeDNS{answer: func(host string) ([]netip.Addr, error) { return addrs(int(host[1]), 1), nil }}
		w := start(t, Config{Seeds: seeds(8), Resolver: dns}, 0, 0)
		wait(0)
		if len(w.known()) != 8 || len(dns.names()) != 8 {
			t.Errorf("%d known, asked %v", len(w.known()), dns.names())
		}
	})
}

// Seed nodes come first; each once, then again after a while.
func TestSeedNodes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dns := &fakeDNS{answer: func(string) ([]netip.Addr, error) { return addrs(0, 1), nil }}
		w := start(t, Config{Seeds: seeds(1), SeedNodes: []string{"a.test:1", "b.test:1"}, Resolver: dns}, 0, 0)
		wait(10*sec - 1)
		if len(w.fetched()) != 1 {
			t.Fatalf("fetched from %v", w.fetched())
		}
		wait(20 * sec)
		if len(w.fetched()) != 2 || w.fetched()[0] == w.fetched()[1] || len(dns.names()) != 0 {
			t.Fatalf("fetched from %v, asked %v", w.fetched(), dns.names())
		}
		wait(1)
		if len(dns.names()) != 1 {
			t.Errorf("seeds asked: %v", dns.names())
		}
		if e := w.of(KindFetch); len(e) != 2 || e[1].Seed != w.fetched()[1] {
			t.Errorf("events %v", e)
		}
		w.setPeers(2)
		wait(time.Hour)
		if len(w.fetched()) != 2 {
			t.Errorf("fetched with peers enough: %v", w.fetched())
		}
		w.setPeers(0)
		wait(time.Hour)
		if n := len(w.fetched()); n < 8 || n > 14 {
			t.Errorf("fetched %d times", n)
		}
	})
}

// The owner may end Run from each of its calls.
func TestEndFromWithin(t *testing.T) {
	for _, call := range []string{"state", "found", "fetch", "event"} {
		bubble(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			end := func(where string) {
				if where == call {
					cancel()
				}
			}
			err := Run(ctx, Config{
				Seeds: append(seeds(5), Seed{Host: "1.2.3.4"}), SeedNodes: []string{"a"}, Port: 1,
				Policy:   Policy{NodeTime: -1},
				Resolver: &fakeDNS{delay: sec, answer: func(string) ([]netip.Addr, error) { return addrs(0, 1), nil }},
				State:    func() (int, int) { end("state"); return 0, 0 },
				OnFound:  func(string, []Found) { end("found") },
				OnFetch:  func(string) { end("fetch") },
				OnEvent:  func(Event) { end("event") },
			})
			if err != nil || ctx.Err() == nil {
				t.Errorf("%s: %v", call, err)
			}
		})
	}
}

func TestConfig(t *testing.T) {
	full := Config{
		Seeds: seeds(1), Port: 1, SeedNodes: []string{"a"},
		State: func() (int, int) { return 0, 0 }, OnFound: func(string, []Found) {}, OnFetch: func(string) {},
	}
	for what, spoil := range map[string]func(*Config){
		"State":   func(c *Config) { c.State = nil },
		"OnFound": func(c *Config) { c.OnFound = nil },
		"Port":    func(c *Config) { c.Port = 0 },
		"OnFetch": func(c *Config) { c.OnFetch = nil },
	} {
		c := full
		spoil(&c)
		if err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("without %s: %v", what, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Run(ctx, full); err != nil {
		t.Error(err)
	}
	// Without anybody to ask there is nothing to do.
	bubble(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := Run(ctx, Config{State: full.State, OnFound: full.OnFound}); err != nil || ctx.Err() == nil {
			t.Error(err)
		}
	})
}

func TestEventStrings(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, tt := range []struct {
		e    Event
		want string
	}{
		{Event{Kind: KindAsked, Seed: "seed.test", Host: "x9.seed.test."}, "Asking DNS seed seed.test for x9.seed.test."},
		{Event{Kind: KindTold, Seed: "seed.test", Answered: 40, Given: 32}, "Seed seed.test told 40 addresses, 32 taken"},
		{Event{Kind: KindNoneAnswered, Asked: 8, Next: at}, "None of 8 seeds told an address; asking again at 03:04:05"},
		{Event{Kind: KindFetch, Seed: "a.test:1"}, "Fetching addresses from seed node a.test:1"},
		{Event{Kind: KindFailed, Err: &LookupError{Seed: "1.2.3.4", Err: ErrNoAddresses}}, "dnsseed: 1.2.3.4: it has no addresses that can be used"},
		{Event{Kind: KindFailed, Err: &LookupError{Seed: "s", Host: "x9.s", Err: &net.DNSError{Err: "i/o timeout", IsTimeout: true, Server: "1.1.1.1:53"}}}, "dnsseed: x9.s: no answer in time"},
		{Event{Kind: KindMalformed, Err: Seed{Host: "a b"}.Check()}, `dnsseed: "a b" is no seed: its name has ' '; names have letters, digits, dots and hyphens`},
		{Event{Kind: 99}, "kind-99"},
	} {
		if got := tt.e.String(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}
