// Package netaddr has the addresses of the networks on which Bitcoin nodes are
// reached: IPv4, IPv6, Tor, I2P and CJDNS (BIP155). They are small comparable
// values, fit for the key of a map. The package imports the standard library only.
package netaddr

// How the package is laid out, one mechanism a file:
//
//	network.go   Network: which there are
//	host.go      Host: an address without a port
//	addr.go      Addr: a Host and a port
//	overlay.go   the names of onion services and of I2P destinations
//	name.go      what can be the name of a host
