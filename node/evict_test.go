package node

import (
	"math/rand/v2"
	"net"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"holdfast/netaddr"
)

var evictEpoch = time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC)

// guests returns n peers without a merit. They have the IDs 1 to n, the lower the
// longer here, and a group each, with the number 1000 + ID.
func guests(n int) []evictable {
	list := make([]evictable, n)
	for i := range list {
		id := uint64(i + 1)
		list[i] = evictable{ID: id, Group: 1000 + id, Since: evictEpoch.Add(time.Duration(id) * time.Minute)}
	}
	return list
}

// each changes the peers with the given IDs.
func each(list []evictable, change func(*evictable), ids ...int) {
	for _, id := range ids {
		change(&list[id-1])
	}
}

// In a house of 40 guests, 1 to 4 are protected by group, 5 to 12 by ping, since
// none has one, 13 to 16 by use, since none was of any, and 17 to 28 by uptime.
// The youngest of the others is 40.
func TestEvict(t *testing.T) {
	discourage := func(c *evictable) { c.Discouraged = true }
	exempt := func(c *evictable) { c.Exempt = true }
	for _, test := range []struct {
		name   string
		n      int
		change func(list []evictable)
		want   uint64 // 0: nobody
	}{
		{name: "nobody is here", n: 0},
		{name: "all are protected", n: protectInAll},
		{name: "one is not", n: protectInAll + 1, want: protectInAll + 1},
		{name: "the youngest, if nothing else tells them apart", n: 40, want: 40},
		{
			name: "of the same moment, the one with the highest ID", n: 40, want: 40,
			change: func(list []evictable) {
				for i := range list {
					list[i].Since = evictEpoch
				}
			},
		},
		{
			name: "never an exempt one", n: 40, want: 37,
			change: func(list []evictable) { each(list, exempt, 38, 39, 40) },
		},
		{
			name: "exempt ones take no place among the protected", n: 40, want: 17,
			change: func(list []evictable) {
				for i := range list {
					list[i].Exempt = i >= 17
				}
			},
		},
		{
			name: "all but exempt ones are protected", n: 40,
			change: func(list []evictable) {
				for i := range list {
					list[i].Exempt = i >= 16
				}
			},
		},
		{
			name: "not the four first by keyed group", n: 40, want: 36,
			change: func(list []evictable) {
				for id := 37; id <= 40; id++ {
					each(list, func(c *evictable) { c.Group -= 1000 }, id)
				}
			},
		},
		{
			name: "the fifth by keyed group", n: 40, want: 40,
			change: func(list []evictable) {
				for id := 36; id <= 40; id++ {
					each(list, func(c *evictable) { c.Group -= 1000 }, id)
				}
			},
		},
		{
			name: "not the eight with the lowest ping", n: 40, want: 32,
			change: func(list []evictable) {
				for id := 33; id <= 40; id++ {
					each(list, func(c *evictable) { c.MinPing = time.Second }, id)
				}
			},
		},
		{
			name: "the ninth by ping", n: 40, want: 35,
			change: func(list []evictable) {
				for id := 32; id <= 40; id++ {
					each(list, func(c *evictable) { c.MinPing = time.Duration(id) * time.Millisecond }, id)
				}
				each(list, func(c *evictable) { c.MinPing = time.Minute }, 35)
				each(list, func(c *evictable) { c.Since = c.Since.Add(time.Hour) }, 35)
			},
		},
		{
			name: "not the four that were useful last", n: 40, want: 36,
			change: func(list []evictable) {
				for id := 33; id <= 40; id++ {
					each(list, func(c *evictable) { c.LastUseful = evictEpoch.Add(time.Duration(id) * time.Second) }, id)
				}
			},
		},
		{
			name: "not the half that came first, however many of a group they are", n: 40, want: 31,
			change: func(list []evictable) {
				for id := 17; id <= 29; id++ {
					each(list, func(c *evictable) { c.Group = 5000 }, id)
				}
				each(list, func(c *evictable) { c.Group = 5001 }, 30, 31)
			},
		},
		{
			name: "of the largest group the youngest", n: 40, want: 36,
			change: func(list []evictable) {
				each(list, func(c *evictable) { c.Group = 5000 }, 30, 33, 36)
				each(list, func(c *evictable) { c.Group = 5001 }, 39, 40)
			},
		},
		{
			name: "of groups that are as large, the one with the youngest", n: 40, want: 39,
			change: func(list []evictable) {
				each(list, func(c *evictable) { c.Group = 5000 }, 37, 38)
				each(list, func(c *evictable) { c.Group = 5001 }, 29, 39)
			},
		},
		{
			name: "who is protected does not count in his group", n: 40, want: 40,
			change: func(list []evictable) {
				each(list, func(c *evictable) { c.Group = 5000 }, 20, 21, 22, 29)
				each(list, func(c *evictable) { c.Group = 5001 }, 30, 40)
			},
		},
		{
			name: "a discouraged one before all others", n: 40, want: 30,
			change: func(list []evictable) {
				each(list, func(c *evictable) { c.Group = 5000 }, 38, 39, 40)
				each(list, discourage, 30)
			},
		},
		{
			name: "of the discouraged, of their largest group, the youngest", n: 40, want: 32,
			change: func(list []evictable) {
				each(list, func(c *evictable) { c.Group = 5000 }, 31, 32, 33, 34, 35)
				each(list, discourage, 31, 32, 40)
			},
		},
		{
			name: "a discouraged one with a merit is protected", n: 40, want: 40,
			change: func(list []evictable) { each(list, discourage, 1, 5, 13, 17) },
		},
		{
			name: "a few onion peers stay", n: 40, want: 38,
			change: func(list []evictable) {
				each(list, func(c *evictable) { c.Network = netaddr.Onion }, 39, 40)
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			list := guests(test.n)
			if test.change != nil {
				test.change(list)
			}
			id, ok := evict(list)
			if id != test.want || ok != (test.want != 0) {
				t.Errorf("evict returns %d, %v, want %d", id, ok, test.want)
			}
			checkEvict(t, list)
		})
	}
}

