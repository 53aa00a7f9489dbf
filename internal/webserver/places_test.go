package webserver

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// people are connections with places, by number.
type people struct {
	room   *Room
	ends   []net.Conn
	places []*Place
}

func (x *people) come() bool {
	a, b := net.Pipe()
	p := x.room.take(a)
	x.ends, x.places = append(x.ends, b), append(x.places, p)
	return p != nil
}

// gone returns who has lost his place.
func (x *people) gone() (list []int) {
	for i, c := range x.ends {
		_ = c.SetReadDeadline(time.Unix(1, 0)) // at once
		if _, err := c.Read(make([]byte, 1)); err == io.EOF {
			list = append(list, i)
		}
	}
	return list
}

// busyLast lets go who has nothing under way, and who has not logged in before others.
func busyLast(s State) int {
	switch {
	case s.Busy:
		return Stays
	case s.Trusted:
		return 1
	}
	return 0
}

// TestWhoGoes: of the lowest rank the one in front, and nobody who stays.
func TestWhoGoes(t *testing.T) {
	for _, tt := range []struct {
		name  string
		byUse bool
		do    func(x *people)
		gone  []int // after one more has come
	}{
		{"the first that came", false, func(*people) {}, []int{0}},
		{"though it asked last", false, func(x *people) { x.places[0].asks() }, []int{0}},
		{"the one that asked for nothing for longest", true, func(x *people) { x.places[0].asks() }, []int{1}},
		{"the lowest", false, func(x *people) { x.places[0].Set(State{Trusted: true}) }, []int{1}},
		{"nobody who stays", false, func(x *people) {
			x.places[0].Set(State{Busy: true})
			x.places[1].Set(State{Busy: true, Trusted: true})
			x.places[2].Set(State{Trusted: true})
		}, []int{2}},
		{"who comes, if all stay", false, func(x *people) {
			for _, p := range x.places {
				p.Set(State{Busy: true})
			}
		}, []int{}},
		{"nobody, if one has given his place back", false, func(x *people) {
			_ = x.places[1].Close()
			_ = x.places[1].Close() // once is enough
		}, []int{1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			x := &people{room: &Room{Most: 3, Rank: busyLast, ByUse: tt.byUse}}
			for range 3 {
				x.come()
			}
			tt.do(x)
			if in := x.come(); in != (len(tt.gone) > 0) {
				t.Errorf("who comes is let in: %v", in)
			}
			if got := x.gone(); !slices.Equal(got, tt.gone) {
				t.Errorf("%v went, want %v", got, tt.gone)
			}
			if x.room.Taken() != 3 {
				t.Errorf("%d places are taken", x.room.Taken())
			}
		})
	}
}

// TestDrop closes one at a time, of those that the rank has.
func TestDrop(t *testing.T) {
	t.Parallel()
	x := &people{room: &Room{Most: 3}}
	for range 3 {
		x.come()
	}
	x.places[1].Set(State{Trusted: true})
	strangers := func(s State) int {
		if s.Trusted {
			return Stays
		}
		return 0
	}
	n := 0
	for x.room.Drop(strangers) {
		n++
	}
	if got := x.gone(); n != 2 || !slices.Equal(got, []int{0, 2}) || x.room.Taken() != 1 {
		t.Errorf("%d were dropped, %v, and %d are left", n, got, x.room.Taken())
	}
}

// TestNoRoom: a listener closes whom there is no place for, and goes on.
func TestNoRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(func(_ http.ResponseWriter, r *http.Request) {
			PlaceIn(r.Context()).Set(State{Busy: true})
			<-r.Context().Done()
		})
		s.Room = Room{Most: 1, Rank: busyLast}
		p := newPipes()
		s.Add(p)
		end := serve(t, s)
		first := p.ask()
		synctest.Wait()
		second := p.ask()
		if b, err := io.ReadAll(second); len(b) > 0 || err != nil {
			t.Errorf("who is one too many: %q, %v", b, err)
		}
		_ = first.Close()
		synctest.Wait()
		third := p.ask()
		synctest.Wait()
		if s.Room.Taken() != 1 {
			t.Errorf("%d places are taken when another has gone", s.Room.Taken())
		}
		_ = third.Close()
		if err := end(); err != nil {
			t.Error(err)
		}
	})
}

// TestPlaceOf: a place is found below TLS, and a request of another server has none.
func TestPlaceOf(t *testing.T) {
	t.Parallel()
	p := &Place{room: &Room{}}
	if placeOf(tls.Server(p, &tls.Config{})) != p || placeOf(p) != p {
		t.Error("it is not found")
	}
	ctx := withPlace(t.Context(), p)
	if PlaceIn(ctx) != p {
		t.Error("it is not in the context")
	}
	PlaceIn(t.Context()).Set(State{Busy: true}) // it does nothing
}
