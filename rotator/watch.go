package rotator

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"holdfast/internal/filelock"
)

// Reopen opens the log file by its name again and goes on there: for the signal
// after which an external tool that renamed the file wants it let go. Rolls are
// counted anew. If the file was removed, the lines of the last second are in the
// new one. If it fails, writing goes on in the old file, unless that was removed,
// and the error is an *Error.
func (r *Rotator) Reopen() error {
	r.mu.Lock()
	defer r.leave()
	if r.closed {
		return r.note(OpOpen, r.filename, os.ErrClosed)
	}
	return r.moved()
}

// reopen must be called with the lock held. It notes its errors.
func (r *Rotator) reopen() error {
	if err := r.takeLock(); err != nil {
		return r.note(OpLock, r.filename, err)
	}
	f, info, err := r.openLive()
	if err != nil {
		return r.note(OpOpen, r.filename, err)
	}
	if os.SameFile(info, r.info) {
		f.Close() // we have it, maybe in the middle of a line
	} else {
		r.replace(f, info, r.filename)
	}
	r.rescan()
	r.trim(time.Now())
	if r.begun {
		r.work()
	}
	return nil
}

// watch looks whether the live file is still in its place, and makes it anew if
// not. It is called once a second, by a Write: while nothing is written nothing
// can be lost. It also does what else is due by the clock. It must be called with
// the lock held.
func (r *Rotator) watch(now time.Time) {
	r.watched = now
	info, err := os.Stat(r.filename)
	switch {
	case err == nil && os.SameFile(info, r.info):
		r.size, r.watchedSize, r.lost = info.Size(), info.Size(), nil
		if !r.lock.Holds() {
			if err := r.takeLock(); err != nil {
				r.note(OpLock, r.filename, err)
			}
		}
	case err == nil || errors.Is(err, fs.ErrNotExist) || r.removed():
		_ = r.moved() // noted
	default:
		r.note(OpScan, r.filename, err)
	}
	if r.opts.MaxAge > 0 && len(r.rolls) > 0 && now.Sub(r.rolls[0].mod) > r.opts.MaxAge {
		r.trim(now)
	}
	r.work()
}

// moved is called when the live file may not be in its place any more. If it was
// renamed, its lines are where it is now. If it was removed, those since watch
// last saw it are brought into the new file: their writers were told that they
// are safe. It notes its errors. It must be called with the lock held.
func (r *Rotator) moved() error {
	old, from, to := r.f, r.watchedSize, r.size
	removed := r.removed()
	var tail []byte
	if removed && to > from {
		tail = make([]byte, to-from)
		if _, err := old.ReadAt(tail, from); err != nil && !errors.Is(err, io.EOF) {
			r.note(OpScan, r.filename, err)
			tail = nil
		}
	}
	if err := r.reopen(); err != nil {
		if removed {
			r.lost = err
		}
		return err
	}
	if len(tail) == 0 {
		return nil
	}
	if err := r.append(OpRestore, tail); err != nil {
		return err
	}
	r.midLine = tail[len(tail)-1] != '\n'
	return r.wrote()
}

// removed says whether the live file has no name any more. It must be called with
// the lock held.
func (r *Rotator) removed() bool {
	info, err := r.f.Stat()
	return err == nil && unlinked(info)
}

// takeLock makes sure that this process has the lock file. It must be called with
// the mutex held.
func (r *Rotator) takeLock() error {
	if r.lock != nil && r.lock.Holds() {
		return nil
	}
	path := r.filename + ".lock"
	l, err := filelock.Take(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err = os.MkdirAll(filepath.Dir(r.filename), dirMode); err == nil {
			l, err = filelock.Take(path)
		}
	}
	var locked *filelock.LockedError
	switch {
	case errors.As(err, &locked) && locked.PID == os.Getpid():
		// In another container there may be one of our number.
		return fmt.Errorf("%w by process %d, which is this one if no other container uses the file", ErrLocked, locked.PID)
	case errors.As(err, &locked) && locked.PID != 0:
		return fmt.Errorf("%w by process %d", ErrLocked, locked.PID)
	case errors.As(err, &locked):
		return ErrLocked
	case err != nil:
		return err
	}
	r.lock.Release()
	r.lock = l
	return nil
}
