package dashboard

import (
	"sync"
	"time"

	"holdfast/addrbook"
	"holdfast/geodb"
	"holdfast/node"
)

const (
	// viewFor is how long a view is used at least: so often at most is the node asked,
	// however many look.
	viewFor = 250 * time.Millisecond

	// viewShare bounds the work where the node has much to tell, as a list of 100,000
	// bans: a view is used for so many times as long as it took to make.
	viewShare = 20
)

// A view is the node's state at one moment.
type view struct {
	at      time.Time
	until   time.Time // when it is too old
	snap    node.Snapshot
	info    node.Info
	active  bool
	traffic node.Traffic
	book    addrbook.Stats
	places  map[uint64]geodb.Place // of sessions, where they are known; nil if there is no database
}

// views has the last view. It is safe for concurrent use.
type views struct {
	mu   sync.Mutex
	last *view
}

// view returns the state of the node, of the last 250 ms or a little more. It is not to be
// changed.
func (s *Server) view() *view {
	s.views.mu.Lock()
	defer s.views.mu.Unlock()
	now := time.Now()
	if v := s.views.last; v != nil && now.Before(v.until) {
		return v
	}
	n := s.cfg.Node
	v := &view{
		at:      now,
		snap:    n.Snapshot(),
		info:    n.Info(),
		active:  n.NetworkActive(),
		traffic: n.Traffic(),
		book:    n.BookStats(),
	}
	v.places = s.locate(v.snap.Peers)
	v.until = now.Add(max(viewFor, viewShare*time.Since(now)))
	s.views.last = v
	return v
}

// outdated has the next view be a new one.
func (s *Server) outdated() {
	s.views.mu.Lock()
	s.views.last = nil
	s.views.mu.Unlock()
}
