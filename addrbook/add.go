package addrbook

import (
	"time"

	"holdfast/netaddr"
)

// Add takes addresses that source told us, and returns how many of them were new
// and found a place. The source is the host of the peer, or the zero Host if it was
// ourselves: configuration, seeds. It decides, by its group, which 64 buckets the
// addresses may be in.
//
// The penalty is taken off the times of the addresses: what one hears is older
// than it is said to be. Bitcoin Core takes off 2 hours for gossip, none where a
// node tells of itself; the book knows the latter by itself.
//
// Addresses that are not routable, or have no port, are passed over; those of I2P have
// none. Times that lie ahead, or are none, are taken for 5 days ago.
func (b *Book) Add(source netaddr.Host, penalty time.Duration, addrs ...Known) (added int) {
	from := b.groups.Group(source)
	off := uint32(min(max(penalty, 0)/time.Second, 1<<31))
	now := toUnix(b.now())
	b.mu.Lock()
	for i := range addrs {
		if b.add(&addrs[i], source, from, off, now) {
			added++
		}
	}
	kick := b.news.add(added)
	b.mu.Unlock()
	b.wake(kick)
	return added
}

// How often the time of an address is brought up to date (Bitcoin Core,
// AddSingle): the time tells when it was seen, not how often one was told.
const (
	updateOnline  = 60 * 60
	updateOffline = day
)

// A time that cannot be true is taken for 5 days ago (Bitcoin Core, ProcessAddrs in
// src/net_processing.cpp). Else who tells that an address will be seen next year would
// have it thrown out.
const (
	noTime = 100_000_000 // 1973
	lieAge = 5 * day
)

func (b *Book) add(k *Known, source netaddr.Host, from Group, off, now uint32) bool {
	host := k.Addr.Host
	if !b.takes(&k.Addr) {
		return false
	}
	if host == source {
		off = 0
	}
	told := toUnix(k.Seen)
	if told <= noTime || told > now+future {
		told = now - min(lieAge, now)
	}
	seen := told - min(off, told)
	id := b.find(k.Addr)
	created := id == none
	if !created {
		e := b.entries.at(id)
		interval := uint32(updateOffline)
		if since(told, now) < day {
			interval = updateOnline
		}
		if seen > interval && e.seen < seen-interval {
			e.seen = seen
		}
		e.services |= k.Services
		b.sources.again(e, from)
		if told <= e.seen || e.tried || e.refs >= maxRefs {
			return false
		}
		// Each further place is half as easy to get as the one before.
		if b.rng.Uint64()&(1<<e.refs-1) != 0 {
			return false
		}
	}
	group := b.groups.Group(host)
	slot := b.newSlot(k.Addr, group, from)
	if !created && b.newSlots[slot] == id+1 {
		return false
	}
	if old := b.newSlots[slot] - 1; old != none {
		if !b.gives(old, created, host.Network(), group, from, now) {
			return false
		}
		b.clearNew(slot)
	}
	if created {
		id = b.create(k.Addr, source)
		e := b.entries.at(id)
		e.services, e.seen = k.Services, seen
	}
	b.putNew(id, slot, group, from)
	return created
}

// gives reports whether the entry in a slot of the new table has to make room for an
// address of a group that another group, from, tells of. It has to if it is terrible,
// or if it is elsewhere too and the address is nowhere: these are Bitcoin Core's rules.
// Ours is the third. What its group has in new, times what is there of who told of it,
// is how little it is needed: it has to if that is more than twice what it would be of
// the address. So who has few groups fills what nobody else needs, and who tells of much,
// of whatever groups, but neither keeps anybody out, however early he came; and no group
// is pushed out of the book so. What we know by ourselves does not have to.
func (b *Book) gives(old int32, isNew bool, n netaddr.Network, group, from Group, now uint32) bool {
	e := b.entries.at(old)
	if e.terrible(now) {
		return true
	}
	if !isNew {
		return false
	}
	if e.refs > 1 {
		return true
	}
	has := int64(len(b.fresh.groups[e.group].members)) * int64(b.sources.told(e))
	wants := int64(b.fresh.count(n, group)+1) * int64(b.sources.count(from)+1)
	return has > 2*wants
}

// Remove forgets an address, wherever it is, and reports whether it was there. A
// tried address that is removed may be back if the program is killed before the
// next save.
func (b *Book) Remove(a netaddr.Addr) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	id := b.find(a)
	if id == none {
		return false
	}
	if b.entries.at(id).tried {
		b.takeTried(id)
	} else {
		b.takeNew(id)
	}
	b.discard(id)
	return true
}
