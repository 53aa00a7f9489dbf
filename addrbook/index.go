package addrbook

// index finds numbers by the hash of what they stand for: a hash table with open
// addressing that holds the numbers and half of the hash, 11 to 16 bytes for each.
// Go's map would hold the addresses a second time. Half of the hash spares it to
// look at others on the way, which are anywhere in memory. The zero index is empty.
type index struct {
	cells []uint64 // hash<<32 | number+1, 0 for none; at most 3/4 of them are taken
	n     int
}

// home is where a cell belongs: they are in the order of the hashes, but for those whose
// cell was taken.
func (x *index) home(cell uint64) int { return int(cell >> 32 * uint64(len(x.cells)) >> 32) }

// next is the cell after one.
func (x *index) next(i int) int {
	if i++; i < len(x.cells) {
		return i
	}
	return 0
}

// find returns the number for which same holds among those with that hash.
func (x *index) find(hash uint64, same func(int32) bool) int32 {
	if x.n == 0 {
		return none
	}
	for i := x.home(hash); x.cells[i] != 0; i = x.next(i) {
		if c := x.cells[i]; c>>32 == hash>>32 && same(number(c)) {
			return number(c)
		}
	}
	return none
}

// at returns what is where a hash belongs.
func (x *index) at(hash uint64) uint64 {
	if len(x.cells) == 0 {
		return 0
	}
	return x.cells[x.home(hash)]
}

func number(cell uint64) int32 { return int32(uint32(cell)) - 1 }

// add adds a number that is not there.
func (x *index) add(id int32, hash uint64) {
	x.grow()
	x.put(hash>>32<<32 | uint64(id+1))
	x.n++
}

// claim adds a number, unless there is one already for which same holds.
func (x *index) claim(id int32, hash uint64, same func(int32) bool) bool {
	x.grow()
	i := x.home(hash)
	for ; x.cells[i] != 0; i = x.next(i) {
		if c := x.cells[i]; c>>32 == hash>>32 && same(number(c)) {
			return false
		}
	}
	x.cells[i] = hash>>32<<32 | uint64(id+1)
	x.n++
	return true
}

// grow makes room for one more.
func (x *index) grow() {
	if 4*(x.n+1) > 3*len(x.cells) {
		x.reserve(max(16, x.n*3/2))
	}
}

// reserve makes room for n numbers in all, of which there are more than now.
func (x *index) reserve(n int) {
	old := x.cells
	x.cells = make([]uint64, n*4/3+1)
	for _, c := range old {
		if c != 0 {
			x.put(c)
		}
	}
}

func (x *index) put(cell uint64) {
	i := x.home(cell)
	for x.cells[i] != 0 {
		i = x.next(i)
	}
	x.cells[i] = cell
}

// remove removes a number that is there. Those behind it move up, so that no mark
// of it is left.
func (x *index) remove(id int32, hash uint64) {
	cell := hash>>32<<32 | uint64(id+1)
	i := x.home(cell)
	for x.cells[i] != cell {
		i = x.next(i)
	}
	size := len(x.cells)
	for j := x.next(i); x.cells[j] != 0; j = x.next(j) {
		if (j-x.home(x.cells[j])+size)%size >= (j-i+size)%size { // it may lie as far up as i
			x.cells[i] = x.cells[j]
			i = j
		}
	}
	x.cells[i] = 0
	x.n--
}
