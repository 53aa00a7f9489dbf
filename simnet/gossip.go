package simnet

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"time"

	"github.com/btcsuite/btcd/wire/v2"
)

// gossipAge is the most by which a told address was seen in the past: an address
// book takes such ones for fresh.
const gossipAge = 3 * time.Hour

// gossip is one address that a peer tells of.
type gossip struct {
	addr     netip.AddrPort
	services wire.ServiceFlag
	seen     time.Time
}

// gossip returns what the peer answers to getaddr: at most 1000 addresses, in an
// order and with ages drawn from rng.
func (p *Peer) gossip(rng *rand.Rand) []gossip {
	var all []gossip
	if p.spec.Gossip != nil {
		for _, a := range p.spec.Gossip {
			a = netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
			all = append(all, gossip{addr: a, services: p.spec.Services})
		}
	} else {
		for _, other := range p.net.peers {
			if a, ok := addrPort(other.Addr()); ok {
				all = append(all, gossip{addr: a, services: other.spec.Services})
			}
		}
	}
	rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	all = all[:min(len(all), wire.MaxAddrPerMsg)]
	now := time.Now()
	for i := range all {
		all[i].seen = now.Add(-time.Duration(rng.Int64N(int64(gossipAge))))
	}
	return all
}

// sendAddrs sends addresses in the form that was agreed on. It sends nothing if
// there are none, since wire refuses an empty list.
func (s *session) sendAddrs(list []gossip) error {
	if len(list) == 0 {
		return nil
	}
	if s.addrV2 {
		msg := wire.NewMsgAddrV2()
		for _, g := range list {
			msg.AddrList = append(msg.AddrList, wire.NetAddressV2FromBytes(
				time.Unix(g.seen.Unix(), 0), g.services, g.addr.Addr().AsSlice(), g.addr.Port()))
		}
		return s.send(msg)
	}
	msg := wire.NewMsgAddr()
	for _, g := range list {
		msg.AddrList = append(msg.AddrList, wire.NewNetAddressTimestamp(
			time.Unix(g.seen.Unix(), 0), g.services, g.addr.Addr().AsSlice(), g.addr.Port()))
	}
	return s.send(msg)
}

// randomAddr draws an IPv4 address as nodes have them: 11.0.0.0 to 99.255.255.255.
func randomAddr(rng *rand.Rand) netip.AddrPort {
	n := rng.Uint32()
	ip := netip.AddrFrom4([4]byte{11 + byte(rng.UintN(89)), byte(n), byte(n >> 8), byte(n >> 16)})
	return netip.AddrPortFrom(ip, 8333)
}

// addrPort returns addr as an IP address and port, if it is one.
func addrPort(addr net.Addr) (netip.AddrPort, bool) {
	if addr == nil {
		return netip.AddrPort{}, false
	}
	ap, err := netip.ParseAddrPort(addr.String())
	if err != nil {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port()), true
}

// netAddress returns addr as the version message carries it: all zero for what is
// not an IP address.
func netAddress(addr net.Addr, services wire.ServiceFlag) *wire.NetAddress {
	ap, ok := addrPort(addr)
	if !ok {
		ap = netip.AddrPortFrom(netip.IPv6Unspecified(), 0)
	}
	return wire.NewNetAddressIPPort(ap.Addr().AsSlice(), ap.Port(), services)
}
