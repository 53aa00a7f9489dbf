package rpc

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"holdfast/node"
)

// ErrServing says that Serve or Close was called before.
var ErrServing = errors.New("rpc: Serve or Close was called already")

const (
	// headerTimeout is how long a client may take to send the head of a request.
	headerTimeout = 10 * time.Second

	// idleTimeout is how long a connection may wait for its next request.
	idleTimeout = 2 * time.Minute

	// maxHeader is the size of a head. Go adds 4 KiB to it.
	maxHeader = 8 << 10

	// lastWords is how long answers may take that are under way at the end.
	lastWords = 2 * time.Second
)

// Server answers JSON-RPC. It is made by New. All methods are safe for concurrent use.
type Server struct {
	cfg       Config
	logins    logins
	cookie    *cookie
	methods   map[string]*method
	hosts     map[string]bool // in lower case
	listeners []net.Listener
	tls       *tls.Config // nil: none
	http      *http.Server

	room    *room
	guesses guesses
	rates   rates
	working slots
	waiting slots

	// encoding bounds the part of the processors that calls can take: the most work is
	// writing JSON, which waits for nothing.
	encoding slots
	active   active

	begun atomic.Bool
	conns sync.WaitGroup // connections that the HTTP server has
}

// New checks cfg, listens, and writes the cookie file. Serve must be called, or Close.
//
// Errors are of type *node.ConfigError where a field is wrong, else those of listening
// and of files, wrapped.
func New(cfg Config) (*Server, error) {
	s, err := newServer(cfg)
	if err != nil {
		return nil, err
	}
	if err := s.listen(); err != nil {
		s.closeListeners()
		return nil, err
	}
	if cfg.CookieFile != "" {
		c, x, err := newCookie(cfg.CookieFile)
		if err != nil {
			s.closeListeners()
			return nil, err
		}
		s.cookie, s.logins = c, append(s.logins, x)
	}
	return s, nil
}

// newServer is New without listening and the cookie file.
func newServer(cfg Config) (*Server, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	l, err := newLogins(&cfg)
	if err != nil {
		return nil, err
	}
	s := &Server{
		cfg: cfg, logins: l,
		methods: table(),
		hosts:   map[string]bool{"": true, "localhost": true},
		room:    &room{most: cfg.Limits.Connections},
		rates:   rates{perSecond: float64(cfg.Limits.Rate)},
		working: make(slots, cfg.Limits.Requests),
		waiting: make(slots, cfg.Limits.Requests),

		encoding: make(slots, max(1, runtime.GOMAXPROCS(0)/2)),
	}
	if name, err := os.Hostname(); err == nil {
		s.hosts[strings.ToLower(name)] = true
	}
	for _, name := range cfg.Hosts {
		s.hosts[strings.ToLower(name)] = true
	}
	s.http = &http.Server{
		Handler:           http.NewCrossOriginProtection().Handler(http.HandlerFunc(s.serve)),
		ReadHeaderTimeout: min(headerTimeout, cfg.Limits.Timeout),
		ReadTimeout:       cfg.Limits.Timeout,
		WriteTimeout:      maxWait + cfg.Limits.Timeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ConnState:         s.count,
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			return context.WithValue(ctx, placeKey{}, placeOf(conn))
		},
		ErrorLog: slog.NewLogLogger(cfg.Log.Handler(), slog.LevelDebug),
	}
	return s, nil
}

// placeKey is the key of a request's *place in its context.
type placeKey struct{}

// count counts the connections, so that they can be waited for.
func (s *Server) count(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		s.conns.Add(1)
	case http.StateClosed, http.StateHijacked:
		s.conns.Done()
	}
}

func (s *Server) listen() error {
	config, err := loadTLS(&s.cfg)
	if err != nil {
		return err
	}
	s.tls = config
	for _, text := range s.cfg.Listen {
		l, err := net.Listen("tcp", text)
		if err != nil {
			return fmt.Errorf("rpc: %w", err)
		}
		s.listeners = append(s.listeners, l)
		local := l.Addr().(*net.TCPAddr).AddrPort().Addr().Unmap().IsLoopback()
		if config == nil {
			if !local { // a resolver that has its own idea of localhost
				return &node.ConfigError{Field: "rpclisten", Value: text, Problem: "it is not on loopback: give 127.0.0.1"}
			}
			s.listeners[len(s.listeners)-1] = places{l, s.room}
			continue
		}
		s.listeners[len(s.listeners)-1] = withTLS{places{l, s.room}, config, !local}
	}
	return nil
}

