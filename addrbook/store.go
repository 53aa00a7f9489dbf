package addrbook

// none is the number of no entry, no slot and no group.
const none = int32(-1)

// chunkSize is how many entries are allocated at once.
const chunkSize = 256

// store keeps the entries. An entry has a number, and keeps it and its place in
// memory until it is freed. Growth copies nothing, so that a book that grows does
// not need twice its memory, nor ever holds much more than it uses.
type store struct {
	chunks []*[chunkSize]entry
	used   int32   // numbers given out so far
	free   []int32 // those given back
}

func (s *store) at(id int32) *entry { return &s.chunks[id/chunkSize][id%chunkSize] }

// alloc returns the number of an entry that is zero.
func (s *store) alloc() int32 {
	if n := len(s.free); n > 0 {
		id := s.free[n-1]
		s.free = s.free[:n-1]
		return id
	}
	if int(s.used) == len(s.chunks)*chunkSize {
		s.chunks = append(s.chunks, new([chunkSize]entry))
	}
	s.used++
	return s.used - 1
}

func (s *store) release(id int32) {
	*s.at(id) = entry{}
	s.free = append(s.free, id)
}

func (s *store) len() int { return int(s.used) - len(s.free) }
