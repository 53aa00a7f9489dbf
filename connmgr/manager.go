package connmgr

import (
	"container/list"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"time"
)

type phase uint8

const (
	phaseNew phase = iota
	phaseRunning
	phaseStopped
)

// What may still run when the manager has stopped.
const (
	busyDials = iota
	busyCallbacks
	busyListeners
	busyEvents
	busyTimers
	busyClosing
	numBusy
)

// ConnManager keeps a node's connections. It is made by New. All its methods are
// safe for concurrent use, and may be called from the owner's callbacks, except
// that Wait, Shutdown and the end of Run wait for the callbacks.
type ConnManager struct {
	cfg    Config
	epoch  time.Time
	ctx    context.Context // of dials
	cancel context.CancelFunc

	mu    sync.Mutex
	phase phase
	lim   Limits
	rng   *rand.Rand

	lastID  uint64
	reqs    map[uint64]*ConnReq // the live requests, by id
	ended   map[uint64]ended    // see remember
	classes map[Class]int       // live requests of Connect's; nil if no class has a limit
	places  places
	calls   map[*ConnReq][]func() // callbacks that wait for the one before

	dials int       // dials of Connect's requests in flight
	queue list.List // of *pending: they wait for a place among MaxPending

	auto      auto
	networks  map[string]*network
	lastNet   *network      // the one that was looked up last
	downCount int           // networks that are down
	changed   time.Duration // when NetworkChanged was called last

	inbound inbound
	stream  stream

	unknownIDs  int                  // Remove and Disconnect of unknown ids, since last told
	unknownSaid time.Time            // when that was
	limitSaid   map[Reason]time.Time // when a limit's EventLimitReached was told

	busy       [numBusy]int
	idle       chan struct{} // closed when stopped and nothing is busy
	idleClosed bool
}

// New returns a manager for cfg, which it copies. It returns ErrDialNil if cfg
// has no dialer.
func New(cfg *Config) (*ConnManager, error) {
	if cfg.Dial == nil && cfg.DialContext == nil {
		return nil, ErrDialNil
	}
	c := cfg.withDefaults()
	cm := &ConnManager{
		cfg:       c,
		epoch:     time.Now(),
		lim:       cfg.limits(),
		rng:       rand.New(c.Rand),
		reqs:      make(map[uint64]*ConnReq),
		ended:     make(map[uint64]ended),
		places:    newPlaces(&c),
		calls:     make(map[*ConnReq][]func()),
		networks:  make(map[string]*network),
		limitSaid: make(map[Reason]time.Time),
		idle:      make(chan struct{}),
	}
	cm.auto.restart()
	cm.countClasses()
	cm.inbound.byHost = make(map[string]int)
	cm.inbound.byPrefix = make(map[string]int)
	cm.inbound.open = make(map[net.Conn]*inboundConn)
	cm.ctx, cm.cancel = context.WithCancel(context.Background())
	return cm, nil
}

// Start begins to accept, to keep the automatic connections, and to dial what
// was submitted before. It returns at once. A second call does nothing, nor does
// one after Stop.
func (cm *ConnManager) Start() {
	var addrs []net.Addr
	for _, l := range cm.cfg.Listeners {
		addrs = append(addrs, l.Addr())
	}
	cm.mu.Lock()
	defer cm.mu.Unlock()
	if cm.phase != phaseNew {
		return
	}
	cm.phase = phaseRunning
	if cm.cfg.OnAccept != nil {
		for i, l := range cm.cfg.Listeners {
			cm.busy[busyListeners]++
			cm.emit(Event{Type: EventListening, Addr: addrs[i], Inbound: true})
			go cm.accept(l, addrs[i])
		}
	}
	for _, c := range cm.reqs {
		cm.begin(c.pend)
	}
	cm.fill()
}

// Stop ends everything: listeners are closed, dials aborted, waiting requests
// canceled, and outbound connections closed, for which OnDisconnection is not
// called. Accepted connections are the owner's. Stop does not wait for dials and
// callbacks to return; Wait and Shutdown do. A second call does nothing.
func (cm *ConnManager) Stop() { cm.halt()() }

// halt stops the manager, and returns what remains to be done: to close the
// listeners and connections, which may take long.
func (cm *ConnManager) halt() func() {
	cm.mu.Lock()
	defer cm.mu.Unlock()
	if cm.phase == phaseStopped {
		return func() {}
	}
	cm.phase = phaseStopped
	cm.cancel()
	cm.stopTimer(cm.auto.wake)
	cm.auto.wake = nil
	conns := make([]net.Conn, 0, len(cm.reqs))
	for _, c := range cm.reqs {
		if c.pend != nil {
			cm.end(c, ConnCanceled, ReasonStopped, nil)
			continue
		}
		conns = append(conns, cm.disconnect(c, ReasonStopped, nil))
	}
	cm.emit(Event{Type: EventStopped, Reason: ReasonStopped})
	cm.busy[busyClosing]++
	return func() {
		for _, l := range cm.cfg.Listeners {
			l.Close() // there is nothing to be done about an error
		}
		for _, conn := range conns {
			conn.Close()
		}
		cm.mu.Lock()
		cm.done(busyClosing)
		cm.mu.Unlock()
	}
}

