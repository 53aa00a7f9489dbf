package addrbook

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"holdfast/netaddr"
)

// names returns what is in a directory.
func names(t *testing.T, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, e.Name())
		if info, err := e.Info(); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", e.Name(), info.Mode(), err)
		}
	}
	return list
}

func TestFiles(t *testing.T) {
	c := newClock()
	dir := filepath.Join(t.TempDir(), "new", "dir")
	b := mustOpen(t, dir, Config{Now: c.now})
	if got := names(t, dir); len(got) != 0 {
		t.Error(got)
	}
	a := ipv4(1, 1)
	b.Add(netaddr.Host{}, 0, Known{a, 1, c.t})
	if err := b.Good(a, 1); err != nil {
		t.Fatal(err)
	}
	if got := names(t, dir); !slices.Equal(got, []string{"addrbook-1.journal"}) {
		t.Error(got)
	}
	if err := b.Save(); err != nil {
		t.Fatal(err)
	}
	if got := names(t, dir); !slices.Equal(got, []string{"addrbook.dat"}) {
		t.Error(got)
	}
	if err := os.WriteFile(filepath.Join(dir, "addrbook.dat.new"), []byte("half"), 0o644); err != nil {
		t.Fatal(err) // left by somebody who was killed
	}
	again := mustOpen(t, dir, Config{Now: c.now})
	if e, ok := again.Lookup(a); !ok || !e.Tried || again.key != b.key {
		t.Errorf("%+v", e)
	}
	if err := again.Save(); err != nil {
		t.Fatal(err)
	}
	if got := names(t, dir); !slices.Equal(got, []string{"addrbook.dat"}) {
		t.Error(got)
	}
	// Without files nothing happens, and nothing waits.
	memory := mustNew(t, Config{Now: c.now})
	memory.Add(netaddr.Host{}, 0, Known{a, 1, c.t})
	if err := errors.Join(memory.Good(a, 1), memory.Save(), memory.Flush()); err != nil || len(memory.news.pending) != 0 {
		t.Error(err)
	}
}

// Addresses of I2P have no port, and are kept all the same, in either file.
func TestWithoutPort(t *testing.T) {
	c := newClock()
	dir := t.TempDir()
	b := mustOpen(t, dir, Config{Now: c.now})
	i2p := func(i byte) netaddr.Addr {
		h, err := netaddr.FromBytes(netaddr.I2P, bytes.Repeat([]byte{i}, 32))
		if err != nil {
			t.Fatal(err)
		}
		return netaddr.Addr{Host: h}
	}
	if n := b.Add(netaddr.Host{}, 0, Known{i2p(1), 1, c.t}, Known{i2p(2), 1, c.t}); n != 2 {
		t.Fatalf("%d added", n)
	}
	if err := b.Good(i2p(1), 1); err != nil {
		t.Fatal(err)
	}
	if _, ok := mustOpen(t, dir, Config{Now: c.now}).Lookup(i2p(1)); !ok { // by the journal
		t.Error("the tried one is lost")
	}
	if err := b.Save(); err != nil {
		t.Fatal(err)
	}
	again := mustOpen(t, dir, Config{Now: c.now})
	for i := range byte(2) {
		if e, ok := again.Lookup(i2p(i + 1)); !ok || e.Tried != (i == 0) {
			t.Errorf("%d: %+v, %v", i+1, e, ok)
		}
	}
}

func TestDamaged(t *testing.T) {
	c := newClock()
	good := func(t *testing.T) string {
		dir := t.TempDir()
		b := mustOpen(t, dir, testConfig(c))
		fill(b, c, 300)
		if err := b.Save(); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	for name, spoil := range map[string]func(p []byte) []byte{
		"empty":         func(p []byte) []byte { return nil },
		"short":         func(p []byte) []byte { return p[:20] },
		"torn":          func(p []byte) []byte { return p[:len(p)-1] },
		"half":          func(p []byte) []byte { return p[:len(p)/2] },
		"a bit":         func(p []byte) []byte { p[len(p)/2] ^= 4; return p },
		"foreign":       func(p []byte) []byte { return bytes.Repeat([]byte(`{"a":1}`), 100) },
		"later version": func(p []byte) []byte { p[14]++; return p },
		"more":          func(p []byte) []byte { return append(p, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := good(t)
			file := filepath.Join(dir, snapshotName)
			whole, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for round := 1; round <= 2; round++ { // what is set aside stays
				spoilt := spoil(bytes.Clone(whole))
				if err := os.WriteFile(file, spoilt, 0o600); err != nil {
					t.Fatal(err)
				}
				b, warning, err := Open(dir, testConfig(c))
				if err != nil {
					t.Fatal(err)
				}
				var damaged *DamagedError
				if !errors.As(warning, &damaged) || damaged.File != file || b.Len() != 0 {
					t.Fatalf("%v, %d entries", warning, b.Len())
				}
				if kept, err := os.ReadFile(damaged.Aside); err != nil || !bytes.Equal(kept, spoilt) {
					t.Error(err)
				}
				if err := b.Save(); err != nil {
					t.Error(err)
				}
			}
			if got := names(t, dir); len(got) != 3 {
				t.Error(got)
			}
		})
	}
	t.Run("a directory", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, snapshotName), 0o700); err != nil {
			t.Fatal(err)
		}
		if b, _, err := Open(dir, testConfig(c)); b != nil || err == nil {
			t.Error("it was opened")
		}
		if b, _, err := Open(filepath.Join(dir, "addrbook.dat", "x", "\x00"), testConfig(c)); b != nil || err == nil {
			t.Error("it was opened")
		}
	})
}

