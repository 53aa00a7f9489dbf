package dnsseed

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"holdfast/netaddr"
)

// The onion service of btcsuite's list for signet, and a destination of I2P.
const (
	onion = "v7ajjeirttkbnt32wpy3c6w3emwnfr3fkla7hpxcfokr3ysd3kqtzmqd.onion"
	i2p   = "ukeu3k5oycgaauneqgtnvselmt4yemvoilkln7jpvamvfx7dnkdq.b32.i2p"
)

func TestParseSeed(t *testing.T) {
	long := strings.Repeat("a.", 125) + "aaa" // 253 letters
	for _, tt := range []struct {
		host             string
		addr             string // if it is one
		name, filtered   string
		err              string
		onlyWithServices bool // the error
	}{
		{host: "seed.test", name: "seed.test.", filtered: "x49.seed.test."},
		{host: "Seed.test.", name: "Seed.test.", filtered: "x49.Seed.test."},
		{host: "seed", name: "seed", filtered: "x49.seed"},
		{host: "a-b.c_d.x9", name: "a-b.c_d.x9.", filtered: "x49.a-b.c_d.x9."},

		{host: "178.128.221.177", addr: "178.128.221.177:38333"},
		{host: "2a01:7c8:d005:390::5", addr: "[2a01:7c8:d005:390::5]:38333"},
		{host: "[2a01:7c8:d005:390::5]", addr: "[2a01:7c8:d005:390::5]:38333"},
		{host: "[2a01:7c8:d005:390::5]:99", addr: "[2a01:7c8:d005:390::5]:99"},
		{host: "::ffff:1.2.3.4", addr: "1.2.3.4:38333"},
		{host: "1.2.3.4:99", addr: "1.2.3.4:99"},
		{host: onion + ":38334", addr: onion + ":38334"},
		{host: strings.ToUpper(onion), addr: onion + ":38333"},
		{host: i2p, addr: i2p + ":0"},
		{host: i2p + ":0", addr: i2p + ":0"},

		{host: "", err: "empty"},
		{host: ".", err: "empty"},
		{host: "seed.test:99", err: "no port"},
		{host: "https://seed.test", err: "no port"},
		{host: "seed..test", err: "two dots"},
		{host: ".seed.test", err: "two dots"},
		{host: "-x.test", err: "hyphen"},
		{host: "a b.test", err: "' '"},
		{host: "s\u00e9ed.test", err: "'\u00e9'"},
		{host: strings.Repeat("a", 64) + ".test", err: "63"},
		{host: long + "a", err: "253"},
		{host: long, name: long + ".", err: "service bits", onlyWithServices: true},
		{host: "1.2.3.256", err: "neither"},
		{host: "1.2.3", err: "neither"},
		{host: "1.2.3.4:99999", err: "65535"},
		{host: "1.2.3.4:0", err: `port "0"`},
		{host: "fe80::1%eth0", err: "':'"},
		{host: "a" + onion[1:], err: "checksum"},
		{host: "a" + onion[1:] + ":8333", err: "checksum"},
		{host: "seed.onion", err: "56 letters"},
		{host: onion + ".", err: "no IP address"},
		{host: onion + ":x", err: "port"},
		{host: "Onion", err: "no IP address"},
		{host: "seed.i2p", err: "no IP address"},
	} {
		for _, services := range []uint64{0x49, 0} {
			got, err := Seed{tt.host, true}.parse(38333, services)
			if tt.err != "" && (services != 0 || !tt.onlyWithServices) {
				var seedErr *SeedError
				if err == nil || !strings.Contains(err.Error(), tt.err) || !errors.As(err, &seedErr) || seedErr.Seed != tt.host {
					t.Errorf("%q: %v, want an error with %q", tt.host, err, tt.err)
				}
				continue
			}
			want := target{seed: Seed{tt.host, true}, name: tt.name, filtered: tt.filtered}
			if services == 0 {
				want.filtered = ""
			}
			if tt.addr != "" {
				if want.addr, err = netaddr.ParseAddr(tt.addr); err != nil {
					t.Fatal(err)
				}
			}
			if err != nil || got != want {
				t.Errorf("%q: %+v, %v, want %+v", tt.host, got, err, want)
			}
		}
	}
	if got, err := (Seed{Host: "seed.test"}).parse(1, 0x49); err != nil || got.filtered != "" {
		t.Errorf("a seed that does not filter: %+v, %v", got, err)
	}
	if err := (Seed{Host: "seed.test"}).Check(); err != nil {
		t.Error(err)
	}
	if err := (Seed{Host: "seed test"}).Check(); err == nil {
		t.Error("no error")
	}
}

// Whatever is given as a seed, what is asked for is a name that DNS may see.
func FuzzParseSeed(f *testing.F) {
	for _, host := range []string{"seed.test", onion, i2p + ":0", "1.2.3.4:5", "[::1]", "a..b", "onion", ""} {
		f.Add(host)
	}
	f.Fuzz(func(t *testing.T, host string) {
		got, err := Seed{host, true}.parse(8333, 1<<63)
		if err != nil {
			return
		}
		if got.addr.IsValid() == (got.name != "") {
			t.Fatalf("%q: both or none: %+v", host, got)
		}
		for _, name := range []string{got.name, got.filtered} {
			name = strings.ToLower(strings.TrimSuffix(name, "."))
			if len(name) > netaddr.MaxName || strings.HasSuffix(name, ".onion") || strings.HasSuffix(name, ".i2p") || strings.ContainsAny(name, " :/%") {
				t.Errorf("%q: asks for %q", host, name)
			}
		}
	})
}

// The times of what is found are spread over all of 3 to 7 days ago.
func TestFoundAges(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	var days [8]int
	for _, f := range found(make([]netaddr.Addr, 4000), 1, now, rand.New(rand.NewPCG(1, 2))) {
		age := now.Sub(f.Seen)
		if age < minAge || age > maxAge {
			t.Fatalf("seen %v ago", age)
		}
		days[min(age/(24*time.Hour), 7)]++
	}
	for day, n := range days[3:7] {
		if n < 800 || n > 1200 {
			t.Errorf("%d of 4000 were seen %d days ago, want about 1000", n, day+3)
		}
	}
}
