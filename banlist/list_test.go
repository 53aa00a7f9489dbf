package banlist

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast/internal/testenv"
	"holdfast/netaddr"
)

// Who is banned by which ban, as time goes by.
func TestBanned(t *testing.T) {
	var c clock
	l := New(Options{Now: c.now})
	for _, b := range []struct {
		subject string
		d       time.Duration
	}{
		{"10.0.0.0/8", 3 * time.Hour},
		{"10.1.0.0/16", 2 * time.Hour},
		{"10.1.1.1", time.Hour},
		{"2001:db8::/32", time.Hour},
		{"fc12::1", time.Hour},
		{onion, time.Hour},
		{i2p, 2 * time.Hour},
		{"192.0.2.1", 0},
	} {
		if b.d == 0 {
			must(t, l.Ban(subject(b.subject), time.Time{}, "", Operator))
		} else {
			must(t, l.BanFor(subject(b.subject), b.d, "", Operator))
		}
	}
	// Of each host, the ban at 0, 1, 2 and 3 hours.
	for _, tt := range []struct {
		host netaddr.Host
		want [4]string
	}{
		{host("10.1.1.1"), [4]string{"10.1.1.1", "10.1.0.0/16", "10.0.0.0/8"}},
		{host("10.1.1.2"), [4]string{"10.1.0.0/16", "10.1.0.0/16", "10.0.0.0/8"}},
		{host("10.255.255.255"), [4]string{"10.0.0.0/8", "10.0.0.0/8", "10.0.0.0/8"}},
		{host("::ffff:10.1.1.1"), [4]string{"10.1.1.1", "10.1.0.0/16", "10.0.0.0/8"}},
		{host("11.0.0.0"), [4]string{}},
		{host("2001:db8::1%eth0"), [4]string{"2001:db8::/32"}},
		{host("fc12::1"), [4]string{"fc12::1"}},
		{cjdnsHost("fc12::1"), [4]string{"fc12::1"}},
		{host(onion), [4]string{onion}},
		{host(i2p), [4]string{i2p, i2p}},
		{host("192.0.2.1"), [4]string{"192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.1"}},
		{host("192.0.2.2"), [4]string{}},
		{netaddr.Host{}, [4]string{}},
	} {
		for hours, want := range tt.want {
			c.since.Store(int64(time.Duration(hours) * time.Hour))
			e, banned := l.Banned(tt.host)
			if banned != (want != "") || banned && (e.Subject.String() != want || !e.Live(c.now())) {
				t.Errorf("%v after %d h: %+v, %v; want %q", tt.host, hours, e, banned, want)
			}
			if ip, ok := tt.host.IP(); ok {
				if again, ok := l.BannedIP(ip); ok != banned || again != e {
					t.Errorf("BannedIP(%v) = %v, %v", ip, again, ok)
				}
			}
		}
	}
	if e, ok := l.BannedIP(netip.MustParseAddr("::ffff:192.0.2.1")); !ok || e.Subject != subject("192.0.2.1") {
		t.Error(e, ok)
	}
	if n, live := l.Len(), texts(l); n != 8 || !slices.Equal(live, []string{"192.0.2.1"}) {
		t.Errorf("%d in memory; %q", n, live)
	}
	if n := l.Prune(); n != 7 || l.Len() != 1 {
		t.Errorf("%d pruned, %v", n, l)
	}
}

// An Entry says all there is to know; whole seconds, rounded in favour of the ban.
func TestEntry(t *testing.T) {
	var c clock
	c.advance(1500 * time.Millisecond)
	l := New(Options{Now: c.now})
	s := subject("192.0.2.0/24")
	must(t, l.BanFor(s, 100*time.Millisecond, "sent \x00\xff and\nmore", Protocol))
	want := Entry{s, "sent \x00\uFFFD and\nmore", Protocol, epoch.Add(time.Second).UTC(), epoch.Add(2 * time.Second).UTC()}
	if e, ok := l.Lookup(s); !ok || e != want {
		t.Errorf("%+v, want %+v", e, want)
	}
	if _, ok := l.Lookup(subject("192.0.2.1")); ok {
		t.Error("Lookup finds a part of a range")
	}
	must(t, l.Ban(subject(onion), time.Date(99999, 1, 1, 0, 0, 0, 0, time.UTC), strings.Repeat("ö", 150), Score))
	if e, _ := l.Lookup(subject(onion)); !e.Until.IsZero() || e.Reason != strings.Repeat("ö", 100) {
		t.Errorf("%+v", e)
	}
}

