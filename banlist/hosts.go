package banlist

import "math/bits"

// hosts has the bans of single hosts: a hash table with open addressing in which the bans
// themselves lie, so that one look at memory finds one of a million. A key that is an IP
// address and its ban take 40 bytes, which is 50 to 75 with the slots that are free.
//
// Make it with the hash of a key, which must be keyed. List.mu must be held to use it.
type hosts[K comparable] struct {
	hash  func(K) uint64
	slots []slot[K] // at most 4/5 of them are taken
	n     int
}

// A slot is free if its ban has no origin.
type slot[K comparable] struct {
	key K
	ban
}

// home is where a hash belongs: the slots are in the order of the hashes, but for those
// that were taken.
func (t *hosts[K]) home(hash uint64) int {
	at, _ := bits.Mul64(hash, uint64(len(t.slots)))
	return int(at)
}

// next is the slot after one.
func (t *hosts[K]) next(i int) int {
	if i++; i < len(t.slots) {
		return i
	}
	return 0
}

// seek returns where a key is, or else the free slot where it would be.
func (t *hosts[K]) seek(hash uint64, key K) int {
	i := t.home(hash)
	for t.slots[i].origin != 0 && t.slots[i].key != key {
		i = t.next(i)
	}
	return i
}

// get returns the ban of a key; the zero one if there is none.
func (t *hosts[K]) get(hash uint64, key K) ban {
	if t.n == 0 {
		return ban{}
	}
	return t.slots[t.seek(hash, key)].ban
}

// put adds a ban, or replaces that of its key.
func (t *hosts[K]) put(hash uint64, key K, b ban) {
	if 5*(t.n+1) > 4*len(t.slots) {
		old := t.slots
		t.slots = make([]slot[K], max(64, len(old)*3/2))
		for i := range old {
			if s := &old[i]; s.origin != 0 {
				t.slots[t.seek(t.hash(s.key), s.key)] = *s
			}
		}
	}
	s := &t.slots[t.seek(hash, key)]
	if s.origin == 0 {
		t.n++
	}
	*s = slot[K]{key, b}
}

// remove removes the ban of a key, if there is one. Those behind it move up, so that no
// mark of it is left.
func (t *hosts[K]) remove(hash uint64, key K) {
	if t.n == 0 {
		return
	}
	i := t.seek(hash, key)
	if t.slots[i].origin == 0 {
		return
	}
	t.n--
	size := len(t.slots)
	for j := t.next(i); t.slots[j].origin != 0; j = t.next(j) {
		home := t.home(t.hash(t.slots[j].key))
		if (j-home+size)%size >= (j-i+size)%size { // it may lie as far up as i
			t.slots[i] = t.slots[j]
			i = j
		}
	}
	t.slots[i] = slot[K]{}
}
