package node

import (
	"context"
	"math/rand/v2"
	"net"
	"slices"
	"time"

	"github.com/btcsuite/btcd/wire/v2"

	"holdfast/addrbook"
	"holdfast/connmgr"
	"holdfast/dnsseed"
	"holdfast/netaddr"
)

// enoughOutbound is how many outbound peers make seeds unnecessary (Core's
// SEED_OUTBOUND_CONNECTION_THRESHOLD).
const enoughOutbound = 2

// fetchTime bounds a connection to a seed node.
const fetchTime = time.Minute

// askSeeds has the seeds asked while there are too few peers, until ctx ends.
func (n *Node) askSeeds(ctx context.Context) {
	var news int
	var last error
	if len(n.usefulSeeds())+len(n.cfg.SeedNodes) == 0 && len(n.cfg.Seeds) > 0 && n.book.Len() == 0 {
		n.publish(Event{Kind: KindNoSeed})
	}
	cfg := dnsseed.Config{
		Seeds:      n.usefulSeeds(),
		SeedNodes:  n.cfg.SeedNodes,
		Port:       n.cfg.port,
		Services:   uint64(wantedServices),
		Unfiltered: uint64(wire.SFNodeNetwork),
		Resolver:   n.seedResolver(),
		State: func() (known, peers int) {
			c := n.Counts()
			return c.Addresses, c.Outbound
		},
		OnFound: func(_ string, found []dnsseed.Found) {
			list := make([]addrbook.Known, 0, len(found))
			for _, f := range found {
				list = append(list, addrbook.Known(f))
			}
			news = n.learn(list, netaddr.Host{}, 0)
		},
		OnFetch: func(seed string) { n.fetch(ctx, seed) },
		OnEvent: func(e dnsseed.Event) {
			if e.Err != nil {
				last = e.Err
				n.lostResolver(e.Err)
			} else if e.Kind == dnsseed.KindNoneAnswered {
				e.Err = last
			}
			n.seedEvent(e, news)
		},
		NetworkChanged: n.networkChanged,
		Policy:         dnsseed.Policy{EnoughPeers: min(enoughOutbound, n.cfg.TargetOutbound)},
		Rand:           rand.New(n.newSource()),
	}
	if err := dnsseed.Run(ctx, cfg); err != nil {
		n.publish(Event{Kind: KindSeedFailed, Event: connmgr.Event{Err: err}})
	}
}

// seedResolver returns who is asked for seeds.
func (n *Node) seedResolver() Resolver {
	if p := n.cfg.Proxy; p != nil && n.cfg.Resolver == Resolver(p) {
		return provingResolver{n, p}
	}
	return n.cfg.Resolver
}

// usefulSeeds returns the seeds that are asked. DNS knows IP addresses only: where these
// are not wanted, it is not asked.
func (n *Node) usefulSeeds() []Seed {
	if n.ways.only&addrbook.NetworksOf(netaddr.IPv4, netaddr.IPv6) != 0 {
		return n.cfg.Seeds
	}
	return slices.DeleteFunc(slices.Clone(n.cfg.Seeds), func(s Seed) bool {
		host, _, err := net.SplitHostPort(s.Host)
		if err != nil {
			host = s.Host
		}
		return !netaddr.IsOverlayName(host)
	})
}

// seedEvent tells an event of the seeds as one of the node. What they told is in the
// book already; news of it was new.
func (n *Node) seedEvent(e dnsseed.Event, news int) {
	of := Event{Text: e.Seed, Event: connmgr.Event{Err: e.Err}}
	switch e.Kind {
	case dnsseed.KindTold:
		of.Kind, of.Told, of.New = KindSeed, e.Given, news
	case dnsseed.KindFailed, dnsseed.KindMalformed:
		of.Kind = KindSeedFailed
	case dnsseed.KindNoneAnswered:
		of.Kind, of.Told, of.At = KindNoSeed, e.Asked, e.Next
	default:
		return // the connections to seed nodes have events of their own
	}
	n.publish(of)
}

// fetch begins a short connection to a seed node, to ask it for addresses.
func (n *Node) fetch(ctx context.Context, seed string) {
	addr, err := parseAddr(seed, n.cfg.port, false)
	if err != nil {
		return // Config was checked
	}
	for _, s := range n.sessions() {
		if s.isFeeler() { // they have one place
			s.end(&ending{why: ReasonDropped})
		}
	}
	n.fetches.Go(func() {
		// Its events tell how it went.
		_ = n.cm.ConnectContext(ctx, &connmgr.ConnReq{Addr: addr, Class: ClassSeed})
	})
}
