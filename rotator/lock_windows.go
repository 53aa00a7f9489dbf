package rotator

import (
	"errors"
	"io/fs"
	"syscall"
)

// errSharingViolation is ERROR_SHARING_VIOLATION.
const errSharingViolation = syscall.Errno(32)

// fileFlagDeleteOnClose is FILE_FLAG_DELETE_ON_CLOSE.
const fileFlagDeleteOnClose = 0x04000000

// A lock is a file of its own that nobody else can open, since the log file
// changes its name. The system removes it when the process ends, however that
// happens. The nil lock is held by nobody.
type lock struct{ h syscall.Handle }

// takeLock takes the lock, or fails with ErrLocked.
func takeLock(path string) (*lock, error) {
	name, err := syscall.UTF16PtrFromString(path)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	h, err := syscall.CreateFile(name, syscall.GENERIC_READ|syscall.GENERIC_WRITE, 0, nil,
		syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL|fileFlagDeleteOnClose, 0)
	if errors.Is(err, errSharingViolation) {
		return nil, ErrLocked
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return &lock{h}, nil
}

// holds is true: nobody can remove the file.
func (l *lock) holds() bool { return true }

// release gives the lock back. It is harmless after the first time.
func (l *lock) release() {
	if l == nil || l.h == syscall.InvalidHandle {
		return
	}
	_ = syscall.CloseHandle(l.h) // nothing was written to it
	l.h = syscall.InvalidHandle
}
