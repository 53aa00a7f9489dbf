package connmgr

import (
	"cmp"
	"math"
	"net"
	"slices"
	"time"
)

const (
	// maxFailedAttempts is how many automatic dials may fail in a row before
	// each slot pauses for RetryDuration after a failure. It is btcd's number:
	// with the default of 5 s, a node that reaches nobody makes 1.6 dials a
	// second.
	maxFailedAttempts = 25

	// maxChoices is how often GetNewAddress is asked for one automatic dial
	// before the slot pauses: addresses that Unique, the groups or a lost
	// network rule out are passed over. btcd, dcrd and Bitcoin Core ask 100
	// times too.
	maxChoices = 100

	// rateWeight is the weight of the newest dial in the success rate: about
	// the last eight dials count.
	rateWeight = 1.0 / 8
)

// position is where a request stands. Each live request is in exactly one.
type position uint8

const (
	posNone      position = iota // not with the manager
	posWaiting                   // not being dialed
	posDialing                   // being dialed
	posSlow                      // an automatic dial that was not answered within DialStagger
	posConnected                 // connected
	numPositions
)

// auto is the state of the automatic connections. The manager's lock guards it.
type auto struct {
	count    [numPositions]int // of automatic requests
	choosing int               // goroutines that ask GetNewAddress
	failures int               // in a row
	rate     float64           // share of recent dials that were answered in time
	newest   *ConnReq          // the newest connection that may still prove itself
	pauses   []pause           // slots that pause
	unproven []dialing         // dials in flight that may become slow, oldest first

	wake   *time.Timer   // calls tick
	wakeAt time.Duration // when it does; meaningless while wake is nil
}

// pause is an automatic slot that is not refilled for a while.
type pause struct {
	until   time.Duration
	starved bool // because GetNewAddress had nothing
}

type dialing struct {
	p     *pending
	seq   uint32
	began time.Duration
}

// autoState is what decides how many automatic dials to begin.
type autoState struct {
	target     int // connections wanted
	connected  int
	waiting    int // requests that keep a slot while they wait for a reconnect
	pausing    int // slots that pause after a failure
	inFlight   int // being chosen or dialed
	slow       int // of these, not answered in time
	maxPending int
	rate       float64
	failing    bool // too many failures in a row
}

// wanted returns how many more automatic dials to begin. It is pure.
//
// Without MaxPending, or while dials keep failing, there is one dial for each
// free slot. With it, a slow dial does not count, and the fewer dials are
// answered the more are made at once; but never more than two for each free
// slot, so that at most one connection is opened in vain for each one kept.
func (s autoState) wanted() int {
	free := s.target - s.connected - s.waiting - s.pausing
	if free <= 0 {
		return 0
	}
	if s.maxPending <= 0 {
		return max(0, free-s.inFlight)
	}
	room := s.maxPending - s.inFlight
	if s.failing {
		return max(0, min(free-s.inFlight, room))
	}
	width := 2 * free
	if s.rate > 0.5 {
		width = int(math.Ceil(float64(free) / s.rate))
	}
	return max(0, min(width-(s.inFlight-s.slow), room))
}

func (cm *ConnManager) autoState() autoState {
	a := &cm.auto
	return autoState{
		target:     int(cm.lim.TargetOutbound),
		connected:  a.count[posConnected],
		waiting:    a.count[posWaiting],
		pausing:    len(a.pauses),
		inFlight:   a.choosing + a.count[posDialing] + a.count[posSlow],
		slow:       a.count[posSlow],
		maxPending: cm.lim.MaxPending,
		rate:       a.rate,
		failing:    a.failures >= maxFailedAttempts,
	}
}

// place moves a request to a position. The lock must be held.
func (cm *ConnManager) place(c *ConnReq, pos position) {
	if c.automatic {
		cm.auto.count[c.pos]--
		cm.auto.count[pos]++
	}
	c.pos = pos
}

// fill begins the automatic dials that are wanted now, and sees to it that it is
// called again when time alone will want more. The lock must be held.
func (cm *ConnManager) fill() {
	if cm.phase != phaseRunning {
		return
	}
	if cm.cfg.GetNewAddress != nil && !cm.allDown() {
		for range cm.autoState().wanted() {
			cm.choose()
		}
	}
	cm.rearm()
}

// choose begins one automatic dial in a goroutine of its own. The lock must be
// held.
func (cm *ConnManager) choose() {
	cm.auto.choosing++
	cm.busy[busyDials]++
	go cm.runAuto()
}

// runAuto asks for an address, dials it, and runs the callbacks that follow.
func (cm *ConnManager) runAuto() {
	p, a := cm.chooseAddress()
	if p != nil {
		cm.attempt(p, a, true)
	}
}

