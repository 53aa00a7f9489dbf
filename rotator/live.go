package rotator

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// follow returns the file that a log's name stands for, which may be a symbolic
// link: a rotation would rename the link, and go on in the same file. Where the
// links go round nothing can be opened.
func follow(filename string) string {
	const maxLinks = 40 // as Linux
	for range maxLinks {
		target, err := os.Readlink(filename)
		if err != nil {
			break // no link, or nothing there
		}
		dir, base := filepath.Split(target)
		if !filepath.IsAbs(target) {
			dir = filepath.Dir(filename) + string(filepath.Separator) + dir
		}
		// Now, for "link/.." is not ".".
		if real, err := filepath.EvalSymlinks(dir); err == nil {
			dir = real
		}
		filename = filepath.Join(dir, base)
	}
	return filename
}

// openLive opens the file of the log's name, and makes it if there is none.
func (r *Rotator) openLive() (*os.File, fs.FileInfo, error) {
	fail := func(err error) (*os.File, fs.FileInfo, error) { return nil, nil, newError(OpOpen, r.filename, err) }
	// Before it is opened: to open a pipe may block.
	if info, err := os.Stat(r.filename); err == nil && !info.Mode().IsRegular() {
		return fail(errNotRegular)
	}
	f, err := openAppend(r.filename, r.opts.Mode)
	if errors.Is(err, fs.ErrNotExist) {
		if err = os.MkdirAll(filepath.Dir(r.filename), dirMode); err == nil {
			f, err = openAppend(r.filename, r.opts.Mode)
		}
	}
	if err != nil {
		return fail(err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return fail(err)
	}
	return f, info, nil
}

// replace makes f the live file in place of the old one, which now has the name
// oldName, and closes that. It must be called with the lock held.
func (r *Rotator) replace(f *os.File, info fs.FileInfo, oldName string) {
	r.retire(r.f, oldName)
	r.setLive(f, info, time.Now())
}

// setLive makes f the live file, and ends its last line if it has no end. It must
// be called with the lock held.
func (r *Rotator) setLive(f *os.File, info fs.FileInfo, now time.Time) {
	r.f, r.info, r.size = f, info, info.Size()
	r.lost, r.midLine, r.torn = nil, false, false
	r.watched, r.watchedSize = now, r.size
	if r.size == 0 {
		return
	}
	// A process that was killed, or a full disk, may have left half a line.
	var last [1]byte
	if _, err := f.ReadAt(last[:], r.size-1); err != nil {
		r.note(OpScan, r.filename, err)
	} else if last[0] != '\n' {
		// If this fails, the next Write does it.
		r.torn = r.append(OpWrite, []byte{'\n'}) != nil
	}
}

// append writes p to the live file. If that fails, what was written of p is cut
// off again, so that no half line stays. It notes its errors as those of op. It must
// be called with the lock held.
func (r *Rotator) append(op Op, p []byte) error {
	n, err := r.f.Write(p)
	if err == nil {
		r.size += int64(n)
		return nil
	}
	e := r.note(op, r.filename, err)
	if n == 0 {
		return e
	}
	// The size is asked for: others may have cut the file since.
	info, err := r.f.Stat()
	if err == nil {
		r.size = max(0, info.Size()-int64(n))
		err = r.step("cut", func() error { return cut(r.f, r.size) })
	}
	if err != nil {
		r.size += int64(n)
		r.torn = true
		r.note(op, r.filename, err)
	}
	return e
}
