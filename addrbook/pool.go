package addrbook

import (
	"encoding/binary"
	"hash/maphash"
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
	other  *pool // the other table
	groups []groupInfo
	free   []int32
	index  index
	lists  [netaddr.CJDNS + 1][]int32 // the groups of each network, in no order
	counts [netaddr.CJDNS + 1]int32   // the entries of each network
}

// groupInfo is a group on one network. (An autonomous system may be on two.)
type groupInfo struct {
	group   Group
	members []int32 // its entries, in no order; at least one
	turn    uint32  // whose turn is next; it may be beyond the end, and begins again there
	at      int32   // in the list of its network
	twin    int32   // the same group on this network in the other table; none if it is not there
	pair    int32   // the same group in this table on IPv6, if this is IPv4, and the reverse
	network netaddr.Network
}

func (p *pool) hash(n netaddr.Network, g Group) uint64 {
	var room [9]byte
	binary.LittleEndian.PutUint64(room[:], uint64(g))
	room[8] = byte(n)
	return maphash.Bytes(p.book.seed, room[:])
}

// find returns a group's number; none if it has no entry.
func (p *pool) find(n netaddr.Network, g Group) int32 {
	if p.index.n == 0 {
		return none
	}
	return p.index.find(p.hash(n, g), func(i int32) bool { return p.groups[i].group == g && p.groups[i].network == n })
}

// count returns how many entries a group has on a network.
func (p *pool) count(n netaddr.Network, g Group) int32 {
	if i := p.find(n, g); i != none {
		return int32(len(p.groups[i].members))
	}
	return 0
}

// number returns a group's number, and makes the group if need be: it must get an entry.
func (p *pool) number(n netaddr.Network, g Group) int32 {
	i := p.find(n, g)
	if i == none {
		if k := len(p.free); k > 0 {
			i, p.free = p.free[k-1], p.free[:k-1]
		} else {
			i = int32(len(p.groups))
			p.groups = append(p.groups, groupInfo{})
		}
		p.groups[i] = groupInfo{
			group: g, at: int32(len(p.lists[n])), network: n,
			twin: p.other.find(n, g), pair: p.find(otherIP(n), g),
		}
		p.tell(i, i)
		p.lists[n] = append(p.lists[n], i)
		p.index.add(i, p.hash(n, g))
	}
	return i
}

// tell tells the twin and the pair of a group its number.
func (p *pool) tell(i, number int32) {
	if t := p.groups[i].twin; t != none {
		p.other.groups[t].twin = number
	}
	if t := p.groups[i].pair; t != none {
		p.groups[t].pair = number
	}
}

// otherIP returns IPv6 for IPv4, and the reverse; of others it is no network.
func otherIP(n netaddr.Network) netaddr.Network {
	switch n {
	case netaddr.IPv4:
		return netaddr.IPv6
	case netaddr.IPv6:
		return netaddr.IPv4
	}
	return 0
}

// add adds an entry.
func (p *pool) add(id int32, g Group) {
	e := p.book.entries.at(id)
	n := e.addr.Host.Network()
	e.group = p.number(n, g)
	p.counts[n]++
	info := &p.groups[e.group]
	e.place = int32(len(info.members))
	info.members = append(info.members, id)
}

// remove removes an entry. The last of its group gets its place.
func (p *pool) remove(id int32) {
	e := p.book.entries.at(id)
	i := e.group
	info := &p.groups[i]
	n := info.network
	end := len(info.members) - 1
	moved := info.members[end]
	info.members[e.place] = moved
	p.book.entries.at(moved).place = e.place
	info.members = info.members[:end]
	e.group, e.place = none, none
	p.counts[n]--
	if end > 0 {
		return
	}
	p.tell(i, none)
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
		if pair := p.groups[drawn].pair; pair != none && s.Has(p.groups[pair].network) && rng.IntN(2) == 0 {
			continue
		}
		return drawn
	}
}
