//go:build unix

// Package durable has names in a directory on disk.
package durable

import (
	"errors"
	"os"
	"syscall"
)

// SyncDir has the names in a directory on disk when it returns: of files that were made,
// renamed or removed. File systems that know no such thing, as some of user space, are
// not held to it, and neither are systems other than Unix.
func SyncDir(dir string) error {
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