func TestRefused(t *testing.T) {
	var c clock
	l := New(Options{Now: c.now})
	s := subject("192.0.2.1")
	for name, tt := range map[string]struct{ got, want error }{
		"nobody":    {l.BanFor(Subject{}, time.Hour, "", Operator), ErrSubject},
		"no origin": {l.BanFor(s, time.Hour, "", 0), ErrOrigin},
		"origin 9":  {l.BanFor(s, time.Hour, "", 9), ErrOrigin},
		"over":      {l.Ban(s, epoch, "", Operator), ErrOver},
		"zero":      {l.BanFor(s, 0, "", Operator), ErrOver},
		"negative":  {l.BanFor(s, -time.Hour, "", Operator), ErrOver},
		"1960":      {l.Ban(s, time.Unix(-1e9, 0), "", Operator), ErrOver},
	} {
		if !errors.Is(tt.got, tt.want) {
			t.Errorf("%s: %v, want %v", name, tt.got, tt.want)
		}
	}
	must(t, l.BanFor(s, time.Hour, "", Operator))
	must(t, l.Close())
	must(t, l.Close())
	_, unban := l.Unban(s)
	_, merge := l.Import(strings.NewReader(`{"format":"holdfast banlist","version":1,"bans":[]}`))
	for _, err := range []error{l.BanFor(s, time.Hour, "", Operator), unban, l.Clear(), merge} {
		if !errors.Is(err, ErrClosed) || !errors.Is(err, os.ErrClosed) {
			t.Error(err)
		}
	}
	if _, ok := l.Banned(host("192.0.2.1")); !ok {
		t.Error("a closed list does not answer")
	}
}

// Which of two bans of one Subject holds.
func TestSecondBan(t *testing.T) {
	for _, tt := range []struct {
		first, second           Origin
		firstHours, secondHours int // 0 is for ever
		want                    string
	}{
		{Operator, Score, 2, 1, "first"},
		{Operator, Score, 2, 2, "first"},
		{Operator, Score, 2, 3, "second"},
		{Operator, Score, 0, 3, "first"},
		{Operator, Score, 3, 0, "second"},
		{Score, Protocol, 2, 1, "first"},
		{Operator, Operator, 2, 1, "second"},
		{Score, Operator, 0, 1, "second"},
	} {
		for _, text := range []string{"192.0.2.1", "192.0.2.0/24", onion} {
			var c clock
			l := New(Options{Now: c.now})
			s := subject(text)
			until := func(hours int) time.Time {
				if hours == 0 {
					return time.Time{}
				}
				return epoch.Add(time.Duration(hours) * time.Hour)
			}
			must(t, l.Ban(s, until(tt.firstHours), "first", tt.first))
			must(t, l.Ban(s, until(tt.secondHours), "second", tt.second))
			if e, _ := l.Lookup(s); e.Reason != tt.want || l.Len() != 1 {
				t.Errorf("%+v: %+v, %d", tt, e, l.Len())
			}
			// When the first is over anything goes.
			if tt.firstHours > 0 {
				c.advance(time.Duration(tt.firstHours+3) * time.Hour)
				must(t, l.BanFor(s, time.Second, "third", Score))
				if e, _ := l.Lookup(s); tt.secondHours > 0 && e.Reason != "third" {
					t.Errorf("%+v: later %+v", tt, e)
				}
			}
		}
	}
}

