package main

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// tcpParallel is how many dials are in flight at once.
	tcpParallel = 64

	// tcpTargets is how many listeners there are. The ports of a machine are
	// used up by destination: this many have enough.
	tcpTargets = 16
)

// loopback is a set of listeners that accept and hold what comes.
type loopback struct {
	listeners []net.Listener
	addrs     []net.Addr
	accepting sync.WaitGroup

	mu    sync.Mutex
	conns []net.Conn // of both sides
}

// newLoopback listens on several addresses of 127/8, or on one if the system has
// no more.
func newLoopback() (*loopback, error) {
	lb := &loopback{}
	for i := range tcpTargets {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.%d:0", i+1))
		if err != nil && i > 0 {
			l, err = net.Listen("tcp", "127.0.0.1:0")
		}
		if err != nil {
			lb.close()
			return nil, err
		}
		lb.listeners = append(lb.listeners, l)
		lb.addrs = append(lb.addrs, l.Addr())
		lb.accepting.Go(func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				lb.hold(c)
			}
		})
	}
	return lb, nil
}

func (lb *loopback) hold(c net.Conn) {
	lb.mu.Lock()
	defer lb.mu.Unlock()
	lb.conns = append(lb.conns, c)
}

// reset closes all connections at once, by RST, so that none waits in TIME_WAIT.
func (lb *loopback) reset() {
	time.Sleep(20 * time.Millisecond) // until the last ones are accepted
	lb.mu.Lock()
	conns := lb.conns
	lb.conns = nil
	lb.mu.Unlock()
	for _, c := range conns {
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
}

func (lb *loopback) close() {
	for _, l := range lb.listeners {
		l.Close()
	}
	lb.accepting.Wait()
	lb.reset()
}

// dialer counts what it does, and gives every connection to lb to close.
type dialer struct {
	lb     *loopback
	net    net.Dialer
	failed atomic.Pointer[error]
}

func (d *dialer) dial(ctx context.Context, addr net.Addr) (net.Conn, error) {
	c, err := d.net.DialContext(ctx, "tcp", addr.String())
	if err != nil {
		if ctx.Err() == nil {
			d.failed.Store(&err)
		}
		return nil, err
	}
	d.lb.hold(c)
	return c, nil
}

func (d *dialer) err() error {
	if p := d.failed.Load(); p != nil {
		return *p
	}
	return nil
}

// A route is a way to make connections.
type route struct {
	name string
	run  func(lb *loopback, n int) (time.Duration, error)
}

// routes are what row 3 compares. In each, tcpParallel dials are in flight at
// once. A dial that can be aborted has a context of its own that can be canceled:
// for it, package net starts a goroutine.
var routes = []route{
	{"bare", func(lb *loopback, n int) (time.Duration, error) { return bareTCP(lb, n, false) }},
	{"bare-abortable", func(lb *loopback, n int) (time.Duration, error) { return bareTCP(lb, n, true) }},
	{"ours", func(lb *loopback, n int) (time.Duration, error) { return managedTCP(oursSubject, lb, n, false) }},
	{"ours-abortable", func(lb *loopback, n int) (time.Duration, error) { return managedTCP(oursSubject, lb, n, true) }},
	{"btcd", func(lb *loopback, n int) (time.Duration, error) { return managedTCP(btcdSubject, lb, n, false) }},
}

// bareTCP makes n connections by a loop without any manager, and returns how long
// it took.
func bareTCP(lb *loopback, n int, abortable bool) (time.Duration, error) {
	var (
		d    = dialer{lb: lb}
		next = supply(lb.addrs)
		left atomic.Int64
		wg   sync.WaitGroup
	)
	left.Store(int64(n))
	start := time.Now()
	for range tcpParallel {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				addr, _ := next()
				ctx, cancel := context.Background(), func() {}
				if abortable {
					ctx, cancel = context.WithCancel(ctx)
				}
				d.dial(ctx, addr)
				cancel()
			}
		})
	}
	wg.Wait()
	took := time.Since(start)
	lb.reset()
	return took, d.err()
}

// managedTCP makes n connections by a manager. Ours bounds its dials by
// MaxPending; btcd's has no such bound, so its dialer waits for a place.
func managedTCP(s subject, lb *loopback, n int, abortable bool) (time.Duration, error) {
	var (
		d     = dialer{lb: lb}
		up    atomic.Int64
		all   = make(chan struct{})
		place = make(chan struct{}, tcpParallel)
	)
	set := setup{
		target:     uint32(n),
		newAddress: supply(lb.addrs),
		connected: func() {
			if up.Add(1) == int64(n) {
				close(all)
			}
		},
		maxPending: tcpParallel,
	}
	switch {
	case abortable:
		set.dialContext = d.dial
	case s.name == oursSubject.name:
		set.dial = func(addr net.Addr) (net.Conn, error) { return d.dial(context.Background(), addr) }
	default:
		set.dial = func(addr net.Addr) (net.Conn, error) {
			place <- struct{}{}
			defer func() { <-place }()
			return d.dial(context.Background(), addr)
		}
	}
	m := s.make(set)
	start := time.Now()
	m.start()
	<-all
	took := time.Since(start)
	lb.reset() // before Stop, which would close them the other way
	m.stop()
	m.wait()
	return took, d.err()
}

// measureTCP returns the rates, in connections per second, of the routes, by
// round.
func measureTCP(rounds, n int) ([][]float64, error) {
	lb, err := newLoopback()
	if err != nil {
		return nil, err
	}
	defer lb.close()
	var failed error
	rates := interleave(rounds, len(routes), func(i int) float64 {
		took, err := routes[i].run(lb, n)
		if err != nil {
			failed = fmt.Errorf("%s: %w", routes[i].name, err)
		}
		return float64(n) / took.Seconds()
	})
	return rates, failed
}
