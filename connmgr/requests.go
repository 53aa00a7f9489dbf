package connmgr

import (
	"net"
	"time"
)

// ConnOption changes what Disconnect does.
type ConnOption func(*connOptions)

type connOptions struct {
	triggerReconnect bool
	ifLive           bool
	cause            error
}

// WithTriggerReconnect makes Disconnect connect to the same address again once,
// after the usual wait, even if the request is not permanent. The request keeps
// its slot meanwhile.
func WithTriggerReconnect() ConnOption {
	return func(o *connOptions) { o.triggerReconnect = true }
}

// WithCause gives the owner's reason for a Disconnect, which the event carries.
func WithCause(err error) ConnOption {
	return func(o *connOptions) { o.cause = err }
}

// IfLive makes Disconnect say nothing of an id that is not there: the owner knows that
// the request may have ended meanwhile.
func IfLive() ConnOption {
	return func(o *connOptions) { o.ifLive = true }
}

// established records that p was connected, and reports whether the caller must
// call onConnection and then runCalls. The lock must be held.
func (cm *ConnManager) established(p *pending, conn net.Conn) bool {
	c := p.c
	cm.answer(p, ReasonNone, nil)
	cm.undial(p)
	p.where = whereGone
	c.pend = nil
	c.conn = conn
	c.good = false
	c.up = cm.since()
	c.setState(ConnEstablished)
	cm.place(c, posConnected)
	cm.tell(c, Event{Type: EventConnected})
	if c.automatic {
		cm.autoConnected(c, c.up-p.began)
		if cm.autoState().room() == 0 {
			cm.endSurplus()
		} else if cm.lim.MaxPending > 0 {
			cm.fill() // there may be a place for another dial
		}
	}
	if cm.cfg.OnConnection == nil {
		return false
	}
	if c.calling { // callbacks of an earlier connection are not through
		return cm.call(c, func() { cm.onConnection(c, conn) })
	}
	return cm.call(c, nil)
}

func (cm *ConnManager) onConnection(c *ConnReq, conn net.Conn) {
	cm.guard(func() { cm.cfg.OnConnection(c, conn) })
}

// endSurplus gives up the automatic dials that nobody waits for any more. The
// lock must be held.
func (cm *ConnManager) endSurplus() {
	if cm.auto.count[posDialing]+cm.auto.count[posSlow] == 0 {
		return
	}
	for _, c := range cm.reqs {
		if c.automatic && (c.pos == posDialing || c.pos == posSlow) {
			cm.end(c, ConnCanceled, ReasonSurplus, nil)
		}
	}
}

// failed records that the dial of p failed with err: a permanent request waits
// for its retry, any other ends. It returns the error for Connect. The lock must
// be held.
func (cm *ConnManager) failed(p *pending, err error) error {
	reason := cm.cfg.Classify(p.c.Addr, err)
	if reason == ReasonNone {
		reason = ReasonFailed
	}
	return cm.fail(p, reason, err)
}

// fail is failed for a reason that is known. The lock must be held.
func (cm *ConnManager) fail(p *pending, reason Reason, err error) error {
	c := p.c
	p.reason, p.err = reason, err
	slow := c.pos == posSlow
	outdated := p.where == whereDialing && cm.outdated(p, reason)
	c.setState(ConnFailing)
	cm.tell(c, Event{Type: EventFailed, Reason: reason, Err: err})
	if p.where == whereDialing {
		cm.answer(p, reason, err)
		cm.undial(p)
	}
	cm.place(c, posWaiting)
	failure := p.failure("dial")
	if c.Permanent {
		switch {
		case reason.Local() && p.net.down:
			cm.wait(p, ReasonNetworkDown)
		case outdated:
			c.retries = 0
			cm.retryIn(p, 0)
		default:
			c.failedAgain() // forgotten when the network changes, if it was to blame
			cm.retry(p)
		}
		return failure
	}
	cm.forget(c)
	if !c.automatic {
		cm.remember(c)
		return failure
	}
	switch {
	case slow && reason == ReasonTimedOut:
		// Others took its place long ago.
		cm.auto.unanswered++
	case !cm.networkFor(p).down:
		if !reason.Local() && !slow {
			cm.auto.answered(false)
		}
		cm.autoFailed()
	}
	cm.fill()
	return failure
}

