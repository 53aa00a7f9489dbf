//go:build unix

package banlist

import (
	"errors"
	"os"
	"syscall"
)

// syncDir has the names in a directory on disk when it returns. File systems that
// know no such thing, as some of user space, are not held to it.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	err = d.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return err
}
