package connmgr

import (
	"container/list"
	"context"
	"errors"
	"net"
	"time"
)

var errNilConn = errors.New("the dialer returned neither a connection nor an error")

// where says what a pending request waits for.
type where uint8

const (
	whereHeld    where = iota // Start, or OnDisconnection to return
	whereTimer                // its next retry
	whereParked               // its network
	whereQueued               // a place among MaxPending
	whereDialing              // its dialer
	whereGone                 // nothing: it is pending no more
)

// pending is what the manager knows of a request while it is not connected.
type pending struct {
	c     *ConnReq
	where where
	seq   uint32 // of the attempt; a dial that returns with another one is not wanted any more
	began time.Duration
	abort context.CancelFunc // of the dial in flight, if it has a context

	timer *time.Timer   // the next retry
	at    time.Duration // when the next retry is
	net   *network
	elem  *list.Element // whereParked, whereQueued: its place there
	turn  *turn         // Connect waits for it

	reason Reason // of the last failure, or of the end
	err    error
}

// turn is what a Connect waits for that cannot dial at once. Connect runs the
// first attempt in its caller's goroutine.
type turn struct {
	came  chan struct{} // closed when the turn came, or never will
	first attempt       // to be made then, if its context is not nil
}

// attempt is one dial of a pending request.
type attempt struct {
	seq uint32
	ctx context.Context
}

// obstacle says why p may not be dialed now, or ReasonNone. The lock must be
// held.
func (cm *ConnManager) obstacle(p *pending) Reason {
	if !cm.mayDial(cm.networkFor(p)) {
		return ReasonNetworkDown
	}
	if most := cm.lim.MaxPending; most > 0 && cm.dials >= most && !p.c.automatic {
		return ReasonMaxPending
	}
	return ReasonNone
}

// begin dials p if it may be dialed now, else puts it where it waits. The lock
// must be held.
func (cm *ConnManager) begin(p *pending) {
	cm.unlist(p)
	if cm.phase != phaseRunning {
		p.where = whereHeld
		return
	}
	reason := cm.obstacle(p)
	if reason != ReasonNone {
		cm.wait(p, reason)
		return
	}
	a := cm.dialNow(p)
	if p.turn != nil {
		p.turn.first = a
		p.wake()
		return
	}
	go cm.attempt(p, a, true)
}

// wait puts p where it waits for the obstacle to go away. Only permanent
// requests wait for a network. The lock must be held.
func (cm *ConnManager) wait(p *pending, reason Reason) {
	switch {
	case reason == ReasonMaxPending:
		p.where = whereQueued
	case p.c.Permanent:
		p.where = whereParked
	default:
		cm.fail(p, reason, nil)
		return
	}
	cm.place(p.c, posWaiting)
	p.elem = cm.waitList(p).PushBack(p)
	cm.tell(p.c, Event{Type: EventRetryAt, Reason: reason, Count: int(p.c.retries)})
	cm.rearm()
}

// waitList is the list in which p waits, or nil. The lock must be held.
func (cm *ConnManager) waitList(p *pending) *list.List {
	switch p.where {
	case whereQueued:
		return &cm.queue
	case whereParked:
		return &p.net.parked
	}
	return nil
}

// unlist takes p from the list in which it waits, if any. The lock must be held.
func (cm *ConnManager) unlist(p *pending) {
	if l := cm.waitList(p); l != nil {
		l.Remove(p.elem)
		p.elem = nil
		p.where = whereHeld
	}
}

// wake lets the Connect that waits for p go on. The lock must be held.
func (p *pending) wake() {
	if p.turn != nil {
		close(p.turn.came)
		p.turn = nil
	}
}

