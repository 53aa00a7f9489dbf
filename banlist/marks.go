package banlist

import (
	"encoding/binary"
	"math"
	"math/bits"
	"net/netip"
	"sync/atomic"
)

// marks say until when single IPv4 addresses are banned, and nothing else: 8 bytes each,
// so that one is in one line of the cache, and read without a lock, so that the processor
// can wait for several at once. A hash table with open addressing; its hash is keyed.
//
// Marks are made and removed with List.mu held. A removed one keeps its cell, so that no
// reader misses those behind it, until the table is made anew, which it is when it is full.
type marks struct {
	cells []atomic.Uint64 // address<<32 | until, 0 for none; at most 3/4 of them are taken
	room  int             // how many can still be taken
}

// What a mark can say as its until, besides a Unix second.
const (
	markOver = 1              // it is removed
	markLast = math.MaxUint32 // 2106, or later
)

// newMarks returns an empty table for n addresses, and some more.
func newMarks(n int) *marks {
	n = max(64, n*5/4)
	return &marks{cells: make([]atomic.Uint64, n*4/3), room: n}
}

// find returns the cell of an address, or else the free one where it would be.
func (m *marks) find(hash uint64, ip uint32) *atomic.Uint64 {
	at, _ := bits.Mul64(hash, uint64(len(m.cells)))
	for {
		cell := &m.cells[at]
		if c := cell.Load(); c == 0 || uint32(c>>32) == ip {
			return cell
		}
		if at++; at == uint64(len(m.cells)) {
			at = 0
		}
	}
}

// has reports whether an address is banned at a second, which must be one from markOver
// to before markLast.
func (m *marks) has(hash uint64, ip uint32, now int64) bool {
	return now < int64(uint32(m.find(hash, ip).Load()))
}

// put makes or changes a mark, if there is room.
func (m *marks) put(hash uint64, ip uint32, until int64) bool {
	cell := m.find(hash, ip)
	if cell.Load() == 0 {
		if m.room == 0 {
			return false
		}
		m.room--
	}
	cell.Store(uint64(ip)<<32 | uint64(min(max(until, markOver), markLast)))
	return true
}

// remove removes a mark, if there is one.
func (m *marks) remove(hash uint64, ip uint32) {
	if cell := m.find(hash, ip); cell.Load() != 0 {
		cell.Store(uint64(ip)<<32 | markOver)
	}
}

// mark has readers know of the ban of an IPv4 address that is among ips. List.mu must be
// held.
func (t *table) mark(hash uint64, key [16]byte, until int64) {
	if !isIPv4(key) || t.marks.Load().put(hash, ipv4(key), until) {
		return
	}
	n := 0
	for i := range t.ips.slots {
		if s := &t.ips.slots[i]; s.origin != 0 && isIPv4(s.key) {
			n++
		}
	}
	m := newMarks(n)
	for i := range t.ips.slots {
		if s := &t.ips.slots[i]; s.origin != 0 && isIPv4(s.key) {
			m.put(t.hashIP(s.key), ipv4(s.key), s.until)
		}
	}
	t.marks.Store(m)
}

// unmark is the reverse of mark. List.mu must be held.
func (t *table) unmark(hash uint64, key [16]byte) {
	if isIPv4(key) {
		t.marks.Load().remove(hash, ipv4(key))
	}
}

// isIPv4 reports whether a key of ips is an IPv4 address, and ipv4 returns it.
func isIPv4(key [16]byte) bool { return netip.AddrFrom16(key).Is4In6() }
func ipv4(key [16]byte) uint32 { return binary.BigEndian.Uint32(key[12:]) }
