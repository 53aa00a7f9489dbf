package socks

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// maxField is the most that a length of one byte allows: of a name, a user name, a
// password.
const maxField = 255

// target is what a proxy is asked for: an address, or else a name. It has been
// checked.
type target struct {
	ip   netip.Addr // not IPv4-mapped, without a zone
	name string
	port uint16 // 0 in a lookup
}

// parseAddress makes a target of what DialContext is given.
func parseAddress(network, address string) (target, error) {
	host, portText, err := net.SplitHostPort(address)
	if err != nil {
		return target{}, errors.New("an address is host:port")
	}
	port, err := parsePort(portText)
	if err != nil {
		return target{}, err
	}
	var t target
	if ip, err := netip.ParseAddr(host); err == nil {
		if t, err = ipTarget(ip); err != nil {
			return target{}, err
		}
	} else if t, err = nameTarget(host); err != nil {
		return target{}, err
	}
	t.port = port
	switch ip := t.ip.IsValid(); {
	case network != "tcp" && network != "tcp4" && network != "tcp6":
		return target{}, net.UnknownNetworkError(network)
	case ip && network == "tcp4" && !t.ip.Is4(), ip && network == "tcp6" && !t.ip.Is6():
		return target{}, fmt.Errorf("it is no address of the network %s", network)
	}
	return t, nil
}

// ipTarget makes a target of an IP address. Its port is 0.
func ipTarget(ip netip.Addr) (target, error) {
	switch {
	case !ip.IsValid():
		return target{}, errors.New("there is no address")
	case ip.Zone() != "":
		return target{}, errors.New("an address with a zone cannot be told to a proxy")
	}
	return target{ip: ip.Unmap()}, nil
}

// nameTarget makes a target of a name. Its port is 0. The name stays as it is, save
// for one thing: Tor (0.4.9.8) does not take "x.onion." for an onion service, and has
// an exit ask the DNS for it. The name of an onion service is nobody's business, so
// it goes without the dot.
func nameTarget(name string) (target, error) {
	if len(name) > len(rootedOnion) && strings.EqualFold(name[len(name)-len(rootedOnion):], rootedOnion) {
		name = name[:len(name)-1]
	}
	return target{name: name}, checkName(name)
}

const rootedOnion = ".onion."

// parsePort does not know names of ports, which every system has its own of, nor 0,
// which nobody can be reached at.
func parsePort(text string) (uint16, error) {
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil || port == 0 {
		return 0, fmt.Errorf("a port is a number from 1 to 65535, not %q", text)
	}
	return uint16(port), nil
}

// checkName refuses a name that SOCKS5 cannot carry, or that a proxy, or who reads a
// log, may take for something else.
func checkName(name string) error {
	if n := len(name); n < 1 || n > maxField {
		return fmt.Errorf("a name has 1 to 255 bytes, not %d", n)
	}
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c > '~' {
			return fmt.Errorf("a name has visible ASCII letters only, not the byte %#02x", c)
		}
	}
	return nil
}

// addr returns the target of a connection as a net.Addr.
func (t target) addr() net.Addr {
	if t.ip.IsValid() {
		return net.TCPAddrFromAddrPort(netip.AddrPortFrom(t.ip, t.port))
	}
	return Addr{Host: t.name, Port: t.port}
}

// Addr is the RemoteAddr of a connection whose target has a name.
type Addr struct {
	Host string
	Port uint16
}

// Network returns "tcp".
func (Addr) Network() string { return "tcp" }

// String returns "host:port".
func (a Addr) String() string { return net.JoinHostPort(a.Host, strconv.Itoa(int(a.Port))) }
