//go:build !unix && !windows

package rotator

import (
	"io/fs"
	"os"
)

// openAppend opens a file to append to and to read, and makes it if need be.
func openAppend(path string, mode fs.FileMode) (*os.File, error) {
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, mode)
}

// openRead opens a file to read.
func openRead(path string) (*os.File, error) { return os.Open(path) }

// openSync opens a file to sync it.
func openSync(path string) (*os.File, error) { return os.Open(path) }

// cut shortens a file. What is written next comes at its end.
func cut(f *os.File, size int64) error { return f.Truncate(size) }

// unlinked says whether an open file has no name any more. It is not known here.
func unlinked(fs.FileInfo) bool { return false }
