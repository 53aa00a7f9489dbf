package connmgr

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var seedFlag = flag.Uint64("seed", 0, "replay a test with the seed that its failure printed")

// newRand returns a random source, and prints its seed if the test fails.
func newRand(t testing.TB) rand.Source {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("replay with -seed=%d", seed)
		}
	})
	return rand.NewPCG(seed, 0)
}

// addrN is the n-th of many addresses, each in a /16 of its own as long as n is
// below 256*200.
func addrN(n int) net.Addr {
	ip := netip.AddrFrom4([4]byte{byte(1 + n%200), byte(n / 200), 0, 1})
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(ip, 8333))
}

// someAddr is the address of tests that need only one.
var someAddr = addrN(7)

// groupOf is the /16 of an address.
func groupOf(a net.Addr) string {
	ip := a.(*net.TCPAddr).AddrPort().Addr()
	p, _ := ip.Prefix(16)
	return p.String()
}

// addresses returns a GetNewAddress that hands out addrN(0), addrN(1), ...
func addresses() func() (net.Addr, error) {
	var n atomic.Int64
	return func() (net.Addr, error) { return addrN(int(n.Add(1) - 1)), nil }
}

// fakeConn is a connection that does nothing but know its address and count
// itself among the open ones of its world.
type fakeConn struct {
	net.Conn // nil: nothing else is called
	addr     net.Addr
	w        *world
	once     sync.Once
}

func (c *fakeConn) RemoteAddr() net.Addr             { return c.addr }
func (c *fakeConn) Read([]byte) (int, error)         { return 0, io.EOF }
func (c *fakeConn) Close() error                     { c.once.Do(func() { c.w.open.Add(-1) }); return nil }
func (c *fakeConn) SetDeadline(time.Time) error      { return nil }
func (c *fakeConn) SetReadDeadline(time.Time) error  { return nil }
func (c *fakeConn) SetWriteDeadline(time.Time) error { return nil }

// world is a network for tests: it dials, counts, and remembers the events.
type world struct {
	t *testing.T

	// answer decides about a dial: nil means a connection. Unset, every dial
	// succeeds at once.
	answer func(ctx context.Context, addr net.Addr) error

	dials atomic.Int64 // begun
	open  atomic.Int64 // connections open

	mu     sync.Mutex
	times  []time.Duration // when each dial began
	start  time.Time
	events []Event
}

func newWorld(t *testing.T) *world { return &world{t: t, start: time.Now()} }

func (w *world) dial(ctx context.Context, addr net.Addr) (net.Conn, error) {
	w.dials.Add(1)
	w.mu.Lock()
	w.times = append(w.times, time.Since(w.start))
	w.mu.Unlock()
	if w.answer != nil {
		if err := w.answer(ctx, addr); err != nil {
			return nil, err
		}
	}
	return w.conn(addr), nil
}

// oldDial is dial for Config.Dial.
func (w *world) oldDial(addr net.Addr) (net.Conn, error) {
	return w.dial(context.Background(), addr)
}

func (w *world) conn(addr net.Addr) *fakeConn {
	w.open.Add(1)
	return &fakeConn{addr: addr, w: w}
}

func (w *world) onEvent(e Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, e)
}

// count returns how many events of a type there were, with one of the reasons if
// any are given.
func (w *world) count(typ EventType, reasons ...Reason) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, e := range w.events {
		if e.Type == typ && (len(reasons) == 0 || slices.Contains(reasons, e.Reason)) {
			n++
		}
	}
	return n
}

// dialTimes returns when dials began, since the world did.
func (w *world) dialTimes() []time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.times)
}

// manager makes a manager that dials in w, unless cfg says otherwise, and is
// stopped and checked when the test ends.
func (w *world) manager(cfg Config) *ConnManager {
	w.t.Helper()
	if cfg.Dial == nil && cfg.DialContext == nil {
		cfg.DialContext = w.dial
	}
	if cfg.OnEvent == nil {
		cfg.OnEvent = w.onEvent
	}
	if cfg.Rand == nil {
		cfg.Rand = newRand(w.t)
	}
	cm, err := New(&cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		checkInvariants(w.t, cm)
		cm.Stop()
		cm.Wait()
		checkStopped(w.t, cm)
		checkEvents(w.t, w)
	})
	return cm
}

// inBubble runs a test in virtual time, in a world of its own.
func inBubble(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, newWorld(t)) })
}

var errRefused = errors.New("refused, says the test")

// hang answers a dial never, until its context ends.
func hang(ctx context.Context, _ net.Addr) error {
	<-ctx.Done()
	return ctx.Err()
}

