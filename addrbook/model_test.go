package addrbook

import (
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"pgregory.net/rapid"

	"holdfast/netaddr"
)

// Whatever is done with a book, it stays consistent, what was tried stays somewhere,
// and it is the same after it was saved and read.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "addrbook")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		c := newClock()
		cfg := testConfig(c)
		cfg.NewBuckets = rapid.IntRange(1, 8).Draw(t, "new buckets")
		cfg.TriedBuckets = rapid.IntRange(1, 2).Draw(t, "tried buckets")
		cfg.Rand = rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)
		b, _, err := Open(dir, cfg)
		if err != nil {
			t.Fatal(err)
		}
		anAddr := rapid.Custom(func(t *rapid.T) netaddr.Addr {
			n := rapid.SampledFrom(netaddr.Networks()).Draw(t, "network")
			return onNetwork(n, rapid.IntRange(0, 400).Draw(t, "number"))
		})
		known := func(t *rapid.T) netaddr.Addr { // mostly one that is there
			if b.Len() > 0 && rapid.IntRange(0, 3).Draw(t, "known") > 0 {
				skip := rapid.IntRange(0, b.Len()-1).Draw(t, "which")
				for e := range b.All() {
					if skip--; skip < 0 {
						return e.Addr
					}
				}
			}
			return anAddr.Draw(t, "addr")
		}
		t.Repeat(map[string]func(*rapid.T){
			"Add": func(t *rapid.T) {
				source := anAddr.Draw(t, "source").Host
				var list []Known
				for range rapid.IntRange(1, 40).Draw(t, "n") {
					age := time.Duration(rapid.IntRange(-1, 40*24).Draw(t, "hours")) * time.Hour
					list = append(list, Known{anAddr.Draw(t, "addr"), rapid.Uint64().Draw(t, "services"), c.t.Add(-age)})
				}
				before := b.Len()
				if added := b.Add(source, time.Hour, list...); b.Len() > before+added {
					t.Fatalf("%d added, %d before, %d now", added, before, b.Len())
				}
			},
			"Good": func(t *rapid.T) {
				a := known(t)
				before, there := b.Lookup(a)
				if err := b.Good(a, 9); err != nil {
					t.Fatal(err)
				}
				after, still := b.Lookup(a)
				if there != still || there && (after.Services != 9 || after.Attempts != 0 || before.Tried && !after.Tried) {
					t.Fatalf("%+v, then %+v", before, after)
				}
			},
			"Attempt": func(t *rapid.T) {
				b.Attempt(known(t), Weight(rapid.IntRange(0, 1).Draw(t, "weight")))
			},
			"Connected": func(t *rapid.T) { b.Connected(known(t)) },
			"Remove": func(t *rapid.T) {
				a := known(t)
				_, there := b.Lookup(a)
				if _, still := b.Lookup(a); b.Remove(a) != there || still != there {
					t.Fatal(a)
				}
			},
			"Choose": func(t *rapid.T) {
				nets := Networks(rapid.Uint8().Draw(t, "networks"))
				fresh := rapid.Bool().Draw(t, "fresh")
				a, ok := b.choose(nets, nil, fresh)
				there := false
				for e := range b.All() {
					there = there || nets.Has(e.Addr.Host.Network()) && !(fresh && e.Tried)
				}
				e, found := b.Lookup(a)
				if ok != there || ok && (!found || !nets.Has(a.Host.Network()) || fresh && e.Tried) {
					t.Fatalf("%v %v, there is one: %v", a, ok, there)
				}
			},
			"NextTest": func(t *rapid.T) {
				a, ok, err := b.NextTest()
				if e, found := b.Lookup(a); err != nil || ok && (!found || !e.Tried) {
					t.Fatalf("%v %v %v: %+v", a, ok, err, e)
				}
			},
			"Answer": func(t *rapid.T) {
				b.Answer(rapid.SampledFrom(netaddr.Networks()).Draw(t, "network"))
			},
			"wait": func(t *rapid.T) {
				c.advance(time.Duration(rapid.IntRange(1, 3*24*60).Draw(t, "minutes")) * time.Minute)
			},
			"reopen": func(t *rapid.T) {
				before := b.entriesByAddr()
				if rapid.Bool().Draw(t, "save") {
					if err := b.Save(); err != nil {
						t.Fatal(err)
					}
				} else if err := b.Flush(); err != nil { // the journal alone
					t.Fatal(err)
				} else {
					for a, e := range before {
						if !e.Tried {
							delete(before, a)
						}
					}
					b.files.journal.Close() // nil is fine
				}
				again, warning, err := Open(dir, cfg)
				if warning != nil || err != nil {
					t.Fatal(warning, err)
				}
				after := again.entriesByAddr()
				for a, e := range before {
					if got, ok := after[a]; !ok || got.Tried != e.Tried {
						t.Fatalf("%+v was %+v", got, e)
					}
				}
				b = again
			},
			"": func(t *rapid.T) {
				if err := b.check(); err != nil {
					t.Fatal(err)
				}
				if s := b.Stats(); s.Total.New+s.Total.Tried != b.Len() {
					t.Fatalf("%+v", s)
				}
			},
		})
		if b.files.journal != nil {
			b.files.journal.Close()
		}
	})
}

func (b *Book) entriesByAddr() map[netaddr.Addr]Entry {
	m := make(map[netaddr.Addr]Entry)
	for e := range b.All() {
		m[e.Addr] = e
	}
	return m
}

// Saved without any change of what is known, the book is the same.
func TestSaveIsExact(t *testing.T) {
	c := newClock()
	dir := t.TempDir()
	b := mustOpen(t, dir, testConfig(c))
	fill(b, c, 3000)
	if err := b.Save(); err != nil {
		t.Fatal(err)
	}
	want := b.entriesByAddr()
	got := mustOpen(t, dir, testConfig(c)).entriesByAddr()
	if len(got) != len(want) || len(want) < 2500 {
		t.Fatalf("%d, not %d", len(got), len(want))
	}
	for a, e := range want {
		if got[a] != e {
			t.Fatalf("%+v, not %+v", got[a], e)
		}
	}
}

// fill tells a book of addresses on all networks, some of them good.
func fill(b *Book, c *clock, n int) {
	for i := range n {
		a := onNetwork(netaddr.Networks()[i%5], i)
		for j := range 1 + i%3 {
			b.Add(ipv4(i%50+j, 1).Host, 0, Known{a, uint64(i), c.t.Add(time.Duration(j-i)*time.Minute - time.Duration(3-j)*3*time.Hour)})
		}
		if i%4 == 0 {
			b.Attempt(a, Counts)
		}
		if i%7 == 0 {
			if err := b.Good(a, 1); err != nil {
				panic(err)
			}
		}
	}
}
