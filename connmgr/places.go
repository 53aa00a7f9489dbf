package connmgr

import "net"

// places counts who is dialed or connected, by address and by group, so that a
// limit holds from the moment of choosing. It is empty and costs nothing unless
// Config.Unique or Config.Group is set. The manager's lock guards it.
type places struct {
	unique  bool
	group   func(net.Addr) string
	byAddr  map[string]int
	byGroup map[string]int
	held    map[uint64]place // by request id
}

type place struct{ addr, group string }

func newPlaces(cfg *Config) places {
	p := places{unique: cfg.Unique, group: cfg.Group}
	if p.unique || p.group != nil {
		p.byAddr = make(map[string]int)
		p.byGroup = make(map[string]int)
		p.held = make(map[uint64]place)
	}
	return p
}

// of returns the place that a request of addr takes.
func (p *places) of(addr net.Addr, rule ClassRule) place {
	var at place
	if p.unique {
		at.addr = addr.String()
	}
	if p.group != nil && !rule.NoGroup {
		at.group = p.group(addr)
	}
	return at
}

// refuse says why a request of addr may not be taken, or ReasonNone. Only
// automatic requests are refused for their group.
func (p *places) refuse(addr net.Addr, rule ClassRule, automatic bool, maxPerGroup int) Reason {
	if p.held == nil {
		return ReasonNone
	}
	at := p.of(addr, rule)
	switch {
	case at.addr != "" && p.byAddr[at.addr] > 0:
		return ReasonDuplicate
	case automatic && maxPerGroup > 0 && at.group != "" && p.byGroup[at.group] >= maxPerGroup:
		return ReasonGroupFull
	}
	return ReasonNone
}

// take counts the request.
func (p *places) take(id uint64, addr net.Addr, rule ClassRule) {
	if p.held == nil {
		return
	}
	at := p.of(addr, rule)
	p.held[id] = at
	if at.addr != "" {
		p.byAddr[at.addr]++
	}
	if at.group != "" {
		p.byGroup[at.group]++
	}
}

// release undoes take.
func (p *places) release(id uint64) {
	if p.held == nil {
		return
	}
	at := p.held[id]
	delete(p.held, id)
	drop(p.byAddr, at.addr)
	drop(p.byGroup, at.group)
}

// drop takes one from the count of key, and forgets a count of zero.
func drop[K comparable](counts map[K]int, key K) {
	switch n := counts[key]; {
	case n > 1:
		counts[key] = n - 1
	case n == 1:
		delete(counts, key)
	}
}

// countClasses counts the live requests of each class, which is kept up only
// while a class has a limit. The lock must be held.
func (cm *ConnManager) countClasses() {
	cm.classes = nil
	for _, rule := range cm.lim.Classes {
		if rule.Max > 0 {
			cm.classes = make(map[Class]int)
		}
	}
	for _, c := range cm.reqs {
		cm.countClass(c, 1)
	}
}

// countClass adds n, which is 1 or -1, to the count of the class of c. The lock
// must be held.
func (cm *ConnManager) countClass(c *ConnReq, n int) {
	if cm.classes != nil && !c.automatic {
		cm.classes[c.class()] += n
	}
}
