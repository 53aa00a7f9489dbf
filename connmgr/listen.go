package connmgr

import (
	"errors"
	"net"
	"time"
)

// The pause after a failed Accept doubles from the first to the second, as in
// net/http: out of file descriptors, there is nothing to do but wait.
const (
	minAcceptPause = 5 * time.Millisecond
	maxAcceptPause = time.Second

	// repeatEvery is how often an event that repeats itself, or that a remote
	// peer can cause at will, is told again.
	repeatEvery = 30 * time.Second
)

// accept takes connections from l, which is at addr, until the manager stops or l is closed. It
// runs in a goroutine of its own.
func (cm *ConnManager) accept(l net.Listener, addr net.Addr) {
	var (
		pause time.Duration
		fails int
		said  time.Time
	)
	for {
		conn, err := l.Accept()
		if err == nil {
			pause = 0
			cm.admit(conn)
			continue
		}
		cm.mu.Lock()
		closed := errors.Is(err, net.ErrClosed)
		if cm.phase == phaseStopped || closed {
			if cm.phase != phaseStopped {
				cm.emit(Event{Type: EventAcceptFailed, Reason: ReasonAcceptFailed, Addr: addr, Inbound: true, Err: err, Count: fails + 1})
			}
			cm.done(busyListeners)
			cm.mu.Unlock()
			return
		}
		fails++
		if now := cm.now(); said.IsZero() || now.Sub(said) >= repeatEvery {
			cm.emit(Event{Type: EventAcceptFailed, Reason: ReasonAcceptFailed, Addr: addr, Inbound: true, Err: err, Count: fails})
			said, fails = now, 0
		}
		cm.mu.Unlock()
		pause = min(max(2*pause, minAcceptPause), maxAcceptPause)
		select {
		case <-time.After(pause):
		case <-cm.ctx.Done():
		}
	}
}

// limitReached tells that a limit is full, once in a while; addr is who met it, if it is
// a limit for some. The lock must be held.
func (cm *ConnManager) limitReached(reason Reason, addr net.Addr) {
	now := cm.now()
	if said, ok := cm.limitSaid[reason]; ok && now.Sub(said) < repeatEvery {
		return
	}
	cm.limitSaid[reason] = now
	cm.emit(Event{Type: EventLimitReached, Reason: reason, Addr: addr})
}
