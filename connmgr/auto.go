package connmgr

import (
	"cmp"
	"net"
	"slices"
	"sync/atomic"
	"time"
)

const (
	// maxChoices is how often GetNewAddress is asked for one automatic dial
	// before the slot pauses: addresses that Unique or the groups rule out are
	// passed over. btcd, dcrd and Bitcoin Core ask 100 times too.
	maxChoices = 100

	// maxDownChoices is how many addresses of a network that is down are passed
	// over before the slot pauses.
	maxDownChoices = 5
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
	count      [numPositions]int // of automatic requests
	choosing   int               // goroutines that ask GetNewAddress, or will
	unstarted  atomic.Int64      // of these, not started yet
	starting   atomic.Bool       // a goroutine for them is
	failures   int               // since a connection proved itself
	newest     *ConnReq          // the newest connection that may still do so
	unanswered int               // dials that were never answered, since the last connection
	rate       float64           // share of recent dials that were answered in time
	pauses     []pause           // slots that pause
	unproven   []dialing         // dials in flight that may become slow, oldest first
	overdue    []dialing         // those that became slow, oldest first
	slowest    time.Duration     // how long recent dials took to succeed, at most; 0 if none has

	wake   *time.Timer   // calls tick
	wakeAt time.Duration // when it does; meaningless while wake is nil
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
		cm.choose(cm.autoState().wanted())
	}
	cm.rearm()
}

// choose begins n automatic dials. The lock must be held.
func (cm *ConnManager) choose(n int) {
	if n == 0 {
		return
	}
	cm.auto.choosing += n
	cm.busy[busyDials] += n
	cm.auto.unstarted.Add(int64(n))
	cm.startAuto()
}

// startAuto starts a goroutine for automatic dials, unless one is starting.
func (cm *ConnManager) startAuto() {
	if cm.auto.starting.CompareAndSwap(false, true) {
		go cm.runAuto()
	}
}

// runAuto makes automatic dials, one after another, while there are any to be
// made, and runs their callbacks. It starts another goroutine beside it before
// each, so that a dial or a callback that takes its time holds up nobody; where
// they are instant, few are needed.
func (cm *ConnManager) runAuto() {
	cm.auto.starting.Store(false)
	for {
		left := cm.auto.unstarted.Load() - 1
		if left < 0 {
			return
		}
		if !cm.auto.unstarted.CompareAndSwap(left+1, left) {
			continue
		}
		if left > 0 {
			cm.startAuto()
		}
		if p, a := cm.chooseAddress(); p != nil {
			cm.attempt(p, a, true)
		}
	}
}

// chooseAddress asks for addresses until one may be dialed, and begins its
// dial. It returns nil if there is none, or no need of one any more.
func (cm *ConnManager) chooseAddress() (*pending, attempt) {
	var (
		addr   net.Addr
		err    error
		reason Reason
		down   int
	)
	for range maxChoices {
		addr, err = cm.cfg.GetNewAddress()
		if err == nil && isNil(addr) {
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
		if reason = cm.refuse(addr, ClassOutbound, true, false); reason == ReasonNone {
			cm.auto.choosing--
			p := cm.register(&ConnReq{Addr: addr, Class: ClassOutbound, automatic: true})
			a := cm.dialNow(p)
			cm.done(busyDials) // choosing; dialNow counted the dial itself
			cm.rearm()
			cm.mu.Unlock()
			return p, a
		}
		cm.mu.Unlock()
		if reason == ReasonNetworkDown {
			if down++; down >= maxDownChoices {
				break
			}
		}
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

// endExcess ends the automatic requests above the target: first those that wait
// to be connected again, then the youngest connections. It returns what the
// caller is to close without the lock. The lock must be held.
func (cm *ConnManager) endExcess() []net.Conn {
	excess := -cm.autoState().room()
	if excess <= 0 {
		return nil
	}
	var candidates []*ConnReq
	for _, c := range cm.reqs {
		if c.automatic && (c.pos == posWaiting || c.pos == posConnected) {
			candidates = append(candidates, c)
		}
	}
	slices.SortFunc(candidates, func(a, b *ConnReq) int {
		return cmp.Or(cmp.Compare(a.pos, b.pos), cmp.Compare(b.up, a.up))
	})
	var conns []net.Conn
	for _, c := range candidates[:min(excess, len(candidates))] {
		if c.pos == posWaiting {
			cm.end(c, ConnCanceled, ReasonTargetLower, nil)
		} else {
			conns = append(conns, cm.disconnect(c, ReasonTargetLower, nil))
		}
	}
	return conns
}
