package addrbook

import (
	crand "crypto/rand"
	"errors"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"sync"
	"time"

	"holdfast/netaddr"
)

// MaxBuckets bounds the bucket counts of a Config: a book 64 times as large as
// Bitcoin Core's.
const MaxBuckets = 1 << 16

// Config is how a book works. The zero Config is good.
type Config struct {
	// Groups says which addresses belong together. Nil means by prefix. It must not
	// change any more.
	Groups *Groups

	// AllowLocal lets loopback and private addresses into the book, for networks in
	// a box and for tests. Groups.Local will then be wanted too.
	AllowLocal bool

	// NewBuckets and TriedBuckets are how many buckets of 64 entries the tables
	// have. 0 means those of Bitcoin Core, 1024 and 256; at most MaxBuckets.
	NewBuckets, TriedBuckets int

	// Key decides who shares a bucket with whom. The zero Key means the one of the
	// file, and a random one if there is no file. It is for tests.
	Key Key

	// Now tells the time. Nil means time.Now.
	Now func() time.Time

	// Rand is where chance comes from; it is used by one goroutine at a time. Nil
	// means ChaCha8 with a random seed, which nobody can predict.
	Rand rand.Source

	// SaveEvery is how often Run saves. 0 means 10 minutes.
	SaveEvery time.Duration

	// Warn is told by Run what went wrong with saving; Run goes on. It is called
	// from Run's goroutine, and may use the book. Nil means that only the error of
	// the last save is heard of, which Run returns.
	Warn func(error)
}

// ErrConfig is wrapped by errors about a Config.
var ErrConfig = errors.New("bad configuration of the address book")

// Book knows whom one could connect to. All methods are safe for concurrent use.
// New and Open make one.
type Book struct {
	groups       Groups
	allowLocal   bool
	newBuckets   int
	triedBuckets int
	saveEvery    time.Duration
	now          func() time.Time
	warn         func(error)
	files        files

	mu      sync.Mutex
	key     Key
	rng     *rand.Rand
	entries store
	seed    maphash.Seed // of the indexes
	index   index        // of the entries, by address

	newSlots   []int32 // numbers of entries plus 1; bucket*bucketSize + position
	newNext    []int32 // of each used slot: the entry's next slot, or none
	triedSlots []int32
	fresh      pool // the new table
	tried      pool
	sources    sources // of new

	collisions []netaddr.Addr // proven addresses whose place in tried is taken
	lastGood   uint32         // when any address was last reached
	answers    map[netaddr.Network]answer
	news       news
}

// New returns an empty book that has no files: Save, Flush and Run do nothing. The
// error wraps ErrConfig.
func New(cfg Config) (*Book, error) {
	key := cfg.Key
	if key == (Key{}) {
		crand.Read(key[:]) // it never fails
	}
	return newBook(cfg, key)
}

func newBook(cfg Config, key Key) (*Book, error) {
	b := &Book{
		allowLocal: cfg.AllowLocal,
		newBuckets: cfg.NewBuckets, triedBuckets: cfg.TriedBuckets,
		saveEvery: cfg.SaveEvery, now: cfg.Now, warn: cfg.Warn,
		key: key, lastGood: 1, answers: make(map[netaddr.Network]answer),
	}
	if cfg.Groups != nil {
		b.groups = *cfg.Groups
	}
	if b.newBuckets == 0 {
		b.newBuckets = defaultNewBuckets
	}
	if b.triedBuckets == 0 {
		b.triedBuckets = defaultTriedBuckets
	}
	for _, n := range []int{b.newBuckets, b.triedBuckets} {
		if n < 1 || n > MaxBuckets {
			return nil, fmt.Errorf("%w: %d buckets, not 1 to %d", ErrConfig, n, MaxBuckets)
		}
	}
	if b.saveEvery == 0 {
		b.saveEvery = saveEvery
	}
	if b.saveEvery < 0 {
		return nil, fmt.Errorf("%w: SaveEvery is %v", ErrConfig, b.saveEvery)
	}
	if b.now == nil {
		b.now = time.Now
	}
	if b.warn == nil {
		b.warn = func(error) {}
	}
	source := cfg.Rand
	if source == nil {
		var seed [32]byte
		crand.Read(seed[:]) // it never fails
		source = rand.NewChaCha8(seed)
	}
	b.rng = rand.New(source)
	b.seed = maphash.MakeSeed()
	b.newSlots = make([]int32, b.newBuckets*bucketSize)
	b.newNext = make([]int32, b.newBuckets*bucketSize)
	b.triedSlots = make([]int32, b.triedBuckets*bucketSize)
	b.fresh.book, b.tried.book, b.sources.book = b, b, b
	b.fresh.other, b.tried.other = &b.tried, &b.fresh
	b.news.kick = make(chan struct{}, 1)
	return b, nil
}

