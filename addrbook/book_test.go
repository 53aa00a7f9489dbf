package addrbook

import (
	"errors"
	"math"
	"sync"
	"testing"
	"time"

	"holdfast/netaddr"
)

func TestConfig(t *testing.T) {
	for _, cfg := range []Config{{NewBuckets: -1}, {TriedBuckets: MaxBuckets + 1}, {SaveEvery: -1}} {
		if _, err := New(cfg); !errors.Is(err, ErrConfig) {
			t.Errorf("%+v: %v", cfg, err)
		}
		if _, _, err := Open(t.TempDir(), cfg); !errors.Is(err, ErrConfig) {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
	if _, _, err := Open("", Config{}); !errors.Is(err, ErrConfig) {
		t.Error(err)
	}
	one, two := mustNew(t, Config{}), mustNew(t, Config{})
	if one.key == two.key {
		t.Error("two books have the same key")
	}
	if s := one.Stats(); s.Capacity != (Count{65536, 16384}) || len(s.Networks) != 5 {
		t.Errorf("%+v", s)
	}
}

func TestAddRefuses(t *testing.T) {
	c := newClock()
	b := mustNew(t, testConfig(c))
	for _, text := range []string{"127.0.0.1:8333", "10.0.0.1:8333", "8.8.8.8:0", "[2001:db8::1]:8333"} {
		if b.Add(netaddr.Host{}, 0, Known{addrOf(text), 1, c.t}) != 0 || b.Len() != 0 {
			t.Error(text)
		}
	}
	if b.Add(netaddr.Host{}, 0, Known{Seen: c.t}) != 0 {
		t.Error("no address at all")
	}
	cfg := testConfig(c)
	cfg.AllowLocal = true
	if mustNew(t, cfg).Add(netaddr.Host{}, 0, Known{addrOf("127.0.0.1:18444"), 1, c.t}) != 1 {
		t.Error("not even with AllowLocal")
	}
}

// What is told again brings time and services up to date, and may get more places.
func TestAddAgain(t *testing.T) {
	c := newClock()
	b := mustNew(t, testConfig(c))
	a := ipv4(1, 1)
	told := func(source netaddr.Host, services uint64, age time.Duration) Entry {
		t.Helper()
		b.Add(source, 2*time.Hour, Known{a, services, c.t.Add(-age)})
		e, ok := b.Lookup(a)
		if !ok {
			t.Fatal("it is gone")
		}
		return e
	}
	if e := told(ipv4(2, 1).Host, 1, 48*time.Hour); !e.Seen.Equal(c.t.Add(-50*time.Hour)) || e.Services != 1 {
		t.Errorf("%+v", e)
	}
	if e := told(ipv4(3, 1).Host, 4, 40*time.Hour); !e.Seen.Equal(c.t.Add(-50*time.Hour)) || e.Services != 5 {
		t.Errorf("not a day newer: %+v", e)
	}
	if e := told(ipv4(3, 1).Host, 0, time.Hour); !e.Seen.Equal(c.t.Add(-3 * time.Hour)) {
		t.Errorf("newer: %+v", e)
	}
	if e := told(a.Host, 0, 0); !e.Seen.Equal(c.t) {
		t.Errorf("it tells of itself, without penalty: %+v", e)
	}
	if e := told(ipv4(3, 1).Host, 0, -365*24*time.Hour); !e.Seen.Equal(c.t) {
		t.Errorf("next year: %+v", e)
	}
	b.Add(netaddr.Host{}, 0, Known{ipv4(4, 4), 1, c.t.Add(time.Hour)}, Known{Addr: ipv4(5, 5)})
	for _, a := range []netaddr.Addr{ipv4(4, 4), ipv4(5, 5)} {
		if e, _ := b.Lookup(a); !e.Seen.Equal(c.t.Add(-5 * 24 * time.Hour)) {
			t.Errorf("a time that cannot be: %+v", e)
		}
	}
	for i := range 10_000 {
		c.advance(time.Second)
		told(ipv4(i, 2).Host, 0, 0)
	}
	if e, _ := b.Lookup(a); e.Refs != 8 || e.Source != ipv4(2, 1).Host {
		t.Errorf("%+v", e)
	}
	if err := b.check(); err != nil {
		t.Error(err)
	}
}

// However much one group of sources tells us, it gets 64 buckets of new.
func TestFlood(t *testing.T) {
	c := newClock()
	b := mustNew(t, testConfig(c))
	for i := range 100_000 {
		b.Add(ipv4(9, i%1000).Host, 0, Known{ipv4(1000+i%5000, i), 1, c.t})
	}
	buckets := map[int]bool{}
	for s, id := range b.newSlots {
		if id != 0 {
			buckets[s/bucketSize] = true
		}
	}
	if len(buckets) > 64 || b.Len() > 64*64 || b.Len() < 3000 {
		t.Errorf("%d addresses in %d buckets", b.Len(), len(buckets))
	}
}

// One group gets 8 buckets of tried.
func TestTriedPerGroup(t *testing.T) {
	c := newClock()
	b := mustNew(t, testConfig(c))
	for i := range 5000 {
		a := ipv4(9, i)
		b.Add(ipv4(i%3000, 1).Host, 0, Known{a, 1, c.t})
		if err := b.Good(a, 1); err != nil {
			t.Fatal(err)
		}
	}
	buckets := map[int]bool{}
	for s, id := range b.triedSlots {
		if id != 0 {
			buckets[s/bucketSize] = true
		}
	}
	if n := b.Stats().Total.Tried; len(buckets) > 8 || n > 8*64 || n < 400 {
		t.Errorf("%d addresses in %d buckets", n, len(buckets))
	}
}

// The numbers are Bitcoin Core's (IsTerrible and GetChance in src/addrman.cpp).
func TestTerrible(t *testing.T) {
	const (
		now  = 1_800_000_000
		days = 24 * 60 * 60
	)
	for name, tt := range map[string]struct {
		e    entry
		want bool
	}{
		"fresh":               {entry{seen: now}, false},
		"tried a moment ago":  {entry{seen: 1, lastTry: now - 60}, false},
		"10 minutes ahead":    {entry{seen: now + 600}, false},
		"further ahead":       {entry{seen: now + 601}, true},
		"seen 30 days ago":    {entry{seen: now - 30*days}, false},
		"seen earlier":        {entry{seen: now - 30*days - 1}, true},
		"2 failures, ever":    {entry{seen: now, fails: 2}, false},
		"3 failures, ever":    {entry{seen: now, fails: 3}, true},
		"3 failures":          {entry{seen: now, fails: 3, lastSuccess: now - 7*days - 1}, false},
		"10 failures, a week": {entry{seen: now, fails: 10, lastSuccess: now - 7*days - 1}, true},
		"9 failures, a week":  {entry{seen: now, fails: 9, lastSuccess: now - 7*days - 1}, false},
		"10 failures":         {entry{seen: now, fails: 10, lastSuccess: now - 7*days}, false},
	} {
		if tt.e.terrible(now) != tt.want {
			t.Errorf("%s: %v", name, !tt.want)
		}
	}
	for _, tt := range []struct {
		e    entry
		want float64
	}{
		{entry{}, 1},
		{entry{lastTry: now - 600}, 1},
		{entry{lastTry: now - 600 + 1}, 0.01},
		{entry{lastTry: now + 100}, 0.01},
		{entry{fails: 2}, 0.66 * 0.66},
		{entry{fails: 200}, math.Pow(0.66, 8)},
	} {
		if got := tt.e.chance(now); math.Abs(got-tt.want) > 1e-12 {
			t.Errorf("%+v: %v, not %v", tt.e, got, tt.want)
		}
	}
}

func TestAttempt(t *testing.T) {
	c := newClock()
	b := mustNew(t, testConfig(c))
	a, other := ipv4(1, 1), ipv4(2, 1)
	b.Add(netaddr.Host{}, 0, Known{a, 1, c.t}, Known{other, 1, c.t})
	state := func() Entry {
		e, _ := b.Lookup(a)
		return e
	}
	before := state()
	b.Attempt(a, Noted)
	if e := state(); e.Attempts != 0 || !e.LastTry.Equal(c.t) {
		t.Errorf("noted: %+v", e)
	}
	for range 5 { // nothing else was reached meanwhile: it may be us
		b.Attempt(a, Counts)
	}
	if e := state(); e.Attempts != 1 {
		t.Errorf("nothing was reached: %+v", e)
	}
	for want := 2; want < 5; want++ {
		c.advance(time.Minute)
		if err := b.Good(other, 1); err != nil {
			t.Fatal(err)
		}
		b.Attempt(a, Counts)
		if e := state(); e.Attempts != want {
			t.Errorf("another was reached: %+v", e)
		}
	}
	if err := b.Good(a, 77); err != nil {
		t.Fatal(err)
	}
	if e := state(); e.Attempts != 0 || !e.Tried || e.Services != 77 || !e.LastSuccess.Equal(c.t) || !e.Seen.Equal(before.Seen) {
		t.Errorf("good: %+v", e)
	}
	c.advance(20 * time.Minute)
	b.Connected(a)
	if e := state(); !e.Seen.Equal(c.t) {
		t.Errorf("connected: %+v", e)
	}
	c.advance(20 * time.Minute)
	b.Connected(a)
	if e := state(); e.Seen.Equal(c.t) {
		t.Errorf("seen after 20 minutes: %+v", e)
	}
	b.Attempt(ipv4(3, 3), Counts) // unknown ones are passed over
	b.Connected(ipv4(3, 3))
	if err := b.Good(ipv4(3, 3), 1); err != nil || b.Len() != 2 {
		t.Error(err)
	}
}

// collide returns a book where the second address wants the place in tried of the
// first.
func collide(t *testing.T, c *clock) (b *Book, old, young netaddr.Addr) {
	t.Helper()
	cfg := testConfig(c)
	cfg.TriedBuckets = 1
	b = mustNew(t, cfg)
	taken := map[int32]netaddr.Addr{}
	for i := 0; ; i++ {
		a := ipv4(i, 1)
		slot := b.triedSlot(a, b.Group(a.Host))
		if first, ok := taken[slot]; ok {
			for _, x := range []netaddr.Addr{first, a} {
				b.Add(netaddr.Host{}, 0, Known{x, 1, c.t})
			}
			if err := b.Good(first, 1); err != nil {
				t.Fatal(err)
			}
			return b, first, a
		}
		taken[slot] = a
	}
}

func TestCollision(t *testing.T) {
	tried := func(b *Book, a netaddr.Addr) bool {
		e, ok := b.Lookup(a)
		if !ok {
			t.Errorf("%v is gone", a)
		}
		return e.Tried
	}
	for name, tt := range map[string]struct {
		wait     time.Duration // until the younger one is good
		act      func(b *Book, c *clock, old netaddr.Addr)
		test     bool // the old one is to be tested
		replaced bool
	}{
		"reached within 4 hours": {wait: time.Hour},
		"not tested yet":         {wait: 5 * time.Hour, test: true},
		"test is under way": {wait: 5 * time.Hour, test: true, act: func(b *Book, c *clock, old netaddr.Addr) {
			b.Attempt(old, Counts)
			c.advance(time.Minute)
		}},
		"test failed": {wait: 5 * time.Hour, replaced: true, act: func(b *Book, c *clock, old netaddr.Addr) {
			b.Attempt(old, Counts)
			c.advance(61 * time.Second)
		}},
		"only noted, it may be us": {wait: 5 * time.Hour, test: true, act: func(b *Book, c *clock, old netaddr.Addr) {
			b.Attempt(old, Noted)
			c.advance(61 * time.Second)
		}},
		"test went well": {wait: 5 * time.Hour, act: func(b *Book, _ *clock, old netaddr.Addr) {
			b.Attempt(old, Counts)
			if err := b.Good(old, 1); err != nil {
				t.Error(err)
			}
		}},
		"our network was down": {wait: 5 * time.Hour, test: true, act: func(_ *Book, c *clock, _ netaddr.Addr) {
			c.advance(30 * time.Minute)
		}},
		"not tested in time": {wait: 5 * time.Hour, act: func(_ *Book, c *clock, _ netaddr.Addr) {
			c.advance(41 * time.Minute)
		}},
		"not tested in time, and old": {wait: 31 * 24 * time.Hour, replaced: true, act: func(_ *Book, c *clock, _ netaddr.Addr) {
			c.advance(41 * time.Minute)
		}},
		"the place is free": {wait: 5 * time.Hour, replaced: true, act: func(b *Book, _ *clock, old netaddr.Addr) {
			b.Remove(old)
			b.Add(netaddr.Host{}, 0, Known{old, 1, time.Unix(1_800_000_000, 0)})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClock()
			b, old, young := collide(t, c)
			c.advance(tt.wait)
			if err := b.Good(young, 1); err != nil || tried(b, young) || b.Stats().Collisions != 1 {
				t.Fatal("it did not wait", err)
			}
			if err := b.Good(young, 1); err != nil || b.Stats().Collisions != 1 {
				t.Fatal("it waits twice", err)
			}
			if tt.act != nil {
				tt.act(b, c, old)
			}
			a, test, err := b.NextTest()
			if err != nil || test != tt.test || test && a != old {
				t.Errorf("to be tested: %v %v %v", a, test, err)
			}
			if tried(b, young) != tt.replaced || tried(b, old) == tt.replaced {
				t.Errorf("replaced: %v", tried(b, young))
			}
			if err := b.check(); err != nil {
				t.Error(err)
			}
		})
	}
}

// Everything at once, for the race detector.
func TestConcurrent(t *testing.T) {
	b := mustOpen(t, t.TempDir(), Config{NewBuckets: 16, TriedBuckets: 4})
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 300 {
				a := onNetwork(netaddr.Networks()[i%5], i*4+g)
				b.Add(a.Host, 0, Known{a, 1, time.Now()})
				if a, ok := b.Choose(AllNetworks, nil); ok {
					b.Attempt(a, Counts)
					if err := b.Good(a, 1); err != nil {
						t.Error(err)
					}
				}
				b.NextTest()
				b.Answer(netaddr.IPv4)
				b.Stats()
				for range b.All() {
					break
				}
				if i%50 == 0 {
					if err := b.Save(); err != nil {
						t.Error(err)
					}
					if err := b.Flush(); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	if err := b.check(); err != nil {
		t.Error(err)
	}
	if err := b.Save(); err != nil { // closes the journal
		t.Error(err)
	}
}