// dialNow records that p is being dialed. The caller must run attempt with what
// it returns, without the lock. The lock must be held.
func (cm *ConnManager) dialNow(p *pending) attempt {
	p.where = whereDialing
	p.seq++
	p.began = cm.since()
	p.c.setState(ConnPending)
	cm.place(p.c, posDialing)
	cm.busy[busyDials]++
	if n := cm.networkFor(p); n.down {
		n.probe = p
	}
	if !p.c.automatic {
		cm.dials++
	} else if cm.lim.MaxPending > 0 {
		cm.auto.unproven = append(cm.auto.unproven, dialing{p, p.seq, p.began})
	}
	cm.tell(p.c, Event{Type: EventDialing})

	a := attempt{seq: p.seq, ctx: cm.ctx}
	switch timeout := cm.cfg.DialTimeout; {
	case cm.cfg.DialContext == nil:
	case timeout > 0:
		a.ctx, p.abort = context.WithTimeout(cm.ctx, timeout)
	default:
		a.ctx, p.abort = context.WithCancel(cm.ctx)
	}
	return a
}

// undial records that the dial of p is over, or not wanted any more: it aborts
// it, and what it returns is not p's. The lock must be held.
func (cm *ConnManager) undial(p *pending) {
	if p.where != whereDialing {
		return
	}
	p.where = whereHeld
	p.seq++
	if p.abort != nil {
		p.abort()
		p.abort = nil
	}
	if p.net.probe == p {
		p.net.probe = nil
		cm.rearm() // another one may probe now
	}
	if p.c.automatic {
		return
	}
	cm.dials--
	cm.dequeue()
}

// dequeue begins the dials that wait for a place, as far as there is one. The
// lock must be held.
func (cm *ConnManager) dequeue() {
	for cm.queue.Len() > 0 && (cm.lim.MaxPending <= 0 || cm.dials < cm.lim.MaxPending) {
		cm.begin(cm.queue.Front().Value.(*pending))
	}
}

// attempt dials p, and hands the connection to the owner. own says that the
// goroutine is the manager's, and may run the owner's callbacks; it is the
// owner's if it is in Connect.
func (cm *ConnManager) attempt(p *pending, a attempt, own bool) error {
	var (
		conn net.Conn
		err  error
	)
	returned := false
	defer func() {
		if !returned { // the dialer panicked, or ended its goroutine
			cm.mu.Lock()
			if p.seq == a.seq {
				cm.failed(p, errNilConn)
			}
			cm.done(busyDials)
			cm.mu.Unlock()
		}
	}()
	if cm.cfg.DialContext != nil {
		conn, err = cm.cfg.DialContext(a.ctx, p.c.Addr)
	} else {
		conn, err = cm.cfg.Dial(p.c.Addr)
	}
	returned = true
	if err == nil && conn == nil {
		err = errNilConn
	}

	cm.mu.Lock()
	if p.seq != a.seq {
		err = p.failure("connect")
	} else if err != nil {
		err = cm.failed(p, err)
	} else if p.c.automatic && cm.autoState().room() <= 0 {
		cm.end(p.c, ConnCanceled, ReasonSurplus, nil)
		err = p.failure("connect")
	} else {
		run := cm.established(p, conn)
		cm.done(busyDials)
		cm.mu.Unlock()
		switch {
		case run && own:
			cm.runFirst(p.c, conn)
		case run:
			go cm.runFirst(p.c, conn)
		}
		return nil
	}
	cm.mu.Unlock()
	if conn != nil {
		conn.Close() // before the dial counts as ended
	}
	cm.mu.Lock()
	cm.done(busyDials)
	cm.mu.Unlock()
	return err
}

// runFirst calls OnConnection, and then what else is to be called for c.
func (cm *ConnManager) runFirst(c *ConnReq, conn net.Conn) {
	defer cm.runCalls(c) // also if the owner's code ends the goroutine
	cm.onConnection(c, conn)
}

// failure is the error of a request that failed or was given up.
func (p *pending) failure(op string) error {
	return &Error{Op: op, ID: p.c.ID(), Addr: p.c.Addr, Reason: p.reason, Err: p.err}
}
