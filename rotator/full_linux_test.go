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
)

func init() { children["full"] = fullChild }

// fullChild writes to a disk of 3 MB until it has been full for a while, then
// with free space again. Nobody else sees that disk.
func fullChild() {
	dir := os.Getenv("DIR")
	// What is mounted here is not to be seen by others, and goes with us.
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		fail("mount private:", err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=3m"); err != nil {
		fail("mount tmpfs:", err)
	}
	fmt.Println("mounted")
	filler := filepath.Join(dir, "filler")
	if err := os.WriteFile(filler, make([]byte, 1_300_000), 0o600); err != nil {
		fail(err)
	}
	file := filepath.Join(dir, "x.log")
	o := Options{MaxSize: 400_000, MaxRolls: -1, OnError: func(error) {}}
	r, err := Open(file, o)
	if err != nil {
		fail(err)
	}
	var kept strings.Builder
	refused, after := 0, 0
	for i := 0; after < 2000; i++ {
		if i > 1_000_000 {
			fail("the disk is never full")
		}
		line := fullLine(i)
		n, err := r.Write([]byte(line))
		switch {
		case err == nil && n == len(line):
			kept.WriteString(line)
		case !errors.Is(err, syscall.ENOSPC) || n != 0:
			fail("Write:", n, err)
		case after > 0:
			fail("refused although there is space:", err)
		default:
			refused++
		}
		if refused == 1000 {
			if after == 0 {
				if err := os.Remove(filler); err != nil {
					fail(err)
				}
			}
			after++
		}
	}
	if r.Errors() < 1000 {
		fail("errors counted:", r.Errors())
	}
	if err := r.Close(); err != nil {
		fail(err)
	}
	// What could not be compressed is, by the next process.
	if r, err = Open(file, o); err != nil {
		fail(err)
	}
	if err := errors.Join(r.Rotate(), r.Close()); err != nil {
		fail(err)
	}
	l, err := list(file, "gz")
	if err != nil {
		fail(err)
	}
	var got strings.Builder
	for _, roll := range l.rolls {
		if len(roll.suffixes) != 1 || roll.suffixes[0] != "gz" {
			fail("roll", roll.n, "has the files", roll.suffixes)
		}
		s, err := text(rollName{n: roll.n, suffix: "gz"}.in(file))
		if err != nil {
			fail(err)
		}
		got.WriteString(s)
	}
	if len(l.tmps) > 0 || got.String() != kept.String() {
		fail(len(l.tmps), "temporary files;", got.Len(), "bytes in the log,", kept.Len(), "bytes acknowledged")
	}
	fmt.Printf("%d rolls, %d bytes acknowledged and all there, %d lines refused\n", len(l.rolls), got.Len(), refused)
}

// cannot ends a test that lacks what it needs: it skips, but fails where nothing
// may be skipped.
func cannot(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("HOLDFAST_REQUIRE_ALL") == "1" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// A disk that is full, for lines and for archives, and then is not any more: all
// that was acknowledged is there, nothing else, and the rolls get compressed.
func TestDiskFull(t *testing.T) {
	id := func(n int) []syscall.SysProcIDMap {
		return []syscall.SysProcIDMap{{ContainerID: 0, HostID: n, Size: 1}}
	}
	attrs := []*syscall.SysProcAttr{
		{Unshareflags: syscall.CLONE_NEWNS},
		{Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS, UidMappings: id(os.Getuid()), GidMappings: id(os.Getgid())},
	}
	dir := t.TempDir()
	var why []string
	for _, attr := range attrs {
		cmd := child(t, "full", "DIR="+dir)
		cmd.Stderr = nil
		cmd.SysProcAttr = attr
		out, err := cmd.CombinedOutput()
		if err == nil {
			t.Logf("%s", out)
			return
		}
		var exit *exec.ExitError
		if errors.As(err, &exit) && strings.Contains(string(out), "mounted") {
			t.Fatalf("%v\n%s", err, out)
		}
		why = append(why, fmt.Sprintf("%v %s", err, out))
	}
	cannot(t, "a disk of its own needs the right to mount (root, or user namespaces): %s", strings.Join(why, "; "))
}
