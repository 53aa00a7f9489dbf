package node

import (
	"slices"
	"time"

	"holdfast/netaddr"
)

// makeRoom is called with each new inbound session. When it has taken the last
// place, another one is evicted, so that there is always a place for who knocks: the
// limit itself, which is connmgr's, is never exceeded. If nobody can be evicted the
// house is full, and connmgr refuses who comes next; but where the operator trusts
// somebody, whom connmgr does not know either, the youngest without trust has to go, who
// mostly is the new one. Peers by our onion service have a limit of their own: when it is
// exceeded, one of them is evicted.
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
	if s.isDiscouraged() && !n.whitelisted(s.host) {
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
	rule := EvictedAsLast
	if ok {
		rule = ruleFor(candidates, id)
	} else {
		// connmgr does not know the one limit, and let it in before the other was lowered.
		tooMany := crowded || len(inbound) > places
		last := slices.MaxFunc(append(candidates, s.evictable()), younger)
		if !tooMany && (last.Exempt || !n.trustsSomebody()) {
			return
		}
		id = last.ID
	}
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
		Discouraged: s.isDiscouraged(),
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
