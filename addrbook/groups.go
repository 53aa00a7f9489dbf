package addrbook

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/netip"

	"holdfast/netaddr"
)

// Group is a network group: a set of addresses that one owner can easily have. It is
// comparable, and stable for as long as the Groups that made it has the same ASMap.
// The zero Group is that of the zero Host: ourselves.
type Group uint64

// A Group is its kind in the highest byte, and below it what is of the address.
const (
	groupIPv4    = uint64(netaddr.IPv4) << 56   // the 16 bits of a /16
	groupIPv6    = uint64(netaddr.IPv6) << 56   // the 32 bits of a /32, or 36 of he.net
	groupOverlay = 56                           // Onion, I2P, CJDNS: 4 bits
	groupAS      = uint64(0x80) << 56           // the number of an autonomous system
	groupLocal   = Group(uint64(0x81) << 56)    // everything that is not routable
	groupWide    = uint64(1) << 40              // with groupIPv6: it is a /36
	groupKinds   = uint64(0xff) << groupOverlay // the kind of a Group
)

// Groups says of which group a host is. The zero Groups goes by the prefix of the
// address. Its methods may be called at once from several goroutines; its fields
// must not change any more.
type Groups struct {
	// ASMap, if not nil, gives IP addresses the group of their autonomous system.
	// Addresses that it does not have go by prefix.
	ASMap *ASMap

	// Local is whether loopback and private addresses have groups by prefix like
	// others, for networks in a box. Else all of them are one group.
	Local bool
}

// Group returns the group of a host, by the rules of Bitcoin Core (GetGroup in
// src/netgroup.cpp): the /16 of an IPv4 address and of the one that a 6to4, Teredo,
// NAT64 or SIIT address stands for; the /32 of an IPv6 address (the /36 of
// Hurricane Electric's, who gives each customer that much); and 4 bits of the
// address on Onion, I2P and CJDNS, where anybody has as many as he likes.
func (g *Groups) Group(h netaddr.Host) Group {
	n := h.Network()
	switch n {
	case 0:
		return 0
	case netaddr.Onion, netaddr.I2P, netaddr.CJDNS:
		var room [32]byte
		p := h.AppendBytes(room[:0])
		bits := p[0] >> 4
		if n == netaddr.CJDNS { // its first byte is always fc
			bits = p[1] >> 4
		}
		return Group(uint64(n)<<groupOverlay | uint64(bits))
	}
	if !Routable(h, g.Local) {
		return groupLocal
	}
	ip, _ := h.IP()
	if inner, ok := embeddedIPv4(ip); ok {
		ip = inner
	}
	if g.ASMap != nil {
		if as := g.ASMap.Lookup(ip); as != 0 {
			return Group(groupAS | uint64(as))
		}
	}
	if ip.Is4() {
		b := ip.As4()
		return Group(groupIPv4 | uint64(binary.BigEndian.Uint16(b[:])))
	}
	b := ip.As16()
	prefix := uint64(binary.BigEndian.Uint32(b[:]))
	if prefix == hurricane {
		return Group(groupIPv6 | groupWide | prefix<<4 | uint64(b[4]>>4))
	}
	return Group(groupIPv6 | prefix)
}

// hurricane is 2001:470::/32.
const hurricane = 0x20010470

// String returns the group as people write it: "192.0.0.0/16", "2001:db8::/32",
// "AS64496", "onion-7", "local", "ourselves".
func (g Group) String() string {
	kind, x := uint64(g)&groupKinds, uint64(g)&^groupKinds
	switch {
	case g == 0:
		return "ourselves"
	case g == groupLocal:
		return "local"
	case kind == groupAS:
		return fmt.Sprintf("AS%d", x)
	case kind == groupIPv4:
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(x >> 8), byte(x)}), 16).String()
	case kind == groupIPv6:
		var b [16]byte
		bits := 32
		if x&groupWide != 0 {
			b[4] = byte(x) << 4
			x, bits = x&^groupWide>>4, 36
		}
		binary.BigEndian.PutUint32(b[:], uint32(x))
		return netip.PrefixFrom(netip.AddrFrom16(b), bits).String()
	}
	return fmt.Sprintf("%v-%d", netaddr.Network(kind>>groupOverlay), x)
}

// id tells Groups apart that put addresses into different groups.
func (g *Groups) id() [32]byte {
	h := sha256.New()
	if g.ASMap != nil {
		h.Write(g.ASMap.data)
	}
	if g.Local {
		h.Write([]byte{1})
	}
	return [32]byte(h.Sum(nil))
}
