package rpc

import (
	"crypto/tls"
	"net"
	"slices"
	"sync"
	"sync/atomic"
)

// places is a listener that has room for a number of connections. When there is none,
// who is let in costs another his place: first of those that have not logged in the one
// that is there for longest, then of those that have and have nothing under way. So
// slow clients cut each other, and who has a password gets in.
type places struct {
	net.Listener
	room *room
}

// room is shared by all listeners.
type room struct {
	most int

	mu   sync.Mutex
	list []*place // the oldest first
}

// A place is an accepted connection.
type place struct {
	net.Conn
	room    *room
	trusted atomic.Bool // it has logged in
	busy    atomic.Bool // a request of somebody who has logged in is being answered
}

func (p places) Accept() (net.Conn, error) {
	for {
		conn, err := p.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if x, ok := p.room.take(conn); ok {
			return x, nil
		}
		_ = conn.Close() // everybody is at work
	}
}

func (r *room) take(conn net.Conn) (*place, bool) {
	x := &place{Conn: conn, room: r}
	r.mu.Lock()
	var out *place
	if len(r.list) >= r.most {
		i := slices.IndexFunc(r.list, func(p *place) bool { return !p.trusted.Load() })
		if i < 0 {
			i = slices.IndexFunc(r.list, func(p *place) bool { return !p.busy.Load() })
		}
		if i < 0 {
			r.mu.Unlock()
			return nil, false
		}
		out = r.list[i]
		r.list = slices.Delete(r.list, i, i+1)
	}
	r.list = append(r.list, x)
	r.mu.Unlock()
	if out != nil {
		_ = out.Conn.Close() // its goroutine ends by that
	}
	return x, true
}

// dismiss closes the connections of those that have not logged in.
func (r *room) dismiss() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.list {
		if !p.trusted.Load() {
			_ = p.Conn.Close() // its goroutine ends by that, and gives the place back
		}
	}
}

// placeOf returns the place of a connection as the HTTP server has it.
func placeOf(conn net.Conn) *place {
	switch c := conn.(type) {
	case *tls.Conn:
		return placeOf(c.NetConn())
	case *either:
		return placeOf(c.Conn)
	}
	return conn.(*place)
}

// Close closes the connection and gives its place back.
func (p *place) Close() error {
	p.room.mu.Lock()
	if i := slices.Index(p.room.list, p); i >= 0 {
		p.room.list = slices.Delete(p.room.list, i, i+1)
	}
	p.room.mu.Unlock()
	return p.Conn.Close()
}
