package main

import (
	"cmp"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// peerOrders compare peers by each of peerColumns. What most want to see first is first:
// the quickest, the largest, the oldest.
var peerOrders = []func(a, b *peer) int{
	func(a, b *peer) int { return cmp.Compare(a.ID, b.ID) },
	compareAddrs,
	func(a, b *peer) int { return cmp.Compare(a.where(), b.where()) },
	func(a, b *peer) int { return cmp.Compare(a.kind(), b.kind()) },
	func(a, b *peer) int { return cmp.Compare(strings.ToLower(a.agent()), strings.ToLower(b.agent())) },
	comparePings,
	func(a, b *peer) int { return cmp.Compare(b.Received, a.Received) },
	func(a, b *peer) int { return cmp.Compare(b.Sent, a.Sent) },
	func(a, b *peer) int { return cmp.Compare(a.Since, b.Since) },
	func(a, b *peer) int { return cmp.Compare(b.Score, a.Score) },
}

// compareAddrs has IP addresses in their order, and names behind them.
func compareAddrs(a, b *peer) int {
	x, errX := netip.ParseAddrPort(a.Addr)
	y, errY := netip.ParseAddrPort(b.Addr)
	switch {
	case errX == nil && errY == nil:
		return x.Compare(y)
	case errX == nil:
		return -1
	case errY == nil:
		return 1
	}
	return strings.Compare(a.Addr, b.Addr)
}

// comparePings has those whose ping is not known last.
func comparePings(a, b *peer) int {
	switch {
	case a.Ping <= 0 && b.Ping <= 0:
		return 0
	case a.Ping <= 0:
		return 1
	case b.Ping <= 0:
		return -1
	}
	return cmp.Compare(a.Ping, b.Ping)
}

// sortPeers sorts peers by a column. Those that are equal are sorted by ID.
func sortPeers(peers []peer, column int, reverse bool) {
	slices.SortFunc(peers, func(a, b peer) int {
		c := peerOrders[column](&a, &b)
		if reverse {
			c = -c
		}
		return cmp.Or(c, cmp.Compare(a.ID, b.ID))
	})
}

// visible returns which of n rows are shown where there is room for some, so that a
// selected one is among them; from is where the rows shown before began.
func visible(n, room, selected, from int) (first, end int) {
	room = max(room, 0)
	if selected >= 0 {
		from = min(from, selected)
		from = max(from, selected-room+1)
	}
	from = max(0, min(from, n-room))
	return from, min(n, from+room)
}

// sparks are the steps of a graph.
var sparks = []rune("▁▂▃▄▅▆▇█")

// sparkline draws the last of the values in a line. The highest that is seen is the
// full height, and what is not nothing is never drawn as nothing.
func sparkline(values []float64, width int) string {
	values = values[max(0, len(values)-max(width, 0)):]
	most := 0.0
	for _, v := range values {
		most = max(most, v)
	}
	var b strings.Builder
	b.WriteString(strings.Repeat(" ", max(0, width-len(values))))
	for _, v := range values {
		step := 0
		if v > 0 {
			step = max(1, min(len(sparks)-1, int(v/most*float64(len(sparks)-1)+0.5)))
		}
		b.WriteRune(sparks[step])
	}
	return b.String()
}

// sections are how many lines each part of top has.
type sections struct {
	graphs, rows int
	keys         bool // the line with the keys
}

// Lines that are always there: two of the head, the titles of the table, and the status.
const fixedLines = 4

// divide divides the height of a terminal. The rows come first, then the line with the
// keys, then the graphs and a free line around them.
func divide(height, peers int) sections {
	const graphLines, wanted = 3 + 2, 5
	rest := max(0, height-fixedLines)
	var s sections
	if rest > 2 {
		s.keys = true
		rest--
	}
	if rest >= graphLines+min(peers, wanted) {
		s.graphs = 3
		rest -= graphLines
	}
	s.rows = rest
	return s
}

// hostOf is the host of a peer, and whether it is this machine's: by loopback come also
// all peers that Tor brings.
func hostOf(addr string) (host string, loopback bool) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		host = addr
	}
	ip, err := netip.ParseAddr(host)
	return host, err == nil && ip.IsLoopback()
}

// rate is the last of the values of a graph, and the highest.
func rate(values []float64) (now, most float64) {
	for _, v := range values {
		now, most = v, max(most, v)
	}
	return now, most
}

// agoText is how long ago a time was, in words.
func agoText(now, t time.Time) string { return spanText(now.Sub(t)) + " ago" }