// promoted returns a directory with a journal of n addresses, and those.
func promoted(t *testing.T, c *clock, n int) (string, []netaddr.Addr) {
	t.Helper()
	dir := t.TempDir()
	b := mustOpen(t, dir, testConfig(c))
	var list []netaddr.Addr
	for i := 0; len(list) < n; i++ {
		a := ipv4(i, i)
		b.Add(netaddr.Host{}, 0, Known{a, 1, c.t})
		if err := b.Good(a, 1); err != nil {
			t.Fatal(err)
		}
		if e, _ := b.Lookup(a); e.Tried {
			list = append(list, a)
		}
	}
	if err := b.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := b.files.journal.Close(); err != nil { // as if we had died
		t.Fatal(err)
	}
	return dir, list
}

// Cut anywhere, a journal gives what was whole; damaged, what was before.
func TestJournalTorn(t *testing.T) {
	c := newClock()
	dir, list := promoted(t, c, 6)
	file := filepath.Join(dir, "addrbook-1.journal")
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	header := len(journalMagic) + 8 + 16
	size := (len(whole) - header) / len(list)
	for cut := range len(whole) {
		if err := os.WriteFile(file, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		b := mustOpen(t, dir, testConfig(c))
		if want := max(cut-header, 0) / size; b.Stats().Total.Tried != want {
			t.Fatalf("cut at %d: %+v, not %d", cut, b.Stats().Total, want)
		}
	}
	zeros := append(bytes.Clone(whole[:header+2*size]), make([]byte, 100)...)
	if err := os.WriteFile(file, zeros, 0o600); err != nil {
		t.Fatal(err)
	}
	if b := mustOpen(t, dir, testConfig(c)); b.Len() != 2 {
		t.Error(b.Len())
	}
	for at, want := range map[int]int{3: 0, header - 20: 0, header + 2*size + 9: 2, header + 3*size + 1: 3} {
		dir := t.TempDir()
		file := filepath.Join(dir, "addrbook-1.journal")
		bad := bytes.Clone(whole)
		bad[at] ^= 0x10
		if err := os.WriteFile(file, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		b, warning, err := Open(dir, testConfig(c))
		var damaged *DamagedError
		if err != nil || !errors.As(warning, &damaged) || damaged.File != file || b.Len() != want {
			t.Fatalf("%d: %v, %v, %d", at, warning, err, b.Len())
		}
		// What was good is safe although the journal is set aside.
		if b := mustOpen(t, dir, testConfig(c)); b.Len() != want {
			t.Errorf("%d: %d", at, b.Len())
		}
	}
}

// A journal that cannot be written is told, and the book goes on; the snapshot that
// follows has it all.
func TestJournalFails(t *testing.T) {
	c := newClock()
	dir := t.TempDir()
	b := mustOpen(t, dir, testConfig(c))
	in := filepath.Join(dir, "addrbook-1.journal")
	if err := os.Mkdir(in, 0o700); err != nil {
		t.Fatal(err)
	}
	a := ipv4(1, 1)
	b.Add(netaddr.Host{}, 0, Known{a, 1, c.t})
	if err := b.Good(a, 1); err == nil {
		t.Fatal("no error")
	}
	if e, _ := b.Lookup(a); !e.Tried {
		t.Errorf("%+v", e)
	}
	if err := os.Remove(in); err != nil {
		t.Fatal(err)
	}
	if err := b.Save(); err != nil {
		t.Fatal(err)
	}
	if e, _ := mustOpen(t, dir, testConfig(c)).Lookup(a); !e.Tried {
		t.Errorf("%+v", e)
	}
	if err := b.Save(); err != nil {
		t.Fatal(err)
	}
}

// With another key, other bucket counts or other groups all entries get new places.
func TestRebucket(t *testing.T) {
	c := newClock()
	dir := t.TempDir()
	b := mustOpen(t, dir, testConfig(c))
	fill(b, c, 2000)
	before := b.Stats().Total
	if err := b.Save(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Config){
		"key":    func(cfg *Config) { cfg.Key = Key{99} },
		"more":   func(cfg *Config) { cfg.NewBuckets, cfg.TriedBuckets = 4096, 1024 },
		"fewer":  func(cfg *Config) { cfg.NewBuckets, cfg.TriedBuckets = 3, 1 },
		"groups": func(cfg *Config) { cfg.Groups = &Groups{Local: true} },
	} {
		cfg := testConfig(c)
		change(&cfg)
		again := mustOpen(t, dir, cfg)
		after := again.Stats().Total
		if err := again.check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if all := before.New + before.Tried; name != "fewer" && (again.Len() < all*9/10 || after.Tried < before.Tried*9/10) {
			t.Errorf("%s: %+v became %+v", name, before, after)
		}
		if name == "fewer" && (after.Tried > 64 || after.New > 192 || after.New < 150) {
			t.Errorf("%s: %+v", name, after)
		}
	}
	// A book that only half the addresses are for.
	cfg := testConfig(c)
	c.advance(-100 * time.Hour) // the clock was ahead
	again := mustOpen(t, dir, cfg)
	for e := range again.All() {
		if e.LastTry.After(c.t) || e.LastSuccess.After(c.t) {
			t.Fatalf("%+v", e)
		}
	}
}

func TestRun(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := mustOpen(t, dir, Config{})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- b.Run(ctx) }()
		generation := func() uint64 {
			b.files.writing.Lock()
			defer b.files.writing.Unlock()
			return b.files.generation
		}
		start := generation()
		saves := func(want uint64) {
			t.Helper()
			synctest.Wait()
			if n := generation() - start; n != want {
				t.Fatalf("after %v: saved %d times, not %d", time.Since(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)), n, want)
			}
		}
		add := func(from, n int) {
			for i := range n {
				a := ipv4(from+i, i)
				b.Add(a.Host, 0, Known{a, 1, time.Now()})
			}
		}
		add(0, 10)
		time.Sleep(9 * time.Minute)
		saves(0)
		time.Sleep(2 * time.Minute)
		saves(1) // after 10 minutes
		time.Sleep(time.Minute)
		add(100, 1500)
		saves(2) // a burst, 2 minutes after the last
		add(2000, 1500)
		saves(2)
		time.Sleep(59 * time.Second)
		saves(2)
		time.Sleep(time.Second)
		saves(3) // another, a minute later

		if err := b.Good(ipv4(0, 0), 1); err != nil {
			t.Fatal(err)
		}
		dirty := func() bool {
			b.files.writing.Lock()
			defer b.files.writing.Unlock()
			return b.files.dirty || b.files.made
		}
		if !dirty() {
			t.Error("no journal")
		}
		time.Sleep(syncAfter)
		synctest.Wait()
		if dirty() {
			t.Error("the journal is not on the disk a second later")
		}
		saves(3)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		saves(4)
	})
	if b := mustOpen(t, dir, Config{}); b.Len() < 2500 {
		t.Error(b.Len())
	}
}

