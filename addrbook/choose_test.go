package addrbook

import (
	"testing"
	"time"

	"holdfast/netaddr"
)

func TestChooseNetworks(t *testing.T) {
	c := newClock()
	b := mustNew(t, testConfig(c))
	fill(b, c, 2000)
	for _, n := range netaddr.Networks() {
		for range 200 {
			for _, fresh := range []bool{false, true} {
				a, ok := b.choose(NetworksOf(n), nil, fresh)
				e, _ := b.Lookup(a)
				if !ok || a.Host.Network() != n || fresh && e.Tried {
					t.Fatalf("%v: %v %v", n, a, ok)
				}
			}
		}
	}
	if a, ok := b.Choose(0, nil); ok {
		t.Error(a)
	}
	offered := 0
	if a, ok := b.Choose(AllNetworks, func(netaddr.Addr) bool { offered++; return false }); ok || offered != chooseTries {
		t.Error(a, offered)
	}
	b.Choose(AllNetworks, func(a netaddr.Addr) bool { // it may use the book
		b.Attempt(a, Noted)
		return b.Len() > 0
	})
	if NetworksOf(3, 99, netaddr.IPv4) != 1<<netaddr.IPv4 || !AllNetworks.Has(netaddr.CJDNS) || AllNetworks.Has(3) || AllNetworks.Has(0) {
		t.Error("sets of networks")
	}
}

// An address is chosen as often as its group's share, however many are in the group.
func TestChooseIsFair(t *testing.T) {
	c := newClock()
	for _, tried := range []bool{false, true} {
		b := mustNew(t, testConfig(c))
		for i := range 3000 {
			group := i
			if i >= 30 {
				group = 29
			}
			a := ipv4(group, i)
			b.Add(ipv4(i, 1).Host, 0, Known{a, 1, c.t})
			if tried {
				if err := b.Good(a, 1); err != nil {
					t.Fatal(err)
				}
			}
		}
		c.advance(time.Hour)
		const n = 30_000
		counts := map[Group]int{}
		for range n {
			a, _ := b.Choose(AllNetworks, nil)
			counts[b.Group(a.Host)]++
		}
		for g, got := range counts {
			if got < n/30*8/10 || got > n/30*12/10 {
				t.Errorf("tried %v: %v was chosen %d times, not %d", tried, g, got, n/30)
			}
		}
	}
}

// An AS on both IPv4 and IPv6 is one group.
func TestChooseAcrossNetworks(t *testing.T) {
	c := newClock()
	b := mustNew(t, testConfig(c))
	b.Add(netaddr.Host{}, 0, Known{addrOf("8.8.8.8:1"), 0, c.t}, Known{addrOf("[2002:808:909::1]:1"), 0, c.t}, Known{ipv4(1, 1), 0, c.t})
	n := 0
	for range 10_000 {
		if a, _ := b.Choose(AllNetworks, nil); a == ipv4(1, 1) {
			n++
		}
	}
	if n < 4700 || n > 5300 {
		t.Errorf("%d of 10000, not half", n)
	}
}

// A newcomer of a small group gets the place of an entry of a large one, but no group
// loses its last entries so.
func TestGives(t *testing.T) {
	c := newClock()
	cfg := testConfig(c)
	cfg.NewBuckets = 1
	b := mustNew(t, cfg)
	for i := range 5000 {
		b.Add(ipv4(1, 1).Host, 0, Known{ipv4(7, i), 1, c.t})
	}
	if b.Len() != bucketSize {
		t.Fatal(b.Len())
	}
	for i := range 5000 {
		b.Add(ipv4(1, 1).Host, 0, Known{ipv4(100+i, 1), 1, c.t})
	}
	if n := b.fresh.count(netaddr.IPv4, b.Group(ipv4(7, 0).Host)); n != 2 || b.Len() != bucketSize {
		t.Errorf("%d of %d are left", n, b.Len())
	}
}

// So does one of a source that told of little get the place of one of a source that told
// of much, whatever their groups; but not of what we know by ourselves.
func TestGivesToSources(t *testing.T) {
	for name, tt := range map[string]struct {
		source netaddr.Host
		want   bool
	}{
		"of a source": {ipv4(1, 1).Host, true},
		"ours":        {netaddr.Host{}, false},
	} {
		c := newClock()
		cfg := testConfig(c)
		cfg.NewBuckets = 1
		b := mustNew(t, cfg)
		for i := range 5000 { // each in a group of its own
			b.Add(tt.source, 0, Known{ipv4(i, 1), 1, c.t})
		}
		if b.Len() != bucketSize {
			t.Fatal(b.Len())
		}
		for i := range 5000 {
			b.Add(ipv4(2, 1).Host, 0, Known{ipv4(i, 2), 1, c.t})
		}
		n := b.sources.count(b.Group(ipv4(2, 1).Host))
		if tt.want && (n < bucketSize/4 || n > bucketSize*3/4) || !tt.want && n != 0 {
			t.Errorf("%s: the other source has %d of %d places", name, n, bucketSize)
		}
		if err := b.check(); err != nil {
			t.Error(err)
		}
	}
}

