// Package filelock lets one process at a time do something: the one that holds a lock
// file. The system gives the lock back when the process ends, however that happens.
// The file holds the number of the process, for people; what a process leaves that was
// killed does no harm. It is a file of its own: what it stands for may be renamed.
package filelock

import (
	"errors"
	"fmt"
)

// ErrLocked says that another holder, in this or another process, has the lock.
var ErrLocked = errors.New("locked by another process")

// LockedError is the error of Take that matches ErrLocked.
type LockedError struct {
	PID int // of the holder; 0 if it is not known
}

func (e *LockedError) Error() string {
	if e.PID == 0 {
		return ErrLocked.Error()
	}
	return fmt.Sprintf("locked by process %d", e.PID)
}

// Is reports whether target is ErrLocked.
func (e *LockedError) Is(target error) bool { return target == ErrLocked }
