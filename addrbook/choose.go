package addrbook

import (
	"math"

	"holdfast/netaddr"
)

const (
	// chooseTries is how many addresses are offered to the filter of Choose. Bitcoin
	// Core has the same number (ThreadOpenConnections in src/net.cpp).
	chooseTries = 100

	// triedOnceIn is in how many choices one is from the tried table.
	triedOnceIn = 4

	// lookTried and lookNew are how many entries of a group are looked at before one is
	// taken, or another group drawn. In new most may be there to keep others from being
	// found.
	lookTried = 4
	lookNew   = 16

	// newDraws is how many groups of new are drawn to find one that is not in tried.
	newDraws = 8
)

// Choose returns an address to connect to, on one of the reachable networks, for
// which ok is true; a nil ok takes any. It reports false if there is none, or if none
// of 100 that were offered to ok was liked.
//
// One time in four it is from the tried table; else from the new one, of a group of
// which nothing was reached yet, or, where those are hardly to be found, one more
// address of a group that was. (Bitcoin Core takes half of them from each. But all
// groups of an attacker are soon in tried, since they always answer: he gains nothing
// from what is drawn of groups that are not.)
//
// A group is drawn first, each with the same chance, and then one of its addresses:
// an owner's share is that of his groups, not of his addresses. What failed, or was
// tried within 10 minutes, is less likely. Networks like Onion have 16 groups in
// all; who wants a share of them asks for these networks alone.
//
// Of the addresses of a group in new, the one is preferred whose source has told of the
// fewest: anybody can tell of addresses in a group that is not his, where nobody
// answers.
//
// To be chosen changes nothing in the book: call Attempt when the dial has ended.
// The time that it takes does not depend on how much of the book is unreachable or
// refused. The lock is not held while ok runs, which may take long and use the book.
func (b *Book) Choose(reachable Networks, ok func(netaddr.Addr) bool) (netaddr.Addr, bool) {
	return b.choose(reachable, ok, false)
}

// ChooseNew is like Choose, but for an address that was never reached, to test it
// with a feeler.
func (b *Book) ChooseNew(reachable Networks, ok func(netaddr.Addr) bool) (netaddr.Addr, bool) {
	return b.choose(reachable, ok, true)
}

func (b *Book) choose(reachable Networks, ok func(netaddr.Addr) bool, onlyNew bool) (netaddr.Addr, bool) {
	reachable &= AllNetworks
	now := toUnix(b.now())
	for range chooseTries {
		a, found := b.offer(reachable, onlyNew, now)
		if !found {
			break
		}
		// What was offered may have changed by now; so it may after it is returned.
		if ok == nil || ok(a) {
			return a, true
		}
	}
	return netaddr.Addr{}, false
}

// offer draws one address.
func (b *Book) offer(reachable Networks, onlyNew bool, now uint32) (netaddr.Addr, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	// Each group that is passed over makes the next more welcome, as in Bitcoin Core:
	// the smallest chance there is, 0.01*0.66^8, becomes 1 after 44.
	for factor := 1.0; ; factor *= 1.2 {
		p, g := b.drawGroup(reachable, onlyNew)
		if g == none {
			return netaddr.Addr{}, false
		}
		if id := b.takeTurn(p, g, factor, now); id != none {
			return b.entries.at(id).addr, true
		}
	}
}

// drawGroup draws a table and a group of it; none if there is none.
func (b *Book) drawGroup(reachable Networks, onlyNew bool) (*pool, int32) {
	if onlyNew || b.tried.size(reachable) == 0 {
		return &b.fresh, b.fresh.draw(reachable, b.rng)
	}
	if b.fresh.size(reachable) == 0 || b.rng.IntN(triedOnceIn) == 0 {
		return &b.tried, b.tried.draw(reachable, b.rng)
	}
	// New is for groups of which nothing was reached yet. One that is in both tables
	// would be drawn from both: so would be all of an attacker's, who always has more
	// addresses to tell, but not the honest group of one node.
	for range newDraws {
		g := b.fresh.draw(reachable, b.rng)
		if b.fresh.groups[g].twin == none {
			return &b.fresh, g
		}
	}
	// There are hardly any. So it is a group of tried, but one of its addresses that
	// are in new: it may be that none of the others answers any more.
	g := b.tried.draw(reachable, b.rng)
	if f := b.tried.groups[g].twin; f != none {
		return &b.fresh, f
	}
	return &b.tried, g
}

// takeTurn returns an entry of a group: of those whose turn is next the one of the best
// rank among those that chance is not against; none if it is against all of them. To
// take turns is as fair as to draw.
//
// In tried the rank is whether an entry was not seen or reached for a day; in new, where
// what the times say is what anybody likes, how much its source has told us of.
func (b *Book) takeTurn(p *pool, g int32, factor float64, now uint32) int32 {
	info := &p.groups[g]
	size := uint32(len(info.members))
	turn, look := info.turn%size, uint32(lookTried)
	if p == &b.fresh {
		look = lookNew
	}
	look = min(look, size)
	// They are anywhere in memory. Since none is waited for to know where the next is,
	// the processor fetches many at once.
	var ids, ranks [lookNew]int32
	for i, k := uint32(0), turn; i < look; i++ {
		ids[i] = info.members[k]
		e := b.entries.at(ids[i])
		if p == &b.fresh {
			ranks[i] = b.sources.told(e)
		} else if since(max(e.seen, e.lastSuccess), now) >= day {
			ranks[i] = 1
		}
		if k++; k == size {
			k = 0
		}
	}
	taken, best := none, int32(math.MaxInt32)
	info.turn = turn + look
	for i, id := range ids[:look] {
		if ranks[i] >= best {
			continue
		}
		if c := factor * b.entries.at(id).chance(now); c >= 1 || b.rng.Float64() < c {
			taken, best = id, ranks[i]
			info.turn = turn + uint32(i) + 1
		}
	}
	return taken
}
