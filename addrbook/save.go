package addrbook

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"holdfast/internal/durable"
)

// When Run saves.
const (
	// saveEvery is how often at least: what was attempted is not counted as news.
	saveEvery = 10 * time.Minute

	// burst is how many new addresses and promotions are saved sooner: it is what
	// one answer to getaddr brings. burstEvery is how much later than the last time
	// at least, so that a flood does not wear out the disk: of a full book, 5 MB,
	// that is 80 KB/s.
	burst      = 1000
	burstEvery = time.Minute

	// syncAfter is how long a promotion may wait until it is safe from the death of
	// the machine. From that of the program it is at once.
	syncAfter = time.Second
)

// news is what the files do not have yet. Book.mu guards it, but for kick.
type news struct {
	keep    bool          // there are files
	changes int           // new addresses and promotions since the last save
	sync    bool          // the journal grew
	pending []byte        // records for the journal
	kick    chan struct{} // wakes Run; has room for one
}

// add counts new addresses, and reports whether Run is to be woken.
func (n *news) add(added int) bool {
	before := n.changes
	n.changes += added
	return n.keep && (n.sync || before < burst && n.changes >= burst)
}

// promoted notes that an entry is tried now.
func (n *news) promoted(e *entry) {
	n.changes++
	if n.keep {
		n.sync = true
		n.pending = appendRecord(n.pending, e)
	}
}

// wake wakes Run. The lock need not be held.
func (b *Book) wake(kick bool) {
	if !kick {
		return
	}
	select {
	case b.news.kick <- struct{}{}:
	default: // it is awake
	}
}

// Run keeps the files up to date until ctx ends: it saves every 10 minutes, a minute
// after the last time if there were 1000 news, and when ctx ends; and has the journal
// safe on the disk a second after a promotion. It returns the error of the last save;
// what went wrong before is told to Config.Warn, and tried again.
//
// At most one Run may run. There is no goroutine but its caller's.
func (b *Book) Run(ctx context.Context) error {
	last := time.Now()
	save := time.NewTimer(b.saveEvery)
	defer save.Stop()
	var sync <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return b.Save()
		case <-sync:
			sync = nil
			if err := b.Flush(); err != nil {
				b.warn(err)
			}
			continue
		case <-b.news.kick:
			b.mu.Lock()
			grew, many := b.news.sync, b.news.changes >= burst
			b.mu.Unlock()
			if grew && sync == nil {
				sync = time.After(syncAfter)
			}
			if many {
				save.Reset(time.Until(last.Add(min(b.saveEvery, burstEvery))))
			}
			continue
		case <-save.C:
		}
		if err := b.Save(); err != nil {
			b.warn(err)
		}
		last = time.Now()
		save.Reset(b.saveEvery)
	}
}

// Flush makes sure that all that is tried survives even the death of the machine.
func (b *Book) Flush() error {
	f := &b.files
	if f.dir == "" {
		return nil
	}
	f.saving.Lock()
	defer f.saving.Unlock()
	b.mu.Lock()
	b.news.sync = false
	b.mu.Unlock()
	f.writing.Lock()
	err := b.writePending()
	journal, made, dirty := f.journal, f.made, f.dirty
	f.made, f.dirty = false, false
	f.writing.Unlock()
	// Good must not wait for the disk, so this is done without files.writing. Only
	// Save, which waits for us, and a failure to write close the journal.
	if journal != nil && dirty {
		err = join(err, journal.Sync())
	}
	if journal != nil && made {
		err = join(err, durable.SyncDir(f.dir))
	}
	if err != nil {
		return fmt.Errorf("the address book's journal: %w", err)
	}
	return nil
}

// Save writes a snapshot of the book. If it fails, the last one and the journal hold
// what was tried; errors wrap those of package os. Between Save and the next
// promotion no file is open. The book can be used while it is saved.
func (b *Book) Save() error {
	f := &b.files
	if f.dir == "" {
		return nil
	}
	f.saving.Lock()
	defer f.saving.Unlock()
	generation, err := b.snapshot()
	if err != nil {
		return fmt.Errorf("saving the address book: %w", err)
	}
	generations, err := f.journals()
	for _, g := range generations {
		if g < generation {
			err = join(err, os.Remove(f.journalPath(g)))
		}
	}
	if err != nil {
		return fmt.Errorf("the address book is saved, but old journals are left: %w", err)
	}
	return nil
}

// snapshot must be called with files.saving held. It returns the generation of the
// journal that goes on from the snapshot that it wrote.
func (b *Book) snapshot() (uint64, error) {
	// Promotions go to a new journal from now on: the snapshot will have all that
	// are in the old ones. Those are in the book before they are in a journal.
	f := &b.files
	f.writing.Lock()
	err := b.writePending() // may fail: the snapshot has all of it
	old, dirty := f.journal, f.dirty
	f.journal, f.made, f.dirty = nil, false, false
	f.generation++
	generation := f.generation
	f.writing.Unlock()
	if old != nil {
		if dirty { // for the case that the snapshot fails
			err = join(err, old.Sync())
		}
		err = join(err, old.Close())
	}
	b.mu.Lock()
	changes := b.news.changes
	b.news.changes = 0
	b.mu.Unlock()
	name := filepath.Join(f.dir, snapshotName)
	saved := writeAtomically(name, func(w io.Writer) error { return b.writeSnapshot(w, generation) })
	if saved != nil {
		b.mu.Lock()
		b.news.changes += changes
		b.mu.Unlock()
		return 0, join(saved, err)
	}
	return generation, nil
}
