package netaddr

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
)

// Addr is where a node can be reached: a Host and a port. It is comparable, and it
// is a net.Addr, by value. The zero Addr is none.
type Addr struct {
	Host Host
	Port uint16
}

var _ net.Addr = Addr{}

// FromAddrPort returns the Addr of an IP address and port.
func FromAddrPort(a netip.AddrPort) Addr { return Addr{FromIP(a.Addr()), a.Port()} }

// ParseAddr reads host:port, with a host that Parse reads, those of IPv6 in
// brackets.
func ParseAddr(text string) (Addr, error) {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return Addr{}, fmt.Errorf("%q is not host:port", text)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return Addr{}, fmt.Errorf("%q: port %q is not a number from 0 to 65535", text, port)
	}
	h, err := Parse(host)
	if err != nil {
		return Addr{}, err
	}
	return Addr{h, uint16(n)}, nil
}

// IsValid reports whether a has a host. The port may be 0.
func (a Addr) IsValid() bool { return a.Host.IsValid() }

// Network returns "tcp". It is part of net.Addr.
func (Addr) Network() string { return "tcp" }

// String returns host:port, with brackets around hosts that have colons. It is part
// of net.Addr.
func (a Addr) String() string { return net.JoinHostPort(a.Host.String(), strconv.Itoa(int(a.Port))) }

// Compare orders Addrs by host, then by port.
func (a Addr) Compare(other Addr) int {
	if c := a.Host.Compare(other.Host); c != 0 {
		return c
	}
	return int(a.Port) - int(other.Port)
}
