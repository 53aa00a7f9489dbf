package addrbook

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"holdfast/netaddr"
)

// small is a Config of a book that is soon full.
func small(c *clock) Config {
	cfg := testConfig(c)
	cfg.NewBuckets, cfg.TriedBuckets = 8, 2
	return cfg
}

// readBytes reads a snapshot without its checksum.
func readBytes(t testing.TB, p []byte, cfg Config) *Book {
	t.Helper()
	sum := sha256.Sum256(p)
	p = slices.Concat(p, sum[:])
	b, _, err := readBook(iotest.HalfReader(bytes.NewReader(p)), int64(len(p)), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.check(); err != nil {
		t.Fatal(err)
	}
	return b
}

// The places of an address never change for a key, or the entries of older files had to
// move, and those of tried whose place is taken with them.
func TestPlacesStay(t *testing.T) {
	b := mustNew(t, testConfig(newClock()))
	for _, tt := range []struct {
		addr            string
		fresh, tried, p int32
	}{
		{"11.0.0.1:8333", 3789, 15190, 203},
		{"[2a01:4f8::1]:18333", 45343, 6552, 222},
		{"pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion:1", 55688, 6932, 215},
	} {
		a := addrOf(tt.addr)
		g := b.groups.Group(a.Host)
		if fresh, tried, p := b.newSlot(a, g, 7), b.triedSlot(a, g), b.position(a, 3, false); fresh != tt.fresh || tried != tt.tried || p != tt.p {
			t.Errorf("%v: %d, %d, %d", a, fresh, tried, p)
		}
	}
}

// The entries of a group keep their order, and all have the places that they had,
// whatever length the pieces have.
func TestLoadOrder(t *testing.T) {
	c := newClock()
	b := mustNew(t, testConfig(c))
	fill(b, c, 6000)
	if err := b.check(); err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if err := b.writeSnapshot(&file, 1); err != nil {
		t.Fatal(err)
	}
	if file.Len() < 5*pieceSize {
		t.Fatalf("only %d bytes", file.Len())
	}
	got := readBytes(t, file.Bytes()[:file.Len()-sha256.Size], testConfig(c))
	order := func(b *Book, p *pool) map[Group][]netaddr.Addr {
		m := make(map[Group][]netaddr.Addr)
		for _, list := range p.lists {
			for _, i := range list {
				g := p.groups[i]
				for _, id := range g.members {
					m[g.group] = append(m[g.group], b.entries.at(id).addr)
				}
			}
		}
		return m
	}
	// In the order of the file, which is that of the numbers.
	for i, p := range []*pool{&got.fresh, &got.tried} {
		for g, list := range order(got, p) {
			ids := make([]int32, len(list))
			for k, a := range list {
				ids[k] = b.find(a)
			}
			if !slices.IsSorted(ids) {
				t.Errorf("table %d, %v: %v", i, g, ids)
			}
		}
	}
	if !slices.EqualFunc(b.newSlots, got.newSlots, func(x, y int32) bool { return sameEntry(b, x, got, y) }) ||
		!slices.EqualFunc(b.triedSlots, got.triedSlots, func(x, y int32) bool { return sameEntry(b, x, got, y) }) {
		t.Error("an entry is somewhere else")
	}
}

func sameEntry(b *Book, x int32, c *Book, y int32) bool {
	if x == 0 || y == 0 {
		return x == y
	}
	return b.entries.at(x-1).addr == c.entries.at(y-1).addr
}

// Entries that changed while the snapshot was written may be in it twice, or have a
// place that another has.
func TestLoadMoved(t *testing.T) {
	c := newClock()
	b := mustNew(t, small(c))
	fill(b, c, 300)
	var file bytes.Buffer
	if err := b.writeSnapshot(&file, 1); err != nil {
		t.Fatal(err)
	}
	whole := file.Bytes()[:file.Len()-sha256.Size]
	entries := whole[headerSize : len(whole)-1]
	twice := readBytes(t, slices.Concat(whole[:headerSize], entries, entries, []byte{0}), small(c))
	if twice.Len() != b.Len() || twice.Stats().Total != b.Stats().Total {
		t.Errorf("%d entries of %d", twice.Len(), b.Len())
	}
	// Entries behind those that have their places: of tried, and of new, and one that is
	// in another bucket by now. All but the last get another place, if it is free.
	var more []byte
	var late []netaddr.Addr
	for i := 0; len(late) < 10; i++ {
		a := ipv4(90+i, i)
		if b.find(a) != none {
			continue
		}
		e := entry{addr: a, source: a.Host, seen: toUnix(c.t), lastTry: toUnix(c.t), lastSuccess: toUnix(c.t), slot: none}
		if len(late) < 5 {
			if b.triedSlots[b.triedSlot(a, b.groups.Group(a.Host))] == 0 {
				continue
			}
			e.tried = true
			more = appendEntry(more, &e, nil)
		} else {
			slot := b.position(a, uint32(i%8), false)
			if b.newSlots[slot] == 0 {
				continue
			}
			e.refs, e.slot = 1, slot
			more = appendEntry(more, &e, alone(slot))
		}
		late = append(late, a)
	}
	for id := range b.entries.used {
		e := *b.entries.at(id)
		if e.tried {
			continue
		}
		if e.slot = b.position(e.addr, uint32(e.slot/bucketSize+1)%8, false); b.newSlots[e.slot] == 0 {
			e.refs = 1
			more = appendEntry(more, &e, alone(e.slot))
			break
		}
	}
	moved := readBytes(t, slices.Concat(whole[:headerSize], entries, more, []byte{0}), small(c))
	kept := 0
	for _, a := range late {
		if e, ok := moved.Lookup(a); ok && !e.Tried {
			kept++
		}
	}
	if got, want := moved.Stats().Total, b.Stats().Total; got.Tried != want.Tried || got.New < want.New+kept-2 || kept < 5 {
		t.Errorf("%d kept; %+v, before %+v", kept, got, want)
	}
}

// An entry of which one place is taken by now keeps the other.
func TestLoadHalf(t *testing.T) {
	c := newClock()
	b := mustNew(t, small(c))
	fill(b, c, 300)
	var file bytes.Buffer
	if err := b.writeSnapshot(&file, 1); err != nil {
		t.Fatal(err)
	}
	whole := file.Bytes()[:file.Len()-sha256.Size]
	for i := 0; ; i++ {
		a := ipv4(200, i)
		taken, free := b.position(a, 0, false), b.position(a, 1, false)
		if b.newSlots[taken] == 0 || b.newSlots[free] != 0 {
			continue
		}
		next := alone(max(taken, free))
		next[taken], next[free] = free, none
		e := entry{addr: a, source: a.Host, seen: toUnix(c.t), refs: 2, slot: taken}
		more := appendEntry(nil, &e, next)
		got := readBytes(t, slices.Concat(whole[:len(whole)-1], more, []byte{0}), small(c))
		if e, ok := got.Lookup(a); !ok || e.Refs != 1 || got.newSlots[free] == 0 {
			t.Errorf("%+v, %v", e, ok)
		}
		return
	}
}

// An entry that says of no place where it was gets one too, also behind many others.
func TestLoadNowhere(t *testing.T) {
	c := newClock()
	cfg := small(c)
	cfg.NewBuckets, cfg.TriedBuckets = 2, 8 // a place in tried may be none in new
	b := mustNew(t, cfg)
	var file bytes.Buffer
	if err := b.writeSnapshot(&file, 1); err != nil {
		t.Fatal(err)
	}
	p := bytes.Clone(file.Bytes()[:headerSize])
	e := entry{source: ipv4(0, 1).Host, tried: true, seen: toUnix(c.t), lastTry: toUnix(c.t), lastSuccess: toUnix(c.t), slot: none}
	for i := range 5000 {
		e.addr = ipv4(i%100, 1)
		p = appendEntry(p, &e, nil)
	}
	e.tried = false
	for i := range 5000 {
		e.addr = ipv4(100+i%20, 1)
		p = appendEntry(p, &e, nil)
	}
	if got := readBytes(t, append(p, 0), cfg).Stats().Total; got.Tried < 50 || got.New < 10 {
		t.Errorf("%+v", got)
	}
}

// alone is the chain of the slots of an entry that has only this one.
func alone(slot int32) []int32 {
	next := make([]int32, slot+1)
	next[slot] = none
	return next
}

// A disk that fails is no damage, and no goroutine is left; neither is one by a file
// whose damage comes early.
func TestLoadFails(t *testing.T) {
	c := newClock()
	p := snapshotBytes(t, 3000)
	broken := &os.PathError{Op: "read", Path: "disk", Err: errors.New("broken")}
	r := io.MultiReader(bytes.NewReader(p[:len(p)/2]), iotest.ErrReader(broken))
	if b, _, err := readBook(r, int64(len(p)), testConfig(c)); b != nil || !errors.Is(err, broken) {
		t.Errorf("%v %v", b, err)
	}
	bad := bytes.Clone(p)
	bad[headerSize] = 99 // no network
	sum := sha256.Sum256(bad)
	bad = append(bad, sum[:]...)
	var damaged *damage
	if b, _, err := readBook(bytes.NewReader(bad), int64(len(bad)), testConfig(c)); b != nil || !errors.As(err, &damaged) || !errors.Is(damaged.error, errRecord) {
		t.Errorf("%v %v", b, err)
	}
	for _, cut := range []int{0, 10, headerSize, headerSize + 5, len(p) / 2, len(p) - 1} { // with a right checksum
		sum := sha256.Sum256(p[:cut])
		cutOff := slices.Concat(p[:cut], sum[:])
		if b, _, err := readBook(bytes.NewReader(cutOff), int64(len(cutOff)), testConfig(c)); b != nil || !errors.As(err, &damaged) {
			t.Errorf("cut at %d: %v %v", cut, b, err)
		}
	}
}

// Several errors are one line.
func TestJoin(t *testing.T) {
	a, b := errors.New("a"), errors.New("b")
	if join() != nil || join(nil, nil) != nil || join(nil, a) != a {
		t.Error("join makes much of little")
	}
	if err := join(a, nil, b); err.Error() != "a; b" || !errors.Is(err, a) || !errors.Is(err, b) || strings.Contains(err.Error(), "\n") {
		t.Errorf("%q", err)
	}
}
