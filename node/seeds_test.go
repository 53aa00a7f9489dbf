package node

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/btcsuite/btcd/chaincfg/v2"

	"holdfast/simnet"
)

// fakeDNS answers as its function says, and remembers what was asked and how many
// questions were open at once.
type fakeDNS struct {
	answer func(host string) ([]netip.Addr, error)
	delay  time.Duration

	mu         sync.Mutex
	asked      []string
	open, most int
}

func (d *fakeDNS) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	d.mu.Lock()
	d.asked = append(d.asked, host)
	d.open++
	d.most = max(d.most, d.open)
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		d.open--
		d.mu.Unlock()
	}()
	select {
	case <-ctx.Done():
		return nil, &net.DNSError{Err: "i/o timeout", Name: host, Server: "10.255.255.53:53", IsTimeout: true}
	case <-time.After(d.delay):
	}
	return d.answer(host)
}

func (d *fakeDNS) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.asked)
}

func ips(from, n int) []netip.Addr {
	var list []netip.Addr
	for i := range n {
		list = append(list, at(from+i).ip, at(from+i).ip) // seeds repeat themselves
	}
	return list
}

// TestSeeds asks a DNS server in memory.
func TestSeeds(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, Config{Seeds: []Seed{}}, simnet.Mix(20)...)
		dns, err := simnet.ListenDNS(simnet.DNSConfig{
			Transport: w.fabric,
			Zones: []simnet.Zone{
				{Name: "good.test", Addrs: w.net.SeedAddrs},
				{Name: "dead.test", Addrs: w.net.SeedAddrs, Fault: simnet.FaultServFail},
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer dns.Close()
		w.stop()
		w.start(Config{Resolver: dns.Resolver(), Seeds: []Seed{{"good.test", true}, {"dead.test", false}}})
		wait(time.Minute)
		if c := w.node.Counts(); c.Outbound != 8 || c.Addresses < 18 {
			t.Errorf("after a minute: %v", c)
		}
		wait(24 * time.Hour)
		if got := dns.Queries("good.test"); got > 2 {
			t.Errorf("the seed was asked %d times in a day with peers enough", got)
		}
		w.stop()
	})
}

// TestSeedManners: prefix, at most three at a time, 32 addresses of each, no
// duplicates, and never an onion or an IP address in a question.
func TestSeedManners(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		dns := &fakeDNS{delay: 5 * time.Second}
		dns.answer = func(host string) ([]netip.Addr, error) {
			return ips(1000*strings.Index("x9.a.test b.b.test c.test more.test andmore.test", host), 50), nil
		}
		w := newWorld(t, Config{
			Resolver: dns,
			Dial:     func(context.Context, net.Addr) (net.Conn, error) { return nil, net.ErrClosed },
			Seeds: append([]Seed{
				{"a.test", true},
				{"b.b.test", false},
				{"c.test", false},
				{"more.test", false},
				{"andmore.test", false},
			}, paramSeeds(&chaincfg.SigNetParams)[1:]...),
		})
		wait(12 * time.Second)
		if dns.most != 3 || dns.count() != 5 {
			t.Errorf("%d questions, %d at once", dns.count(), dns.most)
		}
		for _, host := range dns.asked {
			if strings.Contains(host, "onion") || !strings.HasSuffix(host, ".test") || strings.HasSuffix(host, "a.test") && host != "x9.a.test" {
				t.Errorf("asked for %s", host)
			}
		}
		// The two IP addresses and the onion of signet's list were taken as they are.
		if got := w.node.Counts().Addresses; got != 5*32+3 {
			t.Errorf("%d addresses known, want %d", got, 5*32+3)
		}
	})
}

func paramSeeds(p *chaincfg.Params) []Seed {
	var seeds []Seed
	for _, s := range p.DNSSeeds {
		seeds = append(seeds, Seed{s.Host, s.HasFiltering})
	}
	return seeds
}

// TestDeadSeeds: while nobody answers, they are asked less and less often; it is
// told once a round; and the end does not wait for them.
func TestDeadSeeds(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		dns := &fakeDNS{delay: 24 * time.Hour}
		w := newWorld(t, Config{Resolver: dns, Seeds: []Seed{{"a.test", false}, {"b.test", false}}})
		wait(time.Hour)
		rounds := w.of(KindNoSeed)
		if n := len(rounds); n < 8 || n > 14 {
			t.Errorf("%d rounds in an hour", n)
		}
		if text := rounds[0].String(); strings.Contains(text, "10.255.255.53") || !strings.Contains(text, "2 seeds") {
			t.Errorf("told: %s", text)
		}
		last := rounds[len(rounds)-1].Time.Sub(rounds[len(rounds)-2].Time)
		if last < 8*time.Minute || last > 11*time.Minute {
			t.Errorf("the last two rounds are %v apart", last)
		}
		wait(8 * time.Minute)
		for dns.count()%2 == 0 || dns.open == 0 { // wait for an open question
			wait(time.Second)
			if dns.open > 0 {
				break
			}
		}
		began := time.Now()
		w.stop()
		if took := time.Since(began); took > 0 {
			t.Errorf("the end took %v", took)
		}
	})
}

// TestSeedsComeLater: the seeds are asked again when the peers are gone.
func TestSeedsComeLater(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		dns := &fakeDNS{answer: func(string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("11.0.0.1"), netip.MustParseAddr("11.1.0.1")}, nil
		}}
		w := newWorld(t, Config{Resolver: dns, Seeds: []Seed{{"a.test", false}}}, simnet.Spec{Count: 2, Gossip: []simnetAddr{}})
		wait(time.Hour)
		if dns.count() != 1 || w.node.Counts().Outbound != 2 {
			t.Fatalf("%d questions, %v", dns.count(), w.node.Counts())
		}
		for _, p := range w.net.Peers() {
			p.Stop()
		}
		wait(time.Hour)
		if n := dns.count(); n < 5 || n > 14 {
			t.Errorf("%d questions an hour after all peers were gone", n)
		}
	})
}

func TestLiteralSeed(t *testing.T) {
	n := &Node{cfg: settings{port: 38333}}
	for host, want := range map[string]string{
		"178.128.221.177":       "178.128.221.177:38333",
		"2a01:7c8:d005:390::5":  "[2a01:7c8:d005:390::5]:38333",
		"1.2.3.4:99":            "1.2.3.4:99",
		"::ffff:1.2.3.4":        "1.2.3.4:38333",
		"V7ajjeir.onion:38334":  "v7ajjeir.onion:38334",
		"v7ajjeir.onion":        "v7ajjeir.onion:38333",
		"seed.test":             "",
		"seed.test:99":          "",
		"v7ajjeir.onion:999999": "",
	} {
		e, ok := n.literalSeed(host)
		got := ""
		if ok {
			got = e.String()
		}
		if got != want {
			t.Errorf("%s is %q, want %q", host, got, want)
		}
	}
}
