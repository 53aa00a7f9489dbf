package addrbook

import (
	"math/bits"
	"math/rand/v2"

	"holdfast/netaddr"
)

// Networks is a set of networks. The zero value is the empty set.
type Networks uint8

// AllNetworks has all of them.
const AllNetworks = Networks(1<<netaddr.IPv4 | 1<<netaddr.IPv6 | 1<<netaddr.Onion | 1<<netaddr.I2P | 1<<netaddr.CJDNS)

// NetworksOf returns the set of some networks.
func NetworksOf(networks ...netaddr.Network) (s Networks) {
	for _, n := range networks {
		s |= 1 << n & AllNetworks
	}
	return s
}

// Has reports whether a network is in the set.
func (s Networks) Has(n netaddr.Network) bool { return s>>n&1 == 1 }

// each calls f for each network of the set.
func (s Networks) each(f func(n netaddr.Network)) {
	for ; s != 0; s &= s - 1 {
		f(netaddr.Network(bits.TrailingZeros8(uint8(s))))
	}
}

// pool has the entries of a table by network and group, so that a group can be
// drawn at random, and then one of its entries, without looking at anything else.
// Each entry is in it once, in however many buckets it is.
type pool struct {
	book   *Book
	groups []groupInfo
	free   []int32
	index  index
	lists  [netaddr.CJDNS + 1][]int32 // the groups of each network, in no order
	counts [netaddr.CJDNS + 1]int32   // the entries of each network
}

// groupInfo is a group on one network. (An autonomous system may be on two.)
type groupInfo struct {
	group   Group
	head    int32 // whose turn is next in the ring of its entries
	count   int32
	at      int32 // in the list of its network
	network netaddr.Network
}

func (p *pool) hash(n netaddr.Network, g Group) uint64 {
	return p.book.key.hashGroups(tagGroup, uint64(g), uint64(n))
}

// find returns a group's number; none if it has no entry.
func (p *pool) find(n netaddr.Network, g Group) int32 {
	if p.index.n == 0 {
		return none
	}
	return p.findHash(n, g, p.hash(n, g))
}

func (p *pool) findHash(n netaddr.Network, g Group, hash uint64) int32 {
	return p.index.find(hash, func(i int32) bool { return p.groups[i].group == g && p.groups[i].network == n })
}

// count returns how many entries a group has on a network.
func (p *pool) count(n netaddr.Network, g Group) int32 {
	if i := p.find(n, g); i != none {
		return p.groups[i].count
	}
	return 0
}

// join returns a group's number, and makes the group if need be; it has an entry more.
// The hash is that of the group.
func (p *pool) join(n netaddr.Network, g Group, hash uint64) int32 {
	i := p.findHash(n, g, hash)
	if i == none {
		if k := len(p.free); k > 0 {
			i, p.free = p.free[k-1], p.free[:k-1]
		} else {
			i = int32(len(p.groups))
			p.groups = append(p.groups, groupInfo{})
		}
		p.groups[i] = groupInfo{group: g, head: none, at: int32(len(p.lists[n])), network: n}
		p.lists[n] = append(p.lists[n], i)
		p.index.add(i, hash)
	}
	p.groups[i].count++
	p.counts[n]++
	return i
}

// add adds an entry. It comes last in its group's turn.
func (p *pool) add(id int32, g Group) {
	e := p.book.entries.at(id)
	n := e.addr.Host.Network()
	e.group = p.join(n, g, p.hash(n, g))
	info := &p.groups[e.group]
	if info.head == none {
		info.head, e.prev, e.next = id, id, id
	} else {
		head := p.book.entries.at(info.head)
		e.prev, e.next = head.prev, info.head
		p.book.entries.at(head.prev).next = id
		head.prev = id
	}
}

// remove removes an entry.
func (p *pool) remove(id int32) {
	e := p.book.entries.at(id)
	i := e.group
	info := &p.groups[i]
	n := info.network
	p.book.entries.at(e.prev).next = e.next
	p.book.entries.at(e.next).prev = e.prev
	if info.head == id {
		info.head = e.next
	}
	e.group, e.prev, e.next = none, none, none
	p.counts[n]--
	if info.count--; info.count > 0 {
		return
	}
	p.index.remove(i, p.hash(n, info.group))
	list := p.lists[n]
	last := list[len(list)-1]
	list[info.at] = last
	p.groups[last].at = info.at
	p.lists[n] = list[:len(list)-1]
	p.groups[i] = groupInfo{}
	p.free = append(p.free, i)
}

// size returns how many groups there are on some networks.
func (p *pool) size(s Networks) (total int) {
	s.each(func(n netaddr.Network) { total += len(p.lists[n]) })
	return total
}

// draw returns a group of some networks, each with the same chance; none if they
// have none.
func (p *pool) draw(s Networks, rng *rand.Rand) int32 {
	total := p.size(s)
	if total == 0 {
		return none
	}
	for {
		k, drawn := rng.IntN(total), none
		s.each(func(n netaddr.Network) {
			if k >= 0 && k < len(p.lists[n]) {
				drawn = p.lists[n][k]
			}
			k -= len(p.lists[n])
		})
		// A group that is on both IPv4 and IPv6 would be drawn twice as often.
		other := netaddr.IPv4 + netaddr.IPv6 - p.groups[drawn].network
		if (other == netaddr.IPv4 || other == netaddr.IPv6) && s.Has(other) &&
			p.find(other, p.groups[drawn].group) != none && rng.IntN(2) == 0 {
			continue
		}
		return drawn
	}
}