// protectLongest keeps a half by uptime, and half of that for the sorts, whose
// peers are here the youngest.
func TestEvictLongest(t *testing.T) {
	sorts := map[byte]evictable{
		'.': {},
		'o': {Network: netaddr.Onion},
		'L': {Network: netaddr.Onion, Local: true}, // as an onion service's are
		'i': {Network: netaddr.I2P},
		'c': {Network: netaddr.CJDNS},
		'l': {Network: netaddr.IPv4, Local: true},
	}
	for _, test := range []struct{ name, peers, left string }{
		{"nobody", "", ""},
		{"one", ".", "."},
		{"two", "..", "."},
		{"an odd number", ".......", "...."},
		{"plain ones only", "........", "...."},
		{"too few for a reserve", "..o", ".o"},
		{"a reserve of one", "...o", ".."},
		{"the one that came first", "..oo", ".o"},
		{"half of the reserve unused", "...........o", "......"},
		{"the reserve full", "........oooo", ".....o"},
		{"the reserve is not all that they can have", "oooooo......", "......"},
		{"onion through a local proxy is onion", "........LLlL", ".....L"},
		{"one place goes to the rarest", ".iio", "ii"},
		{"two places, two of three sorts", "..iiooc.", "ioo."},
		{"sorts as rare as each other, in order", "....oilc", "..ol"},
		{"shared alike", "................iiiioooo", "..........io"},
		{"what one has no use for the other gets", "................iooooooo", "..........oo"},
		{"all sorts", "................................iiiioooollllcccc", "....................iolc"},
	} {
		t.Run(test.name, func(t *testing.T) {
			list := guests(len(test.peers))
			letters := make(map[uint64]byte)
			var in []*evictable
			for i := range list {
				c := sorts[test.peers[i]]
				list[i].Network, list[i].Local = c.Network, c.Local
				letters[list[i].ID] = test.peers[i]
				in = append(in, &list[i])
			}
			slices.Reverse(in)
			var left string
			for _, c := range protectLongest(in) {
				left += string(letters[c.ID])
			}
			if len(left) != len(list)-len(list)/2 {
				t.Errorf("%d of %d are left", len(left), len(list))
			}
			if left != test.left {
				t.Errorf("%q are left of %q, want %q", left, test.peers, test.left)
			}
		})
	}
}