// Wait blocks until Stop was called and everything has ended that the manager
// began, the owner's callbacks included. It must not be called from a callback.
func (cm *ConnManager) Wait() { <-cm.idle }

// Run starts the manager, and stops it when ctx ends or Stop is called. It
// returns when everything has ended, at most Config.ShutdownTimeout after that,
// with the error of Shutdown.
func (cm *ConnManager) Run(ctx context.Context) error {
	cm.Start()
	select {
	case <-ctx.Done():
	case <-cm.ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cm.cfg.ShutdownTimeout)
	defer cancel()
	return cm.Shutdown(ctx)
}

// Shutdown stops the manager and waits until everything has ended that it began.
// If ctx ends first it returns a *LeftBehind that says what still runs. It may
// be called again, to wait longer.
func (cm *ConnManager) Shutdown(ctx context.Context) error {
	finish := cm.halt()
	go finish()
	select {
	case <-cm.idle:
		return nil
	case <-ctx.Done():
	}
	cm.mu.Lock()
	defer cm.mu.Unlock()
	if cm.idleClosed {
		return nil
	}
	return &LeftBehind{
		Dials:     cm.busy[busyDials],
		Callbacks: cm.busy[busyCallbacks] + cm.busy[busyEvents],
		Listeners: cm.busy[busyListeners] + cm.busy[busyClosing],
		Err:       context.Cause(ctx),
	}
}

// LeftBehind says what still ran when Shutdown ended before it was done.
type LeftBehind struct {
	Dials     int   // dials that ignore their context; what they open is closed at once
	Callbacks int   // callbacks of the owner that have not returned
	Listeners int   // listeners and connections whose Accept or Close has not returned
	Err       error // why Shutdown did not wait longer
}

// Error lists what was left behind.
func (e *LeftBehind) Error() string {
	var left []string
	for _, x := range []struct {
		n    int
		what string
	}{{e.Dials, "dials"}, {e.Callbacks, "callbacks"}, {e.Listeners, "listeners"}} {
		if x.n > 0 {
			left = append(left, fmt.Sprintf("%d %s", x.n, x.what))
		}
	}
	return fmt.Sprintf("connmgr: shutdown left behind %s: %v", strings.Join(left, ", "), e.Err)
}

// Unwrap returns the error of the context that ended.
func (e *LeftBehind) Unwrap() error { return e.Err }

// Limits returns the limits in force.
func (cm *ConnManager) Limits() Limits {
	cm.mu.Lock()
	defer cm.mu.Unlock()
	return cm.lim.clone()
}

// SetLimits changes the limits, from now on: connections that exceed a lower
// limit stay, except for automatic ones above a lower target, of which the
// youngest are ended. An inbound limit that is set while there was none counts
// the connections that are accepted after it.
func (cm *ConnManager) SetLimits(l Limits) {
	cm.mu.Lock()
	cm.lim = l.clone()
	cm.countClasses()
	var conns []net.Conn
	if cm.phase == phaseRunning {
		conns = cm.endExcess()
	}
	if cm.autoState().room() <= 0 {
		cm.endSurplus()
	}
	cm.dequeue()
	cm.fill()
	cm.mu.Unlock()
	for _, conn := range conns {
		conn.Close()
	}
}

// after calls f, with the lock held, when d has passed. The lock must be held.
func (cm *ConnManager) after(d time.Duration, f func()) *time.Timer {
	cm.busy[busyTimers]++
	return time.AfterFunc(d, func() {
		cm.mu.Lock()
		defer cm.mu.Unlock()
		if cm.phase != phaseStopped {
			f()
		}
		cm.done(busyTimers)
	})
}

// stopTimer stops a timer of after, which may be nil. The lock must be held.
func (cm *ConnManager) stopTimer(t *time.Timer) {
	if t != nil && t.Stop() {
		cm.done(busyTimers)
	}
}

// done records that something that was counted as busy has ended. The lock must
// be held.
func (cm *ConnManager) done(what int) {
	cm.busy[what]--
	cm.checkIdle()
}

func (cm *ConnManager) checkIdle() {
	if cm.phase == phaseStopped && cm.busy == [numBusy]int{} && !cm.idleClosed {
		cm.idleClosed = true
		close(cm.idle)
	}
}

// now is the time of an event.
func (cm *ConnManager) now() time.Time { return time.Now() }

// wall is the time of the clock at a time since the manager was made. The clock
// may have been set since then.
func (cm *ConnManager) wall(at time.Duration) time.Time { return cm.now().Add(at - cm.since()) }

// since is the time since the manager was made, by the monotonic clock.
func (cm *ConnManager) since() time.Duration { return time.Since(cm.epoch) }
