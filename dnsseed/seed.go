package dnsseed

import (
	"errors"
	"net"
	"strconv"
	"strings"

	"holdfast/netaddr"
)

// Seed is a DNS seed, or an address. Its fields are those of btcsuite's
// chaincfg.DNSSeed, so that either can be converted to the other.
type Seed struct {
	// Host is the name to ask for, without a port; or an IP address, an onion
	// service or an I2P destination, with a port or without.
	Host string

	// HasFiltering says that the seed knows labels with service bits (x49.).
	HasFiltering bool
}

// Check returns nil if the seed is well-formed, and else a *SeedError. It asks
// nobody.
func (s Seed) Check() error {
	_, err := s.parse(1, ^uint64(0))
	return err
}

// target is a seed that has been read: an address, or names to ask for.
type target struct {
	seed Seed
	addr netaddr.Addr // valid if the seed is an address

	name     string // the seed's own name, as it is asked for
	filtered string // that with the service bits before it; "" if it does not filter
}

// same reports whether two seeds are one.
func (t *target) same(other *target) bool {
	return t.addr == other.addr && strings.EqualFold(t.name, other.name)
}

// parse reads a seed. port is for addresses without one.
func (s Seed) parse(port uint16, services uint64) (target, error) {
	t := target{seed: s}
	malformed := func(err error) (target, error) { return target{}, &SeedError{Seed: s.Host, Err: err} }
	addr, isAddr, err := literal(s.Host, port)
	switch {
	case err != nil:
		return malformed(err)
	case isAddr:
		t.addr = addr
		return t, nil
	}
	if err := netaddr.CheckName(s.Host); err != nil {
		return malformed(err)
	}
	t.name = absolute(s.Host)
	if s.HasFiltering && services != 0 {
		t.filtered = "x" + strconv.FormatUint(services, 16) + "." + t.name
		if len(strings.TrimSuffix(t.filtered, ".")) > netaddr.MaxName {
			return malformed(errors.New("its name is too long to have service bits before it"))
		}
	}
	return t, nil
}

// literal reads a seed that is an address. Names that DNS must never be asked for
// are addresses or errors.
func literal(text string, port uint16) (a netaddr.Addr, isAddr bool, err error) {
	bare := text
	if strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]") {
		bare = text[1 : len(text)-1]
	}
	if h, err := netaddr.Parse(bare); err == nil {
		if h.Network() == netaddr.I2P {
			port = 0 // I2P has no ports (Bitcoin Core's I2P_SAM31_PORT)
		}
		return netaddr.Addr{Host: h, Port: port}, true, nil
	}
	host, portText, splitErr := net.SplitHostPort(text)
	if splitErr != nil {
		host = text
	}
	if netaddr.IsOverlayName(host) {
		_, err := netaddr.Parse(host)
		if err == nil { // so it is the port
			_, err = netaddr.ParseAddr(text)
		}
		if err != nil {
			return a, false, err
		}
	}
	if splitErr != nil {
		return a, false, nil
	}
	if _, err := netaddr.Parse(host); err != nil {
		return a, false, errors.New("a name has no port here; DNS tells none, and all nodes have the network's own")
	}
	if a, err = netaddr.ParseAddr(text); err != nil {
		return a, false, err
	}
	if a.Port == 0 && a.Host.Network() != netaddr.I2P {
		return a, false, errors.New("nobody can be reached at port " + strconv.Quote(portText))
	}
	return a, true, nil
}

// absolute returns the name with a dot at its end, so that no search domain is
// tried. A name of one part is none of the public DNS: it stays.
func absolute(name string) string {
	if strings.HasSuffix(name, ".") || !strings.Contains(name, ".") {
		return name
	}
	return name + "."
}