// checkEvict checks what must hold for any list, by other means than evict's.
func checkEvict(t interface {
	Helper()
	Fatalf(format string, args ...any)
}, list []evictable,
) {
	t.Helper()
	before := slices.Clone(list)
	id, ok := evict(list)
	if !slices.Equal(before, list) {
		t.Fatalf("evict changed the candidates: %+v were %+v", list, before)
	}
	for range 3 {
		rand.Shuffle(len(before), func(i, j int) { before[i], before[j] = before[j], before[i] })
		if id2, ok2 := evict(before); id2 != id || ok2 != ok {
			t.Fatalf("evict returns %d, %v in another order %d, %v", id, ok, id2, ok2)
		}
	}
	stay := slices.DeleteFunc(before, func(c evictable) bool { return c.Exempt })
	if ok != (len(stay) > protectInAll) {
		t.Fatalf("evict returns %v for %d peers and %d exempt ones", ok, len(stay), len(list)-len(stay))
	}
	if !ok {
		return
	}
	i := slices.IndexFunc(stay, func(c evictable) bool { return c.ID == id })
	if i < 0 {
		t.Fatalf("evict returns %d, which may not be evicted", id)
	}
	victim := stay[i]

	// Whoever is among the best of all is so among those that are left when it is
	// their merit's turn.
	count := func(better func(evictable) bool) (n int) {
		for _, c := range stay {
			if better(c) {
				n++
			}
		}
		return n
	}
	came := func(c evictable) bool {
		return c.Since.Before(victim.Since) || c.Since.Equal(victim.Since) && c.ID < victim.ID
	}
	if count(func(c evictable) bool { return c.Group < victim.Group || c.Group == victim.Group && came(c) }) < protectByGroup {
		t.Fatalf("%d is protected by its group", id)
	}
	quick := func(c evictable) bool {
		if c.MinPing == 0 || victim.MinPing == 0 {
			return c.MinPing != 0
		}
		return c.MinPing < victim.MinPing
	}
	if count(func(c evictable) bool { return quick(c) || c.MinPing == victim.MinPing && came(c) }) < protectByPing {
		t.Fatalf("%d is protected by its ping", id)
	}
	if count(func(c evictable) bool {
		return c.LastUseful.After(victim.LastUseful) || c.LastUseful.Equal(victim.LastUseful) && came(c)
	}) < protectByUse {
		t.Fatalf("%d is protected by its use", id)
	}
	half := (len(stay) - protectInAll) / 2
	if count(came) < half-half/2 {
		t.Fatalf("%d is protected by its uptime", id)
	}
	if victim.sort() != sortOther {
		better := count(func(c evictable) bool { return c.sort() != sortOther && (c.sort() != victim.sort() || came(c)) })
		if better < half/2 {
			t.Fatalf("%d is protected by its sort", id)
		}
	}
	// At most so many discouraged ones can be protected.
	if !victim.Discouraged && count(func(c evictable) bool { return c.Discouraged }) > protectInAll+half {
		t.Fatalf("%d is not discouraged, others are", id)
	}
}

// FuzzEvict makes a peer of each 8 bytes.
func FuzzEvict(f *testing.F) {
	f.Add([]byte(nil))
	f.Add(make([]byte, 8*(protectInAll+1)))
	random := rand.NewChaCha8([32]byte{})
	for range 4 {
		b := make([]byte, 8*117)
		_, _ = random.Read(b) // it cannot fail
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var list []evictable
		for b := range slices.Chunk(data, 8) {
			if len(b) == 8 {
				list = append(list, evictable{
					ID:          uint64(len(list)),
					Exempt:      b[0]&0x0f == 1,
					Discouraged: b[0]&0xf0 == 0x10,
					Group:       uint64(b[1] & b[2]),
					Network:     netaddr.Network(b[3] % 8),
					Local:       b[4]&3 == 1,
					Since:       evictEpoch.Add(time.Duration(b[5])),
					MinPing:     time.Duration(b[6]),
					LastUseful:  time.Time{}.Add(time.Duration(b[7] &^ 0x3f)),
				})
			}
		}
		checkEvict(t, list)
	})
}

// anyPeer draws a peer like those that there are.
func anyPeer(id uint64, key groupKey) *rapid.Generator[evictable] {
	return rapid.Custom(func(t *rapid.T) evictable {
		c := evictable{
			ID:          id,
			Exempt:      rapid.IntRange(0, 19).Draw(t, "exempt") == 0,
			Discouraged: rapid.IntRange(0, 19).Draw(t, "discouraged") == 0,
			Group:       key.of(rapid.StringN(1, 1, 1).Draw(t, "group")),
			Network:     rapid.SampledFrom(append(netaddr.Networks(), 0, netaddr.IPv4)).Draw(t, "network"),
			Local:       rapid.IntRange(0, 9).Draw(t, "local") == 0,
			Since:       evictEpoch.Add(time.Duration(rapid.IntRange(0, 600).Draw(t, "since")) * time.Second),
			MinPing:     time.Duration(rapid.IntRange(0, 500).Draw(t, "ping")) * time.Millisecond,
		}
		if rapid.IntRange(0, 4).Draw(t, "useful") == 0 {
			c.LastUseful = c.Since.Add(time.Minute)
		}
		return c
	})
}

