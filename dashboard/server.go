package dashboard

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
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
	guesses chan struct{}

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
		guesses: make(chan struct{}, maxWrong),
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
	pages, given := newBucket(pagesASecond, pagesAtOnce), newBucket(ordersASecond, ordersAtOnce)
	open := func(h http.Handler) http.Handler { return limited(pages, h) }
	read := func(h http.Handler) http.Handler { return limited(pages, s.mayRead(h)) }
	mux := http.NewServeMux()
	mux.Handle("GET /healthz", http.HandlerFunc(serveHealth))
	mux.Handle("GET /readyz", open(http.HandlerFunc(s.serveReady)))
	mux.Handle("GET /metrics", read(promhttp.HandlerFor(s.registry(), promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelError), MaxRequestsInFlight: 4, EnableOpenMetrics: true,
	})))
	mux.Handle("GET /static/", s.mayRead(static()))
	mux.Handle("GET /{$}", read(http.HandlerFunc(s.servePage)))
	mux.Handle("GET /events", read(http.HandlerFunc(s.serveEvents)))
	mux.Handle("GET /history", read(http.HandlerFunc(s.serveHistory)))
	mux.Handle("GET /login", open(http.HandlerFunc(s.serveLogin)))
	mux.Handle("POST /orders/{order}", limited(given, http.NewCrossOriginProtection().Handler(http.HandlerFunc(s.serveOrder))))
	return headers(s.knownHost(mux))
}

// listen opens the listeners.
func (s *Server) listen() error {
	room := &room{most: int64(s.cfg.MaxViewers + moreConnections)}
	for _, text := range s.cfg.Listen {
		l, err := net.Listen("tcp", text)
		if err != nil {
			return fmt.Errorf("dashboard: %w", err)
		}
		s.listeners = append(s.listeners, l)
		last := &s.listeners[len(s.listeners)-1]
		*last = places{l, room}
		if l.Addr().(*net.TCPAddr).AddrPort().Addr().Unmap().IsLoopback() {
			continue
		}
		if s.cfg.TLS == nil || s.cfg.Login == nil { // a resolver that has its own idea of localhost
			return &node.ConfigError{Field: "dashboard", Value: text, Problem: "it is not on loopback: give 127.0.0.1"}
		}
		*last = tls.NewListener(*last, s.cfg.TLS)
	}
	return nil
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
// the node.
func (s *Server) URL() string {
	for _, l := range s.listeners {
		if addr := l.Addr().(*net.TCPAddr); addr.IP.IsLoopback() {
			return "http://" + addr.String() + "/?token=" + s.token
		}
	}
	return "https://" + s.listeners[0].Addr().String() + "/"
}

// count counts the connections, so that they can be waited for.
func (s *Server) count(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		s.conns.Add(1)
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

// places is a listener that has room for a number of connections. Who comes when there
// is none is closed at once.
type places struct {
	net.Listener
	room *room
}

// room is shared by all listeners.
type room struct {
	most int64
	used atomic.Int64
}

// Accept returns the next connection that there is room for.
func (p places) Accept() (net.Conn, error) {
	for {
		conn, err := p.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if p.room.used.Add(1) <= p.room.most {
			return &place{Conn: conn, room: p.room}, nil
		}
		p.room.used.Add(-1)
		_ = conn.Close() // it is told nothing: that would need time
	}
}

// A place is an accepted connection.
type place struct {
	net.Conn
	room *room
	once sync.Once
}

// Close closes the connection and gives its place back.
func (p *place) Close() error {
	p.once.Do(func() { p.room.used.Add(-1) })
	return p.Conn.Close()
}
