package addrbook

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// The journal has what was promoted to tried since the last snapshot: the magic, the
// generation (8) and the key (16), and for each promotion the length of an entry (4),
// its CRC-32C (4) and the entry. It has the key because there may be no snapshot yet,
// and with another key some of what was promoted would have no place. A snapshot names
// the generation of the journal that goes on from it; older ones are of no use any
// more. After a crash, or if a snapshot could not be written, there may be several.
const (
	journalMagic = "holdfast jrnl 1\n"
	journalName  = "addrbook-"
	journalExt   = ".journal"

	// maxPending is how many bytes wait to be written if that fails. Beyond it, only
	// the next snapshot will have them.
	maxPending = 1 << 20
)

// files is where a book is kept.
type files struct {
	dir string // "" for none

	// Lock order: saving, then writing, then Book.mu.
	saving     sync.Mutex // one Save or Flush at a time
	writing    sync.Mutex // of what follows
	generation uint64     // of the journal
	journal    *os.File   // nil until there is something to write
	made       bool       // the journal's name is not safe on the disk yet
	dirty      bool       // the journal's contents are not
}

func (f *files) journalPath(generation uint64) string {
	return filepath.Join(f.dir, journalName+strconv.FormatUint(generation, 10)+journalExt)
}

// journals returns the generations of the journals in the directory, oldest first.
func (f *files) journals() (generations []uint64, err error) {
	list, err := os.ReadDir(f.dir)
	if err != nil {
		return nil, err
	}
	for _, e := range list {
		text, ok := strings.CutPrefix(e.Name(), journalName)
		text, ok2 := strings.CutSuffix(text, journalExt)
		if n, err := strconv.ParseUint(text, 10, 63); ok && ok2 && err == nil && f.journalPath(n) == filepath.Join(f.dir, e.Name()) {
			generations = append(generations, n)
		}
	}
	slices.Sort(generations)
	return generations, nil
}

// appendRecord appends an entry as the journal has it.
func appendRecord(p []byte, e *entry) []byte {
	at := len(p)
	p = append(p, 0, 0, 0, 0, 0, 0, 0, 0)
	p = appendEntry(p, e, nil)
	binary.LittleEndian.PutUint32(p[at:], uint32(len(p)-at-8))
	binary.LittleEndian.PutUint32(p[at+4:], crc32.Checksum(p[at+8:], crc32.MakeTable(crc32.Castagnoli)))
	return p
}

// writeJournal hands all that waits to the system, which survives our death.
func (b *Book) writeJournal() error {
	if b.files.dir == "" {
		return nil
	}
	// What does not wait any more may be on its way to the file by somebody else's
	// hand. It is there when the lock is free.
	f := &b.files
	f.writing.Lock()
	defer f.writing.Unlock()
	return b.writePending()
}

// writePending must be called with files.writing held. What it could not write waits
// on.
func (b *Book) writePending() error {
	f := &b.files
	b.mu.Lock()
	p := b.news.pending
	b.news.pending = nil
	b.mu.Unlock()
	if len(p) == 0 {
		return nil // somebody else has written ours
	}
	err := f.write(p, b.key)
	if err == nil {
		return nil
	}
	b.mu.Lock()
	if len(p)+len(b.news.pending) <= maxPending {
		b.news.pending = append(p, b.news.pending...)
	}
	b.mu.Unlock()
	return fmt.Errorf("the address book's journal: %w", err)
}

// write must be called with files.writing held.
func (f *files) write(p []byte, key Key) error {
	if f.journal == nil {
		file, err := os.OpenFile(f.journalPath(f.generation), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, os.ErrExist) {
			f.generation++ // somebody else's; the next time
		}
		if err != nil {
			return err
		}
		f.journal, f.made = file, true
		p = slices.Concat([]byte(journalMagic), binary.LittleEndian.AppendUint64(nil, f.generation), key[:], p)
	}
	f.dirty = true
	if _, err := f.journal.Write(p); err != nil {
		// Behind half a record nothing could be read: go on in a new file.
		err = join(err, f.journal.Close())
		f.journal = nil
		f.generation++
		return err
	}
	return nil
}

// readJournalHeader reads the magic and the header, and returns the key.
func readJournalHeader(r io.Reader, generation uint64) (key Key, err error) {
	var head [len(journalMagic) + 8 + len(key)]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return Key{}, err
	}
	f := fields{p: head[:]}
	magic := string(f.bytes(len(journalMagic)))
	written := f.u64()
	copy(key[:], f.bytes(len(key)))
	if magic != journalMagic || written != generation || key == (Key{}) {
		return Key{}, errForeign
	}
	return key, nil
}

// journalKey returns the key of the first journal that tells it; zero if none does.
func (f *files) journalKey(generations []uint64) (Key, error) {
	for _, g := range generations {
		file, err := openFile(f.journalPath(g))
		if err != nil {
			return Key{}, err
		}
		key, _ := readJournalHeader(file, g) // errors come up when it is replayed
		if err := file.Close(); err != nil {
			return Key{}, err
		}
		if key != (Key{}) {
			return key, nil
		}
	}
	return Key{}, nil
}

// readJournal replays a journal into the book. It ends at the first record that is
// not whole. That is no error if the file ends there: so it is after a crash.
func (b *Book) readJournal(r io.Reader, generation uint64) (replayed int, err error) {
	in := bufio.NewReaderSize(r, 1<<16)
	if _, err := readJournalHeader(in, generation); torn(err) {
		return 0, nil
	} else if err != nil {
		return 0, err
	}
	now := toUnix(b.now())
	room := make([]byte, maxEntry)
	for {
		var head [8]byte
		_, err := io.ReadFull(in, head[:])
		length, sum := binary.LittleEndian.Uint32(head[:]), binary.LittleEndian.Uint32(head[4:])
		switch {
		case err != nil && torn(err):
			return replayed, nil
		case err != nil:
			return replayed, err
		case length == 0 && sum == 0: // the file grew, but its data did not get to the disk
			return replayed, nil
		case length > maxEntry:
			return replayed, errChecksum
		}
		p := room[:length]
		if _, err := io.ReadFull(in, p); err != nil {
			if torn(err) {
				return replayed, nil
			}
			return replayed, err
		}
		if crc32.Checksum(p, crc32.MakeTable(crc32.Castagnoli)) != sum {
			return replayed, errChecksum
		}
		one, e := fields{p: p}, entry{}
		one.entry(&e, new(buckets))
		if one.err != nil {
			return replayed, one.err
		}
		b.replay(&e, now)
		replayed++
	}
}

// torn reports whether err says that a file ends too early.
func torn(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }

// replay does again what promote did.
func (b *Book) replay(r *entry, now uint32) {
	if !r.tried || r.lastSuccess == 0 || !b.takes(&r.addr) {
		return
	}
	id := b.find(r.addr)
	if id != none && b.entries.at(id).tried {
		return
	}
	if id != none {
		b.takeNew(id)
	} else {
		id = b.create(r.addr, r.source)
	}
	e := b.entries.at(id)
	e.services, e.fails = r.services, 0
	e.seen = max(e.seen, r.seen)
	e.lastTry, e.lastSuccess = min(max(e.lastTry, r.lastTry), now), min(max(e.lastSuccess, r.lastSuccess), now)
	group := b.groups.Group(r.addr.Host)
	slot := b.triedSlot(r.addr, group)
	if old := b.triedSlots[slot] - 1; old != none {
		b.demote(old)
	}
	b.putTried(id, slot, group)
}