// retry dials p again after the wait that its failures have earned. The lock
// must be held.
func (cm *ConnManager) retry(p *pending) {
	cm.retryIn(p, cm.cfg.Backoff.Wait(uint32(p.c.retries), cm.rng.Float64()))
}

func (cm *ConnManager) retryIn(p *pending, d time.Duration) {
	p.where = whereTimer
	cm.place(p.c, posWaiting)
	p.at = cm.since() + d
	seq := p.seq
	p.timer = cm.after(d, func() {
		if p.where == whereTimer && p.seq == seq {
			p.timer = nil
			cm.begin(p)
		}
	})
	cm.tell(p.c, Event{
		Type: EventRetryAt, Reason: p.reason, Err: p.err,
		At: cm.wall(p.at), Count: int(p.c.retries),
	})
}

// Disconnect ends the connection of a request. A permanent request is connected
// again after a wait, which is the longer the less its connections last; see
// WithTriggerReconnect for others. If an automatic connection is ended, another
// one takes its place.
//
// If the request is not connected, a dial in flight is aborted; a permanent
// request stays, and is retried, and any other is canceled. An unknown id
// does nothing but log.
func (cm *ConnManager) Disconnect(id uint64, options ...ConnOption) {
	var o connOptions
	for _, option := range options {
		option(&o)
	}
	cm.mu.Lock()
	c := cm.reqs[id]
	if !o.ifLive {
		c = cm.lookup(id)
	}
	var conn net.Conn
	switch {
	case c == nil:
	case c.pend != nil && !c.Permanent:
		cm.end(c, ConnCanceled, ReasonDisconnected, o.cause)
	case c.pend != nil:
		if p := c.pend; p.where == whereDialing {
			cm.undial(p)
			p.reason, p.err = ReasonDisconnected, o.cause
			c.failedAgain()
			cm.retry(p)
		}
	case c.Permanent || o.triggerReconnect:
		conn = cm.reconnect(c, o.cause)
	default:
		conn = cm.disconnect(c, ReasonDisconnected, o.cause)
	}
	cm.mu.Unlock()
	if conn != nil {
		conn.Close()
	}
}

// Remove ends a request for good: its connection is closed, or its dial aborted,
// or its retry given up. If it was automatic, another one takes its place. An
// unknown id does nothing but log.
func (cm *ConnManager) Remove(id uint64) { cm.RemoveCause(id, nil) }

// RemoveCause is Remove with the owner's reason, which the event carries.
func (cm *ConnManager) RemoveCause(id uint64, cause error) {
	cm.mu.Lock()
	cm.remove(cm.lookup(id), cause)
}

// RemoveIfLive is RemoveCause that reports whether there was such a request, and says
// nothing if there was none: where several may want to end one, the first does.
func (cm *ConnManager) RemoveIfLive(id uint64, cause error) bool {
	cm.mu.Lock()
	c := cm.reqs[id]
	cm.remove(c, cause)
	return c != nil
}

// remove ends a request, which may be nil, for good. The lock must be held, and is not
// any more when it returns.
func (cm *ConnManager) remove(c *ConnReq, cause error) {
	var conn net.Conn
	switch {
	case c == nil:
	case c.pend != nil:
		cm.end(c, ConnCanceled, ReasonRemoved, cause)
	default:
		conn = cm.disconnect(c, ReasonRemoved, cause)
	}
	cm.mu.Unlock()
	if conn != nil {
		conn.Close()
	}
}

// MarkGood says that a connection is worth having: the owner's handshake is
// done. It counts as proved then, and a permanent request is retried soon when
// the connection ends; with Config.CreditOnGood it must also last. It does
// nothing if the request is not connected.
func (cm *ConnManager) MarkGood(id uint64) {
	cm.mu.Lock()
	defer cm.mu.Unlock()
	c := cm.reqs[id]
	if c == nil || c.pend != nil || c.good {
		return
	}
	c.good = true
	if !cm.cfg.CreditOnGood && !c.automatic {
		c.retries = 0
	}
	cm.tell(c, Event{Type: EventGood})
}

