package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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

// prepareDataDir makes the directory of a network below dir, for this user only,
// and checks that it can be written. It changes nothing that exists.
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

func dataDirError(path string, err error) error {
	var cause *fs.PathError
	if errors.As(err, &cause) {
		err = fmt.Errorf("%s: %w", cause.Path, cause.Err)
		if cause.Path == path {
			err = cause.Err
		}
	}
	return fmt.Errorf("cannot use the data directory %s: %w; choose another one with --datadir", path, err)
}
