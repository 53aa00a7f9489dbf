package node

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/btcsuite/btcd/wire/v2"

	"holdfast/addrbook"
	"holdfast/connmgr"
	"holdfast/netaddr"
	"holdfast/socks"
)

// What the node knows, for those who ask: copies, of which nothing is kept. The state
// as a whole is Snapshot's.

// Info is what a node is.
type Info struct {
	Network         string // its name, as "mainnet"
	UserAgent       string
	ProtocolVersion uint32
	Services        wire.ServiceFlag // that it tells it serves
	Started         time.Time        // when it was made
	MaxPeers        int
	MaxInbound      int // of these, at most so many that come by themselves
	TargetOutbound  int // and so many automatic ones

	// Proxies are the addresses of the SOCKS5 proxies by network; those that are
	// dialed directly, or not at all, are left out.
	Proxies map[netaddr.Network]string

	// Shared are those of them whose proxy does not keep connections apart: it has
	// them all from one login, or from none. See socks.Dialer.Isolate.
	Shared map[netaddr.Network]bool
}

// Info returns what the node is. MaxInbound and TargetOutbound change with AddPeer and
// RemovePeer, and with MaxPeers by SetPeerLimits.
func (n *Node) Info() Info {
	n.mu.Lock()
	b, s := n.budget, n.shares
	n.mu.Unlock()
	proxies, shared := n.ways.proxyOf()
	return Info{
		Network:         n.cfg.Params.Name,
		UserAgent:       n.cfg.UserAgent,
		ProtocolVersion: wire.ProtocolVersion,
		Services:        n.cfg.Services,
		Started:         n.began,
		MaxPeers:        b.most,
		MaxInbound:      s.inbound,
		TargetOutbound:  s.target,
		Proxies:         proxies,
		Shared:          shared,
	}
}

// proxyOf returns the address of the proxy for each network that has one, and whether
// its connections are not isolated.
func (w *ways) proxyOf() (address map[netaddr.Network]string, shared map[netaddr.Network]bool) {
	address, shared = make(map[netaddr.Network]string), make(map[netaddr.Network]bool)
	for x, p := range map[netaddr.Network]*socks.Dialer{netaddr.IPv4: w.proxy, netaddr.IPv6: w.proxy, netaddr.Onion: w.onion} {
		if p != nil {
			address[x], shared[x] = p.Proxy, !p.Isolate
		}
	}
	return address, shared
}

// Reachable returns the networks on which automatic peers are looked for.
func (n *Node) Reachable() addrbook.Networks { return n.ways.reachable() }

// LocalAddresses returns where others are told that this node is.
func (n *Node) LocalAddresses() []netaddr.Addr {
	list := append([]netaddr.Addr(nil), n.own...)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.onion.IsValid() {
		list = append(list, n.onion)
	}
	return list
}

// Peers returns the sessions by ID, those that shake hands included, as Snapshot does. It
// costs what they cost, where Snapshot copies all bans too.
func (n *Node) Peers() []PeerInfo {
	all := n.sessions()
	slices.SortFunc(all, func(a, b *session) int { return cmp.Compare(a.id, b.id) })
	list := make([]PeerInfo, len(all))
	for i, s := range all {
		list[i] = s.fullInfo()
	}
	return list
}

// PeerCount returns how many Peers there are. Counts has those alone that have shaken
// hands.
func (n *Node) PeerCount() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.all)
}

// Manager returns the state of the connection manager, as in Snapshot.
func (n *Node) Manager() connmgr.Snapshot { return n.cm.Snapshot() }

// BookStats returns the address book in numbers.
func (n *Node) BookStats() addrbook.Stats { return n.book.Stats() }

// Addresses returns some addresses of the book, drawn at random: at most max of them, all
// if that is 0 or less, of one network, or of all if that is 0. Those that are banned are
// left out. It looks at the whole book.
func (n *Node) Addresses(most int, network netaddr.Network) []addrbook.Known {
	var list []addrbook.Known
	for e := range n.book.All() {
		if (network == 0 || e.Addr.Host.Network() == network) && n.wanted(e.Addr) {
			list = append(list, addrbook.Known{Addr: e.Addr, Services: e.Services, Seen: e.Seen})
		}
	}
	n.shuffle(list)
	if most > 0 {
		list = list[:min(len(list), most)]
	}
	return list
}

// AddAddress puts an address into the book, as if its own node had told it, and, with
// tried, as if it had been reached. It is for those who test. It returns a *ConfigError
// if the book does not take it: it is not routable, or there already, or has no place.
func (n *Node) AddAddress(a netaddr.Addr, tried bool) error {
	k := addrbook.Known{Addr: a, Services: uint64(wantedServices), Seen: time.Now()}
	if !a.IsValid() || n.book.Add(a.Host, 0, k) == 0 {
		return &ConfigError{"address", a.String(), "the book does not take it: it is there already, is not routable, or has no place"}
	}
	n.cm.NewConnReq()
	if !tried {
		return nil
	}
	return n.book.Good(a, k.Services)
}

// fullInfo is info with what takes longer to find out.
func (s *session) fullInfo() PeerInfo {
	info := s.info()
	now := time.Now()
	info.MinPing = s.keep.shortest()
	info.PingWait = s.keep.waiting(now)
	info.LastSend, info.LastRecv = timeOf(s.lastSend.Load()), timeOf(s.lastRecv.Load())
	info.SentBy, info.ReceivedBy = s.sent.byCommand(), s.received.byCommand()
	info.Whitelisted = s.n.whitelisted(s.host)
	if s.host.IsValid() {
		info.Group = s.n.groupOf(s.host)
	}
	if ip, ok := s.host.IP(); ok && s.n.cfg.ASMap != nil {
		info.MappedAS = s.n.cfg.ASMap.Lookup(ip)
	}
	return info
}

// timeOf is the inverse of UnixNano, where 0 is never.
func timeOf(nanoseconds int64) time.Time {
	if nanoseconds == 0 {
		return time.Time{}
	}
	return time.Unix(0, nanoseconds)
}

// toldLocal returns what the other side says our address is, if that could be: it is an
// address of the Internet. It proves nothing.
func (n *Node) toldLocal(you wire.NetAddress) netaddr.Addr {
	ip, ok := netip.AddrFromSlice(you.IP)
	if !ok || !addrbook.Routable(netaddr.FromIP(ip), n.cfg.AllowLoopback) {
		return netaddr.Addr{}
	}
	return netaddr.Addr{Host: netaddr.FromIP(ip), Port: you.Port}
}
