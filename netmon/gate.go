package netmon

import "time"

// gate decides when to tell. Its methods are pure but for its own state.
type gate struct {
	settle  time.Duration // from the first news until it is told
	gap     time.Duration // between two times of telling, at least
	pending Change
	due     time.Time // when to tell pending
	told    time.Time // when it was done last
}

// add takes news.
func (g *gate) add(now time.Time, c Change) {
	if c == 0 {
		return
	}
	if g.pending == 0 {
		// Not later with each news: a stream of them would never be told.
		g.due = later(now.Add(g.settle), g.told.Add(g.gap))
	}
	g.pending |= c
}

// take returns what is to be told now, or 0.
func (g *gate) take(now time.Time) Change {
	if g.pending == 0 || now.Before(g.due) {
		return 0
	}
	c := g.pending
	g.pending, g.told = 0, now
	return c
}

// next returns when to call take again, but no later than limit.
func (g *gate) next(limit time.Time) time.Time {
	if g.pending != 0 && g.due.Before(limit) {
		return g.due
	}
	return limit
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
