package connmgr

import (
	"context"
	"errors"
	"net"
	"reflect"
)

var errNilReq = errors.New("connmgr: Connect of a nil request")

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
// removed, and the error wraps the cause of ctx; where the dialer is Dial, which
// cannot be aborted, ConnectContext returns when that does. Errors are of type
// *Error.
//
// A request whose state is final may be submitted again; it gets a new id.
func (cm *ConnManager) ConnectContext(ctx context.Context, c *ConnReq) error {
	if c == nil {
		return errNilReq
	}
	if ctx.Err() != nil {
		return &Error{Op: "connect", Addr: c.Addr, Reason: ReasonCanceled, Err: context.Cause(ctx)}
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

// Submit is ConnectContext that waits for no dial: it returns nil when the request
// was taken, and the error with which it was not, as there. What becomes of it then
// is told by events, and ends it only by Remove, Disconnect or Stop.
func (cm *ConnManager) Submit(c *ConnReq) error {
	if c == nil {
		return errNilReq
	}
	cm.mu.Lock()
	defer cm.mu.Unlock()
	p, err := cm.take(c)
	if err != nil {
		return err
	}
	cm.begin(p)
	return nil
}

// submit registers a request of the owner's. If it may be dialed at once it
// returns the attempt to make; else it returns a turn to wait for.
func (cm *ConnManager) submit(c *ConnReq) (*pending, attempt, *turn, error) {
	cm.mu.Lock()
	defer cm.mu.Unlock()
	p, err := cm.take(c)
	if err != nil {
		return nil, attempt{}, nil, err
	}
	reason := ReasonNone
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

// take registers a request of the owner's, or says why it is not taken. The lock must
// be held.
func (cm *ConnManager) take(c *ConnReq) (*pending, error) {
	var reason Reason
	switch {
	case cm.phase == phaseStopped:
		reason = ReasonStopped
	case cm.reqs[c.ID()] == c:
		reason = ReasonInUse
	case isNil(c.Addr):
		reason = ReasonNoAddress
	default:
		reason = cm.refuse(c.Addr, c.class(), false, c.Permanent)
	}
	if reason == ReasonNone {
		c.automatic = false // it may have been, in an earlier life
		return cm.register(c), nil
	}
	if reason == ReasonClassFull {
		cm.limitReached(reason, nil)
	}
	cm.emit(Event{Type: EventRefused, Reason: reason, Addr: c.Addr, Class: c.class()})
	return nil, &Error{Op: "connect", Addr: c.Addr, Reason: reason}
}

// refuse says why a request for addr may not be taken, or ReasonNone. waits says
// that it would wait for its network. The lock must be held.
func (cm *ConnManager) refuse(addr net.Addr, class Class, automatic, waits bool) Reason {
	rule := cm.lim.Classes[class]
	if !automatic && rule.Max > 0 && cm.classes[class] >= rule.Max {
		return ReasonClassFull
	}
	if r := cm.places.refuse(addr, rule, automatic, cm.lim.MaxPerGroup); r != ReasonNone {
		return r
	}
	n := cm.networkNamed(cm.cfg.Network(addr))
	n.automatic = n.automatic || automatic
	if !waits && !cm.mayDial(n) {
		return ReasonNetworkDown
	}
	return ReasonNone
}

// Check says whether a one-shot request for addr would be taken now, without
// making one: it returns nil, or the *Error that ConnectContext would return. An
// empty class means ClassManual; with ClassOutbound it answers for an automatic
// connection.
func (cm *ConnManager) Check(addr net.Addr, class Class) error {
	cm.mu.Lock()
	defer cm.mu.Unlock()
	if class == "" {
		class = ClassManual
	}
	var reason Reason
	switch {
	case cm.phase == phaseStopped:
		reason = ReasonStopped
	case isNil(addr):
		reason = ReasonNoAddress
	default:
		reason = cm.refuse(addr, class, class == ClassOutbound, false)
	}
	if reason == ReasonNone {
		return nil
	}
	return &Error{Op: "connect", Addr: addr, Reason: reason}
}

// isNil reports whether an address is none: nil, or a nil pointer.
func isNil(addr net.Addr) bool {
	if addr == nil {
		return true
	}
	v := reflect.ValueOf(addr)
	return v.Kind() == reflect.Pointer && v.IsNil()
}

// register makes c a live request. The lock must be held.
func (cm *ConnManager) register(c *ConnReq) *pending {
	cm.recall(c.ID())
	cm.lastID++
	c.setTag(cm.lastID, ConnPending)
	c.good, c.retries = false, 0
	p := &pending{c: c}
	c.pend = p
	cm.reqs[cm.lastID] = c
	cm.place(c, posWaiting)
	cm.places.take(cm.lastID, c.Addr, cm.lim.Classes[c.class()])
	cm.countClass(c, 1)
	return p
}
