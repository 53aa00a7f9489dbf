package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"time"
)

// floor measures what a lookup that finds one of n bans cannot do without: a look at the
// clock, unless it is told the time, and a wait for memory, unless others are under way
// meanwhile.
func floor(w io.Writer, n, passes int, sample time.Duration) {
	// A table of 8 bytes for each ban, as ours has at least. Each read says where the
	// next one is, so the processor cannot do several at once.
	next, at := make([]int, n), 0
	order := rand.Perm(n)
	for i, at := range order {
		next[at] = order[(i+1)%n]
	}
	results := []*result{
		{ask: func(*hosts, int) bool { return time.Now().Unix() == 0 }},
		{ask: func(*hosts, int) bool { at = next[at]; return at < 0 }},
	}
	ns := measure(results, &hosts{ips: make([]netip.Addr, 1<<18)}, passes, sample, 1)
	fmt.Fprintf(w, "The clock alone: %.0f ns. One wait for memory, in a table of 8 bytes a ban: %.0f ns.\n\n", quiet(ns[0]), quiet(ns[1]))
}
