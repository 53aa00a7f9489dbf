package netaddr

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
)

// Host is the address of a host on one network. It is comparable: two Hosts are
// equal if and only if they are the same address. The zero Host is none.
type Host struct {
	network Network
	b       [32]byte // the address, and zeros behind it
}

// FromIP returns the Host of an IP address. IPv4-mapped IPv6 addresses are IPv4
// ones, and a zone is dropped. The Host of the zero netip.Addr is the zero Host.
func FromIP(ip netip.Addr) (h Host) {
	ip = ip.Unmap()
	switch {
	case ip.Is4():
		h.network = IPv4
		copy(h.b[:], ip.AsSlice())
	case ip.Is6():
		h.network = IPv6
		copy(h.b[:], ip.AsSlice())
	}
	return h
}

// FromBytes returns the Host whose address on a network is b, as BIP155 sends it. The
// length must be that of the network's addresses. An IPv4-mapped IPv6 address is
// refused, as BIP155 has it, and so is a CJDNS address outside fc00::/8.
func FromBytes(n Network, b []byte) (Host, error) {
	switch {
	case n.size() == 0:
		return Host{}, fmt.Errorf("unknown network %d", uint8(n))
	case len(b) != n.size():
		return Host{}, fmt.Errorf("%d bytes of address; %s has %d", len(b), n, n.size())
	case n == IPv6 && netip.AddrFrom16([16]byte(b)).Is4In6():
		return Host{}, fmt.Errorf("an IPv4 address as one of ipv6")
	case n == CJDNS && b[0] != 0xfc:
		return Host{}, fmt.Errorf("%v is none of cjdns: not in fc00::/8", netip.AddrFrom16([16]byte(b)))
	}
	h := Host{network: n}
	copy(h.b[:], b)
	return h, nil
}

// Parse reads an IP address, the name of an onion service (v3) or of an I2P
// destination (b32). It never asks a resolver. An address in fc00::/8 is read as
// one of IPv6.
func Parse(text string) (Host, error) {
	switch lower := strings.ToLower(text); {
	case strings.HasSuffix(lower, onionSuffix):
		return parseOnion(lower)
	case strings.HasSuffix(lower, i2pSuffix):
		return parseI2P(lower)
	}
	ip, err := netip.ParseAddr(text)
	if err != nil || ip.Zone() != "" {
		return Host{}, fmt.Errorf("%q is no IP address, onion service or I2P destination", text)
	}
	return FromIP(ip), nil
}

// IsValid reports whether h is not the zero Host.
func (h Host) IsValid() bool { return h.network != 0 }

// Network returns the network that the address is of; 0 for the zero Host.
func (h Host) Network() Network { return h.network }

// IP returns the address if it is one of IPv4 or IPv6. (A CJDNS address looks like
// one of IPv6, but is not reached like one.)
func (h Host) IP() (netip.Addr, bool) {
	switch h.network {
	case IPv4:
		return netip.AddrFrom4([4]byte(h.b[:4])), true
	case IPv6:
		return netip.AddrFrom16([16]byte(h.b[:16])), true
	}
	return netip.Addr{}, false
}

// Bytes returns the address as BIP155 sends it, in memory of its own.
func (h Host) Bytes() []byte { return bytes.Clone(h.b[:h.network.size()]) }

// AppendBytes appends the address as BIP155 sends it.
func (h Host) AppendBytes(p []byte) []byte { return append(p, h.b[:h.network.size()]...) }

// Compare orders Hosts by network, then by address.
func (h Host) Compare(other Host) int {
	if h.network != other.network {
		return int(h.network) - int(other.network)
	}
	return bytes.Compare(h.b[:], other.b[:])
}

// String returns the address as people write it: "192.0.2.1", "2001:db8::1",
// "....onion", "....b32.i2p"; "invalid" for the zero Host.
func (h Host) String() string {
	switch h.network {
	case IPv4, IPv6:
		ip, _ := h.IP()
		return ip.String()
	case CJDNS:
		return netip.AddrFrom16([16]byte(h.b[:16])).String()
	case Onion:
		return onionName(h.b)
	case I2P:
		return i2pName(h.b)
	}
	return "invalid"
}
