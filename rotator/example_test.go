package rotator_test

import (
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"time"

	"holdfast/rotator"
)

// A log of at most 1 GB, of which a month is kept, behind the standard logger.
func Example() {
	dir, err := os.MkdirTemp("", "logs")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	r, err := rotator.Open(filepath.Join(dir, "node.log"), rotator.Options{
		MaxSize:       20e6,
		MaxRolls:      -1,
		MaxTotalBytes: 1e9,
		MaxAge:        30 * 24 * time.Hour,
		OnError:       func(err error) { fmt.Fprintln(os.Stderr, err) },
	})
	if err != nil {
		log.Fatal(err)
	}
	logger := log.New(r, "", 0)
	logger.Print("one")
	if err := r.Rotate(); err != nil {
		log.Fatal(err)
	}
	logger.Print("two")
	if err := r.Close(); err != nil {
		log.Fatal(err)
	}

	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	for _, file := range files {
		fmt.Println(filepath.Base(file))
	}
	// Output:
	// node.log
	// node.log.1.gz
}

// The parameters of jrick/logrotate: rotated at 10,240,000 bytes, 3 rolls, as in
// btcd.
func ExampleNew() {
	dir, err := os.MkdirTemp("", "logs")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "btcd.log")

	r, err := rotator.New(file, 10*1024, false, 3)
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	fmt.Fprintln(r, "hello")

	// The file has one writer only.
	_, err = rotator.New(file, 10*1024, false, 3)
	fmt.Println(errors.Is(err, rotator.ErrLocked))
	// Output: true
}

// OnError runs inside the Write of the logger, which holds its mutex: errors are
// queued, and logged by another goroutine.
func ExampleOptions_onError() {
	dir, err := os.MkdirTemp("", "logs")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	errs := make(chan error, 16)
	r, err := rotator.Open(filepath.Join(dir, "node.log"), rotator.Options{
		OnError: func(err error) {
			select {
			case errs <- err:
			default: // more than can be logged; r.Errors counts it
			}
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	logger := log.New(io.MultiWriter(r, os.Stdout), "", 0)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for err := range errs {
			logger.SetOutput(os.Stdout) // takes the logger's mutex
			logger.Print("log file: ", errors.Is(err, os.ErrClosed))
		}
	}()
	if err := r.Close(); err != nil {
		log.Fatal(err)
	}
	logger.Print("cannot be written any more")
	close(errs)
	<-done
	// Output: log file: true
}