func anyKey(t *rapid.T) groupKey {
	return newGroupKey(func() uint64 { return rapid.Uint64().Draw(t, "key") })
}

func TestEvictAny(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := anyKey(t)
		list := make([]evictable, rapid.IntRange(0, 60).Draw(t, "peers"))
		for i := range list {
			list[i] = anyPeer(uint64(i), key).Draw(t, "peer")
		}
		checkEvict(t, list)
	})
}

// A house is full of honest peers, at most h of a group. Then somebody comes again
// and again, all of one group, each time nearer and more useful than all honest
// ones. However long he goes on, he gets no more than what is protected by merit,
// and h places more.
func TestEvictFlood(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := anyKey(t)
		h := rapid.IntRange(1, 4).Draw(t, "h")
		house := make([]evictable, rapid.IntRange(40, 80).Draw(t, "places"))
		for i := range house {
			house[i] = anyPeer(uint64(i), key).Draw(t, "peer")
			house[i].Group = key.of(string(rune(i / h)))
			house[i].Exempt, house[i].Discouraged = false, false
		}
		now, his := evictEpoch.Add(time.Hour), key.of("his")
		came := uint64(len(house))
		for ; came < 160; came++ {
			id, ok := evict(house)
			i := slices.IndexFunc(house, func(c evictable) bool { return c.ID == id })
			if !ok || i < 0 {
				t.Fatalf("evict returns %d, %v", id, ok)
			}
			now = now.Add(time.Second)
			house[i] = evictable{ID: came, Group: his, Since: now, MinPing: 1, LastUseful: now}
		}
		got := 0
		for _, c := range house {
			if c.Group == his {
				got++
			}
		}
		if got > protectInAll+h {
			t.Fatalf("he has %d of %d places", got, len(house))
		}
	})
}

// With as many groups as he likes he gets more where honest peers share theirs,
// but never the older half of those without a merit.
func TestEvictFloodOfGroups(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := anyKey(t)
		house := guests(rapid.IntRange(40, 80).Draw(t, "places"))
		all := uint64(len(house))
		for i := range house {
			house[i].Group = key.of(string(rune(i / 4)))
		}
		for came := all + 1; came < 250; came++ {
			id, _ := evict(house)
			i := slices.IndexFunc(house, func(c evictable) bool { return c.ID == id })
			house[i] = evictable{
				ID: came, Group: key.of(string(rune(came))), MinPing: 1,
				Since: evictEpoch.Add(time.Duration(came) * time.Minute),
			}
		}
		honest := 0
		for _, c := range house {
			if c.ID <= all {
				honest++
			}
		}
		if honest < (len(house)-protectInAll)/2 {
			t.Fatalf("%d of %d are left", honest, len(house))
		}
	})
}

// The same key gives the same order of groups, another one another.
func TestEvictGroupKey(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := anyKey(t), anyKey(t)
		again := a
		g := rapid.String().Draw(t, "group")
		other := rapid.String().Filter(func(s string) bool { return s != g }).Draw(t, "other")
		switch {
		case a.of(g) != again.of(g):
			t.Fatal("a group has two places")
		case a.of(g) == a.of(other):
			t.Fatal("two groups have one place")
		case (a == b) != (a.of(g) == b.of(g)):
			t.Fatal("the key does not matter")
		}
	})
}

func BenchmarkEvict(b *testing.B) {
	random := rand.New(rand.NewPCG(1, 2))
	list := guests(117)
	for i := range list {
		list[i].Group = random.Uint64N(40)
		list[i].MinPing = time.Duration(random.Uint64N(1e9))
		list[i].Network = netaddr.Network(random.Uint64N(7))
	}
	random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	b.ReportAllocs()
	for b.Loop() {
		evict(list)
	}
}

