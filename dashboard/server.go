package dashboard

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"holdfast/node"
)

// ErrServing says that Serve or Close was called before.
var ErrServing = errors.New("dashboard: Serve or Close was called already")

const (
	// A client has so long to send a request and to read the answer, and to send the
	// next on the same connection. The live stream has times of its own.
	headerTimeout = 5 * time.Second
	readTimeout   = 10 * time.Second
	answerTimeout = 30 * time.Second
	idleTimeout   = time.Minute

	// maxHeader is the size of a head. Go adds 4 KiB to it.
	maxHeader = 8 << 10

	// moreConnections are for those that are not live pages.
	moreConnections = 128

	// lastWords is how long answers may take that are under way at the end.
	lastWords = 2 * time.Second
)

// Server serves the page, the metrics and the health of a node. It is made by New. All
// methods are safe for concurrent use.
type Server struct {
	cfg       Config
	hosts     map[string]bool // in lower case
	listeners []net.Listener
	http      *http.Server

	run         string // names this run, for pages of another one
	token, form string // of who may give orders, and of his pages

	feed    *feed
	history *history
	views   views
	changed chan struct{} // the state may be another
	guesses guesses
	room    *room
	name    string // of this host, if a listener is on all its addresses

	begun atomic.Bool
	conns sync.WaitGroup // connections that the HTTP server has
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
		hosts: map[string]bool{"localhost": true},
		run:   newSecret(), token: newSecret(), form: newSecret(),
		feed: newFeed(), history: newHistory(),
		changed: make(chan struct{}, 1),
		room:    &room{most: cfg.MaxViewers + moreConnections},
	}
	for _, name := range cfg.Hosts {
		s.hosts[strings.ToLower(name)] = true
	}
	s.http = &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      answerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ConnState:         s.count,
		ConnContext:       withPlace,
		ErrorLog:          slog.NewLogLogger(cfg.Log.Handler(), slog.LevelDebug),
	}
	if err := s.listen(); err != nil {
		s.closeListeners()
		return nil, err
	}
	return s, nil
}

// handler is what is served.
func (s *Server) handler() http.Handler {
	pages, given := newBuckets(pagesASecond, pagesAtOnce), newBuckets(ordersASecond, ordersAtOnce)
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
	return headers(s.knownHost(mux))
}

// listen opens the listeners.
func (s *Server) listen() error {
	for _, text := range s.cfg.Listen {
		l, err := net.Listen("tcp", text)
		if err != nil {
			return fmt.Errorf("dashboard: %w", err)
		}
		s.listeners = append(s.listeners, l)
		last := &s.listeners[len(s.listeners)-1]
		*last = places{l, s.room}
		if l.Addr().(*net.TCPAddr).AddrPort().Addr().Unmap().IsLoopback() {
			continue
		}
		if s.cfg.TLS == nil || s.cfg.Login == nil { // a resolver that has its own idea of localhost
			return &node.ConfigError{Field: "dashboard", Value: text, Problem: "it is not on loopback: give 127.0.0.1"}
		}
		*last = tls.NewListener(*last, s.cfg.TLS)
		if l.Addr().(*net.TCPAddr).IP.IsUnspecified() {
			s.nameSelf()
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
	s.hosts[strings.ToLower(s.name)] = true
}

func (s *Server) closeListeners() {
	for _, l := range s.listeners {
		_ = l.Close() // closing is all that is wanted of it
	}
}

// Addrs returns where the server listens.
func (s *Server) Addrs() []net.Addr {
	addrs := make([]net.Addr, 0, len(s.listeners))
	for _, l := range s.listeners {
		addrs = append(addrs, l.Addr())
	}
	return addrs
}

// URL returns the address of the page, on loopback if it is there too. Then it has the
// token of this run in it: who opens it may give orders. It is a secret of who started
// the node. If there is no loopback and a listener is on all addresses, it has the first
// name of Config.Hosts, or the name of this host.
func (s *Server) URL() string {
	for _, l := range s.listeners {
		if addr := l.Addr().(*net.TCPAddr); addr.IP.IsLoopback() {
			return "http://" + addr.String() + "/?token=" + s.token
		}
	}
	addr := s.listeners[0].Addr().(*net.TCPAddr)
	if addr.IP.IsUnspecified() {
		return "https://" + net.JoinHostPort(s.name, strconv.Itoa(addr.Port)) + "/"
	}
	return "https://" + addr.String() + "/"
}

// count counts the connections, so that they can be waited for, and notes who asks.
func (s *Server) count(conn net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		s.conns.Add(1)
	case http.StateActive:
		placeOf(conn).asks()
	case http.StateClosed, http.StateHijacked:
		s.conns.Done()
	}
}

// Serve answers until ctx ends. It returns when everything has ended that the server
// began, which takes 2 s at most. It returns ErrServing if it or Close was called before,
// and the error of a listener that fails.
func (s *Server) Serve(ctx context.Context) error {
	if s.begun.Swap(true) {
		return ErrServing
	}
	base, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	s.http.BaseContext = func(net.Listener) context.Context { return base }
	var wg sync.WaitGroup
	for _, f := range []func(context.Context){s.followEvents, s.followState, s.record} {
		wg.Go(func() { f(base) })
	}
	failed := make(chan error, len(s.listeners))
	for _, l := range s.listeners {
		wg.Go(func() { failed <- s.http.Serve(l) })
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
		err = fmt.Errorf("dashboard: %w", err)
	}
	cancel() // the live pages end
	last, done := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer done()
	if s.http.Shutdown(last) != nil {
		_ = s.http.Close() // whoever is left did not want his answer
	}
	wg.Wait()
	s.conns.Wait()
	return err
}

// Close ends a server that was not served. It does nothing if Serve was called.
func (s *Server) Close() error {
	if !s.begun.Swap(true) {
		s.closeListeners()
	}
	return nil
}
