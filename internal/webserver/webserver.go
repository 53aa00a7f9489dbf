// Package webserver is what the HTTP servers of a node have in common: rpc's and the
// dashboard's. Strangers can reach them, so that connections, logins and requests are
// counted, each for itself, and have bounds; a name that was made to lead here opens
// nothing; and at the end everything ends.
package webserver

// How the package is laid out, one mechanism a file:
//
//	webserver.go  Server: its listeners, Serve and its end
//	places.go     how many connections there are, and who makes room
//	limits.go     how often hosts ask, and how often logins fail
//	hosts.go      who a client is, and by which names he may call us
//
// Locks: Room.mu, Rates.mu and Guesses.mu are leaves. No connection is read or written
// under them.

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// ErrServing says that Serve or Close was called before.
var ErrServing = errors.New("Serve or Close was called already")

// LastWords is how long answers may take that are under way at the end.
const LastWords = 2 * time.Second

// MaxHeader is the size of the head of a request, for http.Server.MaxHeaderBytes. Go adds
// 4 KiB to it.
const MaxHeader = 8 << 10

// Server is an http.Server whose connections have places in a room. The exported fields
// are set before it is used. Serve must be called, or Close.
type Server struct {
	// Name is what errors begin with, as "rpc".
	Name string

	// HTTP has the handler and the times. Its hooks of connections are ours.
	HTTP http.Server

	// Room has the places of the connections of all listeners.
	Room Room

	listeners []net.Listener
	begun     atomic.Bool
	conns     sync.WaitGroup // connections that HTTP has, and handlers that hold
}

// Listen opens a listener at host:port. secure makes its connections speak TLS, or refuses
// to have it; it is told whether only this machine reaches it. Errors are those of
// listening, wrapped, and of secure.
func (s *Server) Listen(text string, secure func(l net.Listener, local bool) (net.Listener, error)) error {
	l, err := net.Listen("tcp", text)
	if err != nil {
		return fmt.Errorf("%s: %w", s.Name, err)
	}
	secured, err := secure(s.Room.places(l), l.Addr().(*net.TCPAddr).AddrPort().Addr().Unmap().IsLoopback())
	if err != nil {
		_ = l.Close() // closing is all that is wanted of it
		return err
	}
	s.listeners = append(s.listeners, secured)
	return nil
}

// Add has Serve take connections from l too, without TLS: tests have listeners in memory.
func (s *Server) Add(l net.Listener) { s.listeners = append(s.listeners, s.Room.places(l)) }

// Addrs returns where the server listens.
func (s *Server) Addrs() []net.Addr {
	addrs := make([]net.Addr, 0, len(s.listeners))
	for _, l := range s.listeners {
		addrs = append(addrs, l.Addr())
	}
	return addrs
}

// Serve answers until ctx ends, and runs what is given beside that. Their contexts and
// those of requests end with ctx; it returns when they have ended, and all connections,
// which takes LastWords at most. It returns ErrServing if it or Close was called before,
// and the error of a listener that fails.
func (s *Server) Serve(ctx context.Context, beside ...func(context.Context)) error {
	if s.begun.Swap(true) {
		return fmt.Errorf("%s: %w", s.Name, ErrServing)
	}
	base, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	s.HTTP.BaseContext = func(net.Listener) context.Context { return base }
	s.HTTP.ConnContext = withPlace
	s.HTTP.ConnState = s.count
	var wg sync.WaitGroup
	for _, f := range beside {
		wg.Go(func() { f(base) })
	}
	failed := make(chan error, len(s.listeners))
	for _, l := range s.listeners {
		wg.Go(func() { failed <- s.HTTP.Serve(l) })
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
		err = fmt.Errorf("%s: %w", s.Name, err)
	}
	cancel()
	last, done := context.WithTimeout(context.WithoutCancel(ctx), LastWords)
	defer done()
	if s.HTTP.Shutdown(last) != nil {
		_ = s.HTTP.Close() // whoever is left did not want his answer
	}
	wg.Wait()
	stop := context.AfterFunc(last, func() { // the same for those that were hijacked
		for s.Room.Drop(func(State) int { return 0 }) {
		}
	})
	s.conns.Wait()
	stop()
	return err
}

// Hold has Serve wait for a handler that takes its connection from the HTTP server, until
// release is called. The handler must call it before that, and end when its connection is
// closed.
func (s *Server) Hold() (release func()) {
	s.conns.Add(1)
	return s.conns.Done
}

// Close ends a server that was not served. It reports whether it did: not if Serve or
// Close was called before.
func (s *Server) Close() bool {
	if s.begun.Swap(true) {
		return false
	}
	for _, l := range s.listeners {
		_ = l.Close() // closing is all that is wanted of it
	}
	return true
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
