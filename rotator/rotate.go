package rotator

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"time"
)

// maxSkipped bounds the search for a free number.
const maxSkipped = 1000

// Rotate makes the live file a roll now, whatever its size, and begins a new one.
// In the middle of a line it is put off to the end of the line; an empty file is
// not rotated. The error is an *Error; writing goes on in the old file then.
func (r *Rotator) Rotate() error {
	r.mu.Lock()
	defer r.leave()
	if r.closed {
		return r.note(OpRotate, r.filename, os.ErrClosed)
	}
	r.begin()
	if r.midLine {
		r.due = true
		return nil
	}
	return r.rotate(time.Now())
}

// rotate makes the live file a roll. The old file is kept open until there is a
// new one: if anything fails, writing goes on in it, and a second later the
// rotation is tried again. It must be called with the lock held.
func (r *Rotator) rotate(now time.Time) error {
	r.watch(now) // or somebody else's file would be renamed
	if r.lost != nil {
		return r.note(OpRotate, r.filename, r.lost)
	}
	r.due = false
	if r.size == 0 {
		return nil
	}
	n, err := r.nextNumber()
	if err != nil {
		return r.note(OpRotate, r.filename, err)
	}
	plain := rollName{n: n}.in(r.filename)
	if err := r.step("rename live", func() error { return os.Rename(r.filename, plain) }); err != nil {
		return r.note(OpRotate, r.filename, err)
	}
	var f *os.File
	var info fs.FileInfo
	err = r.step("open live", func() (err error) {
		f, info, err = r.openLive()
		return err
	})
	if err != nil {
		e := r.note(OpRotate, r.filename, err)
		// Back, unless somebody has put a file there. If that fails too, this
		// file, now under the name of a roll, is gone on with, and watch will
		// see it.
		if _, err := os.Lstat(r.filename); errors.Is(err, fs.ErrNotExist) {
			if err := os.Rename(plain, r.filename); err != nil {
				r.note(OpRotate, r.filename, err)
			}
		}
		return e
	}
	r.rolls = append(r.rolls, &roll{n: n, suffixes: []string{""}, size: r.size, mod: now})
	for _, roll := range r.rolls {
		roll.retry = time.Time{}
	}
	r.replace(f, info, plain)
	r.trim(now)
	r.work()
	return nil
}

// nextNumber returns a number above that of all rolls. It must be called with the
// lock held.
func (r *Rotator) nextNumber() (int64, error) {
	taken := func(n int64) bool {
		return slices.ContainsFunc(endings(r.opts.Suffix), func(suffix string) bool {
			return exists(rollName{n: n, suffix: suffix}.in(r.filename))
		})
	}
	n := r.lastNumber() + 1
	if taken(n) {
		r.rescan() // somebody else made a roll
		n = r.lastNumber() + 1
	}
	for skipped := 0; n > 0 && skipped < maxSkipped; skipped++ {
		if !taken(n) {
			return n, nil
		}
		n++ // something that is no roll
	}
	return 0, errors.New("there is no free number for the next roll; look what the directory holds")
}

// lastNumber returns the highest number of a roll, or 0. It must be called with
// the lock held.
func (r *Rotator) lastNumber() int64 {
	if len(r.rolls) == 0 {
		return 0
	}
	return r.rolls[len(r.rolls)-1].n
}

// exists says whether there is, or may be, something of this name.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
