package node

import (
	"fmt"
	"slices"

	"holdfast/connmgr"
	"holdfast/netaddr"
)

// A fixed peer that is given by name is somewhere that is known only when it is
// connected. By then an automatic peer may be there already: connmgr, which knows the
// name, takes them for two. The operator's choice stays, and the automatic one goes.

// whereabouts returns where the other side of a session is, if it is a fixed peer that
// is given by name. Through a proxy nobody knows.
func (s *session) whereabouts() (netaddr.Addr, bool) {
	if _, byName := s.addr.(hostAddr); !byName || !s.permanent || s.private() {
		return netaddr.Addr{}, false
	}
	return endpointOf(s.conn.RemoteAddr())
}

// takenByName reports whether a fixed peer that is given by name is connected at an
// endpoint now, or in its group, so that there is to be no automatic one. Feelers have
// no group.
func (n *Node) takenByName(a netaddr.Addr, class connmgr.Class) bool {
	return slices.ContainsFunc(n.sessions(), func(s *session) bool {
		at, ok := s.whereabouts()
		return ok && !s.hasEnded() && (at == a || class != ClassFeeler && n.sameGroup(at, a))
	})
}

func (n *Node) sameGroup(a, b netaddr.Addr) bool {
	g := n.group(dialable(a))
	return g != "" && g == n.group(dialable(b))
}

// duplicateOf returns the fixed peer by name that makes an automatic session one too
// many.
func (s *session) duplicateOf() (*session, bool) {
	a, ok := endpointOf(s.addr)
	if !ok || s.inbound || s.permanent || s.isShort() {
		return nil, false
	}
	for _, x := range s.n.sessions() {
		at, ok := x.whereabouts()
		if ok && x.info().State == StateReady && !x.hasEnded() && (at == a || s.n.sameGroup(at, a)) {
			return x, true
		}
	}
	return nil, false
}

// endDuplicates ends the automatic sessions that a fixed peer by name, which has become
// ready, makes too many. One that begins later ends itself when it becomes ready.
func (s *session) endDuplicates() {
	if _, ok := s.whereabouts(); !ok {
		return
	}
	for _, x := range s.n.sessions() {
		if of, ok := x.duplicateOf(); ok {
			x.end(duplicate(of))
		}
	}
}

func duplicate(of *session) *ending {
	return &ending{why: ReasonDuplicate, text: fmt.Sprintf("the fixed peer %s is there, or in its network group", of.addr)}
}
