package addrbook

import "hash/maphash"

// sources counts how many entries of new each group has told us of: who tells of many is
// believed last. Each entry counts for one group, the one that has told of the fewest
// among those that told of it; so nobody can have what others tell count as his own.
// That is not in the files: after a restart it is the first that told of it.
//
// What we know by ourselves counts for nobody, and is believed first.
type sources struct {
	book  *Book
	list  []teller
	free  []int32
	index index
}

// A teller is a group that told us of entries.
type teller struct {
	group Group
	count int32
}

func (s *sources) hash(g Group) uint64 { return maphash.Comparable(s.book.seed, g) }

// find returns a group's number; none if there is no entry of it.
func (s *sources) find(g Group) int32 {
	return s.index.find(s.hash(g), func(i int32) bool { return s.list[i].group == g })
}

// count returns how many entries a group has told us of; 0 for ourselves.
func (s *sources) count(g Group) int32 {
	if i := s.find(g); i != none {
		return s.list[i].count
	}
	return 0
}

// told returns the count of who has told us of an entry of new.
func (s *sources) told(e *entry) int32 {
	if e.from == none {
		return 0
	}
	return s.list[e.from].count
}

// number returns a group's number, and makes it one if need be: it must get an entry.
// That of ourselves is none.
func (s *sources) number(g Group) int32 {
	if g == 0 {
		return none
	}
	i := s.find(g)
	if i == none {
		if k := len(s.free); k > 0 {
			i, s.free = s.free[k-1], s.free[:k-1]
		} else {
			i = int32(len(s.list))
			s.list = append(s.list, teller{})
		}
		s.list[i].group = g
		s.index.add(i, s.hash(g))
	}
	return i
}

// add counts an entry for the group of that number.
func (s *sources) add(e *entry, i int32) {
	if e.from = i; i != none {
		s.list[i].count++
	}
}

// remove counts an entry no more.
func (s *sources) remove(e *entry) {
	i := e.from
	if i == none {
		return
	}
	e.from = none
	if s.list[i].count--; s.list[i].count == 0 {
		s.index.remove(i, s.hash(s.list[i].group))
		s.list[i] = teller{}
		s.free = append(s.free, i)
	}
}

// again notes that a group, too, has told us of an entry of new.
func (s *sources) again(e *entry, g Group) {
	if e.from != none && (g == 0 || s.count(g) < s.list[e.from].count-1) {
		s.remove(e)
		s.add(e, s.number(g))
	}
}
