package banlist

import (
	"hash/maphash"
	"net/netip"
	"sync/atomic"

	"github.com/gaissmai/bart"

	"holdfast/netaddr"
)

// A table has the records: those of single hosts, of whatever network, in a map by
// their hash, and those of ranges in a routing table. A map finds one of a million
// hosts in two thirds of the time that a routing table needs (bench/banlist), but
// only the latter finds ranges.
//
// Changes, and reading hosts, need List.mu. The filter and the ranges are read
// without it: what readers see of the ranges is replaced, and never changed.
type table struct {
	seed   maphash.Seed
	hosts  map[uint64]*record // by hash; those with the same one are in a chain
	filter atomic.Pointer[filter]
	ranges atomic.Pointer[bart.Table[*record]]

	// building is a table of ranges that is changed in place, since nobody reads it
	// yet. It takes the place of ranges until it is published.
	building *bart.Table[*record]

	singles   int // how many hosts there are
	automatic int // how many records have an automatic origin
}

func newTable() *table {
	t := &table{seed: maphash.MakeSeed(), hosts: make(map[uint64]*record)}
	t.filter.Store(newFilter(0))
	t.ranges.Store(new(bart.Table[*record]))
	return t
}

// hash returns the hash of a host.
func (t *table) hash(h netaddr.Host) uint64 {
	if ip, ok := h.IP(); ok {
		return t.hashIP(ip)
	}
	return maphash.Comparable(t.seed, h)
}

// hashIP is hash for the host that has an address. It takes half the time, which
// shows.
func (t *table) hashIP(ip netip.Addr) uint64 {
	b := ip.As16()
	return maphash.Bytes(t.seed, b[:])
}

// len returns how many records there are. List.mu must be held.
func (t *table) len() int { return t.singles + t.newest().Size() }

// newest returns the ranges, with changes that are not published yet.
func (t *table) newest() *bart.Table[*record] {
	if t.building != nil {
		return t.building
	}
	return t.ranges.Load()
}

// inBulk makes many changes, which for ranges takes less time than one by one.
// List.mu must be held.
func (t *table) inBulk(change func()) {
	t.building = t.ranges.Load().Clone()
	change()
	t.ranges.Store(t.building)
	t.building = nil
}

// clear removes all. List.mu must be held.
func (t *table) clear() {
	t.hosts = make(map[uint64]*record)
	t.filter.Store(newFilter(0))
	t.ranges.Store(new(bart.Table[*record]))
	t.singles, t.automatic = 0, 0
}

// mayHave reports whether a host may be among the single ones. No lock is needed.
func (t *table) mayHave(hash uint64) bool { return t.filter.Load().has(hash) }

// host returns the record of a single host, or nil. List.mu must be held.
func (t *table) host(hash uint64, h netaddr.Host) *record {
	for r := t.hosts[hash]; r != nil; r = r.next {
		if r.subject.host == h {
			return r
		}
	}
	return nil
}

// covering returns the record of the narrowest range around an address that is in
// force, or nil. No lock is needed.
func (t *table) covering(ip netip.Addr, now func() int64) *record {
	ranges := t.ranges.Load()
	r, ok := ranges.Lookup(ip)
	if !ok {
		return nil
	}
	second := now()
	if r.live(second) {
		return r
	}
	// What is over must not hide a wider range that is not.
	for _, r := range ranges.Supernets(netip.PrefixFrom(ip, ip.BitLen())) {
		if r.live(second) {
			return r
		}
	}
	return nil
}

// get returns the record of exactly this Subject, or nil. List.mu must be held.
func (t *table) get(s Subject) *record {
	if !s.isRange() {
		return t.host(t.hash(s.host), s.host)
	}
	p, _ := s.Prefix()
	r, _ := t.newest().Get(p)
	return r
}

// put adds a record, or replaces that of its Subject. List.mu must be held.
func (t *table) put(r *record) {
	old := t.get(r.subject)
	if old != nil && old.origin.automatic() {
		t.automatic--
	}
	if r.origin.automatic() {
		t.automatic++
	}
	if !r.subject.isRange() {
		hash := t.hash(r.subject.host)
		if old != nil {
			t.removeHost(hash, old)
		}
		t.putHost(hash, r)
		return
	}
	p, _ := r.subject.Prefix()
	if t.building != nil {
		t.building.Insert(p, r)
	} else {
		t.ranges.Store(t.ranges.Load().InsertPersist(p, r))
	}
}

func (t *table) putHost(hash uint64, r *record) {
	f := t.filter.Load()
	if f.room == 0 {
		f = newFilter(2 * (t.singles + 1))
		for hash := range t.hosts {
			f.add(hash)
		}
		t.filter.Store(f)
	}
	f.add(hash) // first: readers ask the filter first
	r.next = t.hosts[hash]
	t.hosts[hash] = r
	t.singles++
}

// remove takes a record out that is in the table. List.mu must be held.
func (t *table) remove(r *record) {
	if r.origin.automatic() {
		t.automatic--
	}
	if !r.subject.isRange() {
		t.removeHost(t.hash(r.subject.host), r)
		return
	}
	p, _ := r.subject.Prefix()
	if t.building != nil {
		t.building.Delete(p)
	} else {
		t.ranges.Store(t.ranges.Load().DeletePersist(p))
	}
}

func (t *table) removeHost(hash uint64, r *record) {
	t.singles--
	first := t.hosts[hash]
	switch {
	case first != r:
		for first.next != r {
			first = first.next
		}
		first.next = r.next
	case r.next != nil:
		t.hosts[hash] = r.next
	default:
		delete(t.hosts, hash)
	}
}

// records returns all records for which keep is true, in no order. List.mu must be
// held.
func (t *table) records(keep func(*record) bool) []*record {
	var all []*record
	for _, r := range t.hosts {
		for ; r != nil; r = r.next {
			if keep(r) {
				all = append(all, r)
			}
		}
	}
	for _, r := range t.newest().All() {
		if keep(r) {
			all = append(all, r)
		}
	}
	return all
}
