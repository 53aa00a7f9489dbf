package connmgr

import (
	"context"
	"errors"
	"net"
	"runtime"
	"time"
	"weak"
)

var errNilReq = errors.New("connmgr: Connect of a nil request")

// ConnOption changes what Disconnect does.
type ConnOption func(*connOptions)

type connOptions struct {
	triggerReconnect bool
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

// NewConnReq asks for another automatic connection, where fewer than
// TargetOutbound are there or on the way. The manager replaces connections that
// end by itself, so this is needed only to say that GetNewAddress has something
// again: a slot that pauses because it had nothing is filled now. It never dials
// beyond the target, nor faster than the failures so far allow, and it does not
// wait for the dial.
func (cm *ConnManager) NewConnReq() {
	cm.mu.Lock()
	defer cm.mu.Unlock()
	cm.endPauses(cm.since(), true)
	cm.fill()
}

// Connect submits a request and dials it. It returns when the first dial has
// ended; a permanent request is retried after that. Before Start it waits for
// Start; after Stop it does nothing, and the id of the request stays 0. It is
// ConnectContext without context and error.
func (cm *ConnManager) Connect(c *ConnReq) {
	_ = cm.ConnectContext(context.Background(), c)
}

// ConnectContext submits a request and dials it, and returns how the first dial
// ended: nil if it was connected. A permanent request is retried whatever the
// error, unless that is about the request itself: ReasonStopped, ReasonInUse (it
// is with the manager already), ReasonNoAddress (Addr is nil), ReasonDuplicate,
// ReasonClassFull, ReasonNetworkDown (not for permanent requests, which wait).
// Then it was not taken. If ctx ends before the first dial has, the request is
// removed, and the error wraps the cause of ctx. Errors are of type *Error.
//
// A request whose state is final may be submitted again; it gets a new id.
func (cm *ConnManager) ConnectContext(ctx context.Context, c *ConnReq) error {
	if c == nil {
		return errNilReq
	}
	p, a, turn, err := cm.submit(c)
	if err != nil {
		return err
	}
	if ctx.Done() != nil {
		stop := context.AfterFunc(ctx, func() {
			cm.mu.Lock()
			if c.pend == p {
				cm.end(c, ConnCanceled, ReasonCanceled, context.Cause(ctx))
			}
			cm.mu.Unlock()
		})
		defer stop()
	}
	if turn != nil {
		<-turn.came
		var err error
		cm.mu.Lock()
		a = turn.first
		if p.seq != a.seq {
			err = p.failure("connect")
			if a.ctx != nil {
				cm.done(busyDials)
			}
		}
		cm.mu.Unlock()
		if err != nil {
			return err
		}
	}
	return cm.attempt(p, a, false)
}

// submit registers a request of the owner's. If it may be dialed at once it
// returns the attempt to make; else it returns a turn to wait for.
func (cm *ConnManager) submit(c *ConnReq) (*pending, attempt, *turn, error) {
	cm.mu.Lock()
	defer cm.mu.Unlock()
	var reason Reason
	switch {
	case cm.phase == phaseStopped:
		reason = ReasonStopped
	case cm.reqs[c.ID()] == c:
		reason = ReasonInUse
	case c.Addr == nil:
		reason = ReasonNoAddress
	default:
		reason = cm.refuse(c.Addr, c.class(), false)
	}
	if reason != ReasonNone {
		if reason == ReasonClassFull {
			cm.limitReached(reason)
		}
		cm.emit(Event{Type: EventRefused, Reason: reason, Addr: c.Addr, Class: c.class()})
		return nil, attempt{}, nil, &Error{Op: "connect", Addr: c.Addr, Reason: reason}
	}
	p := cm.register(c)
	if cm.phase == phaseRunning {
		reason = cm.obstacle(p)
		if reason == ReasonNone {
			return p, cm.dialNow(p), nil, nil
		}
	}
	wait := &turn{came: make(chan struct{})}
	p.turn = wait
	if reason != ReasonNone {
		cm.wait(p, reason)
	}
	return p, attempt{}, wait, nil
}

// refuse says why a request for addr may not be taken, or ReasonNone. The lock
// must be held.
func (cm *ConnManager) refuse(addr net.Addr, class Class, automatic bool) Reason {
	rule := cm.lim.Classes[class]
	if !automatic && rule.Max > 0 && cm.classes[class] >= rule.Max {
		return ReasonClassFull
	}
	if r := cm.places.refuse(addr, rule, automatic, cm.lim.MaxPerGroup); r != ReasonNone {
		return r
	}
	if automatic && !cm.mayDial(cm.networkNamed(cm.cfg.Network(addr))) {
		return ReasonNetworkDown
	}
	return ReasonNone
}

// Check says whether a request for addr would be taken now, without making one:
// it returns nil, or the *Error that ConnectContext would return. With
// ClassOutbound it answers for an automatic connection.
func (cm *ConnManager) Check(addr net.Addr, class Class) error {
	cm.mu.Lock()
	defer cm.mu.Unlock()
	reason := ReasonStopped
	if cm.phase != phaseStopped {
		reason = cm.refuse(addr, class, class == ClassOutbound)
	}
	if reason == ReasonNone {
		return nil
	}
	return &Error{Op: "connect", Addr: addr, Reason: reason}
}

// register makes c a live request. The lock must be held.
func (cm *ConnManager) register(c *ConnReq) *pending {
	cm.lastID++
	c.id.Store(cm.lastID)
	c.setState(ConnPending)
	c.good, c.retries = false, 0
	p := &pending{c: c}
	c.pend = p
	cm.reqs[cm.lastID] = c
	cm.place(c, posWaiting)
	cm.places.take(cm.lastID, c.Addr, cm.lim.Classes[c.class()])
	cm.countClass(c, 1)
	return p
}

// established records that p was connected, and reports whether the caller must
// call onConnection and then runCalls. The lock must be held.
func (cm *ConnManager) established(p *pending, conn net.Conn) bool {
	c := p.c
	cm.answer(p, ReasonNone)
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
		cm.auto.succeeded(c.up - p.began)
		cm.auto.newest = c
		if cm.autoState().room() == 0 {
			cm.endSurplus()
		}
	}
	if cm.cfg.OnConnection == nil {
		return false
	}
	if c.calls != nil { // callbacks of an earlier connection are not through
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
	c.setState(ConnFailing)
	cm.tell(c, Event{Type: EventFailed, Reason: reason, Err: err})
	if p.where == whereDialing {
		cm.answer(p, reason)
		cm.undial(p)
	}
	cm.place(c, posWaiting)
	failure := p.failure("dial")
	if c.Permanent {
		switch {
		case reason.Local() && p.net.down:
			cm.wait(p, ReasonNetworkDown)
		case !reason.Local():
			c.retries++
			fallthrough
		default:
			cm.retry(p)
		}
		return failure
	}
	cm.forget(c)
	c.setState(ConnFailing)
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
	cm.retryIn(p, cm.cfg.Backoff.Wait(p.c.retries, cm.rng.Float64()))
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
		At: cm.epoch.Add(p.at), Count: int(p.c.retries),
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
	c := cm.lookup(id)
	var conn net.Conn
	switch {
	case c == nil:
	case c.pend != nil && !c.Permanent:
		cm.end(c, ConnCanceled, ReasonDisconnected, o.cause)
	case c.pend != nil:
		if p := c.pend; p.where == whereDialing {
			cm.undial(p)
			p.reason, p.err = ReasonDisconnected, o.cause
			c.retries++
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
	c := cm.lookup(id)
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
// done. A permanent request is retried soon when it ends. An unknown id does
// nothing but log.
func (cm *ConnManager) MarkGood(id uint64) {
	cm.mu.Lock()
	defer cm.mu.Unlock()
	c := cm.lookup(id)
	if c == nil || c.pend != nil || c.good {
		return
	}
	c.good = true
	c.retries = 0
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
	if w, ok := cm.ended[id]; ok {
		delete(cm.ended, id)
		if c := w.Value(); c != nil && c.ID() == id {
			c.setState(ConnCanceled)
		}
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
	up := cm.since() - c.up
	if !cm.cfg.CreditOnGood && cm.cfg.Backoff.proven(c.retries, up) {
		c.retries = 0
	}
	c.retries++
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

// remember keeps a one-shot request that failed within reach of its id, as long
// as its owner has it: Remove must still turn it ConnCanceled, as in btcd.
// Nothing is held in memory for it that is not the owner's.
func (cm *ConnManager) remember(c *ConnReq) {
	id := c.ID()
	cm.ended[id] = weak.Make(c)
	runtime.AddCleanup(c, func(id uint64) {
		cm.mu.Lock()
		delete(cm.ended, id)
		cm.mu.Unlock()
	}, id)
}
