//go:build unix

package banlist

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// What is no file is refused at once: nobody writes to this pipe.
func TestNoFile(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	must(t, syscall.Mkfifo(pipe, 0o600))
	for _, name := range []string{dir, pipe, "/dev/null"} {
		if l, d, err := Open(name, Options{}); l != nil || d != nil || err == nil || !strings.Contains(err.Error(), name+" is no regular file (") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
