package addrbook

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// snapshotName is the file of the book in its directory.
const snapshotName = "addrbook.dat"

// Open returns the book that is kept in a directory, which is made if it is not
// there. One program at a time may use it.
//
// A file that cannot be understood is set aside under a new name, and the book has
// what the others have; warning then wraps one *DamagedError for each. The book is
// good all the same. Entries that have no place, because the key, the bucket counts
// or the Groups changed, get another one, or are left out if it is taken.
//
// If err is not nil there is no book: it wraps ErrConfig, or an error of package os
// about a file or directory that cannot be read or renamed.
func Open(dir string, cfg Config) (b *Book, warning, err error) {
	if dir == "" {
		return nil, nil, fmt.Errorf("%w: no directory", ErrConfig)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, nil, fmt.Errorf("opening the address book: %w", err)
	}
	if b, warning, err = open(dir, cfg); err != nil {
		return nil, nil, fmt.Errorf("opening the address book: %w", err)
	}
	return b, warning, nil
}

func open(dir string, cfg Config) (*Book, error, error) {
	list := files{dir: dir}
	generations, err := list.journals()
	if err != nil {
		return nil, nil, err
	}
	name := filepath.Join(dir, snapshotName)
	b, h, err := openSnapshot(name, cfg)
	var warnings []error
	if bad := (*damage)(nil); errors.As(err, &bad) {
		warning, err := setAside(name, bad.error)
		if err != nil {
			return nil, nil, err
		}
		warnings = append(warnings, warning)
	} else if err != nil {
		return nil, nil, err
	}
	if b == nil {
		if cfg.Key == (Key{}) {
			if cfg.Key, err = list.journalKey(generations); err != nil {
				return nil, nil, err
			}
		}
		if b, err = New(cfg); err != nil {
			return nil, nil, err
		}
	}
	b.files.dir = dir
	b.files.generation = max(h.generation, 1)
	var bad []DamagedError // journals
	for _, g := range generations {
		b.files.generation = max(b.files.generation, g+1)
		if g < h.generation {
			continue // the snapshot has all of it; the next Save removes it
		}
		name := b.files.journalPath(g)
		f, err := openFile(name)
		if err != nil {
			return nil, nil, err
		}
		replayed, wrong := b.readJournal(f, g)
		b.news.changes += replayed
		if err := f.Close(); err != nil {
			return nil, nil, err
		}
		if path := (*os.PathError)(nil); errors.As(wrong, &path) {
			return nil, nil, wrong
		}
		if wrong != nil {
			bad = append(bad, DamagedError{File: name, Err: wrong})
		}
	}
	b.news.keep = true
	if len(bad) > 0 { // what was good in them must be elsewhere first
		if _, err := b.snapshot(); err != nil {
			return nil, nil, err
		}
	}
	for _, d := range bad {
		warning, err := setAside(d.File, d.Err)
		if err != nil {
			return nil, nil, err
		}
		warnings = append(warnings, warning)
	}
	if b.news.changes > 0 {
		b.news.changes += burst
		b.wake(true)
	}
	return b, join(warnings...), nil
}

// damage is what is wrong with the contents of a file.
type damage struct{ error }

// damaged makes an error a *damage, unless it says that the file could not be read:
// it may be in best order.
func damaged(err error) error {
	if path := (*os.PathError)(nil); errors.As(err, &path) {
		return err
	}
	return &damage{err}
}

// openSnapshot reads a snapshot; no book if there is none. Errors about its contents are a
// *damage.
func openSnapshot(name string, cfg Config) (b *Book, h header, err error) {
	f, err := openFile(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, h, nil
	}
	if err != nil {
		return nil, h, err
	}
	defer f.Close() // it was only read
	info, err := f.Stat()
	if err != nil {
		return nil, h, err
	}
	return readBook(f, info.Size(), cfg)
}

// readBook reads a snapshot of so many bytes. Errors about it are a *damage.
func readBook(f io.Reader, size int64, cfg Config) (*Book, header, error) {
	none := header{}
	sum := sha256.New()
	length := max(size-sha256.Size, 0)
	in := io.TeeReader(io.LimitReader(f, length), sum)
	var head [headerSize]byte
	n, err := io.ReadFull(in, head[:])
	if err != nil && !torn(err) {
		return nil, none, err
	}
	h, err := readHeader(fields{p: head[:n]})
	if err != nil {
		return nil, none, damaged(err)
	}
	key := cfg.Key
	if key == (Key{}) {
		key = h.key
	}
	b, err := newBook(cfg, key)
	if err != nil {
		return nil, none, err
	}
	wrong := b.readSnapshot(in, length-int64(headerSize), h)
	if path := (*os.PathError)(nil); errors.As(wrong, &path) {
		return nil, none, wrong
	}
	var want [sha256.Size]byte
	if _, err := io.ReadFull(f, want[:]); err != nil {
		return nil, none, damaged(err)
	}
	if want != [sha256.Size]byte(sum.Sum(nil)) {
		return nil, none, damaged(errChecksum) // which says more than what is wrong with an entry
	}
	if wrong != nil {
		return nil, none, damaged(wrong)
	}
	return b, h, nil
}
