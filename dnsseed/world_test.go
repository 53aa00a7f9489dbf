package dnsseed

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"holdfast/netaddr"
)

// fakeDNS answers as its function says after a delay, and remembers what was asked
// and how many questions were open at once.
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
	if network != "ip" {
		return nil, fmt.Errorf("asked for network %q", network)
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(d.delay):
		return d.answer(host)
	}
}

// names returns what was asked for until now.
func (d *fakeDNS) names() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.asked)
}

// lookups returns how many are open, and how many were at most.
func (d *fakeDNS) lookups() (open, most int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.open, d.most
}

// addrs returns n different addresses, IPv4 and IPv6 by turns.
func addrs(from, n int) []netip.Addr {
	var list []netip.Addr
	for i := from; i < from+n; i++ {
		a := [16]byte{0: 0x20, 1: 1, 14: byte(i >> 8), 15: byte(i)}
		if i%2 == 0 {
			copy(a[:], []byte{10: 0xff, 11: 0xff, 12: 11, 13: byte(i >> 16), 14: byte(i >> 8), 15: byte(i)}) // as IPv4 is mapped
		}
		list = append(list, netip.AddrFrom16(a))
	}
	return list
}

var errNotFound = &net.DNSError{Err: "no such host", Name: "seed.test", Server: "10.0.0.1:53", IsNotFound: true}

// world is an owner of Run: its book, its peers, and what Run told it. It is used in
// a synctest bubble, where nothing runs while the test looks.
type world struct {
	t      *testing.T
	cfg    Config
	peers  int
	book   map[netaddr.Addr]Found
	events []Event
	fetch  []string
	stop   func() // ends Run and waits for it

	mu sync.Mutex // Run's goroutine against that of the test
}

// start runs cfg. What it lacks is added.
func start(t *testing.T, cfg Config, known, peers int) *world {
	w := &world{t: t, peers: peers, book: make(map[netaddr.Addr]Found)}
	for _, ip := range addrs(1<<20, known) {
		a := netaddr.FromAddrPort(netip.AddrPortFrom(ip, 1))
		w.book[a] = Found{Addr: a}
	}
	if cfg.Port == 0 {
		cfg.Port = 8333
	}
	seed := rand.Uint64()
	cfg.Rand = rand.New(rand.NewPCG(seed, 0))
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the random source was rand.NewPCG(%d, 0)", seed)
		}
	})
	cfg.State = func() (int, int) {
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.book), w.peers
	}
	cfg.OnFound = w.found
	cfg.OnFetch = func(node string) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.fetch = append(w.fetch, node)
	}
	cfg.OnEvent = func(e Event) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.events = append(w.events, e)
	}
	w.cfg = cfg
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := Run(ctx, cfg); err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
	w.stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(w.stop)
	return w
}

func (w *world) found(seed string, list []Found) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(list) == 0 || len(list) > 32 {
		w.t.Errorf("%d addresses of %s at once", len(list), seed)
	}
	for _, f := range list {
		if age := time.Since(f.Seen); age <= minAge-time.Nanosecond || age > maxAge {
			w.t.Errorf("%v of %s was seen %v ago", f.Addr, seed, age)
		}
		w.book[f.Addr] = f
	}
}

func (w *world) setPeers(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.peers = n
}

// fetched returns the seed nodes that were asked.
func (w *world) fetched() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.fetch)
}

// known returns the book.
func (w *world) known() map[netaddr.Addr]Found {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.book)
}

// of returns the events of some kinds, of none all.
func (w *world) of(kinds ...Kind) []Event {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []Event
	for _, e := range w.events {
		if len(kinds) == 0 || slices.Contains(kinds, e.Kind) {
			list = append(list, e)
		}
	}
	return list
}

// wait lets so much time pass, and all be done that is due then.
func wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func seeds(n int) []Seed {
	var list []Seed
	for i := range n {
		list = append(list, Seed{Host: fmt.Sprintf("s%d.test", i)})
	}
	return list
}

// bubble runs a test in virtual time.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}
