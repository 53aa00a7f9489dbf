package dashboard

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"slices"
	"sync"
)

// places is a listener that has room for a number of connections. When there is none,
// who comes is let in all the same, and the one goes that has asked for nothing for
// longest and is no live page. There are more places than live pages, so there always is
// one, and who asks at once is answered before it is his turn to go.
type places struct {
	net.Listener
	room *room
}

// room is shared by all listeners.
type room struct {
	most int

	mu   sync.Mutex
	list []*place // who asked last, or came last, is at the end
}

// A place is an accepted connection.
type place struct {
	net.Conn
	room *room

	// Of a live page, and of one that has the token. room.mu guards them.
	viewing, trusted bool
}

// Accept returns the next connection.
func (p places) Accept() (net.Conn, error) {
	for {
		conn, err := p.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if x, ok := p.room.take(conn); ok {
			return x, nil
		}
		_ = conn.Close() // it is told nothing: that would need time
	}
}

// take gives a connection a place, at the cost of another one if there is no room.
func (r *room) take(conn net.Conn) (*place, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.list) >= r.most && !r.drop(func(p *place) bool { return !p.viewing }) {
		return nil, false
	}
	x := &place{Conn: conn, room: r}
	r.list = append(r.list, x)
	return x, true
}

// drop closes the first connection that may be, and reports whether there was one. r.mu
// must be held.
func (r *room) drop(may func(*place) bool) bool {
	i := slices.IndexFunc(r.list, may)
	if i < 0 {
		return false
	}
	_ = r.list[i].Conn.Close() // its goroutine ends by that
	r.list = slices.Delete(r.list, i, i+1)
	return true
}

// dropViewer closes the oldest live page that has no token, for one that has it. It
// reports whether there was one.
func (r *room) dropViewer() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.drop(func(p *place) bool { return p.viewing && !p.trusted })
}

// asks puts a connection behind all others.
func (p *place) asks() {
	p.room.mu.Lock()
	defer p.room.mu.Unlock()
	if i := slices.Index(p.room.list, p); i >= 0 {
		p.room.list = append(slices.Delete(p.room.list, i, i+1), p)
	}
}

// view says whether a connection is that of a live page. It does nothing to nil.
func (p *place) view(viewing, trusted bool) {
	if p == nil {
		return
	}
	p.room.mu.Lock()
	defer p.room.mu.Unlock()
	p.viewing, p.trusted = viewing, trusted
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

// placeKey is the key of a request's place in its context.
type placeKey struct{}

// withPlace is an http.Server's ConnContext.
func withPlace(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, placeKey{}, placeOf(conn))
}

// placeOf returns the place of a connection as the HTTP server has it.
func placeOf(conn net.Conn) *place {
	if c, ok := conn.(*tls.Conn); ok {
		conn = c.NetConn()
	}
	return conn.(*place)
}

// placeIn returns the place of a request; nil if another server took it.
func placeIn(r *http.Request) *place {
	p, _ := r.Context().Value(placeKey{}).(*place)
	return p
}
