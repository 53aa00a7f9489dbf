package addrbook

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"holdfast/internal/durable"
)

// newFile is what the name of a file ends with that is not finished.
const newFile = ".new"

// writeAtomically replaces a file by what write writes: at each moment, also if the
// machine dies, there is the old file or the new one, whole. Only its owner may read
// it, since who knows the key can choose addresses that push out others.
func writeAtomically(name string, write func(io.Writer) error) (err error) {
	temp := name + newFile
	if err := os.Remove(temp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	err = join(err, f.Close())
	if err == nil {
		err = os.Rename(temp, name)
	}
	if err != nil {
		return join(err, os.Remove(temp))
	}
	return durable.SyncDir(filepath.Dir(name))
}

// openFile opens a file for reading, and refuses what is none: to open a pipe may take
// for ever.
func openFile(name string) (*os.File, error) {
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file (%v); remove it, or name another", name, info.Mode())
	}
	return os.Open(name)
}

// joined is some errors in one line: what errors.Join makes would break the lines of a
// log.
type joined []error

// join returns what is not nil of some errors as one.
func join(errs ...error) error {
	errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	switch len(errs) {
	case 0:
		return nil
	case 1:
		return errs[0]
	}
	return joined(errs)
}

func (j joined) Error() string {
	texts := make([]string, len(j))
	for i, err := range j {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}

func (j joined) Unwrap() []error { return j }

// DamagedError says that a file could not be read, and was set aside.
type DamagedError struct {
	File  string // as it was called
	Aside string // as it is called now
	Err   error  // what is wrong with it
}

// Error says what happened, and what to do.
func (e *DamagedError) Error() string {
	return fmt.Sprintf("%s could not be read: %v. It was kept as %s, which can be deleted", e.File, e.Err, filepath.Base(e.Aside))
}

// Unwrap returns Err.
func (e *DamagedError) Unwrap() error { return e.Err }

// setAside gives a file a name that no other has, and returns a *DamagedError, or
// another error if that failed.
func setAside(name string, why error) (*DamagedError, error) {
	for i := 1; ; i++ {
		aside := fmt.Sprintf("%s.bad-%d", name, i)
		if _, err := os.Lstat(aside); err == nil {
			continue
		} else if !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		if err := os.Rename(name, aside); err != nil {
			return nil, fmt.Errorf("%s could not be read (%w), nor set aside: %w", name, why, err)
		}
		return &DamagedError{name, aside, why}, nil
	}
}