// What goes wrong is told, and tried again.
func TestRunWarns(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		warned := 0
		b := mustOpen(t, dir, Config{Warn: func(err error) { warned++ }})
		block := filepath.Join(dir, snapshotName)
		if err := os.MkdirAll(filepath.Join(block, "x"), 0o700); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- b.Run(ctx) }()
		a := ipv4(1, 1)
		b.Add(a.Host, 0, Known{a, 1, time.Now()})
		time.Sleep(25 * time.Minute)
		synctest.Wait()
		if warned != 2 {
			t.Errorf("warned %d times", warned)
		}
		if err := os.RemoveAll(block); err != nil {
			t.Fatal(err)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(block); err != nil {
			t.Error(err)
		}
	})
}

func TestAnchors(t *testing.T) {
	name := filepath.Join(t.TempDir(), "anchors.dat")
	if got, err := ReadAnchors(name); len(got) != 0 || err != nil {
		t.Error(got, err)
	}
	list := []netaddr.Addr{onNetwork(netaddr.CJDNS, 1), onNetwork(netaddr.Onion, 2), ipv4(1, 1)}
	if err := WriteAnchors(name, list); err != nil {
		t.Fatal(err)
	}
	if got := names(t, filepath.Dir(name)); len(got) != 1 {
		t.Error(got)
	}
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ReadAnchors(name); err != nil || !slices.Equal(got, list[:2]) {
		t.Error(got, err)
	}
	if got, err := ReadAnchors(name); len(got) != 0 || err != nil {
		t.Error("they are read twice", got, err)
	}
	for i := range whole {
		bad := bytes.Clone(whole)
		bad[i] ^= 1
		if _, err := parseAnchors(bad); err == nil {
			t.Fatal(i)
		}
		if _, err := parseAnchors(whole[:i]); err == nil {
			t.Fatal(i)
		}
	}
	if err := os.WriteFile(name, whole[1:], 0o600); err != nil {
		t.Fatal(err)
	}
	var damaged *DamagedError
	if _, err := ReadAnchors(name); !errors.As(err, &damaged) {
		t.Error(err)
	}
	if err := WriteAnchors(filepath.Join(name, "x", "y"), list); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if err := WriteAnchors(name, nil); err != nil {
		t.Error(err)
	}
	if got, err := ReadAnchors(name); len(got) != 0 || err != nil {
		t.Error(got, err)
	}
}
