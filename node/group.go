package node

import (
	"net"
	"net/netip"
)

// group names the network group of an address: who owns one address of a group
// can easily have them all, so one automatic connection a group is enough. It is
// the /16 of an IPv4 address and the /32 of an IPv6 one, as in btcd. Each onion
// service, and each host name, is its own group, since they say nothing of who
// owns them. The empty string is no group.
func (n *Node) group(addr net.Addr) string {
	ip, ok := ipOf(addr)
	if !ok {
		return hostOf(addr)
	}
	return groupOf(ip, n.cfg.AllowLoopback)
}

// groupOf is the group of an IP address. Where loopback addresses are a network
// (Config.AllowLoopback) they have groups too, except for 127.0.0.1 and ::1:
// what is there differs by its port only.
func groupOf(ip netip.Addr, allowLoopback bool) string {
	ip = ip.Unmap()
	if allowLoopback && isSelfHost(ip) {
		return ""
	}
	if inner, ok := embeddedIPv4(ip); ok {
		ip = inner
	}
	bits := 32
	if ip.Is4() {
		bits = 16
	}
	return netip.PrefixFrom(ip.WithZone(""), bits).Masked().String()
}

// embeddedIPv4 returns the IPv4 address that an IPv6 address of a transition
// mechanism stands for: 6to4 (RFC 3056) and NAT64 (RFC 6052). Its owner is the
// owner of that IPv4 address.
func embeddedIPv4(ip netip.Addr) (netip.Addr, bool) {
	if ip.Is4() {
		return netip.Addr{}, false
	}
	b := ip.As16()
	switch {
	case sixToFour.Contains(ip):
		return netip.AddrFrom4([4]byte(b[2:6])), true
	case nat64.Contains(ip):
		return netip.AddrFrom4([4]byte(b[12:16])), true
	}
	return netip.Addr{}, false
}

var (
	sixToFour = netip.MustParsePrefix("2002::/16")
	nat64     = netip.MustParsePrefix("64:ff9b::/96")
)
