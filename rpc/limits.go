package rpc

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

const (
	// wrongDelay is what a failed login costs, as in Bitcoin Core (src/httprpc.cpp).
	wrongDelay = 250 * time.Millisecond

	// maxWrong and maxWrongPerHost are how many of those pay at once: 64 guesses a
	// second from one host, 256 in all.
	maxWrong        = 64
	maxWrongPerHost = 16

	// wrongTold is how often failed logins are logged at most.
	wrongTold = time.Second

	// maxRated is of how many hosts it is known how fast they call.
	maxRated = 1024
)

// remoteHost is who a client is: an IPv4 address, or the /64 of an IPv6 one, which is
// one customer's.
func remoteHost(remote string) netip.Addr {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return netip.Addr{}
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is6() {
		p, _ := ip.Prefix(64) // it has as many bits
		return p.Addr()
	}
	return ip
}

// guesses bounds how many logins are tried at once. It is safe for concurrent use.
type guesses struct {
	mu     sync.Mutex
	all    int
	from   map[netip.Addr]int
	untold int // that failed, and are not logged
	told   time.Time
}

// failed notes a failed login. It returns how many there were since it last returned one,
// or 0 if that was just now.
func (g *guesses) failed(now time.Time) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.untold++
	if now.Sub(g.told) < wrongTold {
		return 0
	}
	n := g.untold
	g.untold, g.told = 0, now
	return n
}

// begin reports whether a host may try a login now. If so, end must be called.
func (g *guesses) begin(host netip.Addr) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.all >= maxWrong || g.from[host] >= maxWrongPerHost {
		return false
	}
	if g.from == nil {
		g.from = make(map[netip.Addr]int)
	}
	g.all++
	g.from[host]++
	return true
}

func (g *guesses) end(host netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.all--
	if g.from[host]--; g.from[host] == 0 {
		delete(g.from, host)
	}
}

// rates bounds how many calls a second a host makes. It is safe for concurrent use.
type rates struct {
	perSecond float64

	mu   sync.Mutex
	from map[netip.Addr]*rate
}

// A rate is a bucket that fills with time and that calls are taken from.
type rate struct {
	left float64
	at   time.Time
}

// allow takes n calls, and reports whether there were so many. A batch that is larger
// than the bucket waits for a full one, and leaves a debt.
func (r *rates) allow(host netip.Addr, n int, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	burst := 2 * r.perSecond
	b := r.from[host]
	if b == nil {
		r.makeRoom(now, burst)
		if len(r.from) >= maxRated {
			host = netip.Addr{} // the rest share one
		}
		if b = r.from[host]; b == nil {
			if r.from == nil {
				r.from = make(map[netip.Addr]*rate)
			}
			b = &rate{burst, now}
			r.from[host] = b
		}
	}
	b.left = min(burst, b.left+now.Sub(b.at).Seconds()*r.perSecond)
	b.at = now
	if b.left < min(float64(n), burst) {
		return false
	}
	b.left -= float64(n)
	return true
}

// makeRoom forgets who has not called for long. r.mu must be held.
func (r *rates) makeRoom(now time.Time, burst float64) {
	if len(r.from) < maxRated {
		return
	}
	for host, b := range r.from {
		if b.left+now.Sub(b.at).Seconds()*r.perSecond >= burst {
			delete(r.from, host)
		}
	}
}

// slots bounds how much is under way.
type slots chan struct{}

// take reports whether there was a free slot, which must be given back.
func (s slots) take() bool {
	select {
	case s <- struct{}{}:
		return true
	default:
		return false
	}
}

func (s slots) give() { <-s }
