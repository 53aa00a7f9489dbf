//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package filelock

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// A Lock is held until it is released. Its methods are not safe for concurrent use.
// The nil Lock is held by nobody.
type Lock struct {
	f    *os.File
	info fs.FileInfo
	path string
}

// Take takes the lock with this file, or fails with an error that matches ErrLocked.
// New files have the mode 0600.
func Take(path string) (*Lock, error) {
	// Each turn but the last meets a holder that is just giving it back.
	for range 100 {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, err
		}
		switch err := flock(f); {
		case errors.Is(err, syscall.EWOULDBLOCK):
			err = lockedBy(f)
			f.Close()
			return nil, err
		case errors.Is(err, errors.ErrUnsupported), errors.Is(err, syscall.ENOLCK):
			// A file system without locks: better a log than none.
		case err != nil:
			f.Close()
			return nil, err
		}
		info, err := f.Stat()
		if err != nil {
			f.Close()
			return nil, err
		}
		l := &Lock{f, info, path}
		if l.Holds() {
			// On a full disk there is no number, and no harm.
			if f.Truncate(0) == nil {
				_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
			}
			return l, nil
		}
		f.Close() // its holder removed the file before we had the lock
	}
	return nil, &LockedError{}
}

func flock(f *os.File) error {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// lockedBy returns the error that names the holder, if it is known.
func lockedBy(f *os.File) error {
	var text [32]byte
	n, _ := f.ReadAt(text[:], 0)
	pid, err := strconv.Atoi(strings.TrimSpace(string(text[:n])))
	if err != nil {
		return &LockedError{}
	}
	return &LockedError{PID: pid}
}

// Holds says whether the file is still the one that others would lock.
func (l *Lock) Holds() bool {
	info, err := os.Stat(l.path)
	return err == nil && os.SameFile(info, l.info)
}

// Release gives the lock back. It is harmless after the first time.
func (l *Lock) Release() {
	if l == nil || l.f == nil {
		return
	}
	if l.Holds() {
		_ = os.Remove(l.path) // what stays is taken over by the next
	}
	l.f.Close()
	l.f = nil
}
