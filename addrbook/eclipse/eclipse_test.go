package eclipse

import (
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"

	"holdfast/addrbook"
	"holdfast/netaddr"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// run runs our book.
func run(t *testing.T, cfg Config) (Result, Ours) {
	t.Helper()
	clock := NewVirtual()
	b, err := NewOurs(cfg.Seed, clock)
	if err != nil {
		t.Fatal(err)
	}
	return Run(cfg, b, clock), b
}

// An attacker who floods us from the first minute gets no more of our slots than his
// share of the groups, and 5 points: that is the promise of this package's book. A
// run has some 1,000 connections, so the share of one is 2 points up or down: it is the
// mean that counts.
func TestEclipse(t *testing.T) {
	runs := map[int]int{1: 1, 8: 1, 64: 2, 512: 3} // groups: how many seeds
	quick := raced || testing.Short()
	if quick {
		runs = map[int]int{64: 1, 512: 1}
	}
	for k, n := range runs {
		t.Run(fmt.Sprint(k), func(t *testing.T) {
			t.Parallel()
			var mean, last, fair float64
			for seed := uint64(1); seed <= uint64(n); seed++ {
				cfg := Default(seed, k)
				if quick {
					cfg.Days, cfg.Burst, cfg.Flood = 10, 70_000, 500
				}
				r, _ := run(t, cfg)
				fair = cfg.Fair()
				mean += r.Share / float64(n)
				last += r.Last / float64(n)
				if r.Filled < 0.99 {
					t.Errorf("seed %d: only %.2f %% of the slots were filled", seed, 100*r.Filled)
				}
			}
			t.Logf("%5.2f %% of the slots, %5.2f %% in the last third; his share of the groups is %5.2f %%", 100*mean, 100*last, 100*fair)
			if mean > fair+0.05 {
				t.Errorf("%.2f %% of the slots, more than %.2f %%", 100*mean, 100*fair+5)
			}
		})
	}
}

// The same seed gives the same.
func TestSame(t *testing.T) {
	cfg := Default(7, 20)
	cfg.Days, cfg.Burst, cfg.Flood = 2, 5000, 100
	one, b := run(t, cfg)
	two, _ := run(t, cfg)
	if one != two {
		t.Errorf("%+v, then %+v", one, two)
	}
	if _, ok := b.Lookup(netaddr.Addr{}); ok || b.Len() == 0 {
		t.Error("no addresses")
	}
}

// Without an attacker all slots are filled, and most of the book is tried.
func TestPeace(t *testing.T) {
	cfg := Default(3, 0)
	if raced {
		cfg.Days = 10
	}
	r, b := run(t, cfg)
	if s := b.Stats(); r.Share != 0 || r.Filled < 0.99 || s.Total.Tried < 2500 {
		t.Errorf("%+v, %+v", r, s)
	}
}

func TestWorld(t *testing.T) {
	w := newWorld(Default(1, 2), time.Unix(1_800_000_000, 0))
	seen := map[int]bool{}
	var groups addrbook.Groups
	for i := range w.honest {
		n := w.at(i)
		seen[groupOf(n.addr)] = true
		if w.hostile(n.addr) || !addrbook.Routable(n.addr.Host, false) || groups.Group(n.addr.Host) == 0 {
			t.Fatal(n.addr)
		}
	}
	if len(seen) != w.cfg.HonestGroups {
		t.Errorf("%d groups", len(seen))
	}
	up := 0
	w.now = w.now.Add(20 * 24 * time.Hour)
	for i := range w.honest {
		if ok, until := w.reach(w.honest[i].addr); ok {
			up++
			if !until.After(w.now) {
				t.Fatal(until)
			}
		}
	}
	if up < 5700 || up > 6300 {
		t.Errorf("%d are up", up)
	}
	for _, k := range w.flood(100) {
		if ok, _ := w.reach(k.Addr); !ok || !w.hostile(k.Addr) {
			t.Fatal(k)
		}
	}
}