func TestUnbanAndClear(t *testing.T) {
	var c clock
	l := New(Options{Now: c.now})
	all := []string{"10.0.0.0/8", "10.1.1.1", onion}
	for _, text := range all {
		must(t, l.BanFor(subject(text), time.Hour, "", Score))
	}
	for _, tt := range []struct {
		text string
		want bool
	}{{"10.1.1.1", true}, {"10.1.1.1", false}, {"10.1.1.2", false}, {onion, true}, {"10.0.0.0/9", false}} {
		if was, err := l.Unban(subject(tt.text)); was != tt.want || err != nil {
			t.Errorf("%s: %v, %v", tt.text, was, err)
		}
	}
	if e, ok := l.Banned(host("10.1.1.1")); !ok || e.Subject != subject("10.0.0.0/8") {
		t.Error("the range does not ban any more")
	}
	if _, ok := l.Banned(host(onion)); ok {
		t.Error("still banned")
	}
	c.advance(time.Hour)
	if was, err := l.Unban(subject("10.0.0.0/8")); was || err != nil || l.Len() != 0 {
		t.Errorf("a ban that is over: %v, %v", was, err)
	}
	for _, text := range all {
		must(t, l.BanFor(subject(text), time.Hour, "", Score))
	}
	must(t, l.Clear())
	if _, ok := l.Banned(host("10.1.1.1")); ok || l.Len() != 0 || l.table.automatic != 0 {
		t.Error("not cleared")
	}
}

// Peers can cause bans, but only so many.
func TestMaxAutomatic(t *testing.T) {
	var c clock
	file := tempFile(t)
	l := open(t, file, Options{Now: c.now, MaxAutomatic: 160})
	operators := []string{"198.51.100.0/24", "198.51.100.1", onion}
	for _, text := range operators {
		must(t, l.BanFor(subject(text), time.Minute, "", Operator))
	}
	ip := netip.MustParseAddr("10.0.0.0")
	for i := range 1000 {
		must(t, l.BanFor(SubjectOf(netaddr.FromIP(ip)), time.Hour, "", Score))
		if n := l.Len() - len(operators); n > 160 || n < min(i+1, 150) {
			t.Fatalf("%d after %d bans", n, i+1)
		}
		if _, ok := l.BannedIP(ip); !ok {
			t.Fatal("the newest is not banned")
		}
		ip = ip.Next()
		c.advance(time.Millisecond)
	}
	for _, text := range operators {
		if _, ok := l.Lookup(subject(text)); !ok {
			t.Errorf("%s had to go", text)
		}
	}
	// The same on disk.
	want := l.List()
	must(t, l.Close())
	if got := open(t, file, Options{Now: c.now}).List(); !reflect.DeepEqual(got, want) {
		t.Errorf("%d on disk, %d in memory", len(got), len(want))
	}
	// What an operator bans has no limit, and what is imported has the same one.
	var list bytes.Buffer
	must(t, l.Export(&list))
	few := New(Options{Now: c.now, MaxAutomatic: 16})
	if _, err := few.Import(&list); err != nil || few.Len() != 16+len(operators) {
		t.Errorf("%d imported, %v", few.Len(), err)
	}
	// What is over goes first.
	c.advance(time.Hour)
	must(t, l.table.check())
	must(t, few.BanFor(subject("10.0.0.1"), time.Hour, "", Score))
	if few.Len() != 1 {
		t.Errorf("%d left", few.Len())
	}
}

// A ban of one origin is found behind narrower ones of others, and not once it is over.
func TestBannedBy(t *testing.T) {
	var c clock
	l := New(Options{Now: c.now})
	must(t, l.BanFor(subject("10.0.0.0/8"), time.Hour, "", Operator))
	must(t, l.BanFor(subject("10.1.0.0/16"), time.Minute, "", Operator))
	must(t, l.BanFor(subject("10.1.1.0/24"), 2*time.Hour, "", Score))
	must(t, l.BanFor(subject("10.1.1.1"), 2*time.Hour, "", Protocol))
	must(t, l.BanFor(subject("fc00::/8"), time.Hour, "", Operator))
	must(t, l.BanFor(subject(onion), time.Hour, "", Score))
	cjdns, err := netaddr.FromBytes(netaddr.CJDNS, netip.MustParseAddr("fc01::1").AsSlice())
	must(t, err)
	check := func(h netaddr.Host, o Origin, want string) {
		t.Helper()
		e, ok := l.BannedBy(h, o)
		if got := e.Subject; ok != (want != "") || ok && (got != subject(want) || e.Origin != o) {
			t.Errorf("%v by %v: %v (%v), want %q", h, o, got, e.Origin, want)
		}
	}
	check(host("10.1.1.1"), Operator, "10.1.0.0/16")
	check(host("10.1.1.1"), Score, "10.1.1.0/24")
	check(host("10.1.1.1"), Protocol, "10.1.1.1")
	check(host("10.1.1.2"), Protocol, "")
	check(host("11.1.1.1"), Operator, "")
	check(host(onion), Score, onion)
	check(host(onion), Operator, "")
	check(cjdns, Operator, "fc00::/8")
	check(netaddr.Host{}, Operator, "")
	c.advance(time.Minute)
	check(host("10.1.1.1"), Operator, "10.0.0.0/8")
	c.advance(time.Hour)
	check(host("10.1.1.1"), Operator, "")
	check(host("10.1.1.1"), Protocol, "10.1.1.1")
}

