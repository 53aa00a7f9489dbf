package main

import (
	"net"
	"sync"
)

// startCycles returns a running manager whose dials succeed at once.
func startCycles(s subject) manager {
	conn := &stubConn{addr: stubAddrs(1)[0]}
	m := s.make(setup{dial: func(net.Addr) (net.Conn, error) { return conn, nil }})
	m.start()
	return m
}

// runCycles makes n cycles of Connect and Remove, shared between workers, each
// with an address of its own.
func runCycles(m manager, workers, n int) {
	addrs := stubAddrs(workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for range n / workers {
				m.cycle(addrs[w])
			}
		})
	}
	wg.Wait()
}

// measureCycles returns the cost of one cycle, by subject and round.
func measureCycles(rounds, workers, n int) [][]cost {
	return interleave(rounds, len(subjects), func(i int) cost {
		m := startCycles(subjects[i])
		defer func() { m.stop(); m.wait() }()
		return measure(n, func() { runCycles(m, workers, n) })
	})
}
