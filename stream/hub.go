// Package stream has the last events of a node for whoever wants to see them: the methods
// of rpc, the dashboard, and all who follow what happens. It is fed by the node's one
// stream of events, and counts nothing itself.
package stream

import (
	"context"
	"log/slog"
	"slices"
	"sync"

	"holdfast/node"
)

// DefaultHistory is how many events a Hub keeps: some hours of a quiet node, in about
// 5 MB.
const DefaultHistory = 5000

// traceShare is how many events a Hub keeps for each that is below debug, which have
// places of their own: a node that knows no address says so twice a second, and all else
// would be forgotten in 40 minutes.
const traceShare = 5

// Hub remembers the last events of a node, and hands them to who follows. It is fed by
// Feed, which never waits for anybody; who is slower than the history is long loses
// events and is told how many. All methods are safe for concurrent use.
type Hub struct {
	mu    sync.Mutex
	main  ring
	trace ring          // those below debug
	next  uint64        // how many events were fed, which is the position of the next one
	last  uint64        // Seq of the newest
	wake  chan struct{} // closed when the next one is; nil if nobody waits
}

// NewHub returns a Hub that keeps so many events, and a fifth as many more of those below
// debug, one at least; 0 means 5000 and 1000.
func NewHub(history int) *Hub {
	if history <= 0 {
		history = DefaultHistory
	}
	return &Hub{main: newRing(history), trace: newRing(max(1, history/traceShare))}
}

// Feed takes an event. It is for node.Config.OnEvent.
func (h *Hub) Feed(e node.Event) {
	h.mu.Lock()
	r := &h.main
	if e.Level() < slog.LevelDebug {
		r = &h.trace
	}
	r.add(entry{h.next, e})
	h.next++
	h.last = e.Seq
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
	return h.last
}

// seqBefore returns the Seq of the event before a position, 0 if there was none. If it is
// not kept any more, it is one between those that are and those that are not.
func (h *Hub) seqBefore(at uint64) uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	if at == 0 {
		return 0
	}
	// The newest is always kept, so there is one from at-1 on.
	e := h.from(at - 1).next()
	if e.at == at-1 {
		return e.Seq
	}
	return e.Seq - 1
}

// at returns the position of the first event with a higher Seq. A Seq that is ahead of
// all is of another run of the node: then that of the oldest.
func (h *Hub) at(since uint64) uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case since == 0:
		return 0
	case since > h.last:
		e := h.from(0).next()
		if e == nil {
			return 0
		}
		return e.at
	}
	higher := func(e *entry) bool { return e.Seq > since }
	i, j := h.main.search(higher), h.trace.search(higher)
	first := (&cursor{&h.main, &h.trace, i, j}).next()
	if first == nil {
		return h.next
	}
	seen := uint64(0) // the position behind the last with no higher Seq
	if i > 0 {
		seen = h.main.get(i-1).at + 1
	}
	if j > 0 {
		seen = max(seen, h.trace.get(j-1).at+1)
	}
	// What lies between was lost, but for what has no higher Seq either.
	return first.at - min(first.at-seen, first.Seq-since-1)
}

// from returns a cursor at the first event that is kept from a position on. h.mu must be
// held while it is used.
func (h *Hub) from(at uint64) *cursor {
	behind := func(e *entry) bool { return e.at >= at }
	return &cursor{&h.main, &h.trace, h.main.search(behind), h.trace.search(behind)}
}

// takeAtOnce is how many events are copied while the feeder waits: some 20 µs.
const takeAtOnce = 256

// take returns the events from a position on that a filter wants, the position behind
// them, and how many were lost before or between them.
func (h *Hub) take(at uint64, f *Filter) (events []node.Event, next, lost uint64) {
	batch := make([]node.Event, 0, takeAtOnce)
	for {
		batch = batch[:0]
		h.mu.Lock()
		for c := h.from(at); len(batch) < takeAtOnce; {
			e := c.next()
			if e == nil {
				break
			}
			lost += e.at - at
			at = e.at + 1
			batch = append(batch, e.Event)
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