// chooseAddress asks for addresses until one may be dialed, and begins its
// dial. It returns nil if there is none, or no need of one any more.
func (cm *ConnManager) chooseAddress() (*pending, attempt) {
	var (
		addr   net.Addr
		err    error
		reason Reason
	)
	for range maxChoices {
		addr, err = cm.cfg.GetNewAddress()
		if err == nil && addr == nil {
			err = ReasonNoAddress
		}
		cm.mu.Lock()
		if cm.phase == phaseStopped || cm.autoState().room() <= 0 || !cm.mayChoose() {
			cm.auto.choosing--
			cm.done(busyDials)
			cm.rearm()
			cm.mu.Unlock()
			return nil, attempt{}
		}
		if err != nil {
			break
		}
		if reason = cm.refuse(addr, ClassOutbound, true); reason == ReasonNone {
			cm.auto.choosing--
			p := cm.register(&ConnReq{Addr: addr, Class: ClassOutbound, automatic: true})
			a := cm.dialNow(p)
			cm.done(busyDials) // choosing; dialNow counted the dial itself
			cm.rearm()
			cm.mu.Unlock()
			return p, a
		}
		cm.mu.Unlock()
		addr = nil
	}
	if err == nil { // all were refused: the lock is not held
		cm.mu.Lock()
		err = &Error{Op: "connect", Reason: reason}
	}
	defer cm.mu.Unlock()
	cm.auto.choosing--
	cm.emit(Event{Type: EventFailed, Reason: ReasonNoAddress, Class: ClassOutbound, Err: err})
	cm.pauseSlot(true)
	cm.done(busyDials)
	cm.fill()
	return nil, attempt{}
}

// room returns how many more connections there is need of, whoever is on the
// way to them.
func (s autoState) room() int { return s.target - s.connected - s.waiting }

// pauseSlot keeps one automatic slot empty for RetryDuration. The lock must be
// held.
func (cm *ConnManager) pauseSlot(starved bool) {
	if len(cm.auto.pauses) >= int(cm.lim.TargetOutbound) {
		return // all do
	}
	b := cm.cfg.Backoff
	b.Min = cm.cfg.RetryDuration
	cm.auto.pauses = append(cm.auto.pauses, pause{cm.since() + b.Wait(1, cm.rng.Float64()), starved})
}

// endPauses ends the pauses that are over at now, or, if starved is set, also
// those for want of an address. The lock must be held.
func (cm *ConnManager) endPauses(now time.Duration, starved bool) {
	kept := cm.auto.pauses[:0]
	for _, p := range cm.auto.pauses {
		if p.until > now && !(starved && p.starved) {
			kept = append(kept, p)
		}
	}
	cm.auto.pauses = kept
}

// autoFailed records that an automatic dial failed, or that a connection ended
// before it had proved itself. The lock must be held.
func (cm *ConnManager) autoFailed() {
	a := &cm.auto
	if c := a.newest; c != nil && cm.autoProven(c) {
		a.failures = 0
		a.newest = nil
	}
	a.failures++
	if a.failures == maxFailedAttempts {
		cm.limitReached(ReasonTooManyFails)
	}
	if a.failures >= maxFailedAttempts {
		cm.pauseSlot(false)
	}
}

// autoProven reports whether an automatic connection has proved itself: dials
// are worth while. MarkGood alone is not enough here, since who shakes hands and
// hangs up would be replaced at full speed. The lock must be held.
func (cm *ConnManager) autoProven(c *ConnReq) bool {
	return (c.good || !cm.cfg.CreditOnGood) && cm.cfg.Backoff.proven(0, cm.since()-c.up)
}

// autoEnded records that the owner ended an automatic connection. The lock must
// be held.
func (cm *ConnManager) autoEnded(c *ConnReq) {
	if cm.auto.newest == c {
		cm.auto.newest = nil
	}
	if cm.autoProven(c) {
		cm.auto.failures = 0
	} else {
		cm.autoFailed()
	}
}

// answered updates the success rate. The lock must be held.
func (a *auto) answered(ok bool) {
	x := 0.0
	if ok {
		x = 1
	}
	a.rate += (x - a.rate) * rateWeight
}

// tick is called by the clock: dials that were not answered become slow, pauses
// end, networks are probed, and slots are filled.
func (cm *ConnManager) tick() {
	now := cm.since()
	a := &cm.auto
	for len(a.unproven) > 0 {
		d := a.unproven[0]
		live := d.p.seq == d.seq && d.p.where == whereDialing
		if live && d.began+cm.cfg.DialStagger > now {
			break
		}
		if live {
			cm.place(d.p.c, posSlow)
			a.answered(false)
		}
		a.unproven = a.unproven[1:]
	}
	cm.endPauses(now, false)
	cm.probe(now)
	cm.fill()
}

// rearm sets the clock to the next time that something is due by time alone. The
// lock must be held.
func (cm *ConnManager) rearm() {
	if cm.phase != phaseRunning {
		return
	}
	a := &cm.auto
	at := time.Duration(math.MaxInt64)
	if len(a.unproven) > 0 && cm.autoState().room() > 0 {
		at = a.unproven[0].began + cm.cfg.DialStagger
	}
	for _, p := range a.pauses {
		at = min(at, p.until)
	}
	at = min(at, cm.nextProbe())
	if a.wake != nil && a.wakeAt <= at {
		return // it will be set anew then
	}
	cm.stopTimer(a.wake)
	a.wake = nil
	if at < math.MaxInt64 {
		a.wakeAt = at
		a.wake = cm.after(at-cm.since(), func() {
			a.wake = nil
			cm.tick()
		})
	}
}

// endYoungest ends the n youngest automatic connections, and returns them for
// the caller to close without the lock. The lock must be held.
func (cm *ConnManager) endYoungest(n int) []net.Conn {
	var young []*ConnReq
	for _, c := range cm.reqs {
		if c.automatic && c.pos == posConnected {
			young = append(young, c)
		}
	}
	slices.SortFunc(young, func(a, b *ConnReq) int { return cmp.Compare(b.up, a.up) })
	var conns []net.Conn
	for _, c := range young[:min(n, len(young))] {
		conns = append(conns, cm.disconnect(c, ReasonTargetLower, nil))
	}
	return conns
}
