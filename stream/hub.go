// Package stream has the last events of a node for whoever wants to see them: the methods
// of rpc, the dashboard, and all who follow what happens. It is fed by the node's one
// stream of events, and counts nothing itself.
package stream

import (
	"context"
	"log/slog"
	"slices"
	"sort"
	"sync"

	"holdfast/node"
)

// DefaultHistory is how many events a Hub keeps: some hours of a quiet node, in about
// 5 MB.
const DefaultHistory = 5000

// Hub remembers the last events of a node, and hands them to who follows. It is fed by
// Feed, which never waits for anybody; who is slower than the history is long loses
// events and is told how many. All methods are safe for concurrent use.
type Hub struct {
	mu   sync.Mutex
	ring []node.Event  // of Hub.next events, event i is at i modulo its length
	next uint64        // how many events were fed
	wake chan struct{} // closed when the next one is; nil if nobody waits
}

// NewHub returns a Hub that keeps so many events; 0 means 5000.
func NewHub(history int) *Hub {
	if history <= 0 {
		history = DefaultHistory
	}
	return &Hub{ring: make([]node.Event, history)}
}

// Feed takes an event. It is for node.Config.OnEvent.
func (h *Hub) Feed(e node.Event) {
	h.mu.Lock()
	h.ring[h.next%uint64(len(h.ring))] = e
	h.next++
	wake := h.wake
	h.wake = nil
	h.mu.Unlock()
	if wake != nil {
		close(wake)
	}
}

// Filter says which events are wanted. The zero Filter wants all.
type Filter struct {
	Since uint64 // only those with a higher Seq

	// Kinds are the names of events, as KindName has them. Empty means all.
	Kinds []string

	// Level is the least level, as slog.LevelInfo. Nil means all.
	Level slog.Leveler

	// Limit is how many of the latest are returned at most. 0 means all.
	Limit int

	// Match, if it is set, is asked last. It must not use the Hub.
	Match func(node.Event) bool
}

func (f *Filter) wants(e node.Event) bool {
	return (f.Level == nil || e.Level() >= f.Level.Level()) &&
		(len(f.Kinds) == 0 || slices.Contains(f.Kinds, KindName(e))) &&
		(f.Match == nil || f.Match(e))
}

// KindName is the name of an event's kind: the node's Kind, or connmgr's Type where it
// is one of connmgr's.
func KindName(e node.Event) string {
	if e.Kind == node.KindConnection {
		return e.Type.String()
	}
	return e.Kind.String()
}

// Recent returns the events that a filter wants, oldest first.
func (h *Hub) Recent(f Filter) []node.Event {
	events, _, _ := h.take(h.at(f.Since), &f)
	if f.Limit > 0 && len(events) > f.Limit {
		events = events[len(events)-f.Limit:]
	}
	return events
}

// Last returns the Seq of the newest event, 0 if there was none.
func (h *Hub) Last() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.last()
}

// last is Last. h.mu must be held.
func (h *Hub) last() uint64 {
	if h.next == 0 {
		return 0
	}
	return h.ring[(h.next-1)%uint64(len(h.ring))].Seq
}

// seqBefore returns the Seq of the event before a position, 0 if there was none. If it is
// not kept any more, it is one between those that are and those that are not.
func (h *Hub) seqBefore(at uint64) uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch oldest := h.oldest(); {
	case at == 0:
		return 0
	case at <= oldest:
		return h.ring[oldest%uint64(len(h.ring))].Seq - 1
	}
	return h.ring[(at-1)%uint64(len(h.ring))].Seq
}

// oldest returns the position of the oldest event that is kept. h.mu must be held.
func (h *Hub) oldest() uint64 { return h.next - min(h.next, uint64(len(h.ring))) }

// at returns the position of the first event with a higher Seq. A Seq that is ahead of
// all is of another run of the node: then that of the oldest.
func (h *Hub) at(since uint64) uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	oldest := h.oldest()
	if since == 0 {
		return 0
	}
	if since > h.last() {
		return oldest
	}
	first := h.ring[oldest%uint64(len(h.ring))].Seq
	if first > since+1 {
		return oldest - min(oldest, first-since-1) // some of those were lost
	}
	n := sort.Search(int(h.next-oldest), func(i int) bool {
		return h.ring[(oldest+uint64(i))%uint64(len(h.ring))].Seq > since
	})
	return oldest + uint64(n)
}

// takeAtOnce is how many events are copied while the feeder waits: some 20 µs.
const takeAtOnce = 256

// take returns the events from a position on that a filter wants, the position behind
// them, and how many were lost before.
func (h *Hub) take(at uint64, f *Filter) (events []node.Event, next, lost uint64) {
	batch := make([]node.Event, 0, takeAtOnce)
	for {
		batch = batch[:0]
		h.mu.Lock()
		if oldest := h.oldest(); at < oldest {
			lost += oldest - at
			at = oldest
		}
		for ; at < h.next && len(batch) < takeAtOnce; at++ {
			batch = append(batch, h.ring[at%uint64(len(h.ring))])
		}
		h.mu.Unlock()
		for _, e := range batch { // a filter may be slow
			if f.wants(e) {
				events = append(events, e)
			}
		}
		if len(batch) < takeAtOnce {
			return events, at, lost
		}
	}
}

// wait waits until there is an event at a position, or ctx ends.
func (h *Hub) wait(ctx context.Context, at uint64) error {
	h.mu.Lock()
	if at < h.next {
		h.mu.Unlock()
		return nil
	}
	if h.wake == nil {
		h.wake = make(chan struct{})
	}
	wake := h.wake
	h.mu.Unlock()
	select {
	case <-wake:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Subscription follows the events. It holds no memory but its place in the history, and
// needs no closing. It is for one goroutine.
type Subscription struct {
	h      *Hub
	filter Filter
	at     uint64
}

// Subscribe follows what a filter wants: all that is kept after Since, and what comes;
// with a Since of 0 only what comes. Limit does not count.
func (h *Hub) Subscribe(f Filter) *Subscription {
	s := &Subscription{h: h, filter: f}
	if f.Since == 0 {
		h.mu.Lock()
		s.at = h.next
		h.mu.Unlock()
	} else {
		s.at = h.at(f.Since)
	}
	return s
}

// Replay is like Subscribe, but with a Since of 0 it begins with the oldest that is kept.
func (h *Hub) Replay(f Filter) *Subscription {
	return &Subscription{h: h, filter: f, at: h.at(f.Since)}
}

// Take returns the events that there are, oldest first, and how many were lost before
// them. It does not wait.
func (s *Subscription) Take() (events []node.Event, lost uint64) {
	events, s.at, lost = s.h.take(s.at, &s.filter)
	return events, lost
}

// Wait waits until there is an event that Take has not seen, wanted or not. It fails with
// the cause of ctx only.
func (s *Subscription) Wait(ctx context.Context) error { return s.h.wait(ctx, s.at) }

// Last returns the Seq of the last event that Take has seen, wanted or not; 0 if none.
func (s *Subscription) Last() uint64 { return s.h.seqBefore(s.at) }

// Next waits for events, and returns all that there are, oldest first; and how many
// were lost before them, wanted or not, because Next was called too late. It fails with
// the cause of ctx only.
func (s *Subscription) Next(ctx context.Context) (events []node.Event, lost uint64, err error) {
	for {
		var n uint64
		events, n = s.Take()
		lost += n
		if len(events) > 0 {
			return events, lost, nil
		}
		if err := s.Wait(ctx); err != nil {
			return nil, lost, err
		}
	}
}