// The methods below must be called with the lock held.

// hash is where an address belongs in the index. It is keyed, but not by Key: it does not
// outlive the process, so it may be quicker than what does.
func (b *Book) hash(a netaddr.Addr) uint64 {
	var room [35]byte
	p := append(room[:0], byte(a.Host.Network()), byte(a.Port), byte(a.Port>>8))
	return maphash.Bytes(b.seed, a.Host.AppendBytes(p))
}

// find returns the number of an address's entry, none if there is none.
func (b *Book) find(a netaddr.Addr) int32 {
	return b.index.find(b.hash(a), func(id int32) bool { return b.entries.at(id).addr == a })
}

// create makes an entry that is in no table yet: it must be put into one.
func (b *Book) create(a netaddr.Addr, source netaddr.Host) int32 {
	id := b.entries.alloc()
	e := b.entries.at(id)
	e.addr, e.source = a, source
	e.slot, e.group, e.place, e.from = none, none, none, none
	b.index.add(id, b.hash(a))
	return id
}

// discard forgets an entry that is in no table.
func (b *Book) discard(id int32) {
	b.index.remove(id, b.hash(b.entries.at(id).addr))
	b.entries.release(id)
}

// putNew puts an entry into an empty slot of the new table. It counts for the group of
// who told of it, from, if it was in none yet.
func (b *Book) putNew(id, slot int32, group, from Group) {
	e := b.entries.at(id)
	b.newSlots[slot] = id + 1
	b.newNext[slot] = e.slot
	e.slot = slot
	if e.refs++; e.refs == 1 {
		b.fresh.add(id, group)
		b.sources.add(e, b.sources.number(from))
	}
}

// clearNew empties a slot of the new table, and forgets its entry if that was its
// last.
func (b *Book) clearNew(slot int32) {
	id := b.newSlots[slot] - 1
	if id == none {
		return
	}
	e := b.entries.at(id)
	if e.slot == slot {
		e.slot = b.newNext[slot]
	} else {
		s := e.slot
		for b.newNext[s] != slot {
			s = b.newNext[s]
		}
		b.newNext[s] = b.newNext[slot]
	}
	b.newSlots[slot], b.newNext[slot] = 0, 0
	if e.refs--; e.refs == 0 {
		b.fresh.remove(id)
		b.sources.remove(e)
		b.discard(id)
	}
}

// takeNew takes an entry out of the new table without forgetting it.
func (b *Book) takeNew(id int32) {
	e := b.entries.at(id)
	for s := e.slot; s != none; {
		next := b.newNext[s]
		b.newSlots[s], b.newNext[s] = 0, 0
		s = next
	}
	e.slot, e.refs = none, 0
	b.fresh.remove(id)
	b.sources.remove(e)
}

// putTried puts an entry that is in no table into an empty slot of the tried table.
func (b *Book) putTried(id, slot int32, group Group) {
	e := b.entries.at(id)
	b.triedSlots[slot] = id + 1
	e.slot, e.tried = slot, true
	b.tried.add(id, group)
}

// takeTried takes an entry out of the tried table without forgetting it.
func (b *Book) takeTried(id int32) {
	e := b.entries.at(id)
	b.triedSlots[e.slot] = 0
	e.slot, e.tried = none, false
	b.tried.remove(id)
}