// check counts the table anew, and finds each of its bans.
func (t *table) check() error {
	singles, automatic := 0, 0
	for _, r := range t.records(func(ban) bool { return true }) {
		if r.origin.automatic() {
			automatic++
		}
		if t.get(r.subject) != r.ban {
			return fmt.Errorf("%v is not found", r.subject)
		}
		if !r.subject.isRange() {
			singles++
			hash := t.hashName(r.subject.host)
			if ip, ok := r.subject.host.IP(); ok {
				hash = t.hashIP(ip.As16())
			}
			if !t.mayHave(hash) {
				return fmt.Errorf("the filter does not know %v", r.subject)
			}
		}
	}
	if singles != t.singles() || automatic != t.automatic {
		return fmt.Errorf("%d single, %d automatic; counted %d, %d", singles, automatic, t.singles(), t.automatic)
	}
	return nil
}

// A table of hosts does what a map does, also if all hashes are few, and at the end of
// its slots.
func TestHosts(t *testing.T) {
	for name, hash := range map[string]func(int) uint64{
		"spread": func(k int) uint64 { return uint64(k) * 0x9e3779b97f4a7c15 },
		"few":    func(k int) uint64 { return uint64(k%3) << 62 },
		"last":   func(int) uint64 { return math.MaxUint64 },
	} {
		t.Run(name, func(t *testing.T) {
			rnd := testenv.NewRand(t)
			hosts := hosts[int]{hash: hash}
			model := map[int]ban{}
			for step := range 20_000 {
				k := rnd.IntN(300)
				if rnd.IntN(300) < 100+step/100 { // at first it grows
					hosts.remove(hash(k), k)
					delete(model, k)
				} else {
					model[k] = ban{origin: Score, until: int64(step)}
					hosts.put(hash(k), k, model[k])
				}
				if k = rnd.IntN(300); hosts.get(hash(k), k) != model[k] || hosts.n != len(model) {
					t.Fatalf("step %d: %d is %v, not %v; %d of %d", step, k, hosts.get(hash(k), k), model[k], hosts.n, len(model))
				}
			}
			for k := range 300 {
				if hosts.get(hash(k), k) != model[k] {
					t.Errorf("at the end: %d is %v, not %v", k, hosts.get(hash(k), k), model[k])
				}
				hosts.remove(hash(k), k)
			}
			for _, s := range hosts.slots {
				if s != (slot[int]{}) {
					t.Errorf("%v is left", s)
				}
			}
		})
	}
}

// The filter lets all pass that are in, and few others.
func TestFilter(t *testing.T) {
	rnd := testenv.NewRand(t)
	const n = 20_000
	f := newFilter(n)
	in := make([]uint64, n)
	for i := range in {
		in[i] = rnd.Uint64()
		f.add(in[i])
	}
	for _, hash := range in {
		if !f.has(hash) {
			t.Fatal("one is lost")
		}
	}
	passed := 0
	for range n {
		if f.has(rnd.Uint64()) {
			passed++
		}
	}
	t.Logf("%.2f %% pass wrongly", 100*float64(passed)/n)
	if passed > n/16 || f.room != 0 {
		t.Errorf("%d of %d pass wrongly; room for %d", passed, n, f.room)
	}
}

