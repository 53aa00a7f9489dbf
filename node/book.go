package node

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/btcsuite/btcd/wire/v2"
)

// What the book of addresses holds at most, and what it forgets.
const (
	maxBook          = 10000 // about 2 MB
	maxBookPerSource = 1000  // one full answer to getaddr

	// An address is not dialed again before retryMin has passed since the last
	// try, twice that after the second failure, and so on up to retryMax.
	retryMin = 30 * time.Second
	retryMax = 2 * time.Hour

	// stableFor is how long a session must last to make up for earlier failures.
	stableFor = 10 * time.Minute

	// maxFailures in a row end an address's stay in the book.
	maxFailures = 10

	// staleAfter is the age at which an address is not told to others any more;
	// it is Core's ADDRMAN_HORIZON.
	staleAfter = 30 * 24 * time.Hour

	// samplePercent and maxSample bound what one getaddr learns of the book:
	// Core's MAX_PCT_ADDR_TO_SEND and MAX_ADDR_TO_SEND.
	samplePercent = 23
	maxSample     = 1000

	// pickProbes bounds the work of one Pick in a large book.
	pickProbes = 512
)

// endpoint is where a node can be reached: an IP address and port, or an onion
// service and port. It is comparable.
type endpoint struct {
	ip    netip.Addr // unmapped; invalid for an onion service
	onion string     // "....onion"; empty for an IP address
	port  uint16
}

// String returns host:port.
func (e endpoint) String() string {
	if e.onion != "" {
		return net.JoinHostPort(e.onion, strconv.Itoa(int(e.port)))
	}
	return netip.AddrPortFrom(e.ip, e.port).String()
}

// addr returns the endpoint as the dialer takes it.
func (e endpoint) addr() net.Addr {
	if e.onion != "" {
		return hostAddr{e.onion, e.port}
	}
	return tcpAddr(e.ip, e.port)
}

// endpointOf returns the endpoint of an IP address and port.
func endpointOf(addr net.Addr) (endpoint, bool) {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return endpoint{}, false
	}
	ip, ok := ipOf(tcp)
	return endpoint{ip: ip, port: uint16(tcp.Port)}, ok
}

// known is an address, as it is told.
type known struct {
	endpoint
	services wire.ServiceFlag
	seen     time.Time // when somebody was last connected to it, as we were told
}

// addressBook knows whom one could connect to. All methods are safe for
// concurrent use.
type addressBook interface {
	// add takes addresses that source told, and returns how many are new.
	add(addrs []known, source string) int

	// pick returns an address to dial for which ok is true. It prefers those
	// that have not failed, and returns none that was tried lately; to be picked
	// is to be tried.
	pick(ok func(endpoint) bool) (endpoint, bool)

	// good, ended and failed tell what became of an address: its handshake is
	// done; its session ended after so long; the dial or the handshake failed.
	good(e endpoint, services wire.ServiceFlag)
	ended(e endpoint, lasted time.Duration)
	failed(e endpoint)

	// drop forgets an address.
	drop(e endpoint)

	// sample returns some addresses at random to tell to others, for which ok is
	// true.
	sample(ok func(endpoint) bool) []known

	// size returns how many addresses are known.
	size() int
}

// book is an addressBook in memory.
type book struct {
	max, maxPerSource int

	mu      sync.Mutex
	rng     *rand.Rand
	entries []*entry // in no order, so that one can be drawn at random
	index   map[endpoint]*entry
	sources map[string]int
}

type entry struct {
	known
	at     int // in book.entries
	source string
	tried  time.Time // zero if never
	proven bool      // its handshake was done once
	fails  int       // since a session lasted
}

func newBook(most, mostPerSource int, rng *rand.Rand) *book {
	return &book{
		max: most, maxPerSource: mostPerSource, rng: rng,
		index: make(map[endpoint]*entry), sources: make(map[string]int),
	}
}

func (b *book) add(addrs []known, source string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	news := 0
	for _, a := range addrs {
		if e := b.index[a.endpoint]; e != nil {
			if a.seen.After(e.seen) {
				e.seen = a.seen
			}
			if !e.proven { // what its own version said is better
				e.services |= a.services
			}
			continue
		}
		if b.sources[source] >= b.maxPerSource {
			continue // the others may be known, and fresher
		}
		if len(b.entries) >= b.max && !b.makeRoom(a) {
			continue
		}
		e := &entry{known: a, at: len(b.entries), source: source}
		b.entries = append(b.entries, e)
		b.index[a.endpoint] = e
		b.sources[source]++
		news++
	}
	return news
}

