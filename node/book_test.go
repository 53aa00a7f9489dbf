package node

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/btcsuite/btcd/wire/v2"
)

func at(i int) endpoint {
	return endpoint{ip: netip.AddrFrom4([4]byte{20, byte(i >> 8), byte(i), 1}), port: 8333}
}

func knownAt(i int) known { return known{endpoint: at(i), seen: time.Now()} }

func testBook(most, perSource int) *book {
	return newBook(most, perSource, rand.New(rand.NewPCG(1, 2)))
}

// checkBook checks what must always hold.
func checkBook(t interface{ Errorf(string, ...any) }, b *book) {
	if len(b.entries) > b.max || len(b.index) != len(b.entries) {
		t.Errorf("%d entries, %d in the index, at most %d", len(b.entries), len(b.index), b.max)
	}
	sources := make(map[string]int)
	for i, e := range b.entries {
		if e.at != i || b.index[e.endpoint] != e {
			t.Errorf("entry %d of %v is lost", i, e.endpoint)
		}
		sources[e.source]++
	}
	if len(sources) != len(b.sources) {
		t.Errorf("sources: %v, want %v", b.sources, sources)
	}
	for s, n := range sources {
		if b.sources[s] != n || n > b.maxPerSource {
			t.Errorf("source %s has %d entries, counted %d", s, n, b.sources[s])
		}
	}
}

// TestBookModel drives all methods in random order.
func TestBookModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		synctest.Test(t, func(*testing.T) {
			b := testBook(20, 8)
			some := rapid.IntRange(0, 60)
			rt.Repeat(map[string]func(*rapid.T){
				"add": func(rt *rapid.T) {
					var list []known
					for _, i := range rapid.SliceOfN(some, 0, 12).Draw(rt, "addrs") {
						list = append(list, known{endpoint: at(i), seen: time.Now().Add(-time.Duration(i) * time.Hour)})
					}
					before := b.size()
					news := b.add(list, rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(rt, "source"))
					if grown := b.size() - before; grown > news {
						rt.Errorf("grew by %d with %d new", grown, news)
					}
				},
				"pick": func(rt *rapid.T) {
					forbidden := at(some.Draw(rt, "forbidden"))
					e, ok := b.pick(func(e endpoint) bool { return e != forbidden })
					if !ok {
						return
					}
					x := b.index[e]
					if x == nil || e == forbidden || x.due(time.Now()) || !x.tried.Equal(time.Now()) {
						rt.Errorf("picked %v: %+v", e, x)
					}
					if again, ok := b.pick(func(endpoint) bool { return true }); ok && again == e {
						rt.Errorf("picked %v twice at once", e)
					}
				},
				"good":   func(rt *rapid.T) { b.good(at(some.Draw(rt, "addr")), wire.SFNodeNetwork) },
				"failed": func(rt *rapid.T) { b.failed(at(some.Draw(rt, "addr"))) },
				"drop": func(rt *rapid.T) {
					e := at(some.Draw(rt, "addr"))
					if b.drop(e); b.index[e] != nil {
						rt.Errorf("%v was not dropped", e)
					}
				},
				"ended": func(rt *rapid.T) {
					b.ended(at(some.Draw(rt, "addr")), time.Duration(rapid.IntRange(0, 1200).Draw(rt, "seconds"))*time.Second)
				},
				"time": func(rt *rapid.T) {
					time.Sleep(time.Duration(rapid.IntRange(1, 7200).Draw(rt, "seconds")) * time.Second)
				},
				"sample": func(rt *rapid.T) {
					list := b.sample(func(endpoint) bool { return true })
					if most := (b.size()*23 + 99) / 100; len(list) > most {
						rt.Errorf("a sample of %d of %d", len(list), b.size())
					}
					seen := make(map[endpoint]bool)
					for _, a := range list {
						if seen[a.endpoint] || b.index[a.endpoint] == nil || b.index[a.endpoint].fails >= 3 {
							rt.Errorf("sample has %v", a)
						}
						seen[a.endpoint] = true
					}
				},
				"": func(rt *rapid.T) { checkBook(rt, b) },
			})
		})
	})
}

// TestBookPrefers what has not failed, and waits longer after each failure.
func TestBookPrefers(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		anyOf := func(endpoint) bool { return true }
		b := testBook(100, 100)
		b.add([]known{knownAt(1), knownAt(2)}, "s")
		b.failed(at(1))
		time.Sleep(time.Hour)
		for range 20 {
			if e, ok := b.pick(anyOf); !ok || e != at(2) {
				t.Fatalf("picked %v", e)
			}
			b.index[at(2)].tried = time.Time{}
		}
		b.drop(at(2))
		for n, want := range []time.Duration{1: time.Minute, 2: 2 * time.Minute, 3: 4 * time.Minute, 7: 64 * time.Minute, 8: 2 * time.Hour, 9: 2 * time.Hour} {
			if want == 0 {
				continue
			}
			x := &entry{tried: time.Now(), fails: n}
			if x.due(time.Now().Add(want-1)) || !x.due(time.Now().Add(want)) {
				t.Errorf("after %d failures the wait is not %v", n, want)
			}
		}
		// A session that lasted makes up for everything, a short one does not.
		b.failed(at(1))
		b.ended(at(1), 10*time.Second)
		if b.index[at(1)].fails != 3 {
			t.Error("a short session did not count as a failure")
		}
		b.ended(at(1), time.Hour)
		if b.index[at(1)].fails != 0 {
			t.Error("a long session did not make up for the failures")
		}
	})
}

// TestBookClaims: an address is given to one of many who ask at once.
func TestBookClaims(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := testBook(100, 100)
		b.add([]known{knownAt(1)}, "s")
		var asked, wg sync.WaitGroup
		var got atomic.Int32
		asked.Add(20)
		for range 20 {
			wg.Go(func() {
				_, ok := b.pick(func(endpoint) bool {
					asked.Done()
					asked.Wait() // until all have it before them
					return true
				})
				if ok {
					got.Add(1)
				}
			})
		}
		wg.Wait()
		if got.Load() != 1 {
			t.Errorf("%d got the same address", got.Load())
		}
	})
}

// TestBookBounds: neither one source nor all together fill more than they may, and
// what has proved itself is not pushed out.
func TestBookBounds(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := testBook(500, 100)
		b.add([]known{knownAt(5000)}, "first")
		b.good(at(5000), 0)
		for source := range 20 {
			var list []known
			for i := range 300 {
				list = append(list, knownAt(source*300+i%300))
			}
			if news := b.add(list, fmt.Sprint("s", source)); news > 100 {
				t.Fatalf("source %d brought %d", source, news)
			}
			checkBook(t, b)
			time.Sleep(time.Minute)
		}
		if b.size() != 500 || b.index[at(5000)] == nil {
			t.Errorf("%d addresses; the good one is there: %v", b.size(), b.index[at(5000)] != nil)
		}
	})
}

// TestBookIsQuick: a large book costs little to pick from, and finds what is there.
func TestBookIsQuick(t *testing.T) {
	b := testBook(maxBook, maxBook)
	var list []known
	for i := range maxBook {
		list = append(list, knownAt(i))
	}
	b.add(list, "s")
	asked := 0
	if _, ok := b.pick(func(endpoint) bool { asked++; return false }); ok || asked > pickProbes {
		t.Errorf("asked %d times", asked)
	}
	if got := len(b.sample(func(endpoint) bool { return true })); got != maxSample {
		t.Errorf("sample of %d", got)
	}
}
