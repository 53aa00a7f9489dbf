package dashboard

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"holdfast/internal/webserver"
	"holdfast/node"
)

// ErrServing says that Serve or Close was called before.
var ErrServing = webserver.ErrServing

const (
	// A client has so long to send a request and to read the answer, and to send the
	// next on the same connection. The live stream has times of its own.
	headerTimeout = 5 * time.Second
	readTimeout   = 10 * time.Second
	answerTimeout = 30 * time.Second
	idleTimeout   = time.Minute

	// moreConnections are for those that are not live pages.
	moreConnections = 128
)

// Server serves the page, the metrics and the health of a node. It is made by New. All
// methods are safe for concurrent use.
type Server struct {
	cfg   Config
	web   *webserver.Server
	names webserver.Names

	run         string // names this run, for pages of another one
	token, form string // of who may give orders, and of his pages

	feed    *feed
	history *history
	views   views
	changed chan struct{} // the state may be another
	guesses webserver.Guesses
	wrong   webserver.Rates // of the lines that tell of failed logins, whoever fails
	name    string          // of this host, if a listener is on all its addresses
}

// New checks cfg, and listens. Serve must be called, or Close.
//
// Errors are of type *node.ConfigError where a field is wrong, else those of listening,
// wrapped.
func New(cfg Config) (*Server, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	s := &Server{
		cfg:   cfg,
		names: webserver.NewNames(cfg.Hosts...),
		run:   newSecret(), token: newSecret(), form: newSecret(),
		feed: newFeed(), history: newHistory(),
		changed: make(chan struct{}, 1),
		guesses: webserver.Guesses{Most: maxWrong, MostPerHost: maxWrongPerHost},
		wrong:   webserver.Rates{PerSecond: wrongTold, AtOnce: wrongTold},
	}
	s.web = &webserver.Server{
		Name: "dashboard",
		HTTP: http.Server{
			Handler:           s.handler(),
			ReadHeaderTimeout: headerTimeout,
			ReadTimeout:       readTimeout,
			WriteTimeout:      answerTimeout,
			IdleTimeout:       idleTimeout,
			MaxHeaderBytes:    webserver.MaxHeader,
			ErrorLog:          slog.NewLogLogger(cfg.Log.Handler(), slog.LevelDebug),
		},
		Room: webserver.Room{Most: cfg.MaxViewers + moreConnections, Rank: goesFirst, ByUse: true},
	}
	if err := s.listen(); err != nil {
		s.web.Close()
		return nil, err
	}
	return s, nil
}

// handler is what is served.
func (s *Server) handler() http.Handler {
	pages, given := &webserver.Rates{PerSecond: pagesASecond, AtOnce: pagesAtOnce}, &webserver.Rates{PerSecond: ordersASecond, AtOnce: ordersAtOnce}
	open := func(h http.Handler) http.Handler { return s.limited(pages, h) }
	read := func(h http.Handler) http.Handler { return s.limited(pages, s.mayRead(h)) }
	mux := http.NewServeMux()
	// These have no bucket, so that nobody can empty that of a monitor on the same host.
	mux.Handle("GET /healthz", http.HandlerFunc(serveHealth))
	mux.Handle("GET /readyz", http.HandlerFunc(s.serveReady))
	mux.Handle("GET /metrics", s.mayRead(inTurn(promhttp.HandlerFor(s.registry(), promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelError), EnableOpenMetrics: true,
	}))))
	mux.Handle("GET /static/", s.mayRead(static()))
	mux.Handle("GET /{$}", read(http.HandlerFunc(s.servePage)))
	mux.Handle("GET /events", read(http.HandlerFunc(s.serveEvents)))
	mux.Handle("GET /history", read(http.HandlerFunc(s.serveHistory)))
	mux.Handle("GET /login", open(http.HandlerFunc(s.serveLogin)))
	mux.Handle("POST /orders/{order}", s.limited(given, http.NewCrossOriginProtection().Handler(http.HandlerFunc(s.serveOrder))))
	return headers(s.names.Only(mux))
}

// listen opens the listeners.
func (s *Server) listen() error {
	for _, text := range s.cfg.Listen {
		err := s.web.Listen(text, func(l net.Listener, local bool) (net.Listener, error) {
			if local {
				return l, nil
			}
			if s.cfg.TLS == nil || s.cfg.Login == nil { // a resolver that has its own idea of localhost
				return nil, &node.ConfigError{Field: "dashboard", Value: text, Problem: "it is not on loopback: give 127.0.0.1"}
			}
			if l.Addr().(*net.TCPAddr).IP.IsUnspecified() {
				s.nameSelf()
			}
			return tls.NewListener(l, s.cfg.TLS), nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// nameSelf finds a name for this host, and answers to it.
func (s *Server) nameSelf() {
	if len(s.cfg.Hosts) > 0 {
		s.name = s.cfg.Hosts[0]
		return
	}
	s.name = "localhost"
	if name, err := os.Hostname(); err == nil && name != "" {
		s.name = name
	}
	s.names.Add(s.name)
}

// Addrs returns where the server listens.
func (s *Server) Addrs() []net.Addr { return s.web.Addrs() }

// URL returns the address of the page, on loopback if it is there too. Then it has the
// token of this run in it: who opens it may give orders. It is a secret of who started
// the node. If there is no loopback and a listener is on all addresses, it has the first
// name of Config.Hosts, or the name of this host.
func (s *Server) URL() string {
	for _, a := range s.Addrs() {
		if addr := a.(*net.TCPAddr); addr.IP.IsLoopback() {
			return "http://" + addr.String() + "/?token=" + s.token
		}
	}
	addr := s.Addrs()[0].(*net.TCPAddr)
	if addr.IP.IsUnspecified() {
		return "https://" + net.JoinHostPort(s.name, strconv.Itoa(addr.Port)) + "/"
	}
	return "https://" + addr.String() + "/"
}

// Serve answers until ctx ends. It returns when everything has ended that the server
// began, which takes 2 s at most. It returns ErrServing if it or Close was called before,
// and the error of a listener that fails.
func (s *Server) Serve(ctx context.Context) error {
	return s.web.Serve(ctx, s.followEvents, s.followState, s.record)
}

// Close ends a server that was not served. It does nothing if Serve was called.
func (s *Server) Close() error {
	s.web.Close()
	return nil
}
