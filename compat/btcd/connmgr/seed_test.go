package connmgr

import (
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/btcsuite/btcd/chaincfg/v2"
	"github.com/btcsuite/btcd/wire/v2"
)

func seedParams(seeds ...chaincfg.DNSSeed) *chaincfg.Params {
	return &chaincfg.Params{Name: "testchain", DefaultPort: "8333", DNSSeeds: seeds}
}

var (
	seedA = chaincfg.DNSSeed{Host: "a.example", HasFiltering: true}
	seedB = chaincfg.DNSSeed{Host: "b.example"}
)

// seedAll runs SeedFromDNS until nothing more can come of it, and returns what
// each call of seedFn got.
func seedAll(t *testing.T, p *chaincfg.Params, services wire.ServiceFlag, lookup LookupFunc) (calls [][]*wire.NetAddressV2) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		SeedFromDNS(p, services, lookup, func(addrs []*wire.NetAddressV2) {
			calls = append(calls, addrs) // unlocked: seedFn is never called twice at once
		})
		time.Sleep(time.Hour)
		synctest.Wait()
	})
	return calls
}

func answer(ips ...string) LookupFunc {
	return func(string) ([]net.IP, error) {
		var out []net.IP
		for _, ip := range ips {
			out = append(out, net.ParseIP(ip))
		}
		return out, nil
	}
}

func hosts(addrs []*wire.NetAddressV2) []string {
	var out []string
	for _, a := range addrs {
		out = append(out, a.Addr.String())
	}
	slices.Sort(out)
	return out
}

func TestSeedFromDNS(t *testing.T) {
	start := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // where synctest's clock begins
	calls := seedAll(t, seedParams(seedB), wire.SFNodeNetwork, answer("192.0.2.1", "2001:db8::1"))
	if len(calls) != 1 {
		t.Fatalf("seedFn was called %d times, want once", len(calls))
	}
	if got, want := hosts(calls[0]), []string{"192.0.2.1", "2001:db8::1"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for _, a := range calls[0] {
		if a.Port != 8333 || a.Services != 0 {
			t.Errorf("%v: port %d, services %v; want 8333 and none", a.Addr, a.Port, a.Services)
		}
		if age := start.Sub(a.Timestamp); age < minSeedAge || age > maxSeedAge {
			t.Errorf("%v was last seen %v ago, want 3 to 7 days", a.Addr, age)
		}
	}
}

func TestSeedHostNames(t *testing.T) {
	tests := []struct {
		services wire.ServiceFlag
		want     []string
	}{
		{wire.SFNodeNetwork, []string{"a.example", "b.example"}},
		{wire.SFNodeNetwork | wire.SFNodeWitness, []string{"b.example", "x9.a.example"}},
		{0, []string{"b.example", "x0.a.example"}},
	}
	for _, tt := range tests {
		var mu sync.Mutex
		var asked []string
		seedAll(t, seedParams(seedA, seedB), tt.services, func(host string) ([]net.IP, error) {
			mu.Lock()
			defer mu.Unlock()
			asked = append(asked, host)
			return nil, nil
		})
		slices.Sort(asked)
		if !slices.Equal(asked, tt.want) {
			t.Errorf("services %v: asked %v, want %v", tt.services, asked, tt.want)
		}
	}
}

func TestSeedFromDNSReturnsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var done atomic.Int32
		SeedFromDNS(seedParams(seedA, seedB), 0, func(string) ([]net.IP, error) {
			time.Sleep(time.Minute)
			return []net.IP{net.IPv4(192, 0, 2, 1)}, nil
		}, func([]*wire.NetAddressV2) { done.Add(1) })
		if d := time.Since(start); d != 0 {
			t.Errorf("it took %v", d)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if done.Load() != 2 {
			t.Errorf("seedFn was called %d times after a minute, want 2: seeds are to be asked together", done.Load())
		}
	})
}

func TestSeedFailures(t *testing.T) {
	buf := useBuffer(t)
	calls := seedAll(t, seedParams(seedA, seedB), wire.SFNodeNetwork, func(host string) ([]net.IP, error) {
		if host == "a.example" {
			return nil, errors.New("no such host")
		}
		return nil, nil
	})
	if len(calls) != 0 {
		t.Errorf("seedFn was called with %v", calls)
	}
	if got := buf.String(); !strings.Contains(got, `seed=a.example err="no such host"`) {
		t.Errorf("the failure is not in the log: %q", got)
	}
}

