package dnsseed

import (
	"math"
	"time"
)

// Never is a time that does not come.
const Never time.Duration = math.MaxInt64

// Policy says when the seeds and the seed nodes are asked. A field that is 0 has its
// default. Where Bitcoin Core is named, the figure is that of its src/net.cpp.
//
// The rules:
//
//  1. Nobody is asked while there are EnoughPeers.
//  2. What is known is tried first: for FewDelay, or ManyDelay if it is much.
//  3. With nothing known all seeds are asked, AtOnce at a time. With something known
//     AtOnce of them are, and after the delay of rule 2 the next.
//  4. When all have been asked and there are still no peers enough, it begins anew
//     after RetryMin, then after twice that, and so on to RetryMax, and up to a fifth
//     longer: not all nodes of the world that an outage cut off are to come at once.
//  5. When our own network changes, rule 4's wait is cut short.
//  6. The seed nodes, which the operator chose, come before the seeds: one after
//     another, NodeGap apart, for NodeTime; then by turns with the seeds. After all
//     of them the wait is that of rule 4.
type Policy struct {
	// EnoughPeers is how many outbound peers make seeds unnecessary. Default: 2
	// (Core's SEED_OUTBOUND_CONNECTION_THRESHOLD). A node that wants one peer only
	// needs 1 here.
	EnoughPeers int

	// AtOnce is how many seeds are asked at once. Default: 3 (Core's
	// DNSSEEDS_TO_QUERY_AT_ONCE; but Core asks those one after another).
	AtOnce int

	// FewDelay is how long known addresses are tried before seeds are asked; none if
	// it is below zero. Default: 11 s (DNSSEEDS_DELAY_FEW_PEERS).
	FewDelay time.Duration

	// ManyDelay is the same if at least ManyKnown addresses are known. Default: 5 min
	// (DNSSEEDS_DELAY_MANY_PEERS): who knows that many was on the network before, and
	// is likely to get there again.
	ManyDelay time.Duration

	// ManyKnown is how many addresses are many. Default: 1000
	// (DNSSEEDS_DELAY_PEER_THRESHOLD).
	ManyKnown int

	// RetryMin is how long after a round the next begins. Default: 1 min, which is
	// the time to live of what most seeds answer. Core asks once only.
	RetryMin time.Duration

	// RetryMax is the longest such wait. Default: 1 h.
	RetryMax time.Duration

	// ChangeGap is the least time from a round without any answer to the next, if
	// our network changed meanwhile: this long after the first such round, twice as
	// long after the second, and so on to RetryMin, since on some machines something
	// changes all the time. Default: 10 s.
	ChangeGap time.Duration

	// NodeGap is how long known addresses are tried before a seed node is asked, and
	// the least time between two seed nodes. Default: 10 s (Core's
	// ADD_NEXT_SEEDNODE).
	NodeGap time.Duration

	// NodeTime is how long after the start the seeds are not asked if there are seed
	// nodes; not at all if it is below zero. Default: 30 s (Core's SEEDNODE_TIMEOUT).
	NodeTime time.Duration

	// Poll is how often it is looked again at least: how late peers that went are
	// missed. Default: 5 s.
	Poll time.Duration
}

// Decision is what to do now. Times are as in Snapshot.
type Decision struct {
	Ask   int           // how many seeds to ask now
	Fetch bool          // ask one seed node now
	Due   time.Duration // when seeds are to be asked, if nothing changes; Never if something must change before
	Next  time.Duration // when to decide again at the latest; also when something changed
}

