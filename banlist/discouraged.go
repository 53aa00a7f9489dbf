package banlist

import (
	"sync"
	"time"

	"holdfast/netaddr"
)

// The defaults of DiscouragedOptions.
const (
	// DefaultDiscouraged is Bitcoin Core's number (src/banman.h). 50,000 hosts take
	// about 5 MB.
	DefaultDiscouraged = 50_000

	// DefaultDiscouragedFor is as long as Core bans by default (src/banman.h,
	// DEFAULT_MISBEHAVING_BANTIME). What Core discourages it does until the next
	// start, or until 50,000 others came.
	DefaultDiscouragedFor = 24 * time.Hour
)

// DiscouragedOptions are the options of a Discouraged. The zero ones are fine.
type DiscouragedOptions struct {
	// Now tells the time. Default: time.Now.
	Now func() time.Time

	// Max is how many hosts are kept at most; at least the newest Max/2 are. Default:
	// DefaultDiscouraged. The least is 2.
	Max int

	// For is how long a host is discouraged. Default: DefaultDiscouragedFor.
	For time.Duration
}

// Discouraged holds the hosts that misbehaved mildly. They are not banned: a node
// takes them in only while it has room, and evicts them first.
// It is in memory only.
//
// There are two generations: when the younger one is half of Max it becomes the
// older one, and what was older is forgotten. Other than the rolling Bloom filter of
// Bitcoin Core that never takes one host for another, and needs several
// times the memory, which is still little.
type Discouraged struct {
	now  func() time.Time
	half int
	keep time.Duration

	mu         sync.RWMutex
	young, old map[netaddr.Host]time.Time // since when
}

// NewDiscouraged returns an empty Discouraged.
func NewDiscouraged(o DiscouragedOptions) *Discouraged {
	d := &Discouraged{now: o.Now, half: o.Max / 2, keep: o.For, young: make(map[netaddr.Host]time.Time)}
	if d.now == nil {
		d.now = time.Now
	}
	if o.Max <= 0 {
		d.half = DefaultDiscouraged / 2
	}
	d.half = max(d.half, 1)
	if d.keep <= 0 {
		d.keep = DefaultDiscouragedFor
	}
	return d
}

// Add discourages a host from now on. The zero Host is ignored.
func (d *Discouraged) Add(h netaddr.Host) {
	if !h.IsValid() {
		return
	}
	now := d.now()
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.young[h]; !ok && len(d.young) >= d.half {
		d.old, d.young = d.young, make(map[netaddr.Host]time.Time)
	}
	d.young[h] = now
}

// Has reports whether a host is discouraged.
func (d *Discouraged) Has(h netaddr.Host) bool {
	d.mu.RLock()
	since, ok := d.young[h]
	if !ok {
		since, ok = d.old[h]
	}
	d.mu.RUnlock()
	return ok && d.now().Sub(since) < d.keep
}

// Remove forgets a host.
func (d *Discouraged) Remove(h netaddr.Host) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.young, h)
	delete(d.old, h)
}

// Clear forgets all hosts.
func (d *Discouraged) Clear() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.young, d.old = make(map[netaddr.Host]time.Time), nil
}
