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

// attacked returns the mean of runs with some seeds.
func attacked(t *testing.T, cfg Config, seeds int) (mean Result) {
	t.Helper()
	for seed := uint64(1); seed <= uint64(seeds); seed++ {
		cfg.Seed = seed
		r, _ := run(t, cfg)
		mean.Share += r.Share / float64(seeds)
		mean.Last += r.Last / float64(seeds)
		if r.Filled < 0.99 {
			t.Errorf("seed %d: only %.2f %% of the slots were filled", seed, 100*r.Filled)
		}
	}
	t.Logf("%5.2f %% of the slots, %5.2f %% in the last third; his share of the groups is %5.2f %%",
		100*mean.Share, 100*mean.Last, 100*cfg.Fair())
	return mean
}

// quick makes a run a short one.
func quick(cfg Config) Config {
	cfg.Days, cfg.Burst, cfg.Flood = 10, 70_000, 500
	return cfg
}

// An attacker who floods us from the first minute gets no more of our slots than his
// share of the groups, and 5 points: that is the promise of this package's book. A
// run has some 1,000 connections, so the share of one is 2 points up or down: it is the
// mean that counts.
func TestEclipse(t *testing.T) {
	runs := map[int]int{1: 1, 8: 1, 64: 2, 512: 3} // groups: how many seeds
	if brief() {
		runs = map[int]int{64: 1} // with many groups, the first ten days are above the mean
	}
	for k, n := range runs {
		t.Run(fmt.Sprint(k), func(t *testing.T) {
			t.Parallel()
			cfg := Default(0, k)
			if brief() {
				cfg = quick(cfg)
			}
			if r := attacked(t, cfg, n); r.Share > cfg.Fair()+0.05 {
				t.Errorf("%.2f %% of the slots, more than %.2f %%", 100*r.Share, 100*cfg.Fair()+5)
			}
		})
	}
}

// So it is if he also tells of addresses in the groups of others. With as many groups
// as 512 the promise does not hold for the first days: while we know of few honest
// groups where somebody answers, and he tells of hundreds where somebody always does.
// What is held there is what it was when the test was written, and the promise after
// 20 days.
func TestEclipseByFakes(t *testing.T) {
	for name, tt := range map[string]struct {
		groups     int
		dead, real float64
		days       int // 30 if 0
		flood      int // an hour, also in the first; 0: as Default has it
		seeds      int
		most       float64 // of the slots; 0: as promised
		long       bool    // not with -short, nor under the race detector
	}{
		"few groups":             {groups: 8, dead: 0.9, seeds: 1, long: true},
		"half of them dead":      {groups: 64, dead: 0.5, seeds: 2, long: true},
		"most of them dead":      {groups: 64, dead: 0.9, seeds: 2},
		"honest ones, and dead":  {groups: 64, dead: 0.38, real: 0.6, seeds: 2, long: true},
		"as fast as a node lets": {groups: 64, dead: 0.9, flood: MaxFlood, days: 10, seeds: 1, long: true},
		"many groups":            {groups: 512, dead: 0.9, seeds: 2, most: 0.45, long: true},
	} {
		if tt.long && brief() {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := Default(0, tt.groups)
			if brief() {
				cfg, tt.seeds = quick(cfg), 1
			}
			cfg.Dead, cfg.Real = tt.dead, tt.real
			if tt.flood > 0 {
				cfg.Burst, cfg.Flood = tt.flood, tt.flood
			}
			if tt.days > 0 {
				cfg.Days = tt.days
			}
			most := tt.most
			if most == 0 {
				most = cfg.Fair() + 0.05
			}
			r := attacked(t, cfg, tt.seeds)
			if r.Share > most || r.Last > cfg.Fair()+0.05 {
				t.Errorf("%.2f %% of the slots, more than %.2f %%; or %.2f %% in the last third", 100*r.Share, 100*most, 100*r.Last)
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
	w.cfg.Dead, w.cfg.Real = 0.5, 0.25
	dead, honest := 0, 0
	for _, k := range w.flood(1000) {
		switch ok, _ := w.reach(k.Addr); {
		case w.hostile(k.Addr):
		case w.known(k.Addr):
			honest++
		case ok:
			t.Fatal(k)
		default:
			dead++
		}
	}
	if dead < 450 || dead > 550 || honest < 200 || honest > 300 {
		t.Errorf("%d dead ones, %d honest ones", dead, honest)
	}
}

// brief reports whether there is time for the short form only.
func brief() bool { return raced || testing.Short() }
