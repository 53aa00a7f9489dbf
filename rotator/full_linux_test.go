package rotator

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"holdfast/internal/testenv"
)

func init() { children["full"] = fullChild }

// fullChild writes to a disk of 3 MB until it has been full for a while, then
// with free space again. Nobody else sees that disk.
func fullChild() {
	dir := os.Getenv("DIR")
	// What is mounted here is not to be seen by others, and goes with us.
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		testenv.Fail("mount private:", err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=3m"); err != nil {
		testenv.Fail("mount tmpfs:", err)
	}
	fmt.Println("mounted")
	filler := filepath.Join(dir, "filler")
	if err := os.WriteFile(filler, make([]byte, 1_300_000), 0o600); err != nil {
		testenv.Fail(err)
	}
	file := filepath.Join(dir, "x.log")
	o := Options{MaxSize: 400_000, MaxRolls: -1, OnError: func(error) {}}
	r, err := Open(file, o)
	if err != nil {
		testenv.Fail(err)
	}
	var kept strings.Builder
	refused, after := 0, 0
	for i := 0; after < 2000; i++ {
		if i > 1_000_000 {
			testenv.Fail("the disk is never full")
		}
		line := fullLine(i)
		n, err := r.Write([]byte(line))
		switch {
		case err == nil && n == len(line):
			kept.WriteString(line)
		case !errors.Is(err, syscall.ENOSPC) || n != 0:
			testenv.Fail("Write:", n, err)
		case after > 0:
			testenv.Fail("refused although there is space:", err)
		default:
			refused++
		}
		if refused == 1000 {
			if after == 0 {
				if err := os.Remove(filler); err != nil {
					testenv.Fail(err)
				}
			}
			after++
		}
	}
	if r.Errors() < 1000 {
		testenv.Fail("errors counted:", r.Errors())
	}
	if err := r.Close(); err != nil {
		testenv.Fail(err)
	}
	// What could not be compressed is, by the next process.
	if r, err = Open(file, o); err != nil {
		testenv.Fail(err)
	}
	if err := errors.Join(r.Rotate(), r.Close()); err != nil {
		testenv.Fail(err)
	}
	l, err := list(file, "gz")
	if err != nil {
		testenv.Fail(err)
	}
	var got strings.Builder
	for _, roll := range l.rolls {
		if len(roll.suffixes) != 1 || roll.suffixes[0] != "gz" {
			testenv.Fail("roll", roll.n, "has the files", roll.suffixes)
		}
		s, err := text(rollName{n: roll.n, suffix: "gz"}.in(file))
		if err != nil {
			testenv.Fail(err)
		}
		got.WriteString(s)
	}
	if len(l.tmps) > 0 || got.String() != kept.String() {
		testenv.Fail(len(l.tmps), "temporary files;", got.Len(), "bytes in the log,", kept.Len(), "bytes acknowledged")
	}
	fmt.Printf("%d rolls, %d bytes acknowledged and all there, %d lines refused\n", len(l.rolls), got.Len(), refused)
}

// A disk that is full, for lines and for archives, and then is not any more: all
// that was acknowledged is there, nothing else, and the rolls get compressed.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	testenv.OwnMounts(t, func() *exec.Cmd { return testenv.Child(t, childVariable, "full", "DIR="+dir) })
}
