package addrbook

// index finds numbers by the hash of what they stand for: a hash table with open
// addressing that holds the numbers and half of the hash, 11 to 22 bytes for each.
// Go's map would hold the addresses a second time. Half of the hash spares it to
// look at others on the way, which are anywhere in memory. The zero index is empty.
type index struct {
	cells []uint64 // hash<<32 | number+1, 0 for none; a power of two, at most 3/4 full
	n     int
}

// home is where a cell belongs.
func home(cell, mask uint64) uint64 { return cell >> 32 & mask }

// find returns the number for which same holds among those with that hash.
func (x *index) find(hash uint64, same func(int32) bool) int32 {
	if x.n == 0 {
		return none
	}
	mask := uint64(len(x.cells) - 1)
	hash = hash >> 32 << 32
	for i := home(hash, mask); x.cells[i] != 0; i = (i + 1) & mask {
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
	return x.cells[home(hash, uint64(len(x.cells)-1))]
}

func number(cell uint64) int32 { return int32(uint32(cell)) - 1 }

// add adds a number that is not there.
func (x *index) add(id int32, hash uint64) {
	x.reserve(x.n + 1)
	x.put(hash>>32<<32 | uint64(id+1))
	x.n++
}

// reserve makes room for n numbers in all.
func (x *index) reserve(n int) {
	size := max(16, len(x.cells))
	for 4*n > 3*size {
		size *= 2
	}
	if size == len(x.cells) {
		return
	}
	old := x.cells
	x.cells = make([]uint64, size)
	for _, c := range old {
		if c != 0 {
			x.put(c)
		}
	}
}

func (x *index) put(cell uint64) {
	mask := uint64(len(x.cells) - 1)
	i := home(cell, mask)
	for x.cells[i] != 0 {
		i = (i + 1) & mask
	}
	x.cells[i] = cell
}

// remove removes a number that is there. Those behind it move up, so that no mark
// of it is left.
func (x *index) remove(id int32, hash uint64) {
	mask := uint64(len(x.cells) - 1)
	cell := hash>>32<<32 | uint64(id+1)
	i := home(cell, mask)
	for x.cells[i] != cell {
		i = (i + 1) & mask
	}
	for j := (i + 1) & mask; x.cells[j] != 0; j = (j + 1) & mask {
		if (j-home(x.cells[j], mask))&mask >= (j-i)&mask { // it may lie as far up as i
			x.cells[i] = x.cells[j]
			i = j
		}
	}
	x.cells[i] = 0
	x.n--
}
