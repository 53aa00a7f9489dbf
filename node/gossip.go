package node

import (
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/btcsuite/btcd/wire/v2"

	"holdfast/addrbook"
	"holdfast/netaddr"
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

	// hearsayAge is by how much older all is taken to be than peers tell. The number is
	// Core's.
	hearsayAge = 2 * time.Hour

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
	s.exchanges()
	s.sendAddrs(s.n.ownFor(s, time.Now()))
	s.addrs.add(getAddrAnswer)
	s.queue(wire.NewMsgGetAddr())
}

// exchanges notes that addresses are exchanged with the peer: with who came by himself when
// he asks for some or tells some, as in Core, and with whom we dialed if we ask him.
func (s *session) exchanges() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.facts.AddrRelay = true
}

// tellOwn tells a peer anew where we are, unless it is too slow to listen.
func (s *session) tellOwn() {
	if msg := s.addrMessage(s.n.ownFor(s, time.Now())); msg != nil {
		select {
		case s.out <- msg:
		default:
		}
	}
}

// handleGetAddr answers who dialed us, and once, as Core does: so nobody can draw
// out all that is known, nor find out who our outbound peers are.
func (s *session) handleGetAddr(wire.Message) {
	if !s.inbound || s.toldAddrs {
		return
	}
	s.toldAddrs = true
	s.exchanges()
	list := s.n.book.Answer(s.network())
	s.sendAddrs(slices.DeleteFunc(list, func(k addrbook.Known) bool { return !s.n.wanted(k.Addr) }))
}

// sendAddrs tells addresses, if there are any.
func (s *session) sendAddrs(list []addrbook.Known) {
	if msg := s.addrMessage(list); msg != nil {
		s.queue(msg)
	}
}

// addrMessage makes a message of addresses, in the form that was agreed on; nil if there
// are none that it can tell.
func (s *session) addrMessage(list []addrbook.Known) wire.Message {
	s.mu.Lock()
	v2 := s.facts.AddrV2
	s.mu.Unlock()
	if v2 {
		if len(list) == 0 {
			return nil
		}
		return newAddrV2List(list)
	}
	msg := newAddrList(list)
	if len(msg.list) == 0 {
		return nil
	}
	return msg
}

// handleAddrs takes the addresses of either message.
func (s *session) handleAddrs(m wire.Message) {
	t := m.(interface{ told() *toldAddrs }).told()
	s.take(t.list, t.count)
}

// take puts told addresses into the book, as many as the limit allows.
func (s *session) take(list []addrbook.Known, told int) {
	now := time.Now()
	allowed := told
	if !s.n.whitelisted(s.host) { // Core: permission addr
		allowed = s.addrs.take(now, told)
	}
	ignored := told - allowed
	if ignored > 0 {
		s.n.shuffle(list) // the peer must not choose which ones count
		list = list[:min(len(list), allowed)]
	}
	s.mu.Lock()
	s.facts.AddrProcessed += uint64(allowed)
	s.facts.AddrRateLimited += uint64(ignored)
	s.mu.Unlock()
	news := 0
	if s.n.cfg.auto {
		s.exchanges()
		news = s.n.learn(list, s.source(), hearsayAge)
	}
	if told > 1 || news > 0 {
		s.n.publish(s.event(Event{Kind: KindAddresses, Told: told, New: news, Ignored: ignored}))
	}
	if told > 1 && s.isFetch() {
		s.end(&ending{why: ReasonProbed})
		return
	}
	if points := uint32(ignored / addrsPerPoint); points > 0 {
		s.offendBy(OffenceAddrFlood, 0, points, "")
	}
}

// learn puts addresses into the book that source told, if they are of use, and
// wakes the connection manager if some are new. It returns how many are. The zero
// Host is ourselves, and what is told is that much older than it is said to be.
func (n *Node) learn(list []addrbook.Known, source netaddr.Host, older time.Duration) int {
	list = slices.DeleteFunc(list, func(k addrbook.Known) bool { return !n.useful(k.Addr) })
	news := n.book.Add(source, older, list...)
	if news > 0 {
		n.cm.NewConnReq()
	}
	return news
}

// useful reports whether an endpoint that somebody told may enter the book.
func (n *Node) useful(a netaddr.Addr) bool {
	if ip, ok := a.Host.IP(); ok && n.cfg.Filter != nil && !n.cfg.Filter(ip) {
		return false
	}
	return n.wanted(a)
}

func (n *Node) shuffle(list []addrbook.Known) {
	n.rngMu.Lock()
	defer n.rngMu.Unlock()
	n.rng.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
}

// ownEndpoints returns where others could reach this node: its listeners at
// routable addresses, which for a listener on all interfaces are those of the
// interfaces.
func ownEndpoints(listeners []net.Listener, allowLocal bool) []netaddr.Addr {
	var own []netaddr.Addr
	for _, l := range listeners {
		e, ok := endpointOf(l.Addr())
		if _, isOnion := l.(onionListener); !ok || isOnion {
			continue
		}
		hosts := []netaddr.Host{e.Host}
		if ip, ok := e.Host.IP(); ok && ip.IsUnspecified() {
			hosts = interfaceHosts()
		}
		for _, h := range hosts {
			if addrbook.Routable(h, allowLocal) && len(own) < maxOwn {
				own = append(own, netaddr.Addr{Host: h, Port: e.Port})
			}
		}
	}
	return own
}

func interfaceHosts() []netaddr.Host {
	addrs, _ := net.InterfaceAddrs() // without them we tell nobody where we are
	var hosts []netaddr.Host
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			hosts = append(hosts, netaddr.FromIP(p.Addr()))
		}
	}
	return hosts
}