// after answers yes after d.
func after(d time.Duration) func(context.Context, net.Addr) error {
	return func(ctx context.Context, _ net.Addr) error {
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// checkInvariants recounts what the manager counts.
func checkInvariants(t *testing.T, cm *ConnManager) {
	t.Helper()
	cm.mu.Lock()
	defer cm.mu.Unlock()
	if err := cm.audit(); err != nil {
		t.Errorf("broken invariant: %v", err)
	}
}

// audit returns an error if the manager's books do not agree with each other.
// The lock must be held.
func (cm *ConnManager) audit() error {
	var count [numPositions]int
	classes := make(map[Class]int)
	groups := make(map[string]int)
	byAddr := make(map[string]int)
	dials, queued, parked := 0, 0, 0
	for id, c := range cm.reqs {
		if c.ID() != id {
			return fmt.Errorf("request %v is kept as %d", c, id)
		}
		if (c.pend == nil) != (c.pos == posConnected) || (c.conn == nil) == (c.pos == posConnected) {
			return fmt.Errorf("%v at position %d: pend %v, conn %v", c, c.pos, c.pend, c.conn)
		}
		if (c.State() == ConnEstablished) != (c.pos == posConnected) {
			return fmt.Errorf("%v at position %d is %v", c, c.pos, c.State())
		}
		if c.automatic {
			count[c.pos]++
		} else {
			classes[c.class()]++
		}
		if at := cm.places.held[id]; at.group != "" {
			groups[at.group]++
		}
		if at := cm.places.held[id]; at.addr != "" {
			byAddr[at.addr]++
		}
		p := c.pend
		if p == nil {
			continue
		}
		dialing := c.pos == posDialing || c.pos == posSlow
		if dialing != (p.where == whereDialing) {
			return fmt.Errorf("%v at position %d waits as %d", c, c.pos, p.where)
		}
		switch p.where {
		case whereDialing:
			if !c.automatic {
				dials++
			}
		case whereQueued:
			queued++
		case whereParked:
			parked++
		case whereTimer:
			if p.timer == nil {
				return fmt.Errorf("%v has no timer", c)
			}
		case whereGone:
			return fmt.Errorf("%v is live and gone", c)
		}
	}
	count[posNone] = cm.auto.count[posNone] // not counted
	switch {
	case count != cm.auto.count:
		return fmt.Errorf("automatic positions %v, counted %v", count, cm.auto.count)
	case dials != cm.dials:
		return fmt.Errorf("%d dials, counted %d", dials, cm.dials)
	case queued != cm.queue.Len():
		return fmt.Errorf("%d queued, counted %d", queued, cm.queue.Len())
	case cm.classes != nil && !sameCounts(classes, cm.classes):
		return fmt.Errorf("classes %v, counted %v", classes, cm.classes)
	case !sameCounts(groups, cm.places.byGroup):
		return fmt.Errorf("groups %v, counted %v", groups, cm.places.byGroup)
	case !sameCounts(byAddr, cm.places.byAddr):
		return fmt.Errorf("addresses %v, counted %v", byAddr, cm.places.byAddr)
	case count[posConnected] > int(cm.lim.TargetOutbound):
		return fmt.Errorf("%d automatic connections, target %d", count[posConnected], cm.lim.TargetOutbound)
	case cm.auto.choosing < 0:
		return fmt.Errorf("choosing %d", cm.auto.choosing)
	}
	down := 0
	for _, n := range cm.networks {
		parked -= n.parked.Len()
		if n.down {
			down++
		}
		if n.probe != nil && (!n.down || n.probe.where != whereDialing) {
			return fmt.Errorf("network %s has a probe that is none", n.name)
		}
		if !n.down && n.parked.Len() > 0 {
			return fmt.Errorf("network %s is up and %d wait for it", n.name, n.parked.Len())
		}
	}
	if parked != 0 || down != cm.downCount {
		return fmt.Errorf("%d parked too many, %d networks down, counted %d", parked, down, cm.downCount)
	}
	for i, n := range cm.busy {
		if n < 0 {
			return fmt.Errorf("busy[%d] is %d", i, n)
		}
	}
	return nil
}

// sameCounts reports whether two counts are the same, where zero is as good as
// nothing.
func sameCounts[K comparable](a, b map[K]int) bool {
	for k, n := range a {
		if b[k] != n {
			return false
		}
	}
	for k, n := range b {
		if a[k] != n {
			return false
		}
	}
	return true
}

// checkStopped checks that a manager that has stopped holds nothing.
func checkStopped(t *testing.T, cm *ConnManager) {
	t.Helper()
	cm.mu.Lock()
	defer cm.mu.Unlock()
	if err := cm.audit(); err != nil {
		t.Errorf("broken invariant after Stop: %v", err)
	}
	if len(cm.reqs) != 0 || cm.busy != [numBusy]int{} || cm.auto.wake != nil {
		t.Errorf("after Stop: %d requests, busy %v", len(cm.reqs), cm.busy)
	}
}

// checkEvents checks what holds of every stream of events: numbered without
// gaps; and for each request connected before closed, and a retry only of what
// failed or was closed.
func checkEvents(t *testing.T, w *world) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	connected := make(map[uint64]bool)
	seq := uint64(0)
	for i, e := range w.events {
		seq++
		if e.Type == EventLost {
			seq += uint64(e.Count)
		}
		if e.Seq != seq {
			t.Errorf("event %d has number %d: %v", seq, e.Seq, e)
			return
		}
		if i > 0 && e.Time.Before(w.events[i-1].Time) {
			t.Errorf("event %d is older than the one before", seq)
		}
		switch e.Type {
		case EventConnected:
			if connected[e.ID] {
				t.Errorf("request %d was connected twice", e.ID)
			}
			connected[e.ID] = true
		case EventDialing, EventFailed:
			if e.ID != 0 && connected[e.ID] {
				t.Errorf("request %d: %v while connected", e.ID, e)
			}
		case EventClosed:
			connected[e.ID] = false
		case EventLost:
			clear(connected)
		}
	}
}
