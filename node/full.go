package node

import (
	"time"

	"holdfast/netaddr"
)

// makeRoom is called with each new inbound session. When it has taken the last
// place, another one is evicted, so that there is always a place for who knocks: the
// limit itself, which is connmgr's, is never exceeded. If nobody can be evicted the
// house is full, and connmgr refuses who comes next. Peers by our onion service have a
// limit of their own: when it is exceeded, one of them is evicted.
func (n *Node) makeRoom(s *session) {
	n.evicting.Lock() // else two who come at once would evict the same one
	defer n.evicting.Unlock()
	var inbound, onion []*session
	for _, x := range n.sessions() {
		if x.inbound && !x.hasEnded() {
			inbound = append(inbound, x)
			if x.network() == netaddr.Onion {
				onion = append(onion, x)
			}
		}
	}
	places, cause := n.inboundPlaces(), EvictedForNewcomer
	crowded := s.network() == netaddr.Onion && len(onion) > n.maxOnionInbound()
	switch {
	case crowded:
		inbound, cause = onion, EvictedForOnion
	case len(inbound) < places:
		return
	}
	if n.discouraged.Has(s.host) && !n.whitelisted(s.host) {
		n.evict(s, Eviction{cause, EvictedAsBad}) // who misbehaved costs nobody his place
		return
	}
	candidates := make([]evictable, 0, len(inbound))
	for _, x := range inbound {
		if x != s {
			candidates = append(candidates, x.evictable())
		}
	}
	id, ok := evict(candidates)
	if !ok {
		if crowded || len(inbound) > places {
			n.evict(s, Eviction{cause, EvictedAsLast}) // connmgr does not know the one limit, and let it in before the other was lowered
		}
		return
	}
	rule := ruleFor(candidates, id)
	for _, x := range inbound {
		if x.id == id {
			n.evict(x, Eviction{cause, rule})
		}
	}
}

// evict ends a session, and tells of it.
func (n *Node) evict(s *session, why Eviction) {
	n.publish(s.event(Event{Kind: KindEvicted, Why: ReasonEvicted, Eviction: why}))
	s.end(&ending{why: ReasonEvicted})
}

// evictable returns what counts for eviction.
func (s *session) evictable() evictable {
	e := evictable{
		ID:          s.id,
		Exempt:      s.n.whitelisted(s.host),
		Discouraged: s.n.discouraged.Has(s.host),
		Group:       s.n.groupKey.of(s.n.group(s.addr)),
		Network:     s.network(),
		Since:       s.since,
		MinPing:     s.keep.shortest(),
	}
	if ip, ok := s.host.IP(); ok {
		e.Local = ip.IsLoopback() && !s.n.cfg.AllowLoopback
	}
	if at := s.useful.Load(); at != 0 {
		e.LastUseful = time.Unix(0, at)
	}
	return e
}
