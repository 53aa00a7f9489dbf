package rotator

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// ErrLocked says that another Rotator, in this or another process, has the log
// file: it must be closed first, or another file chosen.
var ErrLocked = errors.New("this log file is in use")

// errNotRegular says that a log file is a device, a pipe or a directory.
var errNotRegular = errors.New("not a regular file, so it cannot be rotated; choose another file")

// Op is what was being done when an error came up.
type Op string

// The operations of an Error.
const (
	OpOpen     Op = "open"     // the live file or its directory, or bad Options
	OpLock     Op = "lock"     // the lock file; see ErrLocked
	OpWrite    Op = "write"    // a line, which is not in the file
	OpRestore  Op = "restore"  // the last lines of a file that was removed, which are lost
	OpRotate   Op = "rotate"   // no line is lost; tried again a second later
	OpScan     Op = "scan"     // reading the directory or the state of the live file
	OpRemove   Op = "remove"   // an old roll or a left-over
	OpCompress Op = "compress" // the roll stays as it is, and is tried again
	OpSync     Op = "sync"     // fsync of the live file
	OpClose    Op = "close"    // closing a file, which some systems use to report lost data
	OpTee      Op = "tee"      // Options.Tee
)

// Error says what went wrong with which file. It wraps the cause, so that for
// example errors.Is(err, syscall.ENOSPC) and errors.Is(err, os.ErrClosed) work.
type Error struct {
	Op   Op
	Path string
	Err  error
}

func (e *Error) Error() string { return fmt.Sprintf("rotator: %s %s: %v", e.Op, e.Path, e.Err) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// newError makes an Error of the cause, without its own words on the file: e has
// them.
func newError(op Op, path string, cause error) *Error {
	var e *Error
	if errors.As(cause, &e) {
		return e
	}
	var inPath *fs.PathError
	var inLink *os.LinkError
	if errors.As(cause, &inPath) {
		cause = inPath.Err
	} else if errors.As(cause, &inLink) {
		cause = inLink.Err
	}
	return &Error{op, path, cause}
}

// Errors returns how many errors there were, of all kinds: those that were
// returned and those that could not be.
func (r *Rotator) Errors() uint64 {
	r.mu.Lock()
	defer r.leave()
	return r.errors
}

// note counts an error and has it handed to the owner when the lock is free.
// It must be called with the lock held, once for each error, and returns it as
// an *Error.
func (r *Rotator) note(op Op, path string, cause error) error {
	e := newError(op, path, cause)
	r.errors++
	now := time.Now()
	if last, before := r.told[e.Op]; before && now.Sub(last) < time.Second {
		return e
	}
	r.told[e.Op] = now
	r.toTell = append(r.toTell, e)
	return e
}

// leave gives the lock back, and then tells the owner of errors.
func (r *Rotator) leave() {
	errs := r.toTell
	r.toTell = nil
	r.mu.Unlock()
	for _, e := range errs {
		if r.opts.OnError != nil {
			r.opts.OnError(e)
		} else {
			fmt.Fprintln(os.Stderr, e)
		}
	}
}
