package addrbook

import "holdfast/netaddr"

const (
	// chooseTries is how many addresses are offered to the filter of Choose. Bitcoin
	// Core has the same number (ThreadOpenConnections in src/net.cpp).
	chooseTries = 100

	// sameGroup is how many entries of a group are looked at before another group is
	// drawn.
	sameGroup = 4

	// newDraws is how many groups of new are drawn to find one that is not in tried.
	newDraws = 8
)

// Choose returns an address to connect to, on one of the reachable networks, for
// which ok is true; a nil ok takes any. It reports false if there is none, or if none
// of 100 that were offered to ok was liked.
//
// Half of the times it is from the tried table; else from the new one, of a group of
// which nothing was reached yet, or, where those are hardly to be found, one more
// address of a group that was.
//
// A group is drawn first, each with the same chance, and then one of its addresses:
// an owner's share is that of his groups, not of his addresses. What failed, or was
// tried within 10 minutes, is less likely. Networks like Onion have 16 groups in
// all; who wants a share of them asks for these networks alone.
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
	if b.fresh.size(reachable) == 0 || b.rng.Uint64()&1 == 0 {
		return &b.tried, b.tried.draw(reachable, b.rng)
	}
	// New is for groups of which nothing was reached yet. One that is in both tables
	// would be drawn from both: so would be all of an attacker's, who always has more
	// addresses to tell, but not the honest group of one node.
	for range newDraws {
		g := b.fresh.draw(reachable, b.rng)
		if info := &b.fresh.groups[g]; b.tried.find(info.network, info.group) == none {
			return &b.fresh, g
		}
	}
	// There are hardly any. So it is a group of tried, but one of its addresses that
	// are in new: it may be that none of the others answers any more.
	g := b.tried.draw(reachable, b.rng)
	info := &b.tried.groups[g]
	if f := b.fresh.find(info.network, info.group); f != none {
		return &b.fresh, f
	}
	return &b.tried, g
}

// takeTurn returns the entry of a group whose turn it is, or one after it if that is
// more likely to answer; none if chance is against all of them. To take turns needs
// no list of a group's entries, and is as fair as to draw.
func (b *Book) takeTurn(p *pool, g int32, factor float64, now uint32) int32 {
	info := &p.groups[g]
	taken := none
	id := info.head
	for range min(info.count, sameGroup) {
		e := b.entries.at(id)
		if c := factor * e.chance(now); c >= 1 || b.rng.Float64() < c {
			// What the times say is not to be trusted between groups, but within one
			// only its owner could gain.
			if fresh := since(max(e.seen, e.lastSuccess), now) < day; fresh || taken == none {
				taken = id
				if fresh {
					break
				}
			}
		}
		id = e.next
	}
	if taken == none {
		info.head = id
	} else {
		info.head = b.entries.at(taken).next
	}
	return taken
}
