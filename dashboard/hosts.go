package dashboard

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// maxHosts is how many hosts have a bucket of their own. It costs 200 kB if they are
// there. Those that come when all are in use share one.
const maxHosts = 1024

// remoteHost is who a client is: an IPv4 address, or the /64 of an IPv6 one, which is
// what one customer has.
func remoteHost(addr string) string {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	if ip = ip.Unmap().WithZone(""); ip.Is6() {
		p, _ := ip.Prefix(64) // it has as many bits
		return p.String()
	}
	return ip.String()
}

// buckets are one for each host. It is safe for concurrent use.
type buckets struct {
	perSecond, most float64

	mu     sync.Mutex
	of     map[string]*bucket
	others *bucket
}

func newBuckets(perSecond, most float64) *buckets {
	return &buckets{perSecond: perSecond, most: most, of: make(map[string]*bucket), others: newBucket(perSecond, most)}
}

// take reports whether a host had one left.
func (b *buckets) take(host string, now time.Time) bool { return b.get(host, now).take(now) }

func (b *buckets) get(host string, now time.Time) *bucket {
	b.mu.Lock()
	defer b.mu.Unlock()
	if x := b.of[host]; x != nil {
		return x
	}
	if len(b.of) >= maxHosts {
		for h, x := range b.of { // a full one is as good as a new one
			if x.full(now) {
				delete(b.of, h)
			}
		}
	}
	if len(b.of) >= maxHosts {
		return b.others
	}
	x := newBucket(b.perSecond, b.most)
	b.of[host] = x
	return x
}

// limited answers at most as many requests of a host as its bucket has. Who has the token
// has a bucket of his own: others on the same host cannot empty it.
func (s *Server) limited(b *buckets, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who := remoteHost(r.RemoteAddr)
		if s.hasToken(r) {
			who = "token"
		}
		if !b.take(who, time.Now()) {
			w.Header().Set("Retry-After", "1")
			http.Error(w, "too many requests", http.StatusTooManyRequests)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// guesses counts the logins of each host that are under way. The zero value is ready. It
// is safe for concurrent use.
type guesses struct {
	mu sync.Mutex
	of map[string]int
}

// begin reports whether a host may try another. If so, end must be called.
func (g *guesses) begin(host string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.of[host] >= maxWrong {
		return false
	}
	if g.of == nil {
		g.of = make(map[string]int)
	}
	g.of[host]++
	return true
}

func (g *guesses) end(host string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.of[host]--; g.of[host] == 0 {
		delete(g.of, host)
	}
}
