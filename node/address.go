package node

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"holdfast/netaddr"
)

// hostAddr is an address with a host name, which the dialer resolves at each
// attempt, so that a dead resolver holds up nothing but this address, and a name
// that moves is followed.
type hostAddr struct {
	host string
	port uint16
}

// Network returns what connmgr takes such addresses for when it tells that they cannot be
// reached: whether by IPv4 or IPv6 is known only when the name is resolved.
func (hostAddr) Network() string { return "ip by name" }

// String returns host:port.
func (a hostAddr) String() string { return net.JoinHostPort(a.host, strconv.Itoa(int(a.port))) }

// parseAddr reads "host", "host:port", ":port" (only if anyHost), an IPv6 address
// with or without brackets, and adds defaultPort where there is no port. IP
// addresses become *net.TCPAddr, those of Tor and I2P netaddr.Addr, names hostAddr.
func parseAddr(text string, defaultPort uint16, anyHost bool) (net.Addr, error) {
	host, port := text, defaultPort
	if ip, ok := parseIP(text); ok {
		return portAddr(tcpAddr(ip, port), port, anyHost)
	}
	if h, p, err := net.SplitHostPort(text); err == nil {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil {
			return nil, fmt.Errorf("port %q is not a number from 1 to 65535", p)
		}
		host, port = h, uint16(n)
	} else if strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]") {
		host = text[1 : len(text)-1]
	} else if strings.Contains(text, ":") {
		return nil, fmt.Errorf("it is not host:port, and not an IPv6 address")
	}
	if ip, ok := parseIP(host); ok {
		return portAddr(tcpAddr(ip, port), port, anyHost)
	}
	switch {
	case netaddr.IsOverlayName(host):
		h, err := netaddr.Parse(host)
		if err != nil {
			return nil, err
		}
		return portAddr(netaddr.Addr{Host: h, Port: port}, port, anyHost)
	case host == "" && anyHost:
		return portAddr(&net.TCPAddr{Port: int(port)}, port, anyHost)
	case host == "":
		return nil, fmt.Errorf("it has no host")
	}
	if err := netaddr.CheckName(host); err != nil {
		return nil, err
	}
	return portAddr(hostAddr{strings.ToLower(host), port}, port, anyHost)
}

// parseIP reads an IP address. Its zone must be what the name of an interface can
// be; netip takes anything for one.
func parseIP(text string) (netip.Addr, bool) {
	ip, err := netip.ParseAddr(text)
	if err != nil || ip.Zone() != "" && !plainLabel(ip.Zone()) {
		return netip.Addr{}, false
	}
	return ip, true
}

// portAddr refuses port 0, unless it is for a listener, where it means any port.
func portAddr(a net.Addr, port uint16, listen bool) (net.Addr, error) {
	if port == 0 && !listen {
		return nil, fmt.Errorf("port 0 cannot be dialed")
	}
	return a, nil
}

func tcpAddr(ip netip.Addr, port uint16) *net.TCPAddr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(ip.Unmap(), port))
}

// plainLabel reports whether s is 1 to 63 letters, digits, hyphens or underscores.
func plainLabel(s string) bool {
	for _, c := range s {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && c != '-' && c != '_' {
			return false
		}
	}
	return s != "" && len(s) <= 63
}

// ipOf returns the IP address of addr, IPv4-mapped ones as IPv4, without zone.
func ipOf(addr net.Addr) (netip.Addr, bool) {
	if tcp, ok := addr.(*net.TCPAddr); ok {
		ip := tcp.AddrPort().Addr()
		return ip.Unmap().WithZone(""), ip.IsValid()
	}
	if addr == nil {
		return netip.Addr{}, false
	}
	ip, err := netip.ParseAddr(hostOf(addr))
	return ip.Unmap().WithZone(""), err == nil
}

// hostOf returns the host of addr in lower case, or all of it if it has no port.
func hostOf(addr net.Addr) string {
	text := addr.String()
	if host, _, err := net.SplitHostPort(text); err == nil {
		text = host
	}
	return strings.ToLower(text)
}

// endpointOf returns an address as the book has it: that of an IP address or of a
// network like Tor, with its port, and no name.
func endpointOf(addr net.Addr) (netaddr.Addr, bool) {
	switch a := addr.(type) {
	case netaddr.Addr:
		return a, a.IsValid()
	case *net.TCPAddr:
		ip, ok := ipOf(a)
		return netaddr.Addr{Host: netaddr.FromIP(ip), Port: uint16(a.Port)}, ok
	}
	return netaddr.Addr{}, false
}

// dialable returns an endpoint as the dialer takes it.
func dialable(a netaddr.Addr) net.Addr {
	if ip, ok := a.Host.IP(); ok {
		return tcpAddr(ip, a.Port)
	}
	return a
}

// isSelfHost reports whether ip is the loopback address that every program of a
// machine uses: it stands for no particular peer.
func isSelfHost(ip netip.Addr) bool {
	ip = ip.Unmap()
	return ip == netip.AddrFrom4([4]byte{127, 0, 0, 1}) || ip == netip.IPv6Loopback()
}
