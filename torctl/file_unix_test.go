//go:build unix

package torctl

import (
	"errors"
	"path/filepath"
	"syscall"
	"testing"
)

// A pipe that nobody writes to does not hang us.
func TestPipes(t *testing.T) {
	t.Parallel()
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readCookie(pipe); !errors.Is(err, errNotRegular) {
		t.Error(err)
	}
	if _, err := loadKey(pipe); !errors.Is(err, errNotRegular) {
		t.Error(err)
	}
}
