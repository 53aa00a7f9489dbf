package connmgr

import (
	"context"
	"log/slog"
	"runtime/debug"
)

// call puts f behind the callbacks of c, and reports whether the caller must see
// to it that runCalls runs. If f is nil, the caller makes a call of its own first.
// The lock must be held.
func (cm *ConnManager) call(c *ConnReq, f func()) bool {
	if f != nil {
		cm.calls[c] = append(cm.calls[c], f)
	}
	if c.calling {
		return false
	}
	c.calling = true
	cm.busy[busyCallbacks]++
	return true
}

// runCalls runs the callbacks of c, one after another, until none is left.
func (cm *ConnManager) runCalls(c *ConnReq) {
	through := false
	defer func() {
		if !through { // the owner's code ended the goroutine
			go cm.runCalls(c)
		}
	}()
	for {
		cm.mu.Lock()
		queue := cm.calls[c]
		if len(queue) == 0 {
			c.calling = false
			cm.done(busyCallbacks)
			cm.mu.Unlock()
			through = true
			return
		}
		if len(queue) == 1 {
			delete(cm.calls, c)
		} else {
			cm.calls[c] = queue[1:]
		}
		cm.mu.Unlock()
		queue[0]()
	}
}

// guard calls f, which is the owner's code, and hands a panic to OnPanic if the
// owner wants it.
func (cm *ConnManager) guard(f func()) {
	if cm.cfg.OnPanic != nil {
		defer func() {
			if v := recover(); v != nil {
				cm.cfg.OnPanic(v, debug.Stack())
			}
		}()
	}
	f()
}

// stream is the queue of events on their way to the owner and the log.
type stream struct {
	seq     uint64
	queue   []Event
	lost    int
	running bool
}

// wanted reports whether somebody wants events of a level.
func (cm *ConnManager) wanted(l slog.Level) bool {
	return cm.cfg.OnEvent != nil || cm.cfg.Logger != nil && cm.cfg.Logger.Enabled(context.Background(), l)
}

// emit appends an event to the stream. It never blocks: when the queue is full
// the event is counted and dropped. The lock must be held.
func (cm *ConnManager) emit(e Event) {
	s := &cm.stream
	if cm.idleClosed || !cm.wanted(e.Level()) {
		return
	}
	s.seq++
	e.Seq, e.Time = s.seq, cm.now()
	if len(s.queue) >= cm.cfg.EventBuffer {
		s.lost++
		return
	}
	s.queue = append(s.queue, e)
	if !s.running {
		s.running = true
		cm.busy[busyEvents]++
		go cm.runStream()
	}
}

// tell emits an event about c. The lock must be held.
func (cm *ConnManager) tell(c *ConnReq, e Event) {
	if !cm.wanted(e.Level()) {
		return
	}
	e.ID, e.Addr, e.Class = c.ID(), c.Addr, c.class()
	cm.emit(e)
}

// takeAll empties the queue. Where events were lost after it had filled, the
// last one returned says so.
func (s *stream) takeAll() []Event {
	events := s.queue
	s.queue = nil
	if s.lost > 0 && len(events) > 0 {
		last := events[len(events)-1]
		s.seq++
		events = append(events, Event{
			Seq: s.seq, Time: last.Time, Type: EventLost, Reason: ReasonLost, Count: s.lost,
		})
		s.lost = 0
	}
	return events
}

// runStream delivers events until none is left.
func (cm *ConnManager) runStream() {
	for {
		cm.mu.Lock()
		events := cm.stream.takeAll()
		if len(events) == 0 {
			cm.stream.running = false
			cm.done(busyEvents)
			cm.mu.Unlock()
			return
		}
		cm.mu.Unlock()
		for _, e := range events {
			cm.deliver(e)
		}
	}
}

func (cm *ConnManager) deliver(e Event) {
	if log := cm.cfg.Logger; log != nil && log.Enabled(context.Background(), e.Level()) {
		log.Log(context.Background(), e.Level(), e.String())
	}
	if cm.cfg.OnEvent != nil {
		cm.guard(func() { cm.cfg.OnEvent(e) })
	}
}

// Publish puts an event of the owner's into the stream, in order with the
// manager's own. Type, Seq and Time are filled in; the rest is handed through,
// Detail being for whatever the owner wants to say. It never blocks.
func (cm *ConnManager) Publish(e Event) {
	e.Type = EventOwner
	cm.mu.Lock()
	defer cm.mu.Unlock()
	cm.emit(e)
}
