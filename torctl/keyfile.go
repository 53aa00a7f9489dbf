package torctl

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"holdfast/internal/durable"
)

// newFile is what the name of a file ends with that is not finished.
const newFile = ".new"

// maxKeyFile is more than a file with a key has: 99 bytes, and a line end.
const maxKeyFile = 4096

// loadKey reads the private key; "" if there is none. A *DamagedKeyError says that what
// there was has been set aside, so that there is none. After any other error there may
// be a key, and no other may be made.
func loadKey(name string) (string, error) {
	b, info, err := readSmall(name, maxKeyFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", noLink(name)
	case errors.Is(err, errTooLarge):
		return "", setAside(name, err)
	case err != nil:
		return "", fmt.Errorf("torctl: the private key: %w", err)
	}
	// Before anything else: also what is damaged may have most of a key in it. Windows
	// keeps its rights elsewhere.
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		return "", fmt.Errorf("%w, and could be the service: %s has the mode %04o. "+
			"If nobody has read it: chmod 600 it; else remove it, for a new address", ErrKeyMode, name, mode)
	}
	key := strings.TrimRight(string(b), "\r\n")
	if err := checkKey(key); err != nil {
		return "", setAside(name, err)
	}
	return key, nil
}

// noLink returns an error if name is a link to nothing: the key may be on a disk that is
// not there now.
func noLink(name string) error {
	_, err := os.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("torctl: the private key: %w", err)
	}
	return fmt.Errorf("torctl: the private key: %s is a link to nothing. Remove it for a new address", name)
}

// setAside gives a file a name that no other has. The error is a *DamagedKeyError,
// unless that failed.
func setAside(name string, why error) error {
	for i := 1; ; i++ {
		aside := fmt.Sprintf("%s.bad-%d", name, i)
		if _, err := os.Lstat(aside); err == nil {
			continue
		} else if !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("torctl: the private key: %w", err)
		}
		if err := os.Rename(name, aside); err != nil {
			return fmt.Errorf("torctl: %s holds no private key (%w), but cannot be set aside: %w", name, why, err)
		}
		return &DamagedKeyError{File: name, Aside: aside, Err: why}
	}
}

// saveKey writes the private key to a file that is not there yet: after it has returned
// nil the file is there whole, also if the machine dies; before, it is there whole or
// not at all. A file that is there stays as it is, and is an error.
func saveKey(name, key string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("torctl: the new private key cannot be kept: %w", err)
		}
	}()
	temp := name + newFile
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(key)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = moveNew(temp, name, os.Link)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return durable.SyncDir(filepath.Dir(name))
}

// moveNew renames a file, but not over another. link is os.Link.
func moveNew(from, to string, link func(from, to string) error) error {
	err := link(from, to)
	switch {
	case err == nil:
		return os.Remove(from)
	case errors.Is(err, fs.ErrExist):
		return err
	}
	// Some file systems have no links. There only who writes it at the very same moment
	// can lose a file.
	if _, err := os.Lstat(to); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(err, fmt.Errorf("%s: %w", to, fs.ErrExist))
	}
	return os.Rename(from, to)
}
