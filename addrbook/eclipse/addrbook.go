package eclipse

import (
	"math/rand/v2"
	"time"

	"holdfast/addrbook"
	"holdfast/netaddr"
)

// Ours is the book of package addrbook, as a node uses it.
type Ours struct{ *addrbook.Book }

// NewOurs returns an empty book that goes by a clock.
func NewOurs(seed uint64, clock Clock) (Ours, error) {
	key := addrbook.Key{1, byte(seed), byte(seed >> 8)}
	b, err := addrbook.New(addrbook.Config{Key: key, Now: clock.Now, Rand: rand.NewPCG(seed, 2)})
	return Ours{b}, err
}

// gossipPenalty is what Bitcoin Core takes off the times of gossiped addresses.
const gossipPenalty = 2 * time.Hour

// Add implements Book.
func (o Ours) Add(source netaddr.Host, addrs []addrbook.Known) {
	penalty := gossipPenalty
	if !source.IsValid() {
		penalty = 0
	}
	o.Book.Add(source, penalty, addrs...)
}

// Choose implements Book.
func (o Ours) Choose(fresh bool, ok func(netaddr.Addr) bool) (netaddr.Addr, bool) {
	if fresh {
		return o.ChooseNew(addrbook.AllNetworks, ok)
	}
	return o.Book.Choose(addrbook.AllNetworks, ok)
}

// NextTest implements Book.
func (o Ours) NextTest() (netaddr.Addr, bool) {
	a, ok, _ := o.Book.NextTest() // there are no files
	return a, ok
}

// Attempt implements Book.
func (o Ours) Attempt(a netaddr.Addr) { o.Book.Attempt(a, addrbook.Counts) }

// Good implements Book.
func (o Ours) Good(a netaddr.Addr) { _ = o.Book.Good(a, 1) } // there are no files
