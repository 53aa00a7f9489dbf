package dnsseed

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"holdfast/netaddr"
)

// DNS does not tell when a node was seen. Bitcoin Core takes 3 to 7 days ago
// (src/net.cpp), so that what peers tell is preferred, and nothing looks fresh that
// may be dead.
const (
	minAge = 3 * 24 * time.Hour
	maxAge = 7 * 24 * time.Hour
)

// Found is an address that a seed gave.
type Found struct {
	Addr     netaddr.Addr
	Services uint64    // Config.Services or Config.Unfiltered
	Seen     time.Time // at random between 3 and 7 days ago
}

// plausible returns the addresses of an answer that are worth having, each once.
func plausible(ips []netip.Addr, port uint16, ok func(netaddr.Addr) bool) []netaddr.Addr {
	var list []netaddr.Addr
	seen := make(map[netaddr.Addr]struct{}, len(ips))
	for _, ip := range ips {
		a := netaddr.Addr{Host: netaddr.FromIP(ip), Port: port}
		if _, again := seen[a]; again || !a.IsValid() {
			continue
		}
		seen[a] = struct{}{}
		if ok(a) {
			list = append(list, a)
		}
	}
	return list
}

// pick takes at most n addresses that are not in given, at random: resolvers sort
// what they answer, and their order is not to choose for us. What it takes is put
// into given.
func pick(list []netaddr.Addr, given map[netaddr.Addr]struct{}, n int, rng *rand.Rand) []netaddr.Addr {
	var taken []netaddr.Addr
	for _, i := range rng.Perm(len(list)) {
		if len(taken) == n {
			break
		}
		if _, again := given[list[i]]; !again {
			given[list[i]] = struct{}{}
			taken = append(taken, list[i])
		}
	}
	return taken
}

// found returns the addresses as the owner gets them.
func found(list []netaddr.Addr, services uint64, now time.Time, rng *rand.Rand) []Found {
	out := make([]Found, len(list))
	for i, a := range list {
		age := minAge + time.Duration(rng.Int64N(int64(maxAge-minAge)))
		out[i] = Found{Addr: a, Services: services, Seen: now.Add(-age)}
	}
	return out
}