// lookup returns the live request with the id. For any other it returns nil,
// and logs, once in a while, if the manager runs. A one-shot request that failed
// becomes ConnCanceled, as if it had been pending still. The lock must be held.
func (cm *ConnManager) lookup(id uint64) *ConnReq {
	c := cm.reqs[id]
	if c != nil || cm.phase == phaseStopped {
		return c
	}
	if c := cm.recall(id); c != nil {
		c.setState(ConnCanceled)
		return nil
	}
	cm.unknownIDs++
	if now := cm.now(); now.Sub(cm.unknownSaid) >= repeatEvery {
		cm.emit(Event{Type: EventUnknownID, Reason: ReasonUnknownID, ID: id, Count: cm.unknownIDs})
		cm.unknownSaid, cm.unknownIDs = now, 0
	}
	return nil
}

// disconnect ends a connection for good, and returns it for the caller to close
// without the lock. The lock must be held.
func (cm *ConnManager) disconnect(c *ConnReq, reason Reason, cause error) net.Conn {
	conn := c.conn
	cm.end(c, ConnDisconnected, reason, cause)
	if cm.cfg.OnDisconnection != nil && reason != ReasonStopped {
		if cm.call(c, func() { cm.guard(func() { cm.cfg.OnDisconnection(c) }) }) {
			go cm.runCalls(c)
		}
	}
	return conn
}

// reconnect ends a connection that is to be made anew, and returns it for the
// caller to close without the lock. The lock must be held.
func (cm *ConnManager) reconnect(c *ConnReq, cause error) net.Conn {
	conn := c.conn
	c.conn = nil
	if c.automatic {
		cm.autoEnded(c)
	}
	if cm.proven(c) {
		c.retries = 0
	}
	c.failedAgain()
	p := &pending{c: c, where: whereHeld, reason: ReasonDisconnected, err: cause}
	c.pend = p
	c.setState(ConnPending)
	cm.place(c, posWaiting)
	cm.tell(c, Event{Type: EventClosed, Reason: ReasonDisconnected, Err: cause})
	if cm.cfg.OnDisconnection == nil {
		cm.retry(p)
		return conn
	}
	if cm.call(c, func() {
		cm.guard(func() { cm.cfg.OnDisconnection(c) })
		cm.mu.Lock()
		if c.pend == p && p.where == whereHeld {
			cm.retry(p)
		}
		cm.mu.Unlock()
	}) {
		go cm.runCalls(c)
	}
	return conn
}

// proven reports whether the connection of c, which ends now, pays for the
// failures before it. The lock must be held.
func (cm *ConnManager) proven(c *ConnReq) bool {
	up, b := cm.since()-c.up, cm.cfg.Backoff
	if cm.cfg.CreditOnGood {
		return c.good && up >= b.Stable
	}
	return c.good || b.proven(uint32(c.retries), up)
}

// end takes a request from the manager, in whatever state it is, and aborts its
// dial. Its connection, if it has one, is the caller's to close. The lock must
// be held.
func (cm *ConnManager) end(c *ConnReq, state ConnState, reason Reason, cause error) {
	connected := c.pos == posConnected
	if p := c.pend; p != nil {
		p.reason, p.err = reason, cause
	}
	cm.forget(c)
	c.setState(state)
	cm.tell(c, Event{Type: EventClosed, Reason: reason, Err: cause})
	if !c.automatic || cm.phase == phaseStopped {
		return
	}
	if connected && reason != ReasonTargetLower {
		cm.autoEnded(c)
	}
	cm.fill()
}

// forget takes a request from all that the manager keeps. The lock must be held.
func (cm *ConnManager) forget(c *ConnReq) {
	id := c.ID()
	if p := c.pend; p != nil {
		cm.undial(p)
		cm.unlist(p)
		cm.stopTimer(p.timer)
		p.timer = nil
		p.seq++
		p.where = whereGone
		c.pend = nil
		p.wake()
	}
	delete(cm.reqs, id)
	cm.place(c, posNone)
	cm.places.release(id)
	cm.countClass(c, -1)
	c.conn = nil
}
