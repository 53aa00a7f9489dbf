package filelock

import (
	"errors"
	"io/fs"
	"syscall"
)

// errSharingViolation is ERROR_SHARING_VIOLATION.
const errSharingViolation = syscall.Errno(32)

// fileFlagDeleteOnClose is FILE_FLAG_DELETE_ON_CLOSE.
const fileFlagDeleteOnClose = 0x04000000

// A Lock is a file that nobody else can open. The system removes it when the process
// ends. Its methods are not safe for concurrent use. The nil Lock is held by nobody.
type Lock struct{ h syscall.Handle }

// Take takes the lock with this file, or fails with an error that matches ErrLocked.
func Take(path string) (*Lock, error) {
	name, err := syscall.UTF16PtrFromString(path)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	h, err := syscall.CreateFile(name, syscall.GENERIC_READ|syscall.GENERIC_WRITE, 0, nil,
		syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL|fileFlagDeleteOnClose, 0)
	if errors.Is(err, errSharingViolation) {
		return nil, &LockedError{}
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return &Lock{h}, nil
}

// Holds is true: nobody can remove the file.
func (l *Lock) Holds() bool { return true }

// Release gives the lock back. It is harmless after the first time.
func (l *Lock) Release() {
	if l == nil || l.h == syscall.InvalidHandle {
		return
	}
	_ = syscall.CloseHandle(l.h) // nothing was written to it
	l.h = syscall.InvalidHandle
}
