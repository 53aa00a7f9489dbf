package node

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"holdfast/connmgr"
	"holdfast/netaddr"
)

// The peers that the operator chose: those of Config.Connect and AddPeer, those that
// were added since, and those that are tried once. What becomes of them is connmgr's to
// know; here is only who they are.

// The errors of AddPeer, RemovePeer and TryPeer.
var (
	ErrAdded        = errors.New("node: that peer was added already")
	ErrNotAdded     = errors.New("node: that peer was not added")
	ErrTooManyAdded = errors.New("node: there are as many added peers as may be: remove one, or allow more by maxaddpeers or maxpeers")
	ErrNotRunning   = errors.New("node: it does not run yet")
)

// addedPeer is a peer to keep.
type addedPeer struct {
	text string // as it was given
	req  *connmgr.ConnReq
	over *ending // why it is tried no more; nil if it is. Node.mu guards it
}

// AddedPeer is a peer that the operator chose to keep, and what becomes of it.
type AddedPeer struct {
	Addr string // as it was given

	// Peer is its session, which may be in its handshake; nil if it is not connected.
	Peer *PeerInfo

	// State is that of connmgr's request. Reason and Err say why it is not connected:
	// the end of the last attempt or connection. They are none before the first.
	State  connmgr.ConnState
	Reason connmgr.Reason
	Err    error

	// NextTry is when it is dialed next; zero if it is being dialed, or waits for
	// something else than a time.
	NextTry time.Time
}

// AddPeer keeps a peer from now on, as Config.AddPeer does: it is dialed for ever, also
// where Config.Connect is set. It takes the place of an inbound peer, or where there is
// none that of an automatic one, so MaxPeers holds. Is there an automatic connection to
// the address, it is ended, and a new one made.
//
// It returns a *ConfigError if addr is malformed or on a network that cannot be
// reached, ErrAdded if it is there already, ErrTooManyAdded above MaxAddPeers or
// MaxPeers, and net.ErrClosed after the end. Before Run it is kept for Run.
func (n *Node) AddPeer(addr string) error {
	text := strings.TrimSpace(addr)
	parsed, err := n.cfg.parseChosen("addpeer", text)
	if err != nil {
		return err
	}
	n.orders.Lock()
	defer n.orders.Unlock()
	a := &addedPeer{text: text, req: &connmgr.ConnReq{Addr: parsed, Permanent: true, Class: ClassManual}}
	if err := n.keep(a); err != nil {
		return err
	}
	n.share()
	n.publish(Event{Kind: KindAdded, Event: connmgr.Event{Addr: parsed, Class: ClassManual}})
	if n.mayConnect() == nil {
		n.connect(a)
	}
	return nil
}

// RemovePeer undoes AddPeer, or forgets a peer of Config.AddPeer or Connect: its
// connection is ended, and it is not dialed again. The place is for others. It returns
// ErrNotAdded if there is none such, and net.ErrClosed after the end.
func (n *Node) RemovePeer(addr string) error {
	parsed, err := parseAddr(strings.TrimSpace(addr), n.cfg.port, false)
	if err != nil {
		return ErrNotAdded
	}
	n.orders.Lock()
	defer n.orders.Unlock()
	if err := n.mayOrder(); err != nil {
		return err
	}
	a := n.forgetAdded(parsed)
	if a == nil {
		return ErrNotAdded
	}
	n.publish(Event{Kind: KindRemoved, Event: connmgr.Event{Addr: parsed, Class: a.req.Class}})
	why := &ending{why: ReasonOperator, text: "it was removed"}
	for _, s := range n.sessions() {
		if s.req == a.req {
			s.end(why)
		}
	}
	n.cm.RemoveIfLive(a.req.ID(), why)
	n.share()
	return nil
}

