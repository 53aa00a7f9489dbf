package dashboard

import (
	"bytes"
	"crypto/rand"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// wrongDelay is what a failed login costs, and maxWrong how many of them a host tries
	// at once: 32 guesses a second.
	wrongDelay = 250 * time.Millisecond
	maxWrong   = 8

	// maxForm is the size of an order.
	maxForm = 8 << 10

	// Pages a second, and orders, of a host; several times as many at once. It is more than
	// people ask for, and less than what a node would notice.
	pagesASecond, pagesAtOnce   = 50, 500
	ordersASecond, ordersAtOnce = 5, 30
)

// policy is the Content-Security-Policy: nothing but our own files, and no script or
// style in the page itself.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// headers are on every answer.
func headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// bucket is a number of calls that fills with time. It is safe for concurrent use.
type bucket struct {
	perSecond, most float64

	mu   sync.Mutex
	left float64
	at   time.Time
}

func newBucket(perSecond, most float64) *bucket {
	return &bucket{perSecond: perSecond, most: most, left: most}
}

// take reports whether there was one left.
func (b *bucket) take(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.at.IsZero() {
		b.left = min(b.most, b.left+now.Sub(b.at).Seconds()*b.perSecond)
	}
	b.at = now
	if b.left < 1 {
		return false
	}
	b.left--
	return true
}

// full reports whether a bucket is as it was made.
func (b *bucket) full(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.left+now.Sub(b.at).Seconds()*b.perSecond >= b.most
}

// inTurn runs a handler for one request at a time, first come first served, and keeps
// what it writes until it is done. So who reads slowly holds up nobody, and who asks in a
// loop costs another the time of a few answers.
func inTurn(next http.Handler) http.Handler {
	turn := make(chan struct{}, 1)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case turn <- struct{}{}:
		case <-r.Context().Done():
			return
		}
		kept := keptAnswer{ResponseWriter: w, status: http.StatusOK}
		func() {
			defer func() { <-turn }()
			next.ServeHTTP(&kept, r)
		}()
		w.WriteHeader(kept.status)
		_, _ = w.Write(kept.body.Bytes()) // who does not read it has gone
	})
}

// keptAnswer keeps the status and the body of an answer.
type keptAnswer struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

// WriteHeader keeps the status.
func (k *keptAnswer) WriteHeader(status int) { k.status = status }

// Write keeps a part of the body.
func (k *keptAnswer) Write(b []byte) (int, error) { return k.body.Write(b) }

// knownHost lets pass who calls this host by its address or by a name that it has. A page
// whose name was made to lead here (DNS rebinding) gets nothing.
func (s *Server) knownHost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.knows(r.Host) {
			http.Error(w, "this host is not called so: use its IP address, or configure the name", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Server) knows(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if s.hosts[strings.ToLower(host)] {
		return true
	}
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil
}

// mayRead lets pass whoever is on this machine, and who logs in.
func (s *Server) mayRead(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS == nil || s.hasToken(r) || s.loggedIn(w, r) {
			next.ServeHTTP(w, r)
		}
	})
}

// hasToken reports whether a request has the cookie of who may give orders.
func (s *Server) hasToken(r *http.Request) bool {
	c, err := r.Cookie(s.cookieName(r))
	return err == nil && same(c.Value, s.token)
}

// cookieName has the port, since browsers have one set of cookies for all ports of a
// host.
func (s *Server) cookieName(r *http.Request) string {
	addr, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if tcp, isTCP := addr.(*net.TCPAddr); ok && isTCP {
		return "holdfast-" + strconv.Itoa(tcp.Port)
	}
	return "holdfast"
}

// giveToken has the browser keep the token. Its script cannot read it, and other sites
// cannot have it sent.
func (s *Server) giveToken(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, &http.Cookie{
		Name: s.cookieName(r), Value: s.token, Path: "/",
		HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode,
	})
}

// loggedIn reports whether a request has a right user and password, and answers it if
// not.
func (s *Server) loggedIn(w http.ResponseWriter, r *http.Request) bool {
	refuse := func() {
		w.Header().Set("WWW-Authenticate", `Basic realm="holdfast", charset="UTF-8"`)
		http.Error(w, "log in with the user and the password of the RPC", http.StatusUnauthorized)
	}
	user, password, given := r.BasicAuth()
	if !given || s.cfg.Login == nil {
		refuse()
		return false
	}
	host := remoteHost(r.RemoteAddr)
	if !s.guesses.begin(host) {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "too many logins fail at once", http.StatusTooManyRequests)
		return false
	}
	defer s.guesses.end(host)
	if s.cfg.Login(user, password) {
		return true
	}
	s.cfg.Log.Warn("Login to the dashboard failed", "remote", r.RemoteAddr)
	pause(r.Context(), wrongDelay)
	refuse()
	return false
}

// serveLogin asks for user and password, and gives the token for them.
func (s *Server) serveLogin(w http.ResponseWriter, r *http.Request) {
	if s.cfg.Login == nil {
		http.Error(w, "no user is configured: open the address with the token that was shown at the start", http.StatusForbidden)
		return
	}
	if s.loggedIn(w, r) {
		s.giveToken(w, r)
		http.Redirect(w, r, "/", http.StatusSeeOther)
	}
}

// same compares secrets.
func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// newSecret returns 128 bits that nobody can guess.
func newSecret() string { return rand.Text() }
