package node

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"holdfast/netaddr"
)

// Who comes when all inbound places are taken gets the place of another, so that
// nobody can shut a node off by filling it. Whom it costs its place is Bitcoin
// Core's rule (src/node/eviction.cpp: SelectNodeToEvict,
// ProtectEvictionCandidatesByRatio): some are protected for each of several
// merits. No attacker can have all of them cheaply, so one who takes all the
// other places still leaves us peers that are not his.
//
// Core protects the last to bring a new transaction, the last to bring a new
// block, and up to 8 that bring blocks only. This node takes neither
// transactions nor blocks. What it takes is addresses, so its merit is to have
// told one that proved good.

// How many are protected for each merit. The numbers are Core's.
const (
	protectByGroup = 4
	protectByPing  = 8
	protectByUse   = 4

	protectInAll = protectByGroup + protectByPing + protectByUse
)

// Eviction says why an inbound peer was evicted: why one had to go, and why it was this
// one. It is the zero value for a peer that was not evicted.
type Eviction struct {
	Cause EvictionCause
	Rule  EvictionRule
}

// EvictionCause says why an inbound peer had to go.
type EvictionCause uint8

// The causes. Their names (String) are fit for a metric's label.
const (
	EvictedForNone     EvictionCause = iota
	EvictedForNewcomer               // all inbound places were taken, and another one came
	EvictedForOnion                  // all places of our onion service were taken, and another one came by it
	EvictedForFewer                  // there are fewer inbound places than before: AddPeer, SetPeerLimits

	numEvictionCauses
)

// EvictionRule says why it was this peer that had to go.
type EvictionRule uint8

// The rules, in the order in which they are asked. Their names (String) are fit for a
// metric's label.
const (
	EvictedByNone    EvictionRule = iota
	EvictedAsBad                  // its host misbehaved mildly, now or before
	EvictedFromGroup              // of those that are not protected, it came last of the network group with the most
	EvictedAsLast                 // all are protected: it is the newcomer, or where none came, who came last

	numEvictionRules
)

// Names are for labels, texts for the log.
var (
	evictionCauses = [numEvictionCauses]struct{ name, text string }{
		EvictedForNone:     {"none", "all inbound places are taken, and another peer came"},
		EvictedForNewcomer: {"full", "the house is full"},
		EvictedForOnion:    {"onion-full", "the places of our onion service are taken"},
		EvictedForFewer:    {"fewer-places", "the operator has another use for its place"},
	}
	evictionRules = [numEvictionRules]struct{ name, text string }{
		EvictedByNone:    {"none", ""},
		EvictedAsBad:     {"misbehaved", "its host misbehaved"},
		EvictedFromGroup: {"largest-group", "it came last of the largest network group"},
		EvictedAsLast:    {"last", "all others have a better claim to stay"},
	}
)

// String returns the cause's name, as "full".
func (c EvictionCause) String() string {
	if c < numEvictionCauses {
		return evictionCauses[c].name
	}
	return fmt.Sprintf("cause-%d", uint8(c))
}

// String returns the rule's name, as "largest-group".
func (r EvictionRule) String() string {
	if r < numEvictionRules {
		return evictionRules[r].name
	}
	return fmt.Sprintf("rule-%d", uint8(r))
}

// String says both in words.
func (e Eviction) String() string {
	if e.Cause >= numEvictionCauses || e.Rule >= numEvictionRules {
		return e.Cause.String() + ", " + e.Rule.String()
	}
	text := evictionCauses[e.Cause].text
	if e.Rule != EvictedByNone {
		text += "; " + evictionRules[e.Rule].text
	}
	return text
}

type evictable struct {
	// ID is that of the session. Of two that came at the same time, the one with
	// the higher ID is the younger.
	ID uint64

	// Exempt says that the operator wants it to stay, whatever it is (Core:
	// noban). It is never evicted.
	Exempt bool

	// Discouraged says that it, or its address before, misbehaved mildly: of
	// those that are not protected it goes first (Core: prefer_evict).
	Discouraged bool

	// Group is groupKey.of the network group of its address.
	Group uint64

	// Network is that of its address; the zero value counts as IPv4. A peer that
	// came through our own onion service is Onion, though its address is local.
	Network netaddr.Network

	// Local says that it came from this machine, and not through a proxy.
	Local bool

	// Since is when it connected.
	Since time.Time

	// MinPing is its shortest round trip so far; 0 if none was measured. The
	// shortest, since a peer can make an answer late but never early: to have
	// it small takes being near.
	MinPing time.Duration

	// LastUseful is when we last shook hands with an address that this peer was
	// the first to tell us, and with which we never had before (Core: the last
	// new transaction that was valid). Zero if there was none. To have it new
	// takes telling us of peers that are there.
	LastUseful time.Time
}

// ruleFor returns the rule by which evict chose a candidate: it is a discouraged one only
// if that is why.
func ruleFor(candidates []evictable, id uint64) EvictionRule {
	if slices.ContainsFunc(candidates, func(c evictable) bool { return c.ID == id && c.Discouraged }) {
		return EvictedAsBad
	}
	return EvictedFromGroup
}

