package node

import (
	"cmp"
	"slices"
)

// shares is how many of MaxPeers are for automatic peers and for inbound ones. The
// others are for those that the operator chose, and one for short connections.
type shares struct{ target, inbound int }

// divide returns the shares beside so many peers of the operator's choice, and false if
// these are too many. Automatic peers have theirs before inbound ones. They never get
// more than at the start: what is left is for inbound ones.
func (s *settings) divide(chosen int) (shares, bool) {
	free := s.MaxPeers - s.short - chosen
	if free < 0 {
		return shares{}, false
	}
	target := min(s.TargetOutbound, free)
	return shares{target, free - target}, true
}

// share divides the places anew, and has those go whose places are gone. Node.orders
// must be held.
func (n *Node) share() {
	n.mu.Lock()
	before := n.shares
	n.shares, _ = n.cfg.divide(n.wantedFixed()) // it was asked for by who was added
	now := n.shares
	n.mu.Unlock()
	n.limit()
	if now.inbound < before.inbound {
		n.shrink()
	}
}

// limit tells connmgr the shares, which are none while networking is off. Node.orders
// must be held.
func (n *Node) limit() {
	n.mu.Lock()
	s := n.shares
	if n.off {
		s = shares{}
	}
	n.mu.Unlock()
	l := n.cm.Limits()
	inbound := uint32(s.inbound)
	l.TargetOutbound, l.MaxInbound = uint32(s.target), &inbound
	n.cm.SetLimits(l)
}

// inboundPlaces is how many inbound peers there may be.
func (n *Node) inboundPlaces() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.shares.inbound
}

// shrink sends inbound peers away until there are no more than there are places, and, if
// one can be evicted, a place for who knocks. Those who have no claim to stay go first,
// then the youngest.
func (n *Node) shrink() {
	n.evicting.Lock()
	defer n.evicting.Unlock()
	most := n.inboundPlaces()
	left := make(map[uint64]*session)
	for _, s := range n.sessions() {
		if s.inbound && !s.hasEnded() {
			left[s.id] = s
		}
	}
	for len(left) > 0 && len(left) >= most {
		candidates := make([]evictable, 0, len(left))
		for _, s := range left {
			candidates = append(candidates, s.evictable())
		}
		id, ok := evict(candidates)
		switch {
		case ok:
		case len(left) == most:
			return
		default:
			id = slices.MaxFunc(candidates, younger).ID
		}
		s := left[id]
		delete(left, id)
		n.publish(s.event(Event{Kind: KindEvicted, Why: ReasonEvicted, Text: "its place is for a peer of the operator's choice"}))
		s.end(&ending{why: ReasonEvicted})
	}
}

// younger orders by who is to go last: whom the operator trusts, then who was there
// first.
func younger(a, b evictable) int {
	if a.Exempt != b.Exempt {
		if a.Exempt {
			return -1
		}
		return 1
	}
	return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.ID, b.ID))
}
