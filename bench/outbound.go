package main

import (
	"net"
	"runtime"
	"sync/atomic"
	"time"
)

// outboundCost is what it took to make and to keep one outbound connection.
type outboundCost struct {
	cost
	retained   float64 // heap bytes per connection at rest
	goroutines int     // of the whole manager at rest
}

// fixture is what a manager is given that is not its own cost: made once, before
// anything is measured.
type fixture struct {
	addrs []net.Addr
	conns []stubConn
}

func newFixture(n int) *fixture {
	f := &fixture{addrs: stubAddrs(n), conns: make([]stubConn, n)}
	for i := range f.conns {
		f.conns[i].addr = f.addrs[i]
	}
	return f
}

// outbound starts a manager and waits until all connections of f are made. It
// returns the manager, running.
func (f *fixture) outbound(s subject) manager {
	var (
		dialed, up atomic.Int64
		n          = int64(len(f.addrs))
		all        = make(chan struct{})
	)
	m := s.make(setup{
		target:     uint32(n),
		newAddress: supply(f.addrs),
		dial: func(net.Addr) (net.Conn, error) {
			return &f.conns[int(dialed.Add(1)-1)%len(f.conns)], nil
		},
		connected: func() {
			if up.Add(1) == n {
				close(all)
			}
		},
	})
	m.start()
	<-all
	return m
}

// measureOutbound returns the cost of each of n outbound connections, by subject
// and round.
func measureOutbound(rounds, n int) [][]outboundCost {
	f := newFixture(n)
	return interleave(rounds, len(subjects), func(i int) outboundCost {
		heap, goroutines := atRest()
		var m manager
		c := measure(n, func() { m = f.outbound(subjects[i]) })
		heapThen, goroutinesThen := atRest()
		r := outboundCost{
			cost:       c,
			retained:   float64(heapThen-heap) / float64(n),
			goroutines: goroutinesThen - goroutines,
		}
		m.stop()
		m.wait()
		return r
	})
}

// atRest waits until no goroutine comes or goes, and returns the bytes of the
// heap in use after garbage collection, and the number of goroutines.
func atRest() (heap int64, goroutines int) {
	goroutines = settle()
	runtime.GC()
	runtime.GC() // what the first one only marked as finalized or pooled
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return int64(s.HeapAlloc), goroutines
}

// settle waits until the number of goroutines has not changed for 50 ms, or for
// 5 s at most, and returns it.
func settle() int {
	n, same := runtime.NumGoroutine(), 0
	for i := 0; same < 5 && i < 500; i++ {
		time.Sleep(10 * time.Millisecond)
		if now := runtime.NumGoroutine(); now == n {
			same++
		} else {
			n, same = now, 0
		}
	}
	return n
}
