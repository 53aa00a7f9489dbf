package addrbook

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"math/rand/v2"
	"testing"
)

// snapshotBytes returns a snapshot without its checksum.
func snapshotBytes(t testing.TB, n int) []byte {
	c := newClock()
	return snapshotOf(t, testConfig(c), c, n)
}

func snapshotOf(t testing.TB, cfg Config, c *clock, n int) []byte {
	b := mustNew(t, cfg)
	fill(b, c, n)
	var out bytes.Buffer
	if err := b.writeSnapshot(&out, 3); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()[:out.Len()-sha256.Size]
}

// Whatever is in a file, reading it neither panics nor leaves a book that is not
// consistent.
func FuzzSnapshot(f *testing.F) {
	for _, n := range []int{0, 1, 7, 30} {
		f.Add(snapshotBytes(f, n)) // entries get other places
		c := newClock()
		f.Add(snapshotOf(f, small(c), c, n)) // the places they had
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		sum := sha256.Sum256(p) // else nothing would get past the checksum
		p = append(p, sum[:]...)
		cfg := Config{NewBuckets: 8, TriedBuckets: 2, Now: newClock().now, Rand: rand.NewPCG(1, 1)}
		b, _, err := readBook(bytes.NewReader(p), int64(len(p)), cfg)
		var bad *damage
		if err != nil && !errors.As(err, &bad) {
			t.Fatal(err)
		}
		if err == nil {
			if err := b.check(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func FuzzJournal(f *testing.F) {
	c := newClock()
	b := mustNew(f, testConfig(c))
	fill(b, c, 60)
	head := append([]byte(journalMagic), 1, 0, 0, 0, 0, 0, 0, 0)
	p := append(head, b.key[:]...)
	for i := range int32(60) {
		if e := b.entries.at(i); e.tried {
			p = appendRecord(p, e)
		}
	}
	f.Add(p)
	f.Add(head)
	f.Fuzz(func(t *testing.T, p []byte) {
		cfg := testConfig(newClock())
		cfg.NewBuckets, cfg.TriedBuckets = 2, 1
		b := mustNew(t, cfg)
		b.readJournal(bytes.NewReader(p), 1)
		if err := b.check(); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzAnchors(f *testing.F) {
	f.Add([]byte{1, 8, 8, 8, 8, 0, 1, 0})
	f.Fuzz(func(t *testing.T, p []byte) {
		p = append([]byte(anchorsMagic), p...)
		sum := sha256.Sum256(p)
		if list, err := parseAnchors(append(p, sum[:]...)); err == nil && len(list) > MaxAnchors {
			t.Fatal(list)
		}
	})
}
