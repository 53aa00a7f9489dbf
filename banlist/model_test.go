package banlist

import (
	"bytes"
	"errors"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"

	"holdfast/netaddr"
)

// A naive list is a slice of bans, looked through from end to end.
type naive []Entry

func (n naive) lookup(s Subject, now time.Time) (Entry, bool) {
	for _, e := range n {
		if e.Subject == s && e.Live(now) {
			return e, true
		}
	}
	return Entry{}, false
}

func (n naive) banned(h netaddr.Host, now time.Time) (found Entry, ok bool) {
	for _, e := range n {
		if e.Live(now) && e.Subject.Contains(h) && (!ok || e.Subject.bits > found.Subject.bits) {
			found, ok = e, true
		}
	}
	return found, ok
}

func (n naive) live(now time.Time) []Entry {
	all := slices.DeleteFunc(slices.Clone(n), func(e Entry) bool { return !e.Live(now) })
	slices.SortFunc(all, func(a, b Entry) int { return a.Subject.Compare(b.Subject) })
	return all
}

func (n *naive) remove(s Subject) {
	*n = slices.DeleteFunc(*n, func(e Entry) bool { return e.Subject == s })
}

func (n *naive) put(e Entry) {
	n.remove(e.Subject)
	*n = append(*n, e)
}

// lasts reports whether a ends no earlier than b.
func lasts(a, b Entry) bool {
	return a.Until.IsZero() || !b.Until.IsZero() && !a.Until.Before(b.Until)
}

