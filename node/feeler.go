package node

import (
	"context"
	"math"
	"slices"
	"time"

	"holdfast/connmgr"
	"holdfast/netaddr"
)

// defaultFeelers is Core's FEELER_INTERVAL (src/net.h).
const defaultFeelers = 2 * time.Minute

// feelAgain is how long what a feeler found out is worth: as long as an address that
// was reached keeps its place in the book (Core's ADDRMAN_REPLACEMENT).
const feelAgain = 4 * time.Hour

// feel tries addresses of the book by short connections, one at a time, until ctx
// ends: those whose place others want, to see whether they are there still, and
// those that were never reached. The pauses are random, so that nobody can wait for
// one.
func (n *Node) feel(ctx context.Context) {
	for sleep(ctx, n.poisson(n.cfg.Feelers)) {
		if c := n.Counts(); c.Outbound < c.Target || n.isShortOf() || !n.NetworkActive() {
			continue // the addresses, or the place, are wanted for something else
		}
		if a, ok := n.nextProbe(); ok {
			// Its events, and the book, tell how it went.
			_ = n.cm.ConnectContext(ctx, &connmgr.ConnReq{Addr: dialable(a), Class: ClassFeeler})
		}
	}
}

// isShortOf reports whether the one place for short connections is taken.
func (n *Node) isShortOf() bool {
	return slices.ContainsFunc(n.sessions(), (*session).isShort)
}

// nextProbe returns an address for a feeler.
func (n *Node) nextProbe() (netaddr.Addr, bool) {
	fits := func(a netaddr.Addr) bool { return n.fits(a, ClassFeeler) }
	a, ok, err := n.book.NextTest()
	if err != nil {
		n.trouble(KindBookTrouble, err)
	}
	if ok && fits(a) {
		return a, true
	}
	return n.book.ChooseNew(n.ways.reachable(), func(a netaddr.Addr) bool { return n.due(a) && !n.lately(a) && fits(a) })
}

// lately reports whether an address was reached so lately that a feeler would find
// out nothing. Those whose place among the tried is taken stay among the new, and
// would be probed over and over where there are few.
func (n *Node) lately(a netaddr.Addr) bool {
	e, known := n.book.Lookup(a)
	return known && time.Since(e.LastSuccess) < feelAgain
}

// poisson returns a random time with this mean, of events that do not know of each
// other.
func (n *Node) poisson(mean time.Duration) time.Duration {
	u := float64(n.uint64()>>11+1) / (1 << 53) // above 0, up to 1
	return time.Duration(-math.Log(u) * float64(mean))
}

// sleep waits, and reports whether it did to the end.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
