package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"holdfast/internal/filelock"
)

// defaultDataDir is where holdfast keeps its files if nobody says where: under
// the user's configuration, or in the home directory where there is none.
func defaultDataDir() string {
	if dir, err := os.UserConfigDir(); err == nil {
		return filepath.Join(dir, "holdfast")
	}
	if dir, err := os.UserHomeDir(); err == nil {
		return filepath.Join(dir, ".holdfast")
	}
	return ".holdfast"
}

// lockName is the file that keeps a second process out of a data directory.
const lockName = "holdfast.lock"

// openDataDir makes the directory of a network below dir, for this user only,
// checks that it can be written, and keeps others out of it until the lock is
// released. It changes nothing that exists.
func openDataDir(dir, network string) (string, *filelock.Lock, error) {
	path, err := prepareDataDir(dir, network)
	if err != nil {
		return "", nil, err
	}
	lock, err := filelock.Take(filepath.Join(path, lockName))
	switch {
	case errors.Is(err, filelock.ErrLocked):
		return "", nil, fmt.Errorf("the data directory %s is %w; stop that one, or choose another directory with --datadir", path, err)
	case err != nil:
		return "", nil, dataDirError(path, err)
	}
	return path, lock, nil
}

func prepareDataDir(dir, network string) (string, error) {
	path := filepath.Join(dir, network)
	if err := os.MkdirAll(path, 0o700); err != nil {
		return "", dataDirError(path, err)
	}
	f, err := os.CreateTemp(path, ".writable-*")
	if err != nil {
		return "", dataDirError(path, err)
	}
	_ = f.Close() // it was made to be removed
	if err := os.Remove(f.Name()); err != nil {
		return "", dataDirError(path, err)
	}
	if _, err := os.ReadDir(path); err != nil {
		return "", dataDirError(path, err)
	}
	return path, nil
}

// roomWanted is what the address book takes of a node that has known a network for some
// hours.
const roomWanted = 256 << 10

// checkRoom returns nil if there is room for what the node saves soon, in the data
// directory that openDataDir has found usable. A node that has none can run, but the
// operator should not hear of it as late as when there is something to save.
func checkRoom(dir string) error {
	// One name, so that runs that are killed leave one file at most.
	f, err := os.OpenFile(filepath.Join(dir, ".room"), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return noRoom(dir, err)
	}
	_, err = f.Write(make([]byte, roomWanted))
	if err = errors.Join(err, f.Close(), os.Remove(f.Name())); err != nil {
		return noRoom(dir, err)
	}
	return nil
}

func noRoom(dir string, err error) error {
	var cause *fs.PathError
	if errors.As(err, &cause) {
		err = cause.Err
	}
	return fmt.Errorf("cannot save %d KiB in the data directory %s: %w; until there is room, what the node learns is lost at its end", roomWanted>>10, dir, err)
}

func dataDirError(path string, err error) error {
	var cause *fs.PathError
	if errors.As(err, &cause) {
		err = cause.Err // whichever file of ours it was tried with
	}
	return fmt.Errorf("cannot use the data directory %s: %w; choose another one with --datadir", path, err)
}
