package banlist

import (
	"hash/maphash"
	"net/netip"
	"sync/atomic"

	"github.com/gaissmai/bart"

	"holdfast/netaddr"
)

// A table has the bans: those of single hosts in hash tables, and those of ranges in a
// routing table. A hash table finds one of a million hosts in half of the time that a
// routing table needs (bench/banlist), but only the latter finds ranges.
//
// Changes, and reading hosts, need List.mu. The filter, the marks and the ranges are read
// without it: what readers see of the ranges is replaced, and never changed.
type table struct {
	seed   maphash.Seed
	ips    hosts[[16]byte]     // IPv4 addresses are mapped
	names  hosts[netaddr.Host] // onion services, I2P destinations
	filter atomic.Pointer[filter]
	marks  atomic.Pointer[marks] // of those of ips that are IPv4
	ranges atomic.Pointer[bart.Table[ban]]

	// building is a table of ranges that is changed in place, since nobody reads it
	// yet. It takes the place of ranges until it is published.
	building *bart.Table[ban]

	automatic int // how many bans have an automatic origin
}

func newTable() *table {
	t := &table{seed: maphash.MakeSeed()}
	t.clear()
	return t
}

// clear removes all. List.mu must be held.
func (t *table) clear() {
	t.ips = hosts[[16]byte]{hash: t.hashIP}
	t.names = hosts[netaddr.Host]{hash: t.hashName}
	t.filter.Store(newFilter(0))
	t.marks.Store(newMarks(0))
	t.ranges.Store(new(bart.Table[ban]))
	t.automatic = 0
}

// hashIP returns the hash of an IP address. It takes half the time that hashName takes,
// which shows.
func (t *table) hashIP(ip [16]byte) uint64 { return maphash.Bytes(t.seed, ip[:]) }

// hashName returns the hash of a host that is no IP address.
func (t *table) hashName(h netaddr.Host) uint64 { return maphash.Comparable(t.seed, h) }

// len returns how many bans there are. List.mu must be held.
func (t *table) len() int { return t.singles() + t.newest().Size() }

// singles returns how many bans of single hosts there are. List.mu must be held.
func (t *table) singles() int { return t.ips.n + t.names.n }

// newest returns the ranges, with changes that are not published yet.
func (t *table) newest() *bart.Table[ban] {
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

// mayHave reports whether a host may be among the single ones. No lock is needed.
func (t *table) mayHave(hash uint64) bool { return t.filter.Load().has(hash) }

// get returns the ban of exactly this Subject; the zero one if there is none. List.mu
// must be held.
func (t *table) get(s Subject) ban {
	ip, ok := s.host.IP()
	switch {
	case !ok:
		return t.names.get(t.hashName(s.host), s.host)
	case s.isRange():
		b, _ := t.newest().Get(netip.PrefixFrom(ip, int(s.bits)))
		return b
	}
	return t.ips.get(t.hashIP(ip.As16()), ip.As16())
}

// put adds a ban, or replaces that of its Subject. List.mu must be held.
func (t *table) put(r record) {
	if t.get(r.subject).origin.automatic() {
		t.automatic--
	}
	if r.origin.automatic() {
		t.automatic++
	}
	ip, ok := r.subject.host.IP()
	switch {
	case !ok:
		hash := t.hashName(r.subject.host)
		t.announce(hash)
		t.names.put(hash, r.subject.host, r.ban)
	case !r.subject.isRange():
		hash := t.hashIP(ip.As16())
		t.announce(hash)
		t.ips.put(hash, ip.As16(), r.ban)
		t.mark(hash, ip.As16(), r.until)
	default:
		p := netip.PrefixFrom(ip, int(r.subject.bits))
		if t.building != nil {
			t.building.Insert(p, r.ban)
		} else {
			t.ranges.Store(t.ranges.Load().InsertPersist(p, r.ban))
		}
	}
}

// announce has the filter let a host pass, before it is put where readers look next.
func (t *table) announce(hash uint64) {
	f := t.filter.Load()
	if f.room == 0 {
		f = newFilter(2 * (t.singles() + 1))
		for i := range t.ips.slots {
			if s := &t.ips.slots[i]; s.origin != 0 {
				f.add(t.hashIP(s.key))
			}
		}
		for i := range t.names.slots {
			if s := &t.names.slots[i]; s.origin != 0 {
				f.add(t.hashName(s.key))
			}
		}
		t.filter.Store(f)
	}
	f.add(hash)
}

// remove takes the ban of a Subject out, if there is one. List.mu must be held.
func (t *table) remove(s Subject) {
	if t.get(s).origin.automatic() {
		t.automatic--
	}
	ip, ok := s.host.IP()
	switch {
	case !ok:
		t.names.remove(t.hashName(s.host), s.host)
	case !s.isRange():
		hash := t.hashIP(ip.As16())
		t.unmark(hash, ip.As16())
		t.ips.remove(hash, ip.As16())
	case t.building != nil:
		t.building.Delete(netip.PrefixFrom(ip, int(s.bits)))
	default:
		t.ranges.Store(t.ranges.Load().DeletePersist(netip.PrefixFrom(ip, int(s.bits))))
	}
}

// records returns all bans for which keep is true, in no order. List.mu must be held.
func (t *table) records(keep func(ban) bool) []record {
	var all []record
	for i := range t.ips.slots {
		if s := &t.ips.slots[i]; s.origin != 0 && keep(s.ban) {
			all = append(all, record{SubjectOf(netaddr.FromIP(netip.AddrFrom16(s.key))), s.ban})
		}
	}
	for i := range t.names.slots {
		if s := &t.names.slots[i]; s.origin != 0 && keep(s.ban) {
			all = append(all, record{SubjectOf(s.key), s.ban})
		}
	}
	for p, b := range t.newest().All() {
		if keep(b) {
			all = append(all, record{Subject{netaddr.FromIP(p.Addr()), b.bits}, b})
		}
	}
	return all
}
