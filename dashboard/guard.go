package dashboard

import (
	"bytes"
	"crypto/rand"
	"crypto/subtle"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"holdfast/internal/webserver"
)

const (
	// wrongDelay is what a failed login costs, and maxWrong and maxWrongPerHost are how many
	// of those pay at once: 32 guesses a second from one host, 256 in all. The rest is
	// refused at once, so that a crowd takes no memory.
	wrongDelay      = 250 * time.Millisecond
	maxWrong        = 64
	maxWrongPerHost = 8

	// wrongTold is how many failed logins are logged in a second at most.
	wrongTold = 1

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

// inTurn runs a handler for one request at a time, first come first served, and keeps
// what it writes until it is done. So who reads slowly holds up nobody, and who asks in a
// loop costs another the time of a few answers. An answer is given to whoever asks for the
// same in the same second of the clock.
func inTurn(next http.Handler) http.Handler {
	turn := make(chan struct{}, 1)
	var answers lastAnswers // of whose turn it is
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case turn <- struct{}{}:
		case <-r.Context().Done():
			return
		}
		kept := func() *keptAnswer {
			defer func() { <-turn }()
			return answers.get(next, w, r)
		}()
		w.WriteHeader(kept.status)
		_, _ = w.Write(kept.body.Bytes()) // who does not read it has gone
	})
}

// maxAnswers is how many answers to different requests are kept, of some 30 kB each. A
// monitor asks for one, and others that ask at the same time may prefer other formats.
const maxAnswers = 4

// lastAnswers are those of the current second.
type lastAnswers struct {
	second int64
	of     map[question]*keptAnswer
}

// A question is what an answer of Prometheus's handler depends on.
type question struct{ accept, encoding, query string }

// get returns the answer to a request, and sets its header.
func (l *lastAnswers) get(next http.Handler, w http.ResponseWriter, r *http.Request) *keptAnswer {
	if now := time.Now().Unix(); now != l.second || l.of == nil {
		l.second, l.of = now, make(map[question]*keptAnswer)
	}
	join := func(name string) string { return strings.Join(r.Header.Values(name), ",") }
	q := question{join("Accept"), join("Accept-Encoding"), r.URL.RawQuery}
	kept, ok := l.of[q]
	if !ok {
		kept = &keptAnswer{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(kept, r)
		kept.ResponseWriter, kept.header = nil, w.Header().Clone()
		if len(l.of) < maxAnswers {
			l.of[q] = kept
		}
	}
	maps.Copy(w.Header(), kept.header)
	return kept
}

// keptAnswer keeps the status and the body of an answer.
type keptAnswer struct {
	http.ResponseWriter
	status int
	header http.Header // when it is done
	body   bytes.Buffer
}

// WriteHeader keeps the status.
func (k *keptAnswer) WriteHeader(status int) { k.status = status }

// Write keeps a part of the body.
func (k *keptAnswer) Write(b []byte) (int, error) { return k.body.Write(b) }

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
// not. The password is looked at before the guesses are counted: who has it is not locked
// out by those who guess, be they of the same host or a crowd. So what bounds guesses is
// that each costs its maker a connection: a password must be long.
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
	if s.cfg.Login(user, password) {
		return true
	}
	if s.wrong.Allow(netip.Addr{}, 1, time.Now()) {
		s.cfg.Log.Warn("Login to the dashboard failed", "remote", r.RemoteAddr)
	}
	w.Header().Set("Connection", "close")
	host := webserver.RemoteHost(r.RemoteAddr)
	if !s.guesses.Begin(host) {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "too many logins fail at once", http.StatusTooManyRequests)
		return false
	}
	defer s.guesses.End(host)
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
