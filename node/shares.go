package node

import (
	"cmp"
	"slices"
	"strconv"
)

// shares is how many of MaxPeers are for automatic peers and for inbound ones. The
// others are for those that the operator chose, and one for short connections.
type shares struct{ target, inbound int }

// PeerLimits are how many peers there may be: what of a Config's numbers can change while
// the node runs. The zero value of each field means what it means there.
type PeerLimits struct {
	MaxPeers       int // Config.MaxPeers
	TargetOutbound int // Config.TargetOutbound
}

// SetPeerLimits replaces the limits. Peers for whom there is no place any more are sent
// away: inbound ones as by an eviction, and of the automatic ones the surplus. It returns
// a *ConfigError for what New would refuse, for fewer places than peers that were chosen
// since, and for what needs another start: to begin with automatic peers, or to have none
// any more. It returns net.ErrClosed after the end. An error changes nothing.
func (n *Node) SetPeerLimits(l PeerLimits) error {
	n.orders.Lock()
	defer n.orders.Unlock()
	if err := n.mayOrder(); err != nil {
		return err
	}
	s := n.cfg
	s.MaxPeers, s.TargetOutbound = l.MaxPeers, l.TargetOutbound
	s.fillDefaults()
	n.mu.Lock()
	fixed := n.wantedFixed()
	n.mu.Unlock()
	err := s.share(fixed)
	switch {
	case err != nil:
		return err
	case s.auto != n.cfg.auto:
		return &ConfigError{"targetoutbound", "", "to begin with automatic peers, or to have none any more, start again"}
	case s.short < n.cfg.short:
		return &ConfigError{"maxpeers", strconv.Itoa(l.MaxPeers), "there is no place for feelers: allow one more"}
	}
	n.mu.Lock()
	n.budget = s.budget()
	n.mu.Unlock()
	n.share()
	return nil
}

// budget is what there is to be shared.
type budget struct {
	most   int // Config.MaxPeers
	target int // Config.TargetOutbound
	short  int // places for short connections
}

func (s *settings) budget() budget { return budget{s.MaxPeers, s.TargetOutbound, s.short} }

// divide returns the shares beside so many peers of the operator's choice, and false if
// these are too many. Automatic peers have theirs before inbound ones. They never get
// more than at the start: what is left is for inbound ones.
func (b budget) divide(chosen int) (shares, bool) {
	free := b.most - b.short - chosen
	if free < 0 {
		return shares{}, false
	}
	target := min(b.target, free)
	return shares{target, free - target}, true
}

// share divides the places anew, and has those go whose places are gone. Node.orders
// must be held.
func (n *Node) share() {
	n.mu.Lock()
	before := n.shares
	n.shares, _ = n.budget.divide(n.wantedFixed()) // it was asked for by who was added
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
// one can be evicted or the operator trusts somebody, a place for who knocks. Those who
// have no claim to stay go first, then the youngest.
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
		rule := EvictedAsLast
		switch {
		case ok:
			rule = ruleFor(candidates, id)
		case len(left) == most && !n.trustsSomebody():
			return
		default:
			last := slices.MaxFunc(candidates, younger)
			if len(left) == most && last.Exempt {
				return
			}
			id = last.ID
		}
		s := left[id]
		delete(left, id)
		n.evict(s, Eviction{EvictedForFewer, rule})
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