func (s *Server) closeListeners() {
	for _, l := range s.listeners {
		_ = l.Close() // closing is all that is wanted of it
	}
}

// Login reports whether somebody may log in, for other servers of the same node. How long
// it takes says nothing of which part is wrong.
func (s *Server) Login(user, password string) bool { return s.logins.ok(user, password) }

// TLS returns how the server speaks TLS; nil if it does not.
func (s *Server) TLS() *tls.Config { return s.tls.Clone() }

// Addrs returns where the server listens.
func (s *Server) Addrs() []net.Addr {
	addrs := make([]net.Addr, 0, len(s.listeners))
	for _, l := range s.listeners {
		addrs = append(addrs, l.Addr())
	}
	return addrs
}

// Serve answers until ctx ends. It returns when everything has ended that the server
// began, which takes 2 s at most, or longer if a method of the Node does. It returns
// ErrServing if it or Close was called before, the error of a listener that fails, or
// of removing the cookie file.
func (s *Server) Serve(ctx context.Context) error {
	if s.begun.Swap(true) {
		return ErrServing
	}
	base, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	s.http.BaseContext = func(net.Listener) context.Context { return base }
	failed := make(chan error, len(s.listeners))
	var wg sync.WaitGroup
	for _, l := range s.listeners {
		wg.Go(func() { failed <- s.http.Serve(l) })
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
		err = fmt.Errorf("rpc: %w", err)
	}
	cancel() // who waits for an event is answered
	s.room.dismiss()
	last, done := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer done()
	if s.http.Shutdown(last) != nil {
		_ = s.http.Close() // whoever is left did not want his answer
	}
	wg.Wait()
	s.conns.Wait()
	return errors.Join(err, s.cookie.remove())
}

// Close ends a server that was not served. It does nothing if Serve was called.
func (s *Server) Close() error {
	if s.begun.Swap(true) {
		return nil
	}
	s.closeListeners()
	return s.cookie.remove()
}

// serve answers one HTTP request.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	switch {
	case !s.knows(r.Host):
		// A page whose name was made to lead here (DNS rebinding) gets nothing.
		http.Error(w, "this host is not called so: use its IP address, or configure the name", http.StatusForbidden)
	case r.URL.Path != "/":
		http.NotFound(w, r)
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "JSONRPC server handles only POST requests", http.StatusMethodNotAllowed) // Core's words
	case !s.loggedIn(w, r):
	default:
		s.work(w, r)
	}
}

// knows reports whether the Host of a request is us.
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

// loggedIn reports whether a request has a right login, and answers it if not. The login is
// looked at before the guesses are counted: who has a password is not locked out by those
// who guess, who may be of the same host, as all are on loopback. So what bounds guesses
// is that each costs its maker a connection: a password must be long.
func (s *Server) loggedIn(w http.ResponseWriter, r *http.Request) bool {
	user, password, given := r.BasicAuth()
	if !given {
		refuse(w)
		return false
	}
	if s.logins.ok(user, password) {
		r.Context().Value(placeKey{}).(*place).trusted.Store(true)
		return true
	}
	if n := s.guesses.failed(time.Now()); n > 0 {
		s.cfg.Log.Warn("Login failed", "remote", r.RemoteAddr, "count", n)
	}
	w.Header().Set("Connection", "close")
	host := remoteHost(r.RemoteAddr)
	if !s.guesses.begin(host) {
		tooMany(w, "too many logins fail at once")
		return false
	}
	defer s.guesses.end(host)
	select {
	case <-time.After(wrongDelay):
	case <-r.Context().Done():
	}
	refuse(w)
	return false
}

func refuse(w http.ResponseWriter) {
	w.Header().Set("WWW-Authenticate", `Basic realm="jsonrpc"`) // Core's
	http.Error(w, "log in with the cookie file, rpcuser and rpcpass, or rpcauth", http.StatusUnauthorized)
}

func tooMany(w http.ResponseWriter, why string) {
	w.Header().Set("Retry-After", "1")
	http.Error(w, why, http.StatusTooManyRequests)
}
