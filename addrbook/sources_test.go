package addrbook

import (
	"testing"

	"holdfast/netaddr"
)

// An entry counts for the source that told of the fewest, so that who tells first of what
// others will tell gains nothing.
func TestCountsForTheSmallest(t *testing.T) {
	c := newClock()
	b := mustNew(t, testConfig(c))
	big, small, a := ipv4(1, 1).Host, ipv4(2, 1).Host, ipv4(600, 1)
	of := func(h netaddr.Host) int32 { return b.sources.count(b.Group(h)) }
	b.Add(big, 0, Known{a, 1, c.t})
	for i := range 20 {
		b.Add(big, 0, Known{ipv4(700+i, 1), 1, c.t})
	}
	before := of(big)
	b.Add(small, 0, Known{a, 1, c.t})
	if of(big) != before-1 || of(small) != 1 {
		t.Errorf("%d and %d, %d before", of(big), of(small), before)
	}
	b.Add(big, 0, Known{a, 1, c.t}) // it does not get it back
	if of(big) != before-1 || of(small) != 1 {
		t.Errorf("%d and %d", of(big), of(small))
	}
	b.Add(netaddr.Host{}, 0, Known{a, 1, c.t})
	if of(small) != 0 || len(b.sources.free) != 1 {
		t.Errorf("what we know by ourselves counts for another, %d", of(small))
	}
	if e, _ := b.Lookup(a); e.Source != big {
		t.Errorf("first told by %v", e.Source)
	}
	if err := b.check(); err != nil {
		t.Error(err)
	}
	if err := b.Good(ipv4(700, 1), 1); err != nil || of(big) != before-2 {
		t.Errorf("%d, %v: what is in tried counts for somebody", of(big), err)
	}
}

// After a restart the entries of new count for who told of them first.
func TestSourcesLoaded(t *testing.T) {
	for name, buckets := range map[string]int{"each has the place that it had": 0, "others": 2000} {
		c := newClock()
		cfg := testConfig(c)
		dir := t.TempDir()
		b := mustOpen(t, dir, cfg)
		fill(b, c, 3000)
		b.Add(netaddr.Host{}, 0, Known{ipv4(9000, 1), 1, c.t}) // ours count for nobody
		if err := b.Save(); err != nil {
			t.Fatal(err)
		}
		cfg.NewBuckets = buckets
		b = mustOpen(t, dir, cfg)
		want := map[Group]int32{}
		for e := range b.All() {
			if g := b.Group(e.Source); !e.Tried && g != 0 {
				want[g]++
			}
		}
		for g, n := range want {
			if got := b.sources.count(g); got != n {
				t.Errorf("%s: %v has told of %d, counted %d", name, g, n, got)
			}
		}
		if len(want) < 2 || b.sources.index.n != len(want) {
			t.Errorf("%s: %d sources, not %d", name, b.sources.index.n, len(want))
		}
	}
}