// AddedPeers returns the peers that are kept, in the order in which they were added;
// those of Config first.
func (n *Node) AddedPeers() []AddedPeer {
	n.mu.Lock()
	added := slices.Clone(n.added)
	over := make([]*ending, len(added))
	for i, a := range added {
		over[i] = a.over
	}
	n.mu.Unlock()
	live := make(map[uint64]connmgr.RequestInfo)
	for _, r := range n.cm.Snapshot().Requests {
		live[r.ID] = r
	}
	sessions := make(map[*connmgr.ConnReq]*session)
	for _, s := range n.sessions() {
		if s.req != nil {
			sessions[s.req] = s
		}
	}
	list := make([]AddedPeer, len(added))
	for i, a := range added {
		p := AddedPeer{Addr: a.text, State: a.req.State()}
		r, isLive := live[a.req.ID()]
		switch {
		case isLive:
			p.State, p.Reason, p.Err, p.NextTry = r.State, r.Reason, r.Err, r.Next
		case over[i] != nil:
			p.Reason, p.Err = connmgr.ReasonRemoved, over[i]
		case !n.NetworkActive():
			p.Reason, p.Err = connmgr.ReasonRemoved, ReasonNetworkOff
		}
		if s := sessions[a.req]; s != nil && isLive {
			info := s.fullInfo()
			p.Peer = &info
		}
		list[i] = p
	}
	return list
}

// TryPeer dials a peer once, in the background: its events tell how it went. If it can
// be connected it stays until its connection ends, in a place as AddPeer takes one; at
// most MaxAddPeers are tried or stay so at once. A peer that is kept, and waits for the
// time of its next try, is dialed now instead, and stays a kept one; its waits begin anew.
//
// It returns a *ConfigError if addr is malformed or cannot be reached, ErrTooManyAdded
// where there is no place, ErrNotRunning before Run and net.ErrClosed after it,
// ReasonNetworkOff while networking is off, and what connmgr's Check does if there is a
// request for the address (connmgr.ReasonDuplicate) or its network is down.
func (n *Node) TryPeer(addr string) error {
	parsed, err := n.cfg.parseChosen("trypeer", strings.TrimSpace(addr))
	if err != nil {
		return err
	}
	n.orders.Lock()
	defer n.orders.Unlock()
	if err := n.mayConnect(); err != nil {
		return err
	}
	if err := n.cm.Check(parsed, ClassTry); err != nil {
		if n.tryAdded(parsed) {
			return nil
		}
		return fmt.Errorf("node: %w", err)
	}
	if !n.takeTry(parsed) {
		return ErrTooManyAdded
	}
	n.share()
	n.fetches.Go(func() {
		req := &connmgr.ConnReq{Addr: parsed, Class: ClassTry}
		if n.cm.ConnectContext(n.ctx, req) != nil { // else its session does this
			n.endTry(parsed)
		}
	})
	return nil
}

// tryAdded dials a peer that is kept now, if it waits for its time, and reports whether
// it did. Node.orders must be held.
func (n *Node) tryAdded(addr net.Addr) bool {
	requests := n.cm.Snapshot().Requests
	n.mu.Lock()
	i := slices.IndexFunc(n.added, func(a *addedPeer) bool { return a.req.Addr.String() == addr.String() })
	if i < 0 {
		n.mu.Unlock()
		return false
	}
	old := n.added[i]
	id := old.req.ID()
	if !slices.ContainsFunc(requests, func(r connmgr.RequestInfo) bool { return r.ID == id && !r.Next.IsZero() }) {
		n.mu.Unlock()
		return false
	}
	// It is a new request, so that a session which the old one just may have begun does
	// not take it for its own.
	req := &connmgr.ConnReq{Addr: old.req.Addr, Permanent: true, Class: old.req.Class}
	a := &addedPeer{text: old.text, req: req}
	n.added[i] = a
	n.mu.Unlock()
	n.cm.RemoveIfLive(id, &ending{why: ReasonOperator, text: "it is dialed now"})
	n.connect(a)
	return true
}

// parseChosen reads the address of a peer that the operator chooses. Its error is a
// *ConfigError.
func (s *settings) parseChosen(field, text string) (net.Addr, error) {
	addr, err := parseAddr(text, s.port, false)
	if err == nil {
		_, err = s.ways.to(addr)
	}
	if err != nil {
		return nil, &ConfigError{field, text, err.Error()}
	}
	return addr, nil
}

