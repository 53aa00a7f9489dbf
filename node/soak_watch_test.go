package node

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"holdfast/connmgr"
)

// What must hold throughout the soak.

// fault tells what is wrong, and when it was. The lock may be held.
func (s *soak) fault(format string, args ...any) {
	if s.faults++; s.faults <= 20 {
		s.t.Errorf("%v: %s", time.Since(s.began).Round(time.Millisecond), fmt.Sprintf(format, args...))
	}
}

// dial is the node's. There is never a second socket to one address, nor one to who
// is banned.
func (s *soak) dial(ctx context.Context, addr net.Addr) (net.Conn, error) {
	key := addr.String()
	s.mu.Lock()
	s.open[key]++
	if n := s.open[key]; n > 1 {
		s.fault("%d connections to %s", n, key)
	}
	if e, ok := endpointOf(addr); ok && !s.fixed[key] {
		// It may have been banned since the node asked.
		if b, banned := s.w.node.bans.Banned(e.Host); banned && time.Since(b.Since) > 2*time.Second {
			s.fault("dialed %s, which is banned: %+v", key, b)
		}
	}
	s.mu.Unlock()
	conn, err := s.w.fabric.Dial(ctx, ourAddr, addr)
	closed := sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.open[key]--; s.open[key] == 0 {
			delete(s.open, key)
		}
	})
	if err != nil {
		closed()
		return nil, err
	}
	return &soakConn{conn, closed}, nil
}

// soakConn tells when it is closed.
type soakConn struct {
	net.Conn
	closed func()
}

func (c *soakConn) Close() error {
	c.closed()
	return c.Conn.Close()
}

// onEvent checks what each event says against those before it.
func (s *soak) onEvent(e Event) {
	s.w.mu.Lock()
	s.w.events = s.w.events[:0] // three days of them are too much
	s.w.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seq++; e.Seq != s.seq {
		s.fault("event %d follows %d", e.Seq, s.seq-1)
		s.seq = e.Seq
	}
	s.kinds[e.Kind]++
	switch e.Kind {
	case KindConnection:
		s.connection(e.Event)
	case KindReady:
		s.join(e)
	case KindLost:
		if _, ok := s.ready[e.Peer.ID]; !ok && e.Class != ClassFeeler && e.Class != ClassSeed {
			s.fault("lost what was no peer: %s", e)
		}
		delete(s.ready, e.Peer.ID)
		s.within(e.Counts)
	case KindOffence:
		if e.Peer.BanScore == 0 && e.Offence != OffenceLateFeature && e.Offence != OffenceBloom && e.Offence != OffenceFilters {
			s.fault("an offence without a score: %s", e)
		}
	case KindBookTrouble, KindBansTrouble, KindUnwatched, KindNoSeed:
		s.fault("%s", e)
	}
}

// connection follows connmgr's own events.
func (s *soak) connection(e connmgr.Event) {
	s.types[e.Type]++
	switch e.Type {
	case connmgr.EventConnected, connmgr.EventAccepted:
		for id, other := range s.conns {
			switch {
			case id == e.ID:
				s.fault("twice connected: %s", e)
			case other.Addr.String() == e.Addr.String():
				s.fault("a second connection to one address: %s", e)
			case e.Class == connmgr.ClassOutbound && other.Class == e.Class && s.w.node.group(other.Addr) == s.w.node.group(e.Addr):
				s.fault("%s and %s are of one group", other.Addr, e.Addr)
			}
		}
		s.conns[e.ID] = e
		s.most = max(s.most, len(s.conns))
		of := make(map[connmgr.Class]int)
		for _, other := range s.conns {
			of[other.Class]++
		}
		if len(s.conns) > soakMax || of[""] > soakInbound || of[connmgr.ClassOutbound] > soakTarget ||
			of[ClassManual] > 2 || of[ClassFeeler] > 1 {
			s.fault("over a limit: %v", of)
		}
	case connmgr.EventClosed:
		delete(s.conns, e.ID)
	case connmgr.EventLost:
		s.fault("%s", e)
	}
}

