package main

import (
	"net"
	"sync"
	"time"

	"holdfast/addrbook"
	"holdfast/netaddr"
)

// reachEvery is how often it is looked again which networks there are routes to.
const reachEvery = 10 * time.Second

// reach says which networks this machine can reach. It is safe for concurrent use.
type reach struct {
	mu    sync.Mutex
	at    time.Time
	known addrbook.Networks
}

// networks returns those to which there is a route, and IPv4 in any case: without
// one a dial fails at once, and connmgr takes our network for down.
func (r *reach) networks() addrbook.Networks {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := time.Now(); r.at.IsZero() || now.Sub(r.at) >= reachEvery {
		r.at, r.known = now, addrbook.NetworksOf(netaddr.IPv4)
		if hasIPv6Route() {
			r.known = addrbook.NetworksOf(netaddr.IPv4, netaddr.IPv6)
		}
	}
	return r.known
}

// hasIPv6Route asks the system which address of ours would be used for a global one.
// Nothing is sent: to connect a UDP socket is to look for a route.
func hasIPv6Route() bool {
	conn, err := net.Dial("udp6", "[2000::1]:9") // the first of what IANA gives out
	if err != nil {
		return false
	}
	defer conn.Close()
	local, ok := conn.LocalAddr().(*net.UDPAddr)
	return ok && local.IP.IsGlobalUnicast()
}
