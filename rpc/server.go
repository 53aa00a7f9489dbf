package rpc

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
	"time"

	"holdfast/internal/webserver"
	"holdfast/node"
)

// ErrServing says that Serve or Close was called before.
var ErrServing = webserver.ErrServing

const (
	// headerTimeout is how long a client may take to send the head of a request.
	headerTimeout = 10 * time.Second

	// idleTimeout is how long a connection may wait for its next request.
	idleTimeout = 2 * time.Minute
)

// Server answers JSON-RPC. It is made by New. All methods are safe for concurrent use.
type Server struct {
	cfg     Config
	web     *webserver.Server
	logins  logins
	cookie  *cookie
	methods map[string]*method
	tls     *tls.Config // nil: none

	guesses webserver.Guesses
	wrong   wrong
	rates   webserver.Rates
	working slots
	waiting slots

	// encoding bounds the part of the processors that calls can take: the most work is
	// writing JSON, which waits for nothing.
	encoding slots
	active   active
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
		s.web.Close()
		return nil, err
	}
	if cfg.CookieFile != "" {
		c, x, err := newCookie(cfg.CookieFile)
		if err != nil {
			s.web.Close()
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
		guesses: webserver.Guesses{Most: maxWrong, MostPerHost: maxWrongPerHost},
		rates:   webserver.Rates{PerSecond: float64(cfg.Limits.Rate), AtOnce: 2 * float64(cfg.Limits.Rate)},
		working: make(slots, cfg.Limits.Requests),
		waiting: make(slots, cfg.Limits.Requests),

		encoding: make(slots, max(1, runtime.GOMAXPROCS(0)/2)),
	}
	names := webserver.NewNames(cfg.Hosts...)
	names.Add("") // old clients
	if name, err := os.Hostname(); err == nil {
		names.Add(name)
	}
	s.web = &webserver.Server{
		Name: "rpc",
		HTTP: http.Server{
			Handler:           http.NewCrossOriginProtection().Handler(names.Only(http.HandlerFunc(s.serve))),
			ReadHeaderTimeout: min(headerTimeout, cfg.Limits.Timeout),
			ReadTimeout:       cfg.Limits.Timeout,
			WriteTimeout:      maxWait + cfg.Limits.Timeout,
			IdleTimeout:       idleTimeout,
			MaxHeaderBytes:    webserver.MaxHeader,
			ErrorLog:          slog.NewLogLogger(cfg.Log.Handler(), slog.LevelDebug),
		},
		Room: webserver.Room{Most: cfg.Limits.Connections, Rank: goesFirst},
	}
	return s, nil
}

func (s *Server) listen() error {
	config, err := loadTLS(&s.cfg)
	if err != nil {
		return err
	}
	s.tls = config
	for _, text := range s.cfg.Listen {
		err := s.web.Listen(text, func(l net.Listener, local bool) (net.Listener, error) {
			switch {
			case config != nil:
				return withTLS{l, config, !local}, nil
			case !local: // a resolver that has its own idea of localhost
				return nil, &node.ConfigError{Field: "rpclisten", Value: text, Problem: "it is not on loopback: give 127.0.0.1"}
			}
			return l, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Login reports whether somebody may log in, for other servers of the same node. How long
// it takes says nothing of which part is wrong.
func (s *Server) Login(user, password string) bool { return s.logins.ok(user, password) }

// TLS returns how the server speaks TLS; nil if it does not.
func (s *Server) TLS() *tls.Config { return s.tls.Clone() }

// Addrs returns where the server listens.
func (s *Server) Addrs() []net.Addr { return s.web.Addrs() }

// Serve answers until ctx ends. It returns when everything has ended that the server
// began, which takes 2 s at most, or longer if a method of the Node does. It returns
// ErrServing if it or Close was called before, the error of a listener that fails, or
// of removing the cookie file.
func (s *Server) Serve(ctx context.Context) error {
	err := s.web.Serve(ctx, s.dismiss)
	if errors.Is(err, ErrServing) {
		return err
	}
	return errors.Join(err, s.cookie.remove())
}

// dismiss waits for the end, and closes the connections of those that have not logged in.
func (s *Server) dismiss(ctx context.Context) {
	<-ctx.Done()
	for s.web.Room.Drop(strangersOnly) {
	}
}

// Close ends a server that was not served. It does nothing if Serve was called.
func (s *Server) Close() error {
	if !s.web.Close() {
		return nil
	}
	return s.cookie.remove()
}

// serve answers one HTTP request.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/ws":
		s.serveSocket(w, r)
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
		webserver.PlaceIn(r.Context()).Set(webserver.State{Trusted: true})
		return true
	}
	w.Header().Set("Connection", "close")
	if !s.guessed(r.Context(), r.RemoteAddr) {
		tooMany(w, "too many logins fail at once")
		return false
	}
	refuse(w)
	return false
}

// guessed notes that a login failed, and has who tried it wait. It reports false at once if
// too many wait already.
func (s *Server) guessed(ctx context.Context, remote string) bool {
	if n := s.wrong.count(time.Now()); n > 0 {
		s.cfg.Log.Warn("Login failed", "remote", remote, "count", n)
	}
	host := webserver.RemoteHost(remote)
	if !s.guesses.Begin(host) {
		return false
	}
	defer s.guesses.End(host)
	select {
	case <-time.After(wrongDelay):
	case <-ctx.Done():
	}
	return true
}

func refuse(w http.ResponseWriter) {
	w.Header().Set("WWW-Authenticate", `Basic realm="jsonrpc"`) // Core's
	http.Error(w, "log in with the cookie file, rpcuser and rpcpass, or rpcauth", http.StatusUnauthorized)
}

func tooMany(w http.ResponseWriter, why string) {
	w.Header().Set("Retry-After", "1")
	http.Error(w, why, http.StatusTooManyRequests)
}
