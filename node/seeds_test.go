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
	host = strings.TrimSuffix(host, ".")
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

func (d *fakeDNS) opened() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.open
}

func ips(from, n int) []netip.Addr {
	var list []netip.Addr
	for i := range n {
		ip := netip.AddrFrom4([4]byte{20 + byte((from+i)>>8), byte(from + i), 1, 1})
		list = append(list, ip, ip) // seeds repeat themselves
	}
	return list
}

// TestSeeds asks a DNS server in memory.
func TestSeeds(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, Config{Seeds: []Seed{}}, honest(20)...)
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
		w.start(Config{Resolver: dns.Resolver(), Seeds: []Seed{{Host: "good.test", HasFiltering: true}, {Host: "dead.test", HasFiltering: false}}})
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
				{Host: "a.test", HasFiltering: true},
				{Host: "b.b.test", HasFiltering: false},
				{Host: "c.test", HasFiltering: false},
				{Host: "more.test", HasFiltering: false},
				{Host: "andmore.test", HasFiltering: false},
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
		// A few find their places in the book taken.
		if got := w.node.Counts().Addresses; got < 5*32-10 || got > 5*32+3 {
			t.Errorf("%d addresses known, want %d", got, 5*32+3)
		}
	})
}

func paramSeeds(p *chaincfg.Params) []Seed {
	var seeds []Seed
	for _, s := range p.DNSSeeds {
		seeds = append(seeds, Seed(s))
	}
	return seeds
}

// TestDeadSeeds: that nobody answers is told once a round, and with the time of the
// next; the end does not wait for an answer.
func TestDeadSeeds(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		dns := &fakeDNS{delay: 24 * time.Hour}
		w := newWorld(t, Config{Resolver: dns, Seeds: []Seed{{Host: "a.test"}, {Host: "b.test"}}})
		wait(time.Hour)
		rounds := w.of(KindNoSeed)
		if n := len(rounds); n < 4 || n > 10 {
			t.Errorf("%d rounds in an hour", n)
		}
		if text := rounds[0].String(); strings.Contains(text, "10.255.255.53") || !strings.Contains(text, "2 seeds (") || !strings.Contains(text, "): asking again in 1m") {
			t.Errorf("told: %s", text)
		}
		for dns.opened() == 0 { // wait for an open question
			wait(time.Second)
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
		w := newWorld(t, Config{Resolver: dns, Seeds: []Seed{{Host: "a.test", HasFiltering: false}}}, simnet.Spec{Count: 2, Gossip: []simnetAddr{}})
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

// TestSeedNode: one that is given is asked for addresses, and left.
func TestSeedNode(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, Config{Seeds: []Seed{}, SeedNodes: []string{"11.0.0.1"}}, simnet.Spec{Count: 12})
		wait(time.Minute)
		if c := w.node.Counts(); c.Outbound != 8 || c.Addresses < 8 {
			t.Errorf("after a minute: %v", c)
		}
		if t.Failed() {
			t.Log(w.lines())
		}
		fetched := 0
		for _, e := range w.of(KindProbed) {
			if e.Class == ClassSeed && e.Addr.String() == "11.0.0.1:18444" {
				fetched++
			}
		}
		if fetched != 1 {
			t.Errorf("the seed node was asked %d times", fetched)
		}
		wait(time.Hour)
		for _, p := range w.peers() {
			if p.Class == ClassSeed {
				t.Error("the seed node was not left")
			}
		}
	})
}