// Marks say what the table says, at whatever time, and however many come and go.
func TestMarks(t *testing.T) {
	var c clock
	l := New(Options{Now: c.now})
	rnd := testenv.NewRand(t)
	at := []int64{-1, 0, 1, 2, 1_760_000_000, markLast - 1, markLast, markLast + 1, lastSecond}
	model := map[netaddr.Host]int64{}
	few := func() netaddr.Host { return netaddr.FromIP(netip.AddrFrom4([4]byte{3: byte(rnd.IntN(200))})) }
	for step := range 20_000 {
		h := few()
		if step >= 10_000 { // none comes twice
			h = netaddr.FromIP(netip.AddrFrom4([4]byte{10, 0, byte(step >> 8), byte(step)}))
		}
		until := at[1+rnd.IntN(len(at)-1)]
		if rnd.IntN(9) == 0 {
			until = forever
		}
		r, err := newRecord(SubjectOf(h), "", Operator, 0, until)
		must(t, err)
		l.table.put(r)
		model[h] = r.until
		if step >= 10_000 || rnd.IntN(3) == 0 {
			l.table.remove(r.subject)
			delete(model, h)
		}
		for _, h := range []netaddr.Host{h, few(), few()} {
			now := at[rnd.IntN(len(at))]
			until, banned := model[h]
			if got := l.BannedAt(h, time.Unix(now, 0)); got != (banned && now < until) {
				t.Fatalf("step %d: %v until %d is banned at %d: %v", step, h, until, now, got)
			}
		}
	}
	if n := len(l.table.marks.Load().cells); n > 3*len(model) {
		t.Errorf("%d cells for %d bans", n, len(model))
	}
}

// Asking allocates nothing.
func TestNoAllocations(t *testing.T) {
	var c clock
	l := New(Options{Now: c.now})
	must(t, l.BanFor(subject("10.0.0.0/8"), time.Hour, "", Operator))
	must(t, l.BanFor(subject("192.0.2.1"), time.Hour, "", Operator))
	must(t, l.BanFor(subject(onion), time.Hour, "", Operator))
	for _, text := range []string{"10.1.1.1", "192.0.2.1", "192.0.2.2", "2001:db8::1", onion, i2p} {
		h := host(text)
		if n := testing.AllocsPerRun(100, func() { l.Banned(h); l.BannedAt(h, epoch) }); n != 0 {
			t.Errorf("%s: %v", text, n)
		}
	}
}

// All at once, for the race detector: nobody sees a ban come late or go early.
func TestConcurrent(t *testing.T) {
	var c clock
	l := open(t, tempFile(t), Options{Now: c.now, spare: 20})
	fixed := []string{"10.0.0.0/8", "192.0.2.1", onion}
	for _, text := range fixed {
		must(t, l.Ban(subject(text), time.Time{}, "", Operator))
	}
	done := make(chan struct{})
	var readers, writers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				for _, text := range []string{"10.1.1.1", "192.0.2.1", onion} {
					if _, ok := l.Banned(host(text)); !ok || !l.BannedAt(host(text), c.now()) {
						t.Errorf("%s is not banned", text)
						return
					}
				}
				if n := len(l.List()); n < len(fixed) {
					t.Errorf("%d are listed", n)
				}
				l.Stats()
				l.Prune()
			}
		})
	}
	for w := range 4 {
		writers.Go(func() {
			for i := range 40 {
				text := fmt.Sprintf("172.16.%d.%d", w, i)
				if i%2 == 0 {
					text = fmt.Sprintf("172.%d.%d.0/24", 20+w, i)
				}
				s := subject(text)
				p, _ := s.Prefix()
				if err := l.BanFor(s, time.Hour, "", Score); err != nil {
					t.Error(err)
				}
				if _, ok := l.BannedIP(p.Addr()); !ok || !l.BannedAt(netaddr.FromIP(p.Addr()), c.now()) {
					t.Errorf("%s is not banned", s)
				}
				if was, err := l.Unban(s); !was || err != nil {
					t.Errorf("%s: %v, %v", s, was, err)
				}
				if _, ok := l.BannedIP(p.Addr()); ok || l.BannedAt(netaddr.FromIP(p.Addr()), c.now()) {
					t.Errorf("%s is still banned", s)
				}
				c.advance(time.Millisecond)
			}
		})
	}
	writers.Wait()
	close(done)
	readers.Wait()
	must(t, l.Close())
	must(t, l.table.check())
	if got := texts(l); len(got) != len(fixed) {
		t.Errorf("left: %q", got)
	}
}
