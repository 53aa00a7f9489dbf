package webserver

import (
	"net/netip"
	"sync"
	"time"
)

// maxRated is of how many hosts it is known how fast they ask. It costs 200 kB if they are
// there. Those that come when none can be forgotten share one bucket.
const maxRated = 1024

// Rates bounds how many calls a second a host makes: each has a bucket that fills with
// time. The exported fields are set before it is used. It is safe for concurrent use.
type Rates struct {
	PerSecond float64 // what comes in
	AtOnce    float64 // what a bucket holds, and has at first

	mu   sync.Mutex
	from map[netip.Addr]*bucket
}

type bucket struct {
	left float64
	at   time.Time
}

// Allow takes n calls, and reports whether there were so many. What is more than a bucket
// holds waits for a full one, and leaves a debt.
func (r *Rates) Allow(host netip.Addr, n int, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.from[host]
	if b == nil {
		r.makeRoom(now)
		if len(r.from) >= maxRated {
			host = netip.Addr{} // the rest share one
		}
		if b = r.from[host]; b == nil {
			if r.from == nil {
				r.from = make(map[netip.Addr]*bucket)
			}
			b = &bucket{r.AtOnce, now}
			r.from[host] = b
		}
	}
	b.left, b.at = r.level(b, now), now
	if b.left < min(float64(n), r.AtOnce) {
		return false
	}
	b.left -= float64(n)
	return true
}

// level is what a bucket has now.
func (r *Rates) level(b *bucket, now time.Time) float64 {
	return min(r.AtOnce, b.left+now.Sub(b.at).Seconds()*r.PerSecond)
}

// makeRoom forgets who has not asked for long: a full bucket is as good as a new one. r.mu
// must be held.
func (r *Rates) makeRoom(now time.Time) {
	if len(r.from) < maxRated {
		return
	}
	for host, b := range r.from {
		if r.level(b, now) >= r.AtOnce {
			delete(r.from, host)
		}
	}
}

// Guesses bounds how many logins fail at once. The exported fields are set before it is
// used. It is safe for concurrent use.
type Guesses struct {
	Most        int // of all hosts; 0: any number
	MostPerHost int

	mu   sync.Mutex
	all  int
	from map[netip.Addr]int
}

// Begin reports whether a host may try a login now. If so, End must be called.
func (g *Guesses) Begin(host netip.Addr) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.Most > 0 && g.all >= g.Most || g.from[host] >= g.MostPerHost {
		return false
	}
	if g.from == nil {
		g.from = make(map[netip.Addr]int)
	}
	g.all++
	g.from[host]++
	return true
}

// End notes that a login was answered.
func (g *Guesses) End(host netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.all--
	if g.from[host]--; g.from[host] == 0 {
		delete(g.from, host)
	}
}