// keep takes a among the added, if it may be.
func (n *Node) keep(a *addedPeer) error {
	if err := n.mayOrder(); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	manual := 0
	for _, x := range n.added {
		if x.req.Addr.String() == a.req.Addr.String() {
			return ErrAdded
		}
		if x.req.Class == ClassManual {
			manual++
		}
	}
	if _, ok := n.budget.divide(n.wantedFixed() + 1); !ok || manual >= n.cfg.MaxAddPeers {
		return ErrTooManyAdded
	}
	n.added = append(n.added, a)
	n.choose(a.req.Addr, 1)
	return nil
}

// forgetAdded undoes keep. It returns nil if the address is not among the added.
func (n *Node) forgetAdded(addr net.Addr) *addedPeer {
	n.mu.Lock()
	defer n.mu.Unlock()
	i := slices.IndexFunc(n.added, func(a *addedPeer) bool { return a.req.Addr.String() == addr.String() })
	if i < 0 {
		return nil
	}
	a := n.added[i]
	n.added = slices.Delete(n.added, i, i+1)
	n.choose(addr, -1)
	return a
}

// takeTry takes a place for a peer that is tried, and reports whether there is one.
func (n *Node) takeTry(addr net.Addr) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, ok := n.budget.divide(n.wantedFixed() + 1); !ok || n.tries >= n.cfg.MaxAddPeers {
		return false
	}
	n.tries++
	n.choose(addr, 1)
	return true
}

// endTry gives back the place of a peer that was tried.
func (n *Node) endTry(addr net.Addr) {
	n.orders.Lock()
	defer n.orders.Unlock()
	n.mu.Lock()
	n.tries--
	n.choose(addr, -1)
	n.mu.Unlock()
	n.share()
}

// wantedFixed is how many places are the operator's choice. The lock must be held.
func (n *Node) wantedFixed() int { return len(n.added) + n.tries }

// choose counts by how many choices of the operator's an endpoint is excluded from
// automatic dials. The lock must be held.
func (n *Node) choose(addr net.Addr, by int) {
	e, ok := endpointOf(addr)
	if !ok {
		return // named.go sees to these
	}
	if n.chosen[e] += by; n.chosen[e] == 0 {
		delete(n.chosen, e)
	}
}

// isChosen reports whether an endpoint is a peer of the operator's choice: such ones
// are never dialed automatically.
func (n *Node) isChosen(a netaddr.Addr) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.chosen[a] > 0
}

// isAdded reports whether a request is that of a peer to keep.
func (n *Node) isAdded(req *connmgr.ConnReq) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.ContainsFunc(n.added, func(a *addedPeer) bool { return a.req == req })
}

// giveUp remembers that an added peer is tried no more, and why.
func (n *Node) giveUp(req *connmgr.ConnReq, why *ending) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, a := range n.added {
		if a.req == req {
			a.over = why
		}
	}
}

// connectAdded hands all added peers to connmgr. Node.orders must be held.
func (n *Node) connectAdded() {
	if n.mayConnect() != nil {
		return
	}
	n.mu.Lock()
	added := slices.Clone(n.added)
	n.mu.Unlock()
	for _, a := range added {
		n.connect(a)
	}
}

// connect hands an added peer to connmgr. Whoever is at the address by another choice
// makes room: there is to be one connection to it, and one that lasts. Node.orders must
// be held.
func (n *Node) connect(a *addedPeer) {
	n.mu.Lock()
	a.over = nil
	n.mu.Unlock()
	// It is among the chosen, so that no new ones come; only those that were on
	// their way.
	for errors.Is(n.cm.Submit(a.req), connmgr.ReasonDuplicate) {
		for _, id := range n.cm.Lookup(a.req.Addr) {
			n.cm.RemoveIfLive(id, &ending{why: ReasonDropped, text: "it is an added peer from now on"})
		}
	}
}