// makeRoom forgets the worst of a few addresses drawn at random, if it is worse
// than a. Drawing keeps it cheap, and keeps anybody from choosing who goes. The
// lock must be held.
func (b *book) makeRoom(a known) bool {
	var worst *entry
	for range 8 {
		e := b.entries[b.rng.IntN(len(b.entries))]
		if worst == nil || worse(e, worst) {
			worst = e
		}
	}
	if worst.proven && worst.fails == 0 || worst.fails == 0 && worst.seen.After(a.seen) {
		return false
	}
	b.remove(worst)
	return true
}

// worse orders addresses by how little they would be missed.
func worse(x, y *entry) bool {
	if x.proven != y.proven {
		return !x.proven
	}
	if x.fails != y.fails {
		return x.fails > y.fails
	}
	return x.seen.Before(y.seen)
}

// remove forgets an entry. The lock must be held.
func (b *book) remove(e *entry) {
	last := b.entries[len(b.entries)-1]
	b.entries[e.at] = last
	last.at = e.at
	b.entries[len(b.entries)-1] = nil
	b.entries = b.entries[:len(b.entries)-1]
	delete(b.index, e.endpoint)
	if b.sources[e.source]--; b.sources[e.source] == 0 {
		delete(b.sources, e.source)
	}
}

// due reports whether an address may be dialed again.
func (e *entry) due(now time.Time) bool {
	if e.tried.IsZero() {
		return true
	}
	wait := retryMin
	for range e.fails {
		wait = min(2*wait, retryMax)
	}
	return !now.Before(e.tried.Add(wait))
}

func (b *book) pick(ok func(endpoint) bool) (endpoint, bool) {
	// ok is the caller's and may take long or lock: it is not called under ours.
	for _, e := range b.candidates() {
		if ok(e) && b.claim(e) {
			return e, true
		}
	}
	return endpoint{}, false
}

// claim marks an address as tried, unless somebody else was quicker: else those
// who pick at once would dial an address that refuses at once one after another,
// and use up its failures in a moment.
func (b *book) claim(e endpoint) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	x, now := b.index[e], time.Now()
	if x == nil || !x.due(now) {
		return false
	}
	x.tried = now
	return true
}

// candidates returns the addresses that are due, drawn at random: those that have
// not failed before those that have.
func (b *book) candidates() []endpoint {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	var fresh, stained []endpoint
	consider := func(e *entry) {
		switch {
		case e.onion != "" || !e.due(now): // there is no way to an onion yet
		case e.fails == 0:
			fresh = append(fresh, e.endpoint)
		default:
			stained = append(stained, e.endpoint)
		}
	}
	if len(b.entries) <= pickProbes {
		for _, i := range b.rng.Perm(len(b.entries)) {
			consider(b.entries[i])
		}
	} else {
		for range pickProbes {
			consider(b.entries[b.rng.IntN(len(b.entries))])
		}
	}
	return append(fresh, stained...)
}

func (b *book) good(e endpoint, services wire.ServiceFlag) {
	b.change(e, func(x *entry) {
		x.proven = true
		x.services = services
		x.seen = time.Now()
	})
}

func (b *book) ended(e endpoint, lasted time.Duration) {
	if lasted < stableFor {
		b.failed(e)
		return
	}
	b.change(e, func(x *entry) {
		x.fails = 0
		x.seen = time.Now()
		x.tried = x.seen
	})
}

func (b *book) failed(e endpoint) {
	b.change(e, func(x *entry) {
		x.tried = time.Now()
		if x.fails++; x.fails >= maxFailures {
			b.remove(x)
		}
	})
}

func (b *book) drop(e endpoint) { b.change(e, b.remove) }

func (b *book) change(e endpoint, f func(*entry)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if x := b.index[e]; x != nil {
		f(x)
	}
}

func (b *book) sample(ok func(endpoint) bool) []known {
	b.mu.Lock()
	most := min(maxSample, (len(b.entries)*samplePercent+99)/100)
	now := time.Now()
	drawn := make([]known, 0, most)
	for _, i := range b.rng.Perm(len(b.entries)) {
		if len(drawn) >= most {
			break
		}
		if e := b.entries[i]; e.fails < 3 && now.Sub(e.seen) < staleAfter {
			drawn = append(drawn, e.known)
		}
	}
	b.mu.Unlock()
	told := drawn[:0]
	for _, a := range drawn {
		if ok(a.endpoint) {
			told = append(told, a)
		}
	}
	return told
}

func (b *book) size() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.entries)
}
