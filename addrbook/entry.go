package addrbook

import (
	"time"

	"holdfast/netaddr"
)

// Known is an address, as it is told.
type Known struct {
	Addr     netaddr.Addr
	Services uint64    // what its node said that it offers, a set of bits
	Seen     time.Time // when somebody was last connected to it; to the second
}

// Entry is all that the book knows of an address. Times are zero for never.
type Entry struct {
	Known
	Source      netaddr.Host // who told us of it first; zero for ourselves
	Tried       bool         // in the tried table: it was reached, at least once
	Refs        int          // in how many buckets of the new table; 0 if Tried
	Attempts    int          // failed ones since it was last reached, at most 255
	LastTry     time.Time
	LastSuccess time.Time
}

// entry is what is kept of an address. A full book has 81,920 and more of them, so
// it is laid out without gaps: 112 bytes.
type entry struct {
	addr   netaddr.Addr
	source netaddr.Host
	refs   uint8
	tried  bool
	fails  uint8

	services uint64

	// Seconds since 1970, 0 for never; they last until 2106.
	seen, lastTry, lastSuccess, lastCounted uint32

	slot  int32 // tried: where it is; new: the first of its chain of slots
	group int32 // in the pool of its table
	place int32 // among the members of its group
	from  int32 // in new: who told of it, in sources; none for ourselves
}

// Bitcoin Core's rules of what is worth keeping (src/addrman.cpp).
const (
	horizon      = 30 * day // an address that nobody has seen for so long is gone
	freshRetries = 3        // failures after which one that never answered is given up
	maxFailures  = 10       // failures in a row that ...
	minFailing   = 7 * day  // ... within at least so long give up any
	justTried    = 60       // nothing is given up so soon after a try
	future       = 10 * 60  // a time so far ahead is a lie
	recentTry    = 10 * 60  // one tried within this is hardly chosen again
	day          = 24 * 60 * 60
)

// terrible reports whether an address is not worth telling or keeping.
func (e *entry) terrible(now uint32) bool {
	switch {
	case e.lastTry != 0 && e.lastTry+justTried >= now:
		return false
	case e.seen > now+future:
		return true
	case since(e.seen, now) > horizon:
		return true
	case e.lastSuccess == 0 && e.fails >= freshRetries:
		return true
	}
	return since(e.lastSuccess, now) > minFailing && e.fails >= maxFailures
}

// chance is how likely an entry is to be taken when it is drawn: 1, a hundredth if
// it was tried lately, and 0.66 times that for each failure, eight at most: an
// outage is not to bury an address for ever.
func (e *entry) chance(now uint32) float64 {
	c := 1.0
	if since(e.lastTry, now) < recentTry {
		c = 0.01
	}
	for range min(e.fails, 8) {
		c *= 0.66
	}
	return c
}

// since is how many seconds lie between t and now, 0 if t is later.
func since(t, now uint32) uint32 {
	if t > now {
		return 0
	}
	return now - t
}

// toUnix and fromUnix turn times into what an entry keeps.
func toUnix(t time.Time) uint32 {
	return uint32(min(max(t.Unix(), 0), 1<<32-1<<16))
}

func fromUnix(s uint32) time.Time {
	if s == 0 {
		return time.Time{}
	}
	return time.Unix(int64(s), 0)
}

// known returns the entry as it is told.
func (e *entry) known() Known { return Known{e.addr, e.services, fromUnix(e.seen)} }

// public returns the entry as it is shown.
func (e *entry) public() Entry {
	return Entry{
		Known: e.known(), Source: e.source, Tried: e.tried, Refs: int(e.refs),
		Attempts: int(e.fails), LastTry: fromUnix(e.lastTry), LastSuccess: fromUnix(e.lastSuccess),
	}
}
