package banlist

import (
	"math/bits"
	"sync/atomic"
)

// A filter says of most hosts that are not banned that they are not, in one look at
// memory that fits the processor's cache, and without a lock. It is a Bloom filter
// in which all bits of a host are in one word: 8 bits of memory a host, 3 of them
// set, so that at most 1 in 20 of the others pass when it is full, and 1 in 100 when
// it is half full. The hashes are keyed, so
// nobody can choose to be one of them.
//
// Hosts are added with List.mu held, and never removed: the filter is made anew
// when it is full.
type filter struct {
	words []atomic.Uint64
	room  int // how many hosts can still be added
}

// newFilter returns an empty filter for n hosts, and at least for some.
func newFilter(n int) *filter {
	n = max(n, 64)
	return &filter{words: make([]atomic.Uint64, (n+7)/8), room: n}
}

// at returns the word and the bits of a hash.
func (f *filter) at(hash uint64) (*atomic.Uint64, uint64) {
	word, _ := bits.Mul64(hash, uint64(len(f.words)))
	return &f.words[word], 1<<(hash&63) | 1<<(hash>>6&63) | 1<<(hash>>12&63)
}

func (f *filter) add(hash uint64) {
	word, mask := f.at(hash)
	word.Or(mask)
	f.room--
}

// has reports whether a hash may have been added.
func (f *filter) has(hash uint64) bool {
	word, mask := f.at(hash)
	return word.Load()&mask == mask
}