// TestWhyEvicted: each eviction says why one had to go, and why it was this one.
func TestWhyEvicted(t *testing.T) {
	fill := func(w *world, from, to byte) {
		for i := from; i < to; i++ {
			w.dialIn(net.IPv4(20, i, 1, 1).String()).shake()
			wait(time.Second)
		}
	}
	bad := func(w *world, host string) {
		h, err := netaddr.Parse(host)
		must(t, err)
		w.node.discouraged.Add(h)
	}
	knock := func(w *world, hosts ...string) {
		for _, host := range hosts {
			r := w.dialIn(host)
			go func() {
				for r.next() != nil { // it says nothing, and reads
				}
			}()
			wait(time.Second)
		}
	}
	for _, tt := range []struct {
		name  string
		cfg   Config
		do    func(w *world)
		who   string // the last one's host
		want  Eviction
		words string
	}{
		{
			"of the largest group",
			Config{MaxPeers: 42},
			func(w *world) { // 40 inbound, 1 outbound, 1 feeler
				fill(w, 0, 30)
				knock(w, "40.1.0.1", "40.1.0.2", "40.1.0.3", "40.1.0.4", "40.1.0.5", "40.1.0.6", "40.1.0.7", "40.1.0.8", "40.1.0.9", "50.1.1.1")
			}, "40.1.0.9",
			Eviction{EvictedForNewcomer, EvictedFromGroup},
			"the house is full; it came last of the largest network group",
		},
		{
			"one that misbehaved",
			Config{MaxPeers: 42},
			func(w *world) {
				fill(w, 0, 30)
				bad(w, "40.1.0.5")
				knock(w, "40.1.0.1", "40.1.0.2", "40.1.0.3", "40.1.0.4", "40.1.0.5", "40.1.0.6", "40.1.0.7", "40.1.0.8", "40.1.0.9", "50.1.1.1")
			}, "40.1.0.5",
			Eviction{EvictedForNewcomer, EvictedAsBad},
			"the house is full; its host misbehaved",
		},
		{
			"the newcomer, who misbehaved",
			Config{MaxPeers: 42},
			func(w *world) {
				fill(w, 0, 39)
				bad(w, "50.1.1.1")
				knock(w, "50.1.1.1")
			}, "50.1.1.1",
			Eviction{EvictedForNewcomer, EvictedAsBad},
			"the house is full; its host misbehaved",
		},
		{
			"too many by the onion service",
			Config{Onion: &OnionService{Control: noTor}, MaxPeers: 23, TargetOutbound: -1, Feelers: -1},
			func(w *world) {
				for range w.node.maxOnionInbound() + 1 {
					w.dialOnion().shakeSoon()
					wait(time.Second)
				}
			}, "",
			Eviction{EvictedForOnion, EvictedAsLast},
			"the places of our onion service are taken; all others have a better claim to stay",
		},
		{
			"fewer places",
			Config{MaxPeers: 42},
			func(w *world) {
				fill(w, 0, 25)
				must(t, w.node.SetPeerLimits(PeerLimits{MaxPeers: 26, TargetOutbound: 1})) // 24, of which one is for who knocks
			}, "",
			Eviction{EvictedForFewer, EvictedFromGroup},
			"the operator has another use for its place; it came last of the largest network group",
		},
		{
			"few places",
			Config{MaxPeers: 42},
			func(w *world) {
				fill(w, 0, 10)
				must(t, w.node.SetPeerLimits(PeerLimits{MaxPeers: 11, TargetOutbound: 1})) // 9
			}, "20.9.1.1",
			Eviction{EvictedForFewer, EvictedAsLast},
			"the operator has another use for its place; all others have a better claim to stay",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := scripted(t, tt.cfg)
				tt.do(w)
				wait(time.Second)
				list := w.of(KindEvicted)
				if len(list) == 0 {
					t.Fatal("nobody was evicted")
				}
				e := list[len(list)-1]
				if e.Eviction != tt.want || e.Eviction.String() != tt.words {
					t.Errorf("%v, %v: %v", e.Eviction.Cause, e.Eviction.Rule, e)
				}
				if host, _, _ := net.SplitHostPort(e.Addr.String()); tt.who != "" && host != tt.who {
					t.Errorf("%s was evicted, want %s", host, tt.who)
				}
				w.stop()
			})
		})
	}
}

// TestEvictionNames: all have one, and no two the same.
func TestEvictionNames(t *testing.T) {
	seen := make(map[string]bool)
	for c := range numEvictionCauses {
		for r := range numEvictionRules {
			e := Eviction{c, r}
			if name := c.String() + " " + r.String(); seen[name] || seen[e.String()] || c.String() == "" || r.String() == "" {
				t.Errorf("%q: %q", name, e)
			} else {
				seen[name], seen[e.String()] = true, true
			}
		}
	}
	if e := (Eviction{numEvictionCauses, numEvictionRules}); e.String() != "cause-4, rule-4" {
		t.Error(e)
	}
}