// evict chooses whose place an inbound peer gets for which there is none. It
// returns false if all have a claim to stay: then the new one is to be refused.
// Those who shake hands still are candidates like others; the new one is none.
//
// In this order, protected are: Exempt ones; 4 by Group; 8 by MinPing; 4 by
// LastUseful; and half of the rest by uptime, of which a half is reserved for
// onion, I2P, CJDNS and local peers. Of those that are left it is the turn of the
// Discouraged, if there are any, else of all; among these of the Group with the
// most, the one with the youngest peer if several have as many; and of it of the
// youngest.
//
// It depends on nothing but the candidates, not even on their order, and does
// not change them.
func evict(candidates []evictable) (id uint64, ok bool) {
	left := make([]*evictable, 0, len(candidates))
	for i := range candidates {
		if c := &candidates[i]; !c.Exempt {
			left = append(left, c)
		}
	}
	if len(left) <= protectInAll {
		return 0, false
	}
	// Which groups these are is known to nobody but us: who wants all places
	// would have to come from all groups.
	left = protect(left, protectByGroup, func(a, b *evictable) int { return cmp.Compare(a.Group, b.Group) })
	left = protect(left, protectByPing, func(a, b *evictable) int { return cmp.Compare(a.ping(), b.ping()) })
	left = protect(left, protectByUse, func(a, b *evictable) int { return b.LastUseful.Compare(a.LastUseful) })
	left = protectLongest(left)
	if slices.ContainsFunc(left, func(c *evictable) bool { return c.Discouraged }) {
		left = slices.DeleteFunc(left, func(c *evictable) bool { return !c.Discouraged })
	}
	return youngestOfLargest(left).ID, true
}

// ping returns MinPing in an order in which none was measured is the longest.
func (c *evictable) ping() uint64 { return uint64(c.MinPing - 1) }

// protect takes the n best off the list. Of those that are as good as each
// other, those that came first are better.
func protect(list []*evictable, n int, better func(a, b *evictable) int) []*evictable {
	slices.SortFunc(list, func(a, b *evictable) int {
		if c := better(a, b); c != 0 {
			return c
		}
		return earlier(a, b)
	})
	return list[min(n, len(list)):]
}

// earlier orders peers by their coming.
func earlier(a, b *evictable) int {
	if c := a.Since.Compare(b.Since); c != 0 {
		return c
	}
	return cmp.Compare(a.ID, b.ID)
}

// protectLongest takes half of the list off it: those that came first, so that
// whoever comes in numbers comes too late. But half of that half is reserved for
// sorts of peers that are rare, and by their nature not near: they would seldom
// stay otherwise. What is left is returned with those that came first in front.
func protectLongest(list []*evictable) []*evictable {
	keep := len(list) / 2
	var have [numSorts]int
	for _, c := range list {
		have[c.sort()]++
	}
	places, kept := share(keep/2, have), 0
	slices.SortFunc(list, earlier)
	list = slices.DeleteFunc(list, func(c *evictable) bool {
		s := c.sort()
		if places[s] == 0 {
			return false
		}
		places[s]--
		kept++
		return true
	})
	return list[keep-kept:]
}

// sortOf is what sort of peer has places reserved for it. The order is Core's:
// of sorts with as many peers, the first is served first.
type sortOf int

const (
	sortCJDNS sortOf = iota
	sortI2P
	sortLocal
	sortOnion
	sortOther // nothing is reserved for it

	numSorts
)

// sort returns the sort of a peer. In Core one that came through the onion
// service is of two, onion and local, and takes the place of a local one, too.
// Here it is of one.
func (c *evictable) sort() sortOf {
	switch c.Network {
	case netaddr.CJDNS:
		return sortCJDNS
	case netaddr.I2P:
		return sortI2P
	case netaddr.Onion:
		return sortOnion
	}
	if c.Local {
		return sortLocal
	}
	return sortOther
}

// share deals out places to the sorts that have peers, at most as many to each
// as it has. All get the same number, and what one has no use for goes to the
// others. The sort with the fewest peers is served first, so that it gets one if
// there are fewer places than sorts.
func share(places int, have [numSorts]int) (got [numSorts]int) {
	order := []sortOf{sortCJDNS, sortI2P, sortLocal, sortOnion}
	slices.SortStableFunc(order, func(a, b sortOf) int { return cmp.Compare(have[a], have[b]) })
	for {
		order = slices.DeleteFunc(order, func(s sortOf) bool { return got[s] == have[s] })
		if places == 0 || len(order) == 0 {
			return got
		}
		each := max(places/len(order), 1)
		for _, s := range order {
			n := min(each, have[s]-got[s], places)
			got[s] += n
			places -= n
		}
	}
}

// youngestOfLargest returns the youngest of the group with the most peers. The
// list is not empty, and those that came first are in front.
func youngestOfLargest(list []*evictable) *evictable {
	size := make(map[uint64]int, len(list))
	for _, c := range list {
		size[c.Group]++
	}
	youngest := list[len(list)-1]
	for _, c := range slices.Backward(list) {
		// The first of a group to come up here is its youngest, and the first of
		// several groups has the youngest of all.
		if size[c.Group] > size[youngest.Group] {
			youngest = c
		}
	}
	return youngest
}

// groupKey is what this node alone knows, so that nobody else can tell which
// groups are protected. It is made anew at each start, as in Core.
type groupKey [sha256.Size]byte

func newGroupKey(random func() uint64) (k groupKey) {
	for i := 0; i < len(k); i += 8 {
		binary.BigEndian.PutUint64(k[i:], random())
	}
	return k
}

// of returns the place of a group among all, in an order that is random for who
// does not know the key. It takes a fraction of a microsecond: once a session
// will do.
func (k groupKey) of(group string) uint64 {
	sum := sha256.Sum256(append(k[:], group...))
	return binary.BigEndian.Uint64(sum[:])
}
