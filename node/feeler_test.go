package node

import (
	"fmt"
	"testing"
	"time"

	"holdfast/addrbook"
	"holdfast/banlist"
	"holdfast/netaddr"
	"holdfast/socks"
)

// TestFeelers: addresses are tried one at a time, every 2 minutes on average, so that
// the book learns which are good; the peers are not disturbed.
func TestFeelers(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, Config{Seeds: fabricSeeds(60)}, honest(60)...)
		wait(time.Minute)
		peers := w.of(KindReady)
		wait(5 * time.Hour)
		if n := len(w.of(KindProbed)); n < 40 || n > 60 { // 52 are left to probe
			t.Errorf("%d probed", n)
		}
		s := w.node.book.Stats()
		if s.Total.Tried < 50 {
			t.Errorf("%+v", s.Total)
		}
		if n := len(w.of(KindReady)); n != len(peers) || len(w.of(KindLost)) != 0 {
			t.Errorf("%d peers came, %d went", n-len(peers), len(w.of(KindLost)))
		}
		for _, p := range w.peers() {
			if p.Class == ClassFeeler {
				t.Error("a feeler stayed")
			}
		}
	})
}

// TestPoisson has the mean that is asked for.
func TestPoisson(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, Config{Seeds: []Seed{}})
		var sum time.Duration
		for range 10000 {
			sum += w.node.poisson(time.Minute)
		}
		if mean := sum / 10000; mean < 55*time.Second || mean > 65*time.Second {
			t.Errorf("%v", mean)
		}
	})
}

// contested fills the book until an address waits for a place among the tried, and
// returns whose place it is. There is one address that was never reached besides.
func contested(t *testing.T, n *Node) (fresh netaddr.Addr, mayLose func(netaddr.Addr) bool) {
	t.Helper()
	old := make(map[netaddr.Addr]bool)
	for i := range 400 { // 8 buckets of 64 have a group
		a := endpoint(fmt.Sprintf("30.0.%d.%d:18444", i/200, i%200))
		n.book.Add(netaddr.Host{}, 0, addrbook.Known{Addr: a, Seen: time.Now()})
		if err := n.book.Good(a, 0); err != nil {
			t.Fatal(err)
		}
		if e, _ := n.book.Lookup(a); e.Tried {
			old[a] = true
		} else {
			n.book.Remove(a)
		}
	}
	time.Sleep(5 * time.Hour) // reached lately, they would stay without a test
	for i := 0; ; i++ {
		a := endpoint(fmt.Sprintf("30.0.9.%d:18444", i))
		n.book.Add(netaddr.Host{}, 0, addrbook.Known{Addr: a, Seen: time.Now()})
		if err := n.book.Good(a, 0); err != nil {
			t.Fatal(err)
		}
		if _, waits, _ := n.book.NextTest(); waits {
			break
		}
	}
	return knows(t, n, "40.0.0.1:18444"), func(a netaddr.Addr) bool { return old[a] }
}

// TestFeelersTestTheOldFirst: whose place is wanted is probed before those that were
// never reached, so that nobody gets it but from one who is dead.
func TestFeelersTestTheOldFirst(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n := atRest(t, Config{})
		if a, ok := n.nextProbe(); ok {
			t.Errorf("probes %v, of an empty book", a)
		}
		fresh, mayLose := contested(t, n)
		for range 20 {
			if a, ok := n.nextProbe(); !ok || !mayLose(a) {
				t.Fatalf("probes %v, %v; an older one is in doubt", a, ok)
			}
		}
		// Who must not be dialed is not; then it is the turn of the others, but not of
		// the one that waits, which was reached.
		if err := n.Ban(subject("30.0.0.0/23"), 0, "a test", banlist.Operator); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour) // it would be welcome again by now
		for range 20 {
			if a, ok := n.nextProbe(); !ok || a != fresh {
				t.Fatalf("probes %v, %v, want %v", a, ok, fresh)
			}
		}
	})
}

// TestFeelersKeepToTheirNetworks: an old address is not probed on a network that is not
// to be used, whatever waits for its place.
func TestFeelersKeepToTheirNetworks(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n := atRest(t, Config{OnlyNet: addrbook.NetworksOf(netaddr.Onion), OnionProxy: &socks.Dialer{Proxy: "127.0.0.1:9050"}})
		contested(t, n)
		if a, ok := n.nextProbe(); ok {
			t.Errorf("probes %v", a)
		}
		n.anchors = []netaddr.Addr{endpoint("50.0.0.1:18444")}
		if a, err := n.newAddress(); err == nil {
			t.Errorf("dials the anchor %v", a)
		}
	})
}
