package main

import (
	"context"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// The network of the virtual-time rows.
const (
	roundTrip    = 100 * time.Millisecond // of an address that answers
	dialTimeout  = 30 * time.Second       // of an address that does not
	slots        = 8                      // outbound connections wanted
	outageLength = time.Hour
)

// world is a network in virtual time. What an address does depends on its number
// and the seed alone, not on the order in which goroutines come to run. And no
// two addresses do it in the same instant: each answer takes as many nanoseconds
// more as the address's number says. So every run gives the same.
type world struct {
	seed uint64
	dead float64 // share of the addresses that swallow every SYN

	mu      sync.Mutex
	addrs   uint64 // given out so far
	down    bool   // our own network is
	dials   int    // begun
	opened  int    // that returned a connection
	aborted int    // to addresses that would have answered, canceled before they did
	kept    int    // connections that were handed to OnConnection
	all     chan struct{}
}

func newWorld(seed uint64, dead float64) *world {
	return &world{seed: seed, dead: dead, all: make(chan struct{})}
}

// newAddress is the manager's GetNewAddress: it never says the same twice.
func (w *world) newAddress() (net.Addr, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.addrs++
	n := w.addrs
	return &net.TCPAddr{IP: net.IPv4(11, byte(n>>16), byte(n>>8), byte(n)), Port: 8333}, nil
}

// number returns the number of an address of newAddress.
func number(addr net.Addr) uint64 {
	ip := addr.(*net.TCPAddr).IP.To4()
	return uint64(ip[1])<<16 | uint64(ip[2])<<8 | uint64(ip[3])
}

// dialContext is the manager's DialContext, and dial its Dial.
func (w *world) dialContext(ctx context.Context, addr net.Addr) (net.Conn, error) {
	w.mu.Lock()
	w.dials++
	down := w.down
	w.mu.Unlock()
	n := number(addr)
	own := time.Duration(n) * time.Nanosecond
	if down {
		time.Sleep(own)
		return nil, dialError(addr, os.NewSyscallError("connect", syscall.ENETUNREACH))
	}
	answers := rand.New(rand.NewPCG(w.seed, n)).Float64() >= w.dead
	wait := dialTimeout
	if answers {
		wait = roundTrip
	}
	timer := time.NewTimer(wait + own)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		if answers {
			w.mu.Lock()
			w.aborted++
			w.mu.Unlock()
		}
		return nil, dialError(addr, context.Cause(ctx))
	case <-timer.C:
	}
	if !answers {
		return nil, dialError(addr, os.ErrDeadlineExceeded)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.opened++
	return &stubConn{addr: addr}, nil
}

func (w *world) dial(addr net.Addr) (net.Conn, error) {
	return w.dialContext(context.Background(), addr)
}

func dialError(addr net.Addr, err error) error {
	return &net.OpError{Op: "dial", Net: "tcp", Addr: addr, Err: err}
}

func (w *world) connected() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.kept++
	if w.kept == slots {
		close(w.all)
	}
}

// manager makes a manager that lives in the world. Ours is given the
// context-aware dialer, and maxPending.
func (w *world) manager(s subject, maxPending int) manager {
	set := setup{target: slots, newAddress: w.newAddress, connected: w.connected}
	if s.name == oursSubject.name {
		set.dialContext = w.dialContext
		set.maxPending = maxPending
		set.seed = w.seed
	} else {
		set.dial = w.dial
	}
	return s.make(set)
}

// deadResult is what one run with dead addresses gave.
type deadResult struct {
	took    time.Duration // to 8 outbound
	dials   int           // begun
	surplus int           // opened in vain, or canceled when they were about to be
}

// runDead measures the time to 8 outbound connections where the share dead of
// the addresses swallows SYNs.
func runDead(t *testing.T, s subject, maxPending int, seed uint64, dead float64) deadResult {
	var r deadResult
	synctest.Test(t, func(*testing.T) {
		w := newWorld(seed, dead)
		m := w.manager(s, maxPending)
		start := time.Now()
		m.start()
		<-w.all
		r.took = time.Since(start)
		time.Sleep(2 * dialTimeout) // whatever else was begun ends
		w.mu.Lock()
		r.dials, r.surplus = w.dials, w.opened-w.kept+w.aborted
		w.mu.Unlock()
		m.stop()
		m.wait()
	})
	return r
}

// outageResult is what one run without network gave.
type outageResult struct {
	dials int           // in one hour without network
	took  time.Duration // from network-back to 8 outbound
}

// runOutage starts a manager without network, and measures what it does for an
// hour, and then how long it takes to 8 outbound once the network is back, at a
// time within the next minute that the seed says. If told, the manager is told
// then that the network has changed.
func runOutage(t *testing.T, s subject, maxPending int, seed uint64, told bool) outageResult {
	var r outageResult
	synctest.Test(t, func(*testing.T) {
		w := newWorld(seed, 0)
		w.down = true
		m := w.manager(s, maxPending)
		m.start()
		time.Sleep(outageLength)
		w.mu.Lock()
		r.dials = w.dials
		w.mu.Unlock()
		time.Sleep(time.Duration(rand.New(rand.NewPCG(seed, 0)).Int64N(int64(time.Minute))))
		w.mu.Lock()
		w.down = false
		w.mu.Unlock()
		back := time.Now()
		if told {
			m.networkChanged()
		}
		<-w.all
		r.took = time.Since(back)
		m.stop()
		m.wait()
	})
	return r
}

// asTest calls f with what synctest asks for, which is to be had outside of "go
// test" by this only, and ends the process.
func asTest(f func(*testing.T)) {
	every := func(pat, str string) (bool, error) { return true, nil }
	testing.Main(every, []testing.InternalTest{{Name: "bench", F: f}}, nil, nil)
}