// In a group of new, what somebody told who told of little is chosen before what the
// flood brought.
func TestChooseBySource(t *testing.T) {
	c := newClock()
	flood, few, small := ipv4(1, 1).Host, ipv4(2, 1).Host, ipv4(500, 1)
	start := func(told netaddr.Host) *Book {
		b := mustNew(t, testConfig(c))
		for i := range 15 { // the ring has 16 then
			b.Add(flood, 0, Known{ipv4(500, 100+i), 1, c.t})
		}
		for i := range 100 {
			b.Add(flood, 0, Known{ipv4(1000+i, 1), 1, c.t})
		}
		b.Add(told, 0, Known{small, 1, c.t.Add(-10 * 24 * time.Hour)}) // not even seen lately
		return b
	}
	// chosen is how often the small one is, of its group; -1 if not always.
	chosen := func(b *Book) (n int) {
		for range 2000 {
			if a, ok := b.ChooseNew(AllNetworks, nil); ok && b.Group(a.Host) == b.Group(small.Host) {
				if a != small {
					return -1
				}
				n++
			}
		}
		return n
	}
	for name, tt := range map[string]struct {
		told   netaddr.Host
		failed bool // it was just tried in vain
		always bool
	}{
		"a small source": {told: few, always: true},
		"ourselves":      {always: true},
		"the same":       {told: flood},
		"just tried":     {told: few, failed: true},
	} {
		b := start(tt.told)
		if tt.failed {
			b.Attempt(small, Counts)
		}
		if n := chosen(b); n == 0 || (n > 0) != tt.always {
			t.Errorf("%s: chosen %d times", name, n)
		}
	}
}

// One in four is drawn from tried, if there is enough in new of groups that are not in it.
func TestChooseTables(t *testing.T) {
	c := newClock()
	b := mustNew(t, testConfig(c))
	for i := range 400 {
		a := ipv4(i, 1)
		b.Add(netaddr.Host{}, 0, Known{a, 1, c.t})
		if i%2 == 0 {
			if err := b.Good(a, 1); err != nil {
				t.Fatal(err)
			}
		}
	}
	c.advance(time.Hour)
	tried := 0
	for range 10_000 {
		a, _ := b.Choose(AllNetworks, nil)
		if e, _ := b.Lookup(a); e.Tried {
			tried++
		}
	}
	if tried < 2300 || tried > 2800 {
		t.Errorf("%d of 10000 from tried", tried)
	}
}

func TestAnswer(t *testing.T) {
	c := newClock()
	b := mustNew(t, testConfig(c))
	if got := b.Answer(netaddr.IPv4); len(got) != 0 {
		t.Error(got)
	}
	c.advance(27 * time.Hour)
	fill(b, c, 1000)
	for i := range 200 { // not to be told
		b.Add(ipv4(5000+i, 1).Host, 0, Known{ipv4(5000+i, 2), 1, c.t.Add(-31 * 24 * time.Hour)})
	}
	first := b.Answer(netaddr.IPv4)
	if len(first) != b.Len()*23/100 {
		t.Errorf("%d of %d", len(first), b.Len())
	}
	seen := map[netaddr.Addr]bool{}
	for _, k := range first {
		if seen[k.Addr] || c.t.Sub(k.Seen) > 30*24*time.Hour {
			t.Errorf("%v, %v", k.Addr, c.t.Sub(k.Seen))
		}
		seen[k.Addr] = true
	}
	same := func(p, q []Known) bool {
		n := 0
		for _, k := range q {
			if seen[k.Addr] {
				n++
			}
		}
		return n == len(p) && n == len(q)
	}
	first[0] = Known{} // the slice is ours
	c.advance(21*time.Hour - time.Second)
	if again := b.Answer(netaddr.IPv4); !same(first, again) || again[0].Seen.IsZero() {
		t.Error("not the same within 21 hours")
	}
	if same(first, b.Answer(netaddr.Onion)) {
		t.Error("two networks were told the same")
	}
	c.advance(6*time.Hour + time.Second)
	if same(first, b.Answer(netaddr.IPv4)) {
		t.Error("the same after 27 hours")
	}
	fill(b, c, 8000)
	c.advance(27 * time.Hour)
	if n := len(b.Answer(netaddr.I2P)); n != 1000 {
		t.Errorf("%d of %d", n, b.Len())
	}
	b.Answer(99)
	if len(b.answers) > 3 {
		t.Error("an answer for a network that is none was kept")
	}
}

// TestAnswerOfAGrowingBook: who is asked early does not tell next to nothing for a day.
func TestAnswerOfAGrowingBook(t *testing.T) {
	c := newClock()
	b := mustNew(t, testConfig(c))
	told := len(b.Answer(netaddr.IPv4))
	drawn := 0
	for n := 0; n < 4000; n += 20 {
		fill(b, c, n)
		if again := len(b.Answer(netaddr.IPv4)); again != told {
			if most := max(2*told, 2); again < most {
				t.Errorf("%d told after %d", again, told)
			}
			told = again
			drawn++
		}
	}
	if told < 400 || drawn > 10 {
		t.Errorf("%d told of %d, drawn %d times", told, b.Len(), drawn)
	}
}
