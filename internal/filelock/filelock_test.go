package filelock

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

func TestTake(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	first, err := Take(path)
	if err != nil {
		t.Fatal(err)
	}
	if !first.Holds() {
		t.Error("the holder does not hold it")
	}
	_, err = Take(path)
	var locked *LockedError
	switch {
	case !errors.Is(err, ErrLocked) || !errors.As(err, &locked):
		t.Errorf("the second one: %v", err)
	case runtime.GOOS == "linux" && locked.PID != os.Getpid():
		t.Errorf("held by %d, not by us", locked.PID)
	}
	first.Release()
	first.Release()
	second, err := Take(path)
	if err != nil {
		t.Fatal(err)
	}
	second.Release()
	if _, err := os.Stat(path); err == nil {
		t.Error("the file is still there")
	}
	var none *Lock
	none.Release()
}

// What a process left that was killed is taken over, whatever is in it.
func TestLeftBehind(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	if err := os.WriteFile(path, []byte("12345\n and more"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := Take(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Release()
	if runtime.GOOS == "linux" {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if l.Holds() {
			t.Error("holds a file that is gone")
		}
	}
}

func TestNoDirectory(t *testing.T) {
	if _, err := Take(filepath.Join(t.TempDir(), "none", "lock")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}
