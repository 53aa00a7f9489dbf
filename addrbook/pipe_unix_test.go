//go:build unix

package addrbook

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// What is no file is refused at once: nobody writes to these pipes.
func TestNoFile(t *testing.T) {
	for kind, create := range map[string]func(name string) error{
		"p": func(name string) error { return syscall.Mkfifo(name, 0o600) },
		"d": func(name string) error { return os.Mkdir(name, 0o700) },
	} {
		for file, open := range map[string]func(name string) error{
			snapshotName: func(name string) error {
				_, _, err := Open(filepath.Dir(name), testConfig(newClock()))
				return err
			},
			"addrbook-1.journal": func(name string) error {
				_, _, err := Open(filepath.Dir(name), testConfig(newClock()))
				return err
			},
			"addrbook-2.journal": func(name string) error { // whose key is wanted
				_, _, err := Open(filepath.Dir(name), Config{})
				return err
			},
			"anchors.dat": func(name string) error {
				_, err := ReadAnchors(name)
				return err
			},
			"asmap.dat": func(name string) error {
				_, err := ReadASMap(name)
				return err
			},
		} {
			name := filepath.Join(t.TempDir(), file)
			if err := create(name); err != nil {
				t.Fatal(err)
			}
			if err := open(name); err == nil || !strings.Contains(err.Error(), name+" is no regular file ("+kind) {
				t.Errorf("%s %s: %v", kind, file, err)
			}
			if _, err := os.Stat(name); err != nil {
				t.Errorf("%s %s: %v", kind, file, err)
			}
		}
	}
}