func (p Policy) withDefaults() Policy {
	number := func(n *int, def int) {
		if *n <= 0 {
			*n = def
		}
	}
	// wait is for times that may be none; atLeast for those that may not.
	wait := func(d *time.Duration, def time.Duration) {
		if *d == 0 {
			*d = def
		}
		*d = max(*d, 0)
	}
	atLeast := func(d *time.Duration, def time.Duration) {
		if *d <= 0 {
			*d = def
		}
	}
	number(&p.EnoughPeers, 2)
	number(&p.AtOnce, 3)
	number(&p.ManyKnown, 1000)
	wait(&p.FewDelay, 11*time.Second)
	wait(&p.ManyDelay, 5*time.Minute)
	wait(&p.NodeTime, 30*time.Second)
	atLeast(&p.RetryMin, time.Minute)
	atLeast(&p.RetryMax, time.Hour)
	atLeast(&p.ChangeGap, 10*time.Second)
	atLeast(&p.NodeGap, 10*time.Second)
	atLeast(&p.Poll, 5*time.Second)
	p.RetryMax = max(p.RetryMax, p.RetryMin)
	return p
}

// Decide says what to do now. It is a pure function.
func (p Policy) Decide(s Snapshot) Decision {
	p = p.withDefaults()
	d := Decision{Due: Never, Next: s.Up + p.Poll}
	if s.Peers >= p.EnoughPeers {
		return d
	}
	fetch := p.fetchDue(&s)
	d.Fetch = fetch <= s.Up
	d.Due = p.due(&s)
	if d.Due <= s.Up {
		left := s.Round.Waiting
		if left == 0 {
			left = s.Round.Seeds
		}
		d.Ask = min(p.AtOnce-s.Round.Open, left)
	}
	for _, t := range []time.Duration{fetch, d.Due} {
		if t > s.Up {
			d.Next = min(d.Next, t)
		}
	}
	return d
}

// due returns when the next seeds are due.
func (p *Policy) due(s *Snapshot) time.Duration {
	r := &s.Round
	delay := p.delay(s.Known)
	switch {
	case r.Seeds == 0 || r.Open >= p.AtOnce:
		return Never
	case r.Waiting == r.Seeds: // before the first round
		due := s.Lonely + delay
		if s.Nodes.Count > 0 {
			due = max(due, p.NodeTime)
		}
		return due
	case r.Waiting > 0 && (s.Known == 0 || r.Fresh && s.Lonely <= r.Began):
		return s.Lonely // at once, as one answers the next is asked
	case r.Open > 0:
		return Never // the addresses' time to be tried begins when all have answered
	case r.Waiting > 0:
		return max(s.Lonely, r.Ended) + delay
	}
	due := max(s.Lonely+delay, r.Ended+p.backoff(r.Vain, r.Jitter))
	if s.Changed <= r.Began {
		return due
	}
	gap := p.RetryMin
	if r.Told == 0 {
		gap = min(p.ChangeGap*time.Duration(min(max(r.Vain, 1), 1000)), gap)
	}
	// A change never puts off: where something changes all the time, the seeds would
	// never be asked.
	return min(due, max(s.Lonely+delay, s.Changed+delay, r.Ended+gap))
}

// fetchDue returns when the next seed node is due.
func (p *Policy) fetchDue(s *Snapshot) time.Duration {
	n := &s.Nodes
	if n.Count == 0 {
		return Never
	}
	due := s.Lonely
	if s.Known > 0 {
		due += p.NodeGap
	}
	switch n.Waiting {
	case n.Count: // before the first
	case 0:
		due = max(due, n.Last+p.backoff(n.Vain, n.Jitter))
	default:
		due = max(due, n.Last+p.NodeGap)
	}
	return due
}

// delay returns how long so many known addresses are tried alone.
func (p *Policy) delay(known int) time.Duration {
	switch {
	case known <= 0:
		return 0
	case known < p.ManyKnown:
		return p.FewDelay
	}
	return p.ManyDelay
}

// backoff returns how long to wait after so many rounds in vain, 1 at least.
func (p *Policy) backoff(vain int, jitter float64) time.Duration {
	d := p.RetryMin
	for ; vain > 1 && d < p.RetryMax; vain-- {
		d *= 2
	}
	d = min(d, p.RetryMax)
	return d + time.Duration(float64(d)*jitter/5)
}
