package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
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
	// Output: Evicted 192.0.2.1:1234: the house is full, and another one knocked 0
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
