package stream

import (
	"sort"

	"holdfast/node"
)

// entry is an event and its position: how many were fed before it.
type entry struct {
	at uint64
	node.Event
}

// ring has the last entries that were added, as many as its capacity. An entry that is
// added when it is full takes the place of the oldest.
type ring struct {
	list []entry
	head int // of a full ring: where the oldest is
}

func newRing(size int) ring { return ring{list: make([]entry, 0, size)} }

func (r *ring) add(e entry) {
	if len(r.list) < cap(r.list) {
		r.list = append(r.list, e)
		return
	}
	r.list[r.head] = e
	r.head = (r.head + 1) % len(r.list)
}

// get returns the entry that is older than all but i others.
func (r *ring) get(i int) *entry { return &r.list[(r.head+i)%len(r.list)] }

// search returns how many entries come before the first for which f is true, as it must
// be for all after that.
func (r *ring) search(f func(*entry) bool) int {
	return sort.Search(len(r.list), func(i int) bool { return f(r.get(i)) })
}

// cursor goes through two rings in the order in which events were fed.
type cursor struct {
	a, b *ring
	i, j int // which is the next of each
}

// next returns the next entry, nil after the last.
func (c *cursor) next() *entry {
	var x, y *entry
	if c.i < len(c.a.list) {
		x = c.a.get(c.i)
	}
	if c.j < len(c.b.list) {
		y = c.b.get(c.j)
	}
	if y == nil || x != nil && x.at < y.at {
		c.i++
		return x
	}
	c.j++
	return y
}