// join takes note of a new peer.
func (s *soak) join(e Event) {
	p := *e.Peer
	group := s.w.node.group(p.Addr)
	for id, other := range s.ready {
		switch {
		case id == p.ID:
			s.fault("ready again: %s", e)
		case other.Addr.String() == p.Addr.String():
			s.fault("a second peer at one address: %s", e)
		case p.Class == connmgr.ClassOutbound && other.Class == p.Class && s.w.node.group(other.Addr) == group:
			s.fault("the peers %s and %s are of one group", other.Addr, p.Addr)
		}
	}
	if p.State != StateReady || p.BanScore >= defaultBanThreshold {
		s.fault("ready: %+v", p)
	}
	s.ready[p.ID] = p
	s.within(e.Counts)
}

func (s *soak) within(c Counts) {
	if c.Outbound > soakTarget || c.Inbound > soakInbound || c.Permanent > 2 ||
		c.Outbound < 0 || c.Inbound < 0 || c.Permanent < 0 || c.Target != soakTarget || c.Wanted != 2 {
		s.fault("the counts are %+v", c)
	}
}

// check is called when nothing is under way: then all views of the node agree.
func (s *soak) check() {
	n := s.w.node
	snap := n.Snapshot()
	s.mu.Lock()
	defer s.mu.Unlock()
	var got Counts
	addrs, groups := make(map[string]bool), make(map[string]bool)
	inbound := 0
	for _, p := range snap.Peers {
		key := p.Addr.String()
		if addrs[key] {
			s.fault("two sessions with %s", key)
		}
		addrs[key] = true
		if p.Class == connmgr.ClassOutbound {
			if g := n.group(p.Addr); groups[g] {
				s.fault("two sessions with group %s", g)
			} else {
				groups[g] = true
			}
		}
		if e, ok := endpointOf(p.Addr); ok && !p.Permanent {
			if b, banned := n.bans.Banned(e.Host); banned {
				s.fault("%s is connected, and banned: %+v", key, b)
			}
		}
		if p.BanScore >= defaultBanThreshold {
			s.fault("%s has score %d", key, p.BanScore)
		}
		if p.Inbound {
			inbound++
		}
		if p.State != StateReady {
			continue
		}
		if _, ok := s.ready[p.ID]; !ok && p.Class != ClassFeeler && p.Class != ClassSeed {
			s.fault("no event told of %+v", p)
		}
		switch {
		case p.Inbound:
			got.Inbound++
		case p.Permanent:
			got.Permanent++
		case p.Class == connmgr.ClassOutbound:
			got.Outbound++
		}
	}
	c := snap.Counts
	if got.Inbound != c.Inbound || got.Outbound != c.Outbound || got.Permanent != c.Permanent || len(s.ready) != got.Inbound+got.Outbound+got.Permanent {
		s.fault("%d peers by the events, %+v by the sessions, but counted are %+v", len(s.ready), got, c)
	}
	if inbound > soakInbound || len(snap.Peers) > soakMax || snap.Inbound.Open > soakInbound {
		s.fault("%d sessions, %d inbound, %d open", len(snap.Peers), inbound, snap.Inbound.Open)
	}
	s.within(c)
	s.checkSizes(c)
	s.samples++
	if c.Outbound == soakTarget {
		s.atTarget++
	}
}

// checkSizes looks at whatever could grow.
func (s *soak) checkSizes(c Counts) {
	n := s.w.node
	book := n.book.Stats()
	if book.Total.New+book.Total.Tried != c.Addresses || book.Total.New > book.Capacity.New ||
		book.Total.Tried > book.Capacity.Tried || book.Collisions > 10 {
		s.fault("the book has %d addresses, %+v", c.Addresses, book)
	}
	// Each failed dial leaves none of these for ever.
	n.mu.Lock()
	failing, selves, nonces, all := len(n.failing), len(n.selves), len(n.nonces), len(n.all)
	n.mu.Unlock()
	n.turned.mu.Lock()
	told := len(n.turned.told)
	n.turned.mu.Unlock()
	if failing > maxFailing || selves > maxSelves || told > maxTurnedAway || nonces > all {
		s.fault("%d failing, %d selves, %d turned away, %d nonces of %d sessions", failing, selves, told, nonces, all)
	}
	if c.Banned > len(s.w.net.Peers())+200 {
		s.fault("%d bans", c.Banned)
	}
}
