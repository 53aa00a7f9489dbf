package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"holdfast/connmgr"
	"holdfast/netaddr"
	"holdfast/node"
)

func address(text string) netaddr.Addr {
	a, err := netaddr.ParseAddr(text)
	if err != nil {
		panic(err)
	}
	return a
}

func numbered(seq uint64) node.Event {
	return node.Event{Kind: node.KindStarted, Event: connmgr.Event{Seq: seq}}
}

// traced is an event below debug.
func traced(seq uint64) node.Event {
	return node.Event{Kind: node.KindConnection, Event: connmgr.Event{Seq: seq, Type: connmgr.EventFailed}}
}

func seqs(events []node.Event) []uint64 {
	var list []uint64
	for _, e := range events {
		list = append(list, e.Seq)
	}
	return list
}

func TestHubRecent(t *testing.T) {
	t.Parallel()
	h := NewHub(4)
	if got := h.Recent(Filter{}); got != nil || h.Last() != 0 {
		t.Errorf("a new hub has %v, %d", got, h.Last())
	}
	for seq := uint64(1); seq <= 6; seq++ {
		h.Feed(numbered(seq))
	}
	for _, c := range []struct {
		name string
		f    Filter
		want []uint64
	}{
		{"all that is kept", Filter{}, []uint64{3, 4, 5, 6}},
		{"since", Filter{Since: 4}, []uint64{5, 6}},
		{"since the last", Filter{Since: 6}, nil},
		{"since before what is kept", Filter{Since: 1}, []uint64{3, 4, 5, 6}},
		{"since another run", Filter{Since: 99}, []uint64{3, 4, 5, 6}},
		{"the latest", Filter{Limit: 2}, []uint64{5, 6}},
		{"a kind", Filter{Kinds: []string{"started"}, Limit: 1}, []uint64{6}},
		{"another kind", Filter{Kinds: []string{"banned"}}, nil},
		{"a level", Filter{Level: slog.LevelWarn}, nil},
		{"a match", Filter{Match: func(e node.Event) bool { return e.Seq%2 == 0 }}, []uint64{4, 6}},
	} {
		if diff := cmp.Diff(c.want, seqs(h.Recent(c.f))); diff != "" {
			t.Errorf("%s: -want +got:\n%s", c.name, diff)
		}
	}
}

// Who is slower than the history is long is told how much he missed.
func TestSubscriptionLoses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(4)
		h.Feed(numbered(1))
		s := h.Subscribe(Filter{})
		for seq := uint64(2); seq <= 11; seq++ {
			h.Feed(numbered(seq))
		}
		events, lost, err := s.Next(t.Context())
		if diff := cmp.Diff([]uint64{8, 9, 10, 11}, seqs(events)); diff != "" || lost != 6 || err != nil {
			t.Errorf("lost %d, %v; -want +got:\n%s", lost, err, diff)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, _, err := s.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("without events: %v", err)
		}
		later := h.Subscribe(Filter{Since: 3})
		if events, lost, _ := later.Next(t.Context()); len(events) != 4 || lost != 4 {
			t.Errorf("since 3: %v, lost %d", seqs(events), lost)
		}
	})
}

