package main

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// stopResult is what was left when a manager was stopped with dials in flight.
type stopResult struct {
	took       time.Duration // by Stop and Wait
	goroutines int           // left when Wait had returned
	open       int           // connections open after every dialer had returned
}

// measureStop stops a manager with n dials in flight. If abortable, and if the
// manager is ours, each dial ends when its context does. Else it ends when it is
// released, with a connection: for btcd after Wait, which does not wait for dials;
// for ours after Stop, since Wait does.
func measureStop(s subject, n int, abortable bool) stopResult {
	var (
		ours    = s.name == oursSubject.name
		release = make(chan struct{})
		dials   atomic.Int64
		all     = make(chan struct{})
		mu      sync.Mutex
		conns   []*stubConn
		dialing sync.WaitGroup
	)
	dialing.Add(n)
	dial := func(ctx context.Context, addr net.Addr) (net.Conn, error) {
		if dials.Add(1) == int64(n) {
			close(all)
		}
		defer dialing.Done()
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-release:
		}
		c := &stubConn{addr: addr}
		mu.Lock()
		defer mu.Unlock()
		conns = append(conns, c)
		return c, nil
	}
	set := setup{target: uint32(n), newAddress: supply(stubAddrs(n))}
	if ours && abortable {
		set.dialContext = dial
	} else {
		set.dial = func(addr net.Addr) (net.Conn, error) { return dial(context.Background(), addr) }
	}

	before := settle()
	m := s.make(set)
	m.start()
	<-all
	start := time.Now()
	m.stop()
	if ours && !abortable {
		close(release)
	}
	m.wait()
	r := stopResult{took: time.Since(start)}
	r.goroutines = settle() - before
	if !ours || abortable {
		close(release)
	}
	dialing.Wait()
	settle()
	mu.Lock()
	defer mu.Unlock()
	for _, c := range conns {
		if !c.closed.Load() {
			r.open++
		}
	}
	return r
}
