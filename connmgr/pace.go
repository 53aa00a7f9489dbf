package connmgr

import (
	"errors"
	"math"
	"slices"
	"time"
)

const (
	// maxFailedAttempts is how many automatic dials may fail in a row, while no
	// connection is open, before each slot pauses for RetryDuration after a failure. It is btcd's number:
	// with the default of 5 s, a node that reaches nobody makes 1.6 dials a
	// second.
	maxFailedAttempts = 25

	// maxUnanswered, times MaxPending, is how many automatic dials may go
	// unanswered in a row before no more than one is made for each free slot.
	// With a MaxPending of 64 these are 256: where nine of ten addresses are
	// dead, so many in a row do not happen by chance.
	maxUnanswered = 4

	// While slow dials fill MaxPending, one is given up when it is this many
	// times as old as the slowest dial that succeeded lately took, but not
	// before its SYN was sent three times (after 1 and 3 s: RFC 6298).
	patience    = 4
	minPatience = 3500 * time.Millisecond

	// maxStagger bounds how far slow successes can raise the stagger.
	maxStagger = 2 * time.Second

	// rateWeight is the weight of the newest dial in the success rate: about
	// the last eight dials count.
	rateWeight = 1.0 / 8
)

var errOverdue = errors.New("no answer, and others wait for the place")

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

// live reports whether it is being dialed still.
func (d dialing) live() bool { return d.p.seq == d.seq && d.p.where == whereDialing }

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
	if a.newest != nil && cm.autoProven(a.newest) {
		a.failures, a.newest = 0, nil
	}
	was := cm.failing()
	a.failures++
	if !cm.failing() {
		return
	}
	if !was {
		cm.limitReached(ReasonTooManyFails, nil)
	}
	cm.pauseSlot(false)
}

// failing reports whether automatic dials fail too often. Each connection that
// is open allows for as many failures again: where most addresses refuse, some
// still do not. The lock must be held.
func (cm *ConnManager) failing() bool {
	a := &cm.auto
	return a.failures >= maxFailedAttempts*(1+a.count[posConnected]) ||
		a.unanswered >= max(maxFailedAttempts, maxUnanswered*cm.lim.MaxPending)
}

// autoConnected records that an automatic dial of c succeeded after took. It
// does not forget the failures: peers that accept and drop must not make dials
// look worth while. The lock must be held.
func (cm *ConnManager) autoConnected(c *ConnReq, took time.Duration) {
	a := &cm.auto
	a.newest = c
	a.unanswered = 0
	a.answered(true)
	a.slowest = max(took, a.slowest*7/8, 1)
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

// autoProven reports whether an automatic connection has proved itself: dials
// are worth while. MarkGood alone is not enough, since who shakes hands and hangs
// up would be replaced at full speed. The lock must be held.
func (cm *ConnManager) autoProven(c *ConnReq) bool {
	return (c.good || !cm.cfg.CreditOnGood) && cm.cfg.Backoff.proven(0, cm.since()-c.up)
}

// restart forgets what was learned from dials that failed. The lock must be held.
func (a *auto) restart() {
	a.failures, a.unanswered, a.rate = 0, 0, 1
}

// stagger is how long an automatic dial may be silent before it is slow: longer
// than DialStagger where recent dials took longer to succeed. The lock must be
// held.
func (cm *ConnManager) stagger() time.Duration {
	return max(cm.cfg.DialStagger, min(cm.auto.slowest*5/4, maxStagger))
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
		if d.live() {
			if d.began+cm.stagger() > now {
				break
			}
			cm.place(d.p.c, posSlow)
			a.answered(false)
			if len(a.overdue) > 2*cm.lim.MaxPending {
				a.overdue = slices.DeleteFunc(a.overdue, func(d dialing) bool { return !d.live() })
			}
			a.overdue = append(a.overdue, d)
		}
		a.unproven = a.unproven[1:]
	}
	cm.giveUpOverdue(now)
	cm.endPauses(now, false)
	cm.probe()
	cm.fill()
}

// giveUpOverdue gives up the oldest slow dials where they keep better ones from
// being made. The lock must be held.
func (cm *ConnManager) giveUpOverdue(now time.Duration) {
	a := &cm.auto
	for len(a.overdue) > 0 {
		d := a.overdue[0]
		if d.live() {
			if a.slowest == 0 || !cm.autoState().crowded() || now < a.overdueAt() {
				return
			}
			cm.fail(d.p, ReasonTimedOut, errOverdue)
		}
		a.overdue = a.overdue[1:]
	}
}

// overdueAt returns when the oldest slow dial may be given up, if any has ever
// succeeded: several times as long as it took the slowest lately. Where all are
// slow, as through Tor, none is given up.
func (a *auto) overdueAt() time.Duration {
	return a.overdue[0].began + max(minPatience, patience*a.slowest)
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
		at = a.unproven[0].began + cm.stagger()
	}
	if len(a.overdue) > 0 && a.slowest > 0 && cm.autoState().crowded() {
		at = min(at, a.overdueAt())
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
