package node

import (
	"encoding/base32"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/btcsuite/btcd/wire/v2"
)

// The limits of told addresses are Core's: one every 10 s, up to 1000 saved up,
// and 1000 more for the answer to our getaddr.
const (
	addrRate      = 0.1
	addrBurst     = 1000
	addrFirst     = 1
	getAddrAnswer = 1000

	// addrsPerPoint is how many addresses over the limit make one point of ban
	// score: an honest node that relays a little too much gets none, one full
	// message of 1000 gets 20.
	addrsPerPoint = 50

	// Times that peers tell are not trusted: what lies ahead by more than a clock
	// may be wrong, or is not set, counts as some days old, and all else as a
	// little older than told. The numbers are Core's.
	clockSkew     = 10 * time.Minute
	unknownAge    = 5 * 24 * time.Hour
	hearsayAge    = 2 * time.Hour
	earliestEpoch = 100000000

	// maxOwn is the most addresses of our own that we tell.
	maxOwn = 4
)

func newAddrBucket() bucket {
	return bucket{tokens: addrFirst, max: addrBurst, rate: addrRate}
}

// greet is what we say first to a new peer that we dialed: where we are, if
// somebody could connect to us there, and that we want addresses.
func (s *session) greet() {
	if s.inbound || !s.n.cfg.auto {
		return
	}
	now := time.Now()
	var own []known
	for _, e := range s.n.own {
		own = append(own, known{e, s.n.cfg.Services, now})
	}
	s.sendAddrs(own)
	s.addrs.add(getAddrAnswer)
	s.queue(wire.NewMsgGetAddr())
}

// handleGetAddr answers who dialed us, and once, as Core does: so nobody can draw
// out all that is known, nor find out who our outbound peers are.
func (s *session) handleGetAddr(wire.Message) {
	if !s.inbound || s.toldAddrs {
		return
	}
	s.toldAddrs = true
	s.sendAddrs(s.n.book.sample(s.n.wanted))
}

// sendAddrs tells addresses, in the form that was agreed on.
func (s *session) sendAddrs(list []known) {
	s.mu.Lock()
	v2 := s.facts.AddrV2
	s.mu.Unlock()
	if v2 {
		msg := wire.NewMsgAddrV2()
		for _, a := range list {
			if b := a.bytes(); b != nil {
				msg.AddrList = append(msg.AddrList, wire.NetAddressV2FromBytes(a.seen, a.services, b, a.port))
			}
		}
		if len(msg.AddrList) > 0 {
			s.queue(msg)
		}
		return
	}
	msg := wire.NewMsgAddr()
	for _, a := range list {
		if a.onion == "" {
			msg.AddrList = append(msg.AddrList, wire.NewNetAddressTimestamp(a.seen, a.services, a.ip.AsSlice(), a.port))
		}
	}
	if len(msg.AddrList) > 0 {
		s.queue(msg)
	}
}

func (s *session) handleAddr(m wire.Message) {
	msg := m.(*wire.MsgAddr)
	list := make([]known, 0, len(msg.AddrList))
	for _, a := range msg.AddrList {
		ip, ok := netip.AddrFromSlice(a.IP)
		if ok {
			list = append(list, known{endpoint{ip: ip.Unmap(), port: a.Port}, a.Services, a.Timestamp})
		}
	}
	s.take(list, len(msg.AddrList))
}

func (s *session) handleAddrV2(m wire.Message) {
	msg := m.(*wire.MsgAddrV2)
	list := make([]known, 0, len(msg.AddrList))
	for _, a := range msg.AddrList {
		e := endpoint{port: a.Port}
		if a.IsTorV3() {
			e.onion = a.Addr.String()
		} else if ip, err := netip.ParseAddr(a.Addr.String()); err == nil {
			e.ip = ip.Unmap()
		} else {
			continue // Tor v2 is no more
		}
		list = append(list, known{e, a.Services, a.Timestamp})
	}
	s.take(list, len(msg.AddrList))
}

// take puts told addresses into the book, as many as the limit allows.
func (s *session) take(list []known, told int) {
	now := time.Now()
	allowed := s.addrs.take(now, told)
	ignored := told - allowed
	if ignored > 0 {
		s.n.shuffle(list) // the peer must not choose which ones count
		list = list[:min(len(list), allowed)]
	}
	news := 0
	if s.n.cfg.auto {
		news = s.n.learn(list, hostOf(s.addr), now)
	}
	if told > 1 || news > 0 {
		s.n.publish(s.event(Event{Kind: KindAddresses, Told: told, New: news, Ignored: ignored}))
	}
	if points := uint32(ignored / addrsPerPoint); points > 0 {
		s.offendBy(OffenceAddrFlood, 0, points, "")
	}
}

// learn puts addresses into the book that source told, if they are of use, and
// wakes the connection manager if some are new. It returns how many are.
func (n *Node) learn(list []known, source string, now time.Time) int {
	useful := list[:0]
	for _, a := range list {
		if !n.useful(a.endpoint) {
			continue
		}
		a.seen = plausible(a.seen, now)
		useful = append(useful, a)
	}
	news := n.book.add(useful, source)
	if news > 0 {
		n.cm.NewConnReq()
	}
	return news
}

// useful reports whether an endpoint that somebody told may enter the book.
func (n *Node) useful(e endpoint) bool {
	if e.port == 0 {
		return false
	}
	if e.ip.IsValid() {
		if !routable(e.ip, n.cfg.AllowLoopback) || n.cfg.Filter != nil && !n.cfg.Filter(e.ip) {
			return false
		}
	}
	return n.wanted(e)
}

// plausible corrects the time at which an address was seen, as told.
func plausible(seen, now time.Time) time.Time {
	if seen.Unix() <= earliestEpoch || seen.After(now.Add(clockSkew)) {
		return now.Add(-unknownAge)
	}
	return seen.Add(-hearsayAge)
}

func (n *Node) shuffle(list []known) {
	n.rngMu.Lock()
	defer n.rngMu.Unlock()
	n.rng.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
}

// bytes returns the address as addrv2 carries it; nil if that cannot be.
func (e endpoint) bytes() []byte {
	if e.onion == "" {
		return e.ip.AsSlice()
	}
	name := strings.ToUpper(strings.TrimSuffix(e.onion, ".onion"))
	raw, err := base32.StdEncoding.DecodeString(name)
	if err != nil || len(raw) < wire.TorV3Size {
		return nil
	}
	return raw[:wire.TorV3Size] // without checksum and version
}

// ownEndpoints returns where others could reach this node: its listeners at
// routable addresses, which for a listener on all interfaces are those of the
// interfaces.
func ownEndpoints(listeners []net.Listener, allowLocal bool) []endpoint {
	var own []endpoint
	for _, l := range listeners {
		e, ok := endpointOf(l.Addr())
		if !ok {
			continue
		}
		ips := []netip.Addr{e.ip}
		if e.ip.IsUnspecified() {
			ips = interfaceAddrs()
		}
		for _, ip := range ips {
			if routable(ip, allowLocal) && len(own) < maxOwn {
				own = append(own, endpoint{ip: ip.Unmap(), port: e.port})
			}
		}
	}
	return own
}

func interfaceAddrs() []netip.Addr {
	addrs, _ := net.InterfaceAddrs() // without them we tell nobody where we are
	var ips []netip.Addr
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			ips = append(ips, p.Addr())
		}
	}
	return ips
}
