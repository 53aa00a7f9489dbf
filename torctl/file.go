package torctl

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// readSmall reads a file of at most most bytes. It must be a regular file: a pipe or a
// device could hang us, or have no end.
func readSmall(name string, most int) ([]byte, fs.FileInfo, error) {
	// Some devices do something when they are opened, so this is asked first; and again of
	// what was opened, which may be another file by now.
	if info, err := os.Stat(name); err != nil {
		return nil, nil, err
	} else if err := regular(name, info); err != nil {
		return nil, nil, err
	}
	f, err := os.OpenFile(name, os.O_RDONLY|nonblock, 0)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if err := regular(name, info); err != nil {
		return nil, nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, int64(most)+1))
	if err != nil {
		return nil, nil, err
	}
	if len(b) > most {
		return nil, nil, fmt.Errorf("%s: %w (%d bytes)", name, errTooLarge, most)
	}
	return b, info, nil
}

var (
	errTooLarge   = errors.New("the file is larger than it can be")
	errNotRegular = errors.New("that is not a regular file")
)

func regular(name string, info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s: %w", name, errNotRegular)
	}
	return nil
}
