package node

import (
	"context"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/btcsuite/btcd/chaincfg/v2"
	"go.uber.org/goleak"

	"holdfast/addrbook"
	"holdfast/simnet"
)

func TestMain(m *testing.M) {
	// What package net keeps for its resolvers belongs to the bubble that first
	// uses one, unless that happened outside.
	_, _ = (&net.Resolver{PreferGo: true}).LookupHost(context.Background(), "localhost")
	goleak.VerifyTestMain(m)
}

// ourAddr is where the node under test dials from.
var ourAddr = &net.TCPAddr{IP: net.IPv4(9, 9, 9, 9)}

// world is a network in memory, in virtual time, with a node in it.
type world struct {
	t      *testing.T
	fabric *simnet.Fabric
	net    *simnet.Network // nil without peers
	node   *Node

	mu     sync.Mutex
	events []Event
	cancel context.CancelFunc
	ended  chan error
}

// inBubble runs f in virtual time.
func inBubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// newWorld starts peers, and a node which cfg describes; what is needed to live
// in memory is filled in. Everything ends with the test.
func newWorld(t *testing.T, cfg Config, specs ...simnet.Spec) *world {
	t.Helper()
	w := &world{t: t, fabric: simnet.NewFabric(simnet.FabricConfig{Latency: 20 * time.Millisecond, Seed: 1})}
	t.Cleanup(func() { _ = w.fabric.Close() })
	if len(specs) > 0 {
		var err error
		w.net, err = simnet.New(simnet.Config{Transport: w.fabric, Peers: specs, Seed: 1, Params: &chaincfg.RegressionNetParams})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.net.Start(context.Background()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(w.net.Close)
	}
	w.start(cfg)
	return w
}

// testKey decides the places in the book: with it those that tests use find theirs free.
var testKey = addrbook.Key{1}

func (w *world) start(cfg Config) { w.startWith(cfg, func(*Node) {}) }

// startWith is start of a node to which something is done before it runs.
func (w *world) startWith(cfg Config, before func(*Node)) {
	w.t.Helper()
	if cfg.Params == nil {
		cfg.Params = &chaincfg.RegressionNetParams
	}
	if cfg.Dial == nil {
		cfg.Dial = w.fabric.Dialer(ourAddr)
	}
	cfg.NewListener = w.fabric.Listen
	if cfg.Rand == nil {
		cfg.Rand = rand.NewPCG(1, 2)
	}
	cfg.bookKey = testKey
	own := cfg.OnEvent
	cfg.OnEvent = func(e Event) {
		w.mu.Lock()
		w.events = append(w.events, e)
		w.mu.Unlock()
		if own != nil {
			own(e)
		}
	}
	n, err := New(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	before(n)
	ctx, cancel := context.WithCancel(context.Background())
	w.node, w.cancel, w.ended = n, cancel, make(chan error, 1)
	go func() { w.ended <- n.Run(ctx) }()
	w.t.Cleanup(w.stop)
}

// stop ends the node, and checks that nothing of it is left.
func (w *world) stop() {
	w.t.Helper()
	if w.cancel == nil {
		return
	}
	w.cancel()
	w.cancel = nil
	if err := <-w.ended; err != nil {
		w.t.Errorf("Run: %v", err)
	}
	n := w.node
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.all) != 0 || len(n.nonces) != 0 || n.ready != (Counts{}) {
		w.t.Errorf("left after Run: %d sessions, %d nonces, %+v", len(n.all), len(n.nonces), n.ready)
	}
}

// fabricSeeds are where simnet puts n peers of a Fabric.
func fabricSeeds(n int) []Seed {
	var seeds []Seed
	for i := range n {
		ip := netip.AddrFrom4([4]byte{byte(11 + i/256), byte(i % 256), 0, 1})
		seeds = append(seeds, Seed{Host: netip.AddrPortFrom(ip, 18444).String()})
	}
	return seeds
}

// of returns the events of a kind so far.
func (w *world) of(k Kind) []Event {
	w.mu.Lock()
	defer w.mu.Unlock()
	var found []Event
	for _, e := range w.events {
		if e.Kind == k {
			found = append(found, e)
		}
	}
	return found
}

// lines returns all events as text.
func (w *world) lines() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var b strings.Builder
	for _, e := range w.events {
		b.WriteString(e.Time.Format("15:04:05.000 "))
		b.WriteString(e.Subsystem() + " " + e.String() + "\n")
	}
	return b.String()
}

// wait lets time pass, and everything that was due come to rest.
func wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// simnetAddr is what simnet's peers tell of.
type simnetAddr = netip.AddrPort
