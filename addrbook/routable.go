package addrbook

import (
	"net/netip"

	"holdfast/netaddr"
)

// Routable reports whether a host can be reached from everywhere in its network.
// All of Onion, I2P and CJDNS can, and the IP addresses of the public Internet. With
// local, loopback and private addresses count too.
func Routable(h netaddr.Host, local bool) bool {
	ip, ok := h.IP()
	if !ok {
		return h.IsValid()
	}
	if ip.Is4() && !special4[ip.As4()[0]] {
		return true
	}
	if ip.IsLoopback() || ip.IsPrivate() {
		return local
	}
	if !ip.IsGlobalUnicast() { // unspecified, multicast, link-local, broadcast
		return false
	}
	list := reserved6[:]
	if ip.Is4() {
		list = reserved4[:]
	}
	for _, p := range list {
		if p.Contains(ip) {
			return false
		}
	}
	return true
}

// takes reports whether an address may be in the book: its host is routable, and it has
// a port, if its network has ports. I2P has none (BIP155).
func (b *Book) takes(a *netaddr.Addr) bool {
	return (a.Port != 0 || a.Host.Network() == netaddr.I2P) && Routable(a.Host, b.allowLocal)
}

// special4 has the first bytes of IPv4 addresses that have to be looked at closely. For
// most there is no need, and that shows when a large book is read.
var special4 = func() (t [256]bool) {
	for _, b := range []byte{0, 10, 100, 127, 169, 172, 192, 198, 203} {
		t[b] = true
	}
	for b := 224; b < 256; b++ { // multicast, reserved, broadcast
		t[b] = true
	}
	return t
}()

// reserved4 and reserved6 are special addresses that the public Internet does not
// route, besides those that netip knows (IANA's registries of special purpose
// addresses). They are never written to.
var (
	reserved4 = [...]netip.Prefix{
		netip.MustParsePrefix("0.0.0.0/8"),
		netip.MustParsePrefix("100.64.0.0/10"),
		netip.MustParsePrefix("192.0.0.0/24"),
		netip.MustParsePrefix("192.0.2.0/24"),
		netip.MustParsePrefix("198.18.0.0/15"),
		netip.MustParsePrefix("198.51.100.0/24"),
		netip.MustParsePrefix("203.0.113.0/24"),
		netip.MustParsePrefix("240.0.0.0/4"),
	}
	reserved6 = [...]netip.Prefix{
		netip.MustParsePrefix("100::/64"),
		netip.MustParsePrefix("2001:10::/28"),
		netip.MustParsePrefix("2001:20::/28"),
		netip.MustParsePrefix("2001:db8::/32"),
		netip.MustParsePrefix("3fff::/20"),
		netip.MustParsePrefix("fec0::/10"),
	}
)

// embeddedIPv4 returns the IPv4 address that an IPv6 address of a transition
// mechanism stands for. Its owner is the owner of that address. They are 6to4 (RFC
// 3056), Teredo (RFC 4380, where it is inverted), NAT64 (RFC 6052) and SIIT (RFC
// 6145).
func embeddedIPv4(ip netip.Addr) (netip.Addr, bool) {
	if ip.Is4() {
		return netip.Addr{}, false
	}
	b := ip.As16()
	at, flip := 12, byte(0)
	switch {
	case b[0] == 0x20 && b[1] == 0x02:
		at = 2
	case [4]byte(b[:4]) == [4]byte{0x20, 0x01}:
		flip = 0xff
	case [12]byte(b[:12]) == [12]byte{0, 0x64, 0xff, 0x9b}:
	case [12]byte(b[:12]) == [12]byte{8: 0xff, 9: 0xff}:
	default:
		return netip.Addr{}, false
	}
	return netip.AddrFrom4([4]byte{b[at] ^ flip, b[at+1] ^ flip, b[at+2] ^ flip, b[at+3] ^ flip}), true
}
