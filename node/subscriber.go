package node

import (
	"net/netip"
	"slices"

	"holdfast/banlist"
	"holdfast/netaddr"
)

// Who has one IPv6 address has at least all of its /64: the lower half is chosen by the
// machine itself (RFC 4291, section 2.5.1), and no subscriber gets less (RFC 6177). So
// what he is banned or discouraged for holds for the /64, else he is back at once from
// the next of 2^64 addresses. What the operator bans is what he says.

const subscriberBits = 64

// subscriber returns who is behind a host, as far as its address tells, and the first host of
// them, which stands for all: for IPv6 the /64, unless others would be in it who have
// nothing to do with it.
func (n *Node) subscriber(h netaddr.Host) (who banlist.Subject, first netaddr.Host) {
	ip, ok := h.IP()
	if !ok || ip.Is4() || carriesIPv4(ip) || n.isNeighbour(ip) {
		return banlist.SubjectOf(h), h
	}
	p := netip.PrefixFrom(ip, subscriberBits).Masked()
	who, err := banlist.SubjectOfPrefix(p)
	if err != nil {
		return banlist.SubjectOf(h), h
	}
	return who, netaddr.FromIP(p.Addr())
}

// carriesIPv4 reports whether the lower half of an address has the IPv4 address of the
// host in it: its /64 is everybody then who comes by the same translator (NAT64, RFC
// 6052) or the same Teredo server (RFC 4380).
func carriesIPv4(ip netip.Addr) bool { return nat64.Contains(ip) || teredo.Contains(ip) }

var (
	nat64  = netip.MustParsePrefix("64:ff9b::/96")
	teredo = netip.MustParsePrefix("2001::/32")
)

// isNeighbour reports whether an address is in a network of ours: there the subscriber
// is ourselves.
func (n *Node) isNeighbour(ip netip.Addr) bool {
	near := netip.PrefixFrom(ip, subscriberBits).Masked()
	return slices.ContainsFunc(n.own, func(a netaddr.Addr) bool {
		own, ok := a.Host.IP()
		return ok && near.Contains(own)
	})
}
