package netmon

import (
	"slices"
	"testing"
	"time"
)

const ms = time.Millisecond

// TestGate plays news to a gate that settles for 200 ms and has a gap of 1 s, and
// looks at when it tells what.
func TestGate(t *testing.T) {
	type told struct {
		at   time.Duration
		what Change
	}
	tests := []struct {
		name string
		news []told
		want []told
	}{
		{"nothing", nil, nil},
		{"nothing that counts", []told{{100 * ms, 0}}, nil},
		{"one", []told{{100 * ms, Link}}, []told{{300 * ms, Link}}},
		{
			"a burst is one",
			[]told{{0, Link}, {50 * ms, Address}, {60 * ms, Address}, {190 * ms, Route}},
			[]told{{200 * ms, Link | Address | Route}},
		},
		{
			"what comes just afterwards waits for the gap",
			[]told{{0, Link}, {250 * ms, Address}, {900 * ms, Route}},
			[]told{{200 * ms, Link}, {1200 * ms, Address | Route}},
		},
		{
			"what comes near the end of the gap still settles",
			[]told{{0, Link}, {1150 * ms, Address}, {1300 * ms, Route}},
			[]told{{200 * ms, Link}, {1350 * ms, Address | Route}},
		},
		{
			"what comes later is as the first",
			[]told{{0, Link}, {5 * time.Second, Route}},
			[]told{{200 * ms, Link}, {5200 * ms, Route}},
		},
	}
	for _, test := range tests {
		g := gate{settle: 200 * ms, gap: time.Second}
		var got []told
		news := test.news
		for now := time.Duration(0); now <= 10*time.Second; now += 10 * ms {
			for len(news) > 0 && news[0].at == now {
				g.add(at(now), news[0].what)
				news = news[1:]
			}
			// next says when to come, and is right about it.
			limit := at(now + time.Hour)
			due := !g.next(limit).After(at(now))
			what := g.take(at(now))
			if due != (what != 0) {
				t.Errorf("%s: at %v: due %v, told %v", test.name, now, due, what)
			}
			if what != 0 {
				got = append(got, told{now, what})
			}
			if g.next(limit) != limit && g.pending == 0 {
				t.Errorf("%s: at %v: nothing is pending, but due", test.name, now)
			}
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: told %v, want %v", test.name, got, test.want)
		}
	}
}

// A stream of news is told at once, and then once a second.
func TestGateStream(t *testing.T) {
	g := gate{settle: 200 * ms, gap: time.Second}
	told := 0
	for now := time.Duration(0); now < time.Minute; now += ms {
		g.add(at(now), Route)
		if g.take(at(now)) != 0 {
			told++
		}
	}
	if told != 60 {
		t.Errorf("told %d times in a minute, want 60", told)
	}
}

func TestSleepWatch(t *testing.T) {
	type look struct {
		mono, wall time.Duration // since the look before
		want       bool
	}
	const every = 30 * time.Second
	tests := []struct {
		name  string
		looks []look
	}{
		{"awake", []look{{every, every, false}, {every, every, false}}},
		{"looks in between", []look{{ms, ms, false}, {time.Second, time.Second, false}, {every, every, false}}},
		{"an hour of sleep, told once", []look{{every, every + time.Hour, true}, {every, every, false}}},
		{"just over 10 s", []look{{every, every + sleepSlack + ms, true}}},
		{"10 s are not sleep", []look{{every, every + sleepSlack, false}}},
		{"nor are small corrections of the clock, however many", []look{
			{every, every + 9*time.Second, false},
			{every, every + 9*time.Second, false},
			{every, every + 9*time.Second, false},
		}},
		{"the clock is set back, and sleep is seen all the same", []look{
			{every, every - time.Hour, false},
			{every, every + time.Minute, true},
		}},
		{"both clocks go on during sleep", []look{{every + time.Hour, every + time.Hour, true}, {every, every, false}}},
		{"a look that is a little late", []look{{every + 9*time.Second, every + 9*time.Second, false}}},
	}
	for _, test := range tests {
		var mono, wall time.Duration
		s := sleepWatch{every: every, mono: at(0), wall: at(0)}
		s.rest(at(0))
		for i, l := range test.looks {
			mono, wall = mono+l.mono, wall+l.wall
			if got := s.look(at(mono), at(wall)); got != l.want {
				t.Errorf("%s: look %d: slept %v, want %v", test.name, i, got, l.want)
			}
		}
	}
	// Not to have looked for a reason of our own is no sleep.
	s := sleepWatch{every: every, mono: at(0), wall: at(0)}
	s.rest(at(time.Hour))
	if s.look(at(time.Hour), at(time.Hour)) {
		t.Error("slept, after a rest")
	}
}
