package banlist

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"holdfast/internal/testenv"
)

func init() { children["full"] = fullChild }

// fullChild bans on a disk of 1 MB until it has been full for a while, then with
// free space again. Nobody else sees that disk.
func fullChild() {
	dir := os.Getenv("DIR")
	// What is mounted here is not to be seen by others, and goes with us.
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		testenv.Fail("mount private:", err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		testenv.Fail("mount tmpfs:", err)
	}
	fmt.Println("mounted")
	file, filler := filepath.Join(dir, "bans"), filepath.Join(dir, "filler")
	if err := os.WriteFile(filler, make([]byte, 900_000), 0o600); err != nil {
		testenv.Fail(err)
	}
	l, d, err := Open(file, Options{})
	if err != nil || d != nil {
		testenv.Fail(d, err)
	}
	ban := func(i int) error {
		s := subject(fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255))
		return l.Ban(s, time.Time{}, strings.Repeat("r", i%100), Operator)
	}
	onDisk := func() []Entry {
		l, d, err := Open(file, Options{})
		if err != nil || d != nil {
			testenv.Fail("the file:", d, err)
		}
		return l.List()
	}
	acked, refused := 0, 0
	for i := 0; refused < 500; i++ {
		if i > 1_000_000 {
			testenv.Fail("the disk is never full")
		}
		err := ban(i)
		var e *SaveError
		switch {
		case err == nil && refused == 0:
			acked++
		case !errors.As(err, &e) || !errors.Is(err, syscall.ENOSPC):
			testenv.Fail("Ban:", err)
		default:
			refused++
		}
	}
	if all := l.List(); len(all) != acked+refused {
		testenv.Fail(len(all), "bans in memory, not", acked+refused)
	}
	if all := onDisk(); len(all) != acked {
		testenv.Fail(len(all), "bans on disk, not", acked)
	}
	if err := l.Close(); !errors.Is(err, syscall.ENOSPC) {
		testenv.Fail("Close:", err)
	}
	if err := os.Remove(filler); err != nil {
		testenv.Fail(err)
	}
	if err := l.Close(); err != nil {
		testenv.Fail("Close again:", err)
	}
	if all := onDisk(); !reflect.DeepEqual(all, l.List()) {
		testenv.Fail(len(all), "bans on disk")
	}
	if names, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(names) != 1 {
		testenv.Fail(names, err)
	}
	fmt.Printf("%d acknowledged, %d refused and saved when there was room\n", acked, refused)
}

// A disk that is full, and then is not any more: what was acknowledged is there, and
// what was not holds in memory and gets there later.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	testenv.OwnMounts(t, func() *exec.Cmd { return testenv.Child(t, childVariable, "full", "DIR="+dir) })
}
