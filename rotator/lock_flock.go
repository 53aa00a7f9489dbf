//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package rotator

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// A lock is held on a file of its own, since the log file changes its name. The
// system gives it back when the process ends, however that happens. The file
// holds the number of the process, for people. The nil lock is held by nobody.
type lock struct {
	f    *os.File
	info fs.FileInfo
	path string
}

// takeLock takes the lock, or fails with ErrLocked.
func takeLock(path string) (*lock, error) {
	// Each turn but the last meets a holder that is just giving it back.
	for range 100 {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, defaultMode)
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
		l := &lock{f, info, path}
		if l.holds() {
			// On a full disk there is no number, and no harm.
			if f.Truncate(0) == nil {
				_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
			}
			return l, nil
		}
		f.Close() // its holder removed the file before we had the lock
	}
	return nil, ErrLocked
}

func flock(f *os.File) error {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// lockedBy returns ErrLocked, with the holder if it is known.
func lockedBy(f *os.File) error {
	var text [32]byte
	n, _ := f.ReadAt(text[:], 0)
	pid, err := strconv.Atoi(strings.TrimSpace(string(text[:n])))
	if err != nil {
		return ErrLocked
	}
	return fmt.Errorf("%w (process %d has it)", ErrLocked, pid)
}

// holds says whether the file is still the one that others would lock.
func (l *lock) holds() bool {
	info, err := os.Stat(l.path)
	return err == nil && os.SameFile(info, l.info)
}

// release gives the lock back. It is harmless after the first time.
func (l *lock) release() {
	if l == nil || l.f == nil {
		return
	}
	if l.holds() {
		_ = os.Remove(l.path) // what stays is taken over by the next
	}
	l.f.Close()
	l.f = nil
}