// What a node without addresses says all the time takes no place from the rest, and is
// bounded as well.
func TestTraceHasItsOwnPlaces(t *testing.T) {
	t.Parallel()
	h := NewHub(10) // and 2
	slow := h.Replay(Filter{})
	slow.Take()
	for seq := uint64(1); seq <= 1000; seq++ {
		if seq%100 == 50 {
			h.Feed(numbered(seq))
		} else {
			h.Feed(traced(seq))
		}
	}
	want := []uint64{50, 150, 250, 350, 450, 550, 650, 750, 850, 950, 999, 1000}
	if diff := cmp.Diff(want, seqs(h.Recent(Filter{}))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if events, lost := slow.Take(); len(events) != 12 || lost != 988 || slow.Last() != 1000 {
		t.Errorf("who did not follow: %v, lost %d, last %d", seqs(events), lost, slow.Last())
	}
	if events, lost := slow.Take(); len(events) != 0 || lost != 0 {
		t.Errorf("again: %v, lost %d", seqs(events), lost)
	}
	for _, c := range []struct {
		since, lost uint64
		want        []uint64
	}{
		{949, 48, []uint64{950, 999, 1000}},
		{970, 28, []uint64{999, 1000}}, // that one is not kept
		{998, 0, []uint64{999, 1000}},
		{1000, 0, nil},
		{1001, 939, want}, // of another run: between them only
	} {
		s := h.Replay(Filter{Since: c.since})
		events, lost := s.Take()
		if diff := cmp.Diff(c.want, seqs(events)); diff != "" || lost != c.lost {
			t.Errorf("since %d: lost %d, want %d; -want +got:\n%s", c.since, lost, c.lost, diff)
		}
		if s.Last() != 1000 {
			t.Errorf("since %d: last %d", c.since, s.Last())
		}
	}
}

// Whatever is fed and whoever takes it when, nothing is given twice, out of order, or
// neither given nor counted as lost; and who goes on from Last misses nothing.
func TestHubByChance(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 0))
		h := NewHub(1 + rng.IntN(20))
		s := h.Replay(Filter{})
		var given, lost, fed, last uint64
		for range 300 {
			for range rng.IntN(1 + rng.IntN(40)) {
				fed++
				if rng.IntN(4) > 0 {
					h.Feed(traced(fed))
				} else {
					h.Feed(numbered(fed))
				}
			}
			if rng.IntN(3) > 0 {
				continue
			}
			since := seqs(h.Recent(Filter{Since: s.Last()}))
			events, n := s.Take()
			if got := seqs(events); !slices.Equal(got, since) {
				t.Fatalf("seed %d: who follows gets %v, and who asks %v", seed, got, since)
			}
			for _, e := range events {
				if e.Seq <= last || e.Seq > fed {
					t.Fatalf("seed %d: %d after %d", seed, e.Seq, last)
				}
				last = e.Seq
			}
			given, lost = given+uint64(len(events)), lost+n
			if given+lost != fed || s.Last() != fed || h.Last() != fed {
				t.Fatalf("seed %d: %d given and %d lost of %d, last %d, %d", seed, given, lost, fed, s.Last(), h.Last())
			}
			if rng.IntN(2) == 0 { // who comes back with the last that he saw
				s = h.Replay(Filter{Since: s.Last()})
			}
		}
	}
}

// Many follow one feeder; each gets all, in order.
func TestSubscribers(t *testing.T) {
	t.Parallel()
	const followers, events = 50, 1000
	h := NewHub(events)
	var wg sync.WaitGroup
	for range followers {
		s := h.Subscribe(Filter{})
		wg.Go(func() {
			want := uint64(1)
			for want <= events {
				got, lost, err := s.Next(t.Context())
				if err != nil || lost != 0 {
					t.Errorf("lost %d, %v", lost, err)
					return
				}
				for _, e := range got {
					if e.Seq != want {
						t.Errorf("got %d, want %d", e.Seq, want)
						return
					}
					want++
				}
			}
		})
	}
	for seq := uint64(1); seq <= events; seq++ {
		h.Feed(numbered(seq))
	}
	wg.Wait()
}

func ExampleHub() {
	h := NewHub(0)
	follower := h.Subscribe(Filter{Kinds: []string{"evicted"}})
	h.Feed(node.Event{Kind: node.KindEvicted, Event: connmgr.Event{Seq: 1, Addr: address("192.0.2.1:1234")}})
	events, lost, _ := follower.Next(context.Background())
	fmt.Println(events[0], lost)
	// Output: Evicted 192.0.2.1:1234: all inbound places are taken, and another peer came 0
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