// The list does what a naive one does, whatever happens: bans, time, a disk that
// fails, and new starts. What was acknowledged is there after a start.
func TestModel(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		file := filepath.Join(dir, "bans")
		_ = os.Remove(file)
		var c clock
		broken := "" // the step that fails
		o := Options{Now: c.now, spare: 5, hook: func(step string) error {
			if step == broken {
				return syscall.ENOSPC
			}
			return nil
		}}
		l, d, err := Open(file, o)
		if err != nil || d != nil {
			t.Fatal(d, err)
		}
		var model naive

		// Few addresses, so that they meet.
		ip := rapid.Custom(func(t *rapid.T) netip.Addr {
			a := [4]byte{10, 0, byte(rapid.IntRange(0, 1).Draw(t, "third")), byte(rapid.IntRange(0, 3).Draw(t, "last"))}
			switch rapid.IntRange(0, 3).Draw(t, "kind") {
			case 0:
				b := netip.AddrFrom4(a).As16() // IPv4-mapped
				return netip.AddrFrom16(b)
			case 1:
				return netip.AddrFrom16([16]byte{0: 0xfc, 14: a[2], 15: a[3]}).WithZone("eth0")
			}
			return netip.AddrFrom4(a)
		})
		anyHost := rapid.Custom(func(t *rapid.T) netaddr.Host {
			if rapid.IntRange(0, 4).Draw(t, "overlay") == 0 {
				return rapid.SampledFrom([]netaddr.Host{host(onion), host(i2p), cjdnsHost("fc00::1"), {}}).Draw(t, "which")
			}
			return netaddr.FromIP(ip.Draw(t, "ip"))
		})
		anySubject := rapid.Custom(func(t *rapid.T) Subject {
			h := anyHost.Draw(t, "host")
			a, ok := h.IP()
			if !ok || rapid.Bool().Draw(t, "single") {
				return SubjectOf(h)
			}
			p := netip.PrefixFrom(a, a.BitLen()-rapid.SampledFrom([]int{1, 2, 8, 9, 16, 24, 31}).Draw(t, "host bits"))
			s, err := SubjectOfPrefix(p)
			if err != nil {
				t.Fatal(err)
			}
			return s
		})
		saved := func(err error) {
			var e *SaveError
			if err != nil && (!errors.As(err, &e) || !errors.Is(err, syscall.ENOSPC) || broken == "") {
				t.Fatalf("%v (broken: %q)", err, broken)
			}
		}
		reopen := func() {
			broken = ""
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			if l, d, err = Open(file, o); err != nil || d != nil {
				t.Fatal(d, err)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"ban": func(t *rapid.T) {
				s := anySubject.Draw(t, "subject")
				e := Entry{Subject: s, Origin: Origin(rapid.IntRange(1, 3).Draw(t, "origin")), Since: c.now().UTC().Truncate(time.Second)}
				e.Reason = rapid.SampledFrom([]string{"", "flooding addresses", "\"\n\x00 ü"}).Draw(t, "reason")
				if n := rapid.IntRange(0, 20).Draw(t, "seconds"); n > 0 {
					e.Until = c.now().UTC().Add(time.Duration(n) * time.Second)
				}
				err := l.Ban(s, e.Until, e.Reason, e.Origin)
				if !s.IsValid() {
					if !errors.Is(err, ErrSubject) {
						t.Fatal(err)
					}
					return
				}
				saved(err)
				if over := e.Until.Truncate(time.Second); over != e.Until {
					e.Until = over.Add(time.Second)
				}
				if old, ok := model.lookup(s, c.now()); ok && e.Origin != Operator && lasts(old, e) {
					return
				}
				model.put(e)
			},
			"unban": func(t *rapid.T) {
				s := anySubject.Draw(t, "subject")
				if len(model) > 0 && rapid.Bool().Draw(t, "known") {
					s = rapid.SampledFrom(model).Draw(t, "entry").Subject
				}
				_, want := model.lookup(s, c.now())
				was, err := l.Unban(s)
				saved(err)
				if was != want {
					t.Fatalf("%v was banned: %v", s, was)
				}
				model.remove(s)
			},
			"time": func(t *rapid.T) {
				c.advance(time.Duration(rapid.IntRange(1, 5000).Draw(t, "ms")) * time.Millisecond)
			},
			"prune": func(*rapid.T) {
				l.Prune()
				if n := len(model.live(c.now())); l.Len() != n {
					t.Fatalf("%d left of %d", l.Len(), n)
				}
			},
			"clear": func(t *rapid.T) {
				if rapid.IntRange(0, 9).Draw(t, "really") == 0 {
					saved(l.Clear())
					model = nil
				}
			},
			"export and import": func(t *rapid.T) {
				var list bytes.Buffer
				if err := l.Export(&list); err != nil {
					t.Fatal(err)
				}
				for _, s := range []Subject{anySubject.Draw(t, "one"), anySubject.Draw(t, "two")} {
					model.remove(s)
					_, err := l.Unban(s)
					saved(err)
				}
				before := model.live(c.now())
				n, err := l.Import(&list)
				saved(err)
				if after := l.List(); len(after) != len(before)+n {
					t.Fatalf("%d before, %d new, %d after", len(before), n, len(after))
				}
				model = l.List() // all of it was there before
			},
			"break": func(t *rapid.T) {
				broken = rapid.SampledFrom([]string{"", "append", "sync", "write", "sync new", "rename", "sync directory"}).Draw(t, "step")
			},
			"compact": func(*rapid.T) { saved(l.Compact()) },
			"restart": func(*rapid.T) { reopen() },
			"remove":  func(*rapid.T) { _ = os.Remove(file); broken = ""; saved(l.Compact()) },
			"": func(t *rapid.T) {
				now := c.now()
				if got, want := l.List(), model.live(now); !slices.Equal(got, want) {
					t.Fatalf("listed: %v\nwant:   %v", got, want)
				}
				for range 5 {
					h := anyHost.Draw(t, "asked")
					got, ok := l.Banned(h)
					if want, wantOK := model.banned(canonical(h), now); got != want || ok != wantOK {
						t.Fatalf("%v: %v, %v; want %v, %v", h, got, ok, want, wantOK)
					}
					at := now.Add(time.Duration(rapid.IntRange(0, 30).Draw(t, "later")) * time.Second)
					if _, want := model.banned(canonical(h), at); l.BannedAt(h, at) != want {
						t.Fatalf("%v is banned at %v: %v", h, at, !want)
					}
				}
				if err := l.table.check(); err != nil {
					t.Fatal(err)
				}
			},
		})
		reopen()
		if got, want := l.List(), model.live(c.now()); !slices.Equal(got, want) {
			t.Fatalf("at the end: %v\nwant:       %v", got, want)
		}
		if names := maps.Collect(func(yield func(string, bool) bool) {
			entries, _ := os.ReadDir(dir)
			for _, e := range entries {
				yield(e.Name(), true)
			}
		}); len(names) > 1 {
			t.Fatalf("left: %v", names)
		}
		_ = l.Close()
	})
}
