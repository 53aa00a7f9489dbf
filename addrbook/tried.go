package addrbook

import (
	"slices"

	"holdfast/netaddr"
)

// Bitcoin Core's rules of who may replace whom in the tried table (src/addrman.cpp).
const (
	maxCollisions = 10          // that are kept; more wait until they are seen again
	replaceAfter  = 4 * 60 * 60 // an entry that was reached within this stays
	testWindow    = 40 * 60     // how long an entry may wait for its test
	testTime      = 60          // how long a test may take
)

// Good says that a node was reached: the handshake is done, and this is what it
// offers. The address moves to the tried table, if its place there is free. If it is
// taken, the older entry stays until a test finds it dead; see NextTest. Addresses
// that the book does not know are passed over.
//
// When Good has returned nil, what it has moved to tried survives the death of the
// program; and the death of the machine a second later if Run runs, or after Flush.
// An error is about the file, not about the book, where all is done.
func (b *Book) Good(a netaddr.Addr, services uint64) error {
	now := toUnix(b.now())
	b.mu.Lock()
	b.good(a, services, now)
	kick := b.news.add(0)
	b.mu.Unlock()
	b.wake(kick)
	return b.writeJournal()
}

func (b *Book) good(a netaddr.Addr, services uint64, now uint32) {
	b.lastGood = now
	id := b.find(a)
	if id == none {
		return
	}
	e := b.entries.at(id)
	// seen is left as it is: else those who ask for addresses would learn whom we
	// are connected to. Connected brings it up to date afterwards.
	e.services = services
	e.lastSuccess, e.lastTry, e.fails = now, now, 0
	if e.tried {
		return
	}
	slot := b.triedSlot(a, b.groups.Group(a.Host))
	if b.triedSlots[slot] == 0 {
		b.promote(id, slot)
	} else if len(b.collisions) < maxCollisions && !slices.Contains(b.collisions, a) {
		b.collisions = append(b.collisions, a)
	}
}

// promote moves an entry from new to its slot in tried, and the one that is there
// back to new, and has that written down.
func (b *Book) promote(id, slot int32) {
	e := b.entries.at(id)
	b.takeNew(id)
	if old := b.triedSlots[slot] - 1; old != none {
		b.demote(old)
	}
	b.putTried(id, slot, b.groups.Group(e.addr.Host))
	b.news.promoted(e)
}

// demote moves an entry from tried to the slot of new where its first source put
// it, and forgets what is there.
func (b *Book) demote(id int32) {
	e := b.entries.at(id)
	b.takeTried(id)
	group := b.groups.Group(e.addr.Host)
	from := b.groups.Group(e.source)
	slot := b.newSlot(e.addr, group, from)
	b.clearNew(slot)
	b.putNew(id, slot, group, from)
}

// NextTest decides what can be decided about the addresses that wait for a place in
// tried, and returns an entry whose place is wanted, so that a feeler tests it: one
// connection, reported by Good, or by Attempt if it fails. It reports false if none
// waits. To be asked before ChooseNew whenever a feeler is due.
//
// The rules are Bitcoin Core's (ResolveCollisions): an entry that was reached within
// 4 hours stays; one that was tried within 4 hours, and not reached, gives way. With
// one difference: Core replaces an entry that could not be tested for 40 minutes
// anyway. Ours stays, unless it is not worth keeping or was not reached for 30 days:
// who keeps us from testing gains nothing.
func (b *Book) NextTest() (netaddr.Addr, bool, error) {
	now := toUnix(b.now())
	b.mu.Lock()
	b.resolve(now)
	var old netaddr.Addr
	n := len(b.collisions)
	if n > 0 {
		a := b.collisions[b.rng.IntN(n)]
		old = b.entries.at(b.triedSlots[b.triedSlot(a, b.groups.Group(a.Host))] - 1).addr
	}
	kick := b.news.add(0)
	b.mu.Unlock()
	b.wake(kick)
	return old, n > 0, b.writeJournal()
}

// resolve keeps those collisions that are still open. Each of them has an entry in
// new, and one in tried that has its place.
func (b *Book) resolve(now uint32) {
	open := b.collisions[:0]
	for _, a := range b.collisions {
		id := b.find(a)
		if id == none || b.entries.at(id).tried {
			continue
		}
		e := b.entries.at(id)
		slot := b.triedSlot(a, b.groups.Group(a.Host))
		if b.triedSlots[slot] == 0 {
			b.promote(id, slot)
			continue
		}
		old := b.entries.at(b.triedSlots[slot] - 1)
		switch {
		case since(old.lastSuccess, now) < replaceAfter:
		case since(old.lastTry, now) < replaceAfter && old.fails > 0: // else it was not its fault: see Noted
			if since(old.lastTry, now) > testTime {
				b.promote(id, slot)
			} else {
				open = append(open, a)
			}
		case since(e.lastSuccess, now) <= testWindow:
			open = append(open, a)
		case old.terrible(now) || since(old.lastSuccess, now) > horizon:
			b.promote(id, slot)
		}
	}
	clear(b.collisions[len(open):])
	b.collisions = open
}

// Weight is how much an attempt to connect says of an address.
type Weight uint8

const (
	// Counts is for when we have other connections: a failure is the address's own.
	// Bitcoin Core takes two outbound connections for enough.
	Counts Weight = iota

	// Noted is for when we have none: that it was tried is noted, and no failure
	// counted.
	Noted
)

// Attempt says that a dial has ended, well or not, before Good says that it was
// good. A failure counts once between two successes of any address: if nothing at
// all can be reached, it is us. (Bitcoin Core, Attempt_ and m_last_good.) It is not to
// be called while our own network is known to be down, or the proxy: nothing is to
// change in the book then.
func (b *Book) Attempt(a netaddr.Addr, w Weight) {
	now := toUnix(b.now())
	b.mu.Lock()
	defer b.mu.Unlock()
	id := b.find(a)
	if id == none {
		return
	}
	e := b.entries.at(id)
	e.lastTry = now
	if w == Counts && e.lastCounted < b.lastGood {
		e.lastCounted = now
		e.fails = min(e.fails, 254) + 1
	}
}

// connectedEvery is how far behind the time of an address may be (Bitcoin Core,
// Connected_).
const connectedEvery = 20 * 60

// Connected says that we were connected to an address until now, which is the time
// that others will be told. To be called when an outbound connection ends, not
// before: else those who ask for addresses would learn whom we are connected to.
func (b *Book) Connected(a netaddr.Addr) {
	now := toUnix(b.now())
	b.mu.Lock()
	defer b.mu.Unlock()
	if id := b.find(a); id != none {
		if e := b.entries.at(id); since(e.seen, now) > connectedEvery {
			e.seen = now
		}
	}
}
