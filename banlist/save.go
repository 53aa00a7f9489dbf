package banlist

import (
	"bufio"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"sync"

	"holdfast/internal/durable"
)

// defaultSpare is how many lines that do not count any more a file may have
// whatever its length: it keeps short files from being written anew all the time.
const defaultSpare = 1024

// A journal is the file of a List.
type journal struct {
	path  string // "" if there is none
	spare int
	hook  func(step string) error

	saving sync.Mutex
	saved  uint64 // the last change that is on disk
	size   int64  // of the file; unknown if it has to be written anew
	lines  int    // in the file
	limit  int    // of lines; with more the file is written anew
	aside  string // the new name for a file that is none of ours; "" for none
	stale  error  // why the file could not be shortened
}

const unknown = -1

func (j *journal) init(o Options) {
	j.size, j.spare, j.hook = unknown, o.spare, o.hook
	if j.spare <= 0 {
		j.spare = defaultSpare
	}
}

// Stats tells of the file.
type Stats struct {
	Lines int   // changes in the file, those that do not count any more included
	Bytes int64 // its length; 0 if there is no file yet

	// Compact is why the file could not be written anew, without the lines that do
	// not count any more, when that was due; nil if it could. Nothing is lost, but the
	// file grows. It is tried again after a while.
	Compact error
}

// Stats returns what is known of the file. It may wait for the disk.
func (l *List) Stats() Stats {
	l.saving.Lock()
	defer l.saving.Unlock()
	return Stats{Lines: l.lines, Bytes: max(l.size, 0), Compact: l.stale}
}

// Compact writes the file anew: the bans in force, and nothing else. It is done by
// itself when half of the lines do not count any more. It fails with a *SaveError.
func (l *List) Compact() error {
	if l.path == "" {
		return nil
	}
	now := l.second()
	l.saving.Lock()
	defer l.saving.Unlock()
	return l.rewrite(now)
}

// save brings all changes up to one to the disk. Whoever comes while the file is
// being written waits, and then mostly finds that its change was taken along: many
// changes at once cost few syncs.
func (l *List) save(change uint64) error {
	if l.path == "" {
		return nil
	}
	now := l.second()
	l.saving.Lock()
	defer l.saving.Unlock()
	if l.saved >= change {
		return nil
	}
	if err := l.append(now); err != nil {
		return err
	}
	if l.lines > l.limit {
		if l.stale = l.rewrite(now); l.stale != nil {
			l.limit = l.lines + l.lines/4
		}
	}
	return nil
}

// A batch is the changes that are being saved.
type batch struct {
	subjects map[Subject]struct{}
	all      bool
	last     uint64
}

// take takes what is not saved yet.
func (l *List) take() batch {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := batch{l.changed, l.all, l.change}
	l.changed, l.all = make(map[Subject]struct{}), false
	return b
}

// giveBack notes what could not be saved.
func (l *List) giveBack(b batch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	maps.Copy(l.changed, b.subjects)
	l.all = l.all || b.all
}

// append adds the changes to the file, and writes it anew if it must. l.saving must
// be held.
func (l *List) append(now int64) error {
	if l.size == unknown {
		return l.rewrite(now)
	}
	b := l.take()
	if b.all {
		l.giveBack(b)
		return l.rewrite(now)
	}
	err := l.step("append", func() error { return l.write(l.encode(b.subjects)) })
	if err == nil {
		l.saved = b.last
		l.lines += len(b.subjects)
		return nil
	}
	l.giveBack(b)
	if errors.Is(err, errReplaced) {
		return l.rewrite(now)
	}
	return err
}

// encode returns the lines that say how things are with some Subjects.
func (l *List) encode(subjects map[Subject]struct{}) []byte {
	var b []byte
	l.mu.RLock()
	defer l.mu.RUnlock()
	for s := range subjects {
		if kept := l.table.get(s); kept.origin != 0 {
			b = appendBan(b, record{s, kept})
		} else {
			b = appendUnban(b, s)
		}
	}
	return b
}

// errReplaced says that the file is not the one that we wrote.
var errReplaced = errors.New("the file was changed by others")

// write writes lines at the end of the file, all of them or none, and syncs it. The
// file is not kept open: one that was removed or replaced is found out in time.
func (l *List) write(lines []byte) error {
	f, err := os.OpenFile(l.path, os.O_WRONLY|os.O_APPEND, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return errReplaced
	}
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() != l.size {
		return errReplaced
	}
	if _, err := f.Write(lines); err != nil {
		_ = f.Truncate(l.size) // if that fails too, the length tells the next time
		return err
	}
	if err := l.step("sync", f.Sync); err != nil {
		// What is on disk is not known any more, and another fsync would not tell.
		l.size = unknown
		return err
	}
	l.size += int64(len(lines))
	return nil
}

// rewrite writes the file anew, with all bans in force, and forgets those that are
// over. Until the rename the old file is as it was. l.saving must be held.
func (l *List) rewrite(now int64) error {
	l.mu.Lock()
	l.prune(now)
	l.mu.Unlock()
	b := l.take()
	err := l.replace(l.live(now))
	if err != nil {
		b.all = b.all || l.size == unknown
		l.giveBack(b)
		return err
	}
	l.saved, l.stale = b.last, nil
	return nil
}

func (l *List) replace(all []record) error {
	temp := l.path + ".tmp"
	var size int64
	err := l.step("write", func() (err error) {
		size, err = l.writeNew(temp, all)
		return err
	})
	if err != nil {
		_ = os.Remove(temp) // the disk may need the room
		return err
	}
	if l.aside != "" {
		if err := l.step("set aside", func() error { return setAside(l.path, l.aside) }); err != nil {
			_ = os.Remove(temp)
			return err
		}
	}
	if err := l.step("rename", func() error { return os.Rename(temp, l.path) }); err != nil {
		_ = os.Remove(temp)
		return err
	}
	l.size = unknown // until the name is on disk
	l.aside = ""
	if err := l.step("sync directory", func() error { return durable.SyncDir(filepath.Dir(l.path)) }); err != nil {
		return err
	}
	l.size, l.lines, l.limit = size, len(all), 2*len(all)+l.spare
	return nil
}

// writeNew writes a whole file and syncs it.
func (l *List) writeNew(path string, all []record) (size int64, err error) {
	// One that a killed process left may have any mode, or be a link.
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<16)
	line := []byte(header + "\n")
	size = int64(len(line))
	_, _ = w.Write(line) // Flush tells
	for _, r := range all {
		line = appendBan(line[:0], r)
		size += int64(len(line))
		_, _ = w.Write(line)
	}
	if err := w.Flush(); err != nil {
		return 0, err
	}
	if err := l.step("sync new", f.Sync); err != nil {
		return 0, err
	}
	return size, f.Close()
}

// step does a step, and makes a *SaveError of what goes wrong, but for errReplaced.
func (l *List) step(name string, do func() error) error {
	var err error
	if l.hook != nil {
		err = l.hook(name)
	}
	if err == nil {
		err = do()
	}
	var inner *SaveError
	if err == nil || errors.As(err, &inner) || errors.Is(err, errReplaced) {
		return err
	}
	var inPath *fs.PathError
	var inLink *os.LinkError
	if errors.As(err, &inPath) {
		err = inPath.Err // SaveError names the file
	} else if errors.As(err, &inLink) {
		err = inLink.Err
	}
	return &SaveError{Path: l.path, Op: name, Err: err}
}
