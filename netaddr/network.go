package netaddr

import "fmt"

// Network is a network on which a node can be reached. The values are those of
// BIP155. The zero Network is none.
type Network uint8

// The networks. BIP155's 3, Tor v2, is gone.
const (
	IPv4  Network = 1
	IPv6  Network = 2
	Onion Network = 4 // Tor v3
	I2P   Network = 5
	CJDNS Network = 6
)

// Networks returns all networks, in the order of their numbers.
func Networks() []Network { return []Network{IPv4, IPv6, Onion, I2P, CJDNS} }

// size is the length of an address in bytes; 0 for a network that we do not know.
func (n Network) size() int {
	switch n {
	case IPv4:
		return 4
	case IPv6, CJDNS:
		return 16
	case Onion, I2P:
		return 32
	}
	return 0
}

// String returns the name that Bitcoin Core gives the network: "ipv4", "ipv6",
// "onion", "i2p" or "cjdns".
func (n Network) String() string {
	switch n {
	case IPv4:
		return "ipv4"
	case IPv6:
		return "ipv6"
	case Onion:
		return "onion"
	case I2P:
		return "i2p"
	case CJDNS:
		return "cjdns"
	}
	return fmt.Sprintf("network-%d", uint8(n))
}

// ParseNetwork is the inverse of String.
func ParseNetwork(name string) (Network, error) {
	for _, n := range Networks() {
		if n.String() == name {
			return n, nil
		}
	}
	return 0, fmt.Errorf("there is no network %q; there are ipv4, ipv6, onion, i2p and cjdns", name)
}
