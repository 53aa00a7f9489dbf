package addrbook

import (
	"iter"
	"math/rand/v2"
	"slices"
	"time"

	"holdfast/netaddr"
)

// What one answer tells of the book: Bitcoin Core's MAX_PCT_ADDR_TO_SEND,
// MAX_ADDR_TO_SEND (src/net_processing.cpp) and the life of a cached answer
// (GetAddresses in src/net.cpp).
const (
	answerPercent = 23
	answerMax     = 1000
	answerLife    = 21 * time.Hour
	answerJitter  = 6 * time.Hour
)

type answer struct {
	known []Known
	asked int // how many could have been in it
	until time.Time
}

// Answer returns what to tell those who ask for addresses from a network: at most
// 1000, and at most 23 % of the book, drawn at random, of all networks, and none
// that is not worth dialing. All who ask from the same network get the same for 21
// to 27 hours, so that nobody learns the book by asking often, or sees from the
// times in it what we do; only when the book has doubled, as that of a new node does
// ten times, they get a new one. The slice is the caller's.
func (b *Book) Answer(to netaddr.Network) []Known {
	t := b.now()
	b.mu.Lock()
	defer b.mu.Unlock()
	a, ok := b.answers[to]
	n := min(answerMax, b.entries.len()*answerPercent/100)
	if !ok || !t.Before(a.until) || n >= 2*max(a.asked, 1) {
		life := answerLife + time.Duration(b.rng.Int64N(int64(answerJitter)))
		a = answer{b.sample(n, toUnix(t)), n, t.Add(life)}
		if NetworksOf(to) != 0 { // no other key gets into the map
			b.answers[to] = a
		}
	}
	return slices.Clone(a.known)
}

// sample draws n addresses that are not terrible, fewer if there are not as many.
func (b *Book) sample(n int, now uint32) []Known {
	drawn := make([]Known, 0, n)
	for id := range shuffled(int(b.entries.used), b.rng) {
		if len(drawn) == n {
			break
		}
		if e := b.entries.at(int32(id)); e.addr.IsValid() && !e.terrible(now) {
			drawn = append(drawn, e.known())
		}
	}
	return drawn
}

// shuffled yields 0 to n-1 in random order. It needs memory for those that it has
// yielded only.
func shuffled(n int, rng *rand.Rand) iter.Seq[int] {
	return func(yield func(int) bool) {
		moved := make(map[int]int)
		at := func(i int) int {
			if j, ok := moved[i]; ok {
				return j
			}
			return i
		}
		for i := range n {
			j := i + rng.IntN(n-i)
			chosen := at(j)
			moved[j] = at(i)
			if !yield(chosen) {
				return
			}
		}
	}
}
