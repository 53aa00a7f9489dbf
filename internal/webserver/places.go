package webserver

import (
	"context"
	"math"
	"net"
	"slices"
	"sync"
)

// A Room has places for a number of connections. When all are taken, who comes costs
// another one his place. The exported fields are set before it is used. It is safe for
// concurrent use.
type Room struct {
	// Most is how many places there are.
	Most int

	// Rank says who goes when there is no room.
	Rank Rank

	// ByUse: of one rank the connection goes whose last request began first. Else it is
	// the one that came first.
	ByUse bool

	mu   sync.Mutex
	list []*Place // who goes first of his rank is in front
}

// State is what is known of a connection.
type State struct {
	Trusted bool // its client has shown that he may be here
	Busy    bool // something is under way that it should not be cut from
}

// Rank says how soon a connection goes that is in a state: the lowest first, and nobody
// who has Stays. It must be pure.
type Rank func(State) int

// Stays is the rank of who is never cut.
const Stays = math.MaxInt

// A Place is an accepted connection.
type Place struct {
	net.Conn
	room  *Room
	state State // room.mu guards it
}

// places makes the connections of a listener have places in the room.
func (r *Room) places(l net.Listener) net.Listener { return listener{l, r} }

type listener struct {
	net.Listener
	room *Room
}

// Accept returns the next connection that there is room for.
func (l listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if p := l.room.take(conn); p != nil {
			return p, nil
		}
		_ = conn.Close() // it is told nothing: that would need time
	}
}

// take gives a connection a place, at the cost of another one if there is no room. It
// returns nil if nobody can go.
func (r *Room) take(conn net.Conn) *Place {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.list) >= r.Most && !r.drop(r.Rank) {
		return nil
	}
	p := &Place{Conn: conn, room: r}
	r.list = append(r.list, p)
	return p
}

// Drop closes the connection that goes first by rank. It reports whether there was one
// that does not stay.
func (r *Room) Drop(rank Rank) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.drop(rank)
}

// drop is Drop. r.mu must be held.
func (r *Room) drop(rank Rank) bool {
	first, lowest := -1, Stays
	for i, p := range r.list {
		if n := rank(p.state); n < lowest {
			first, lowest = i, n
		}
	}
	if first < 0 {
		return false
	}
	_ = r.list[first].Conn.Close() // its goroutine ends by that
	r.list = slices.Delete(r.list, first, first+1)
	return true
}

// Taken returns how many places are taken.
func (r *Room) Taken() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.list)
}

// Set says what is known of a connection. It does nothing to nil.
func (p *Place) Set(s State) {
	if p == nil {
		return
	}
	p.room.mu.Lock()
	defer p.room.mu.Unlock()
	p.state = s
}

// asks puts a connection behind all others.
func (p *Place) asks() {
	r := p.room
	if !r.ByUse {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if i := slices.Index(r.list, p); i >= 0 {
		r.list = append(slices.Delete(r.list, i, i+1), p)
	}
}

// Close closes the connection and gives its place back.
func (p *Place) Close() error {
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

// PlaceIn returns the place of a request, of which ctx is; nil if another server took it.
func PlaceIn(ctx context.Context) *Place {
	p, _ := ctx.Value(placeKey{}).(*Place)
	return p
}

// placeOf returns the place of a connection as the HTTP server has it: below TLS.
func placeOf(conn net.Conn) *Place {
	for {
		outer, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			return conn.(*Place)
		}
		conn = outer.NetConn()
	}
}