func TestSeedOddAnswers(t *testing.T) {
	calls := seedAll(t, seedParams(seedB), 0, func(string) ([]net.IP, error) {
		return []net.IP{nil, {}, {1, 2, 3}, make(net.IP, 32), net.IPv4(192, 0, 2, 1).To4()}, nil
	})
	if len(calls) != 1 || !slices.Equal(hosts(calls[0]), []string{"192.0.2.1"}) {
		t.Errorf("got %v, want the one address", calls)
	}
	if calls := seedAll(t, seedParams(seedB), 0, func(string) ([]net.IP, error) { return []net.IP{nil}, nil }); len(calls) != 0 {
		t.Errorf("nothing but nonsense was handed on: %v", calls)
	}
}

func TestSeedNilArguments(t *testing.T) {
	buf := useBuffer(t)
	SeedFromDNS(nil, 0, answer(), func([]*wire.NetAddressV2) {})
	SeedFromDNS(seedParams(seedA), 0, nil, func([]*wire.NetAddressV2) {})
	SeedFromDNS(seedParams(seedA), 0, answer(), nil)
	if got := len(buf.lines()); got != 3 {
		t.Errorf("%d lines were logged, want 3: %q", got, buf.String())
	}
}

func TestDefect16Duplicates(t *testing.T) {
	// The same address in both of its forms, twice each.
	calls := seedAll(t, seedParams(seedB), 0, func(string) ([]net.IP, error) {
		ip := net.IPv4(192, 0, 2, 1)
		return []net.IP{ip, ip.To4(), ip.To16(), ip.To4(), net.ParseIP("2001:db8::1"), net.ParseIP("2001:db8::1")}, nil
	})
	if len(calls) != 1 || !slices.Equal(hosts(calls[0]), []string{"192.0.2.1", "2001:db8::1"}) {
		t.Errorf("got %v, want two addresses", calls)
	}
}

func TestDefect16AtMost32(t *testing.T) {
	var ips []net.IP
	for i := range 20_000 {
		ips = append(ips, net.IPv4(10, byte(i>>16), byte(i>>8), byte(i)))
	}
	lookup := func(string) ([]net.IP, error) { return ips, nil }
	first := seedAll(t, seedParams(seedB), 0, lookup)
	second := seedAll(t, seedParams(seedB), 0, lookup)
	for _, calls := range [][][]*wire.NetAddressV2{first, second} {
		if len(calls) != 1 || len(calls[0]) != 32 {
			t.Fatalf("got %d calls, want one with 32 addresses", len(calls))
		}
	}
	// 32 of 20,000 drawn twice are the same with a chance of 10^-104.
	if slices.Equal(hosts(first[0]), hosts(second[0])) {
		t.Error("the same 32 addresses were chosen twice: the answer is not shuffled first")
	}
	for i, ip := range ips {
		if !ip.Equal(net.IPv4(10, byte(i>>16), byte(i>>8), byte(i))) {
			t.Fatal("the slice that the lookup returned was written to")
		}
	}
}

func TestDefect16CallbacksDoNotOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seeds []chaincfg.DNSSeed
		for range 8 {
			seeds = append(seeds, seedB)
		}
		var running, calls int // unlocked: the race detector is a judge too
		SeedFromDNS(seedParams(seeds...), 0, answer("192.0.2.1"), func([]*wire.NetAddressV2) {
			if running++; running > 1 {
				t.Errorf("%d calls at once", running)
			}
			time.Sleep(time.Second)
			running--
			calls++
		})
		time.Sleep(9 * time.Second)
		synctest.Wait()
		if calls != 8 {
			t.Errorf("%d calls, want 8", calls)
		}
	})
}

func TestDefect16BadPort(t *testing.T) {
	for _, port := range []string{"", "0", "http", "-1", "65536", "8333 "} {
		buf := useBuffer(t)
		p := seedParams(seedA, seedB)
		p.DefaultPort = port
		calls := seedAll(t, p, 0, func(host string) ([]net.IP, error) {
			t.Errorf("port %q: %s was asked all the same", port, host)
			return nil, nil
		})
		if len(calls) != 0 {
			t.Errorf("port %q: addresses were handed on: %v", port, calls)
		}
		if lines := buf.lines(); len(lines) != 1 || !strings.HasPrefix(lines[0], "[ERR]") {
			t.Errorf("port %q: logged %q, want one error", port, lines)
		}
	}
}
