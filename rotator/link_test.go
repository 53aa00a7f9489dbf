package rotator

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func link(t *testing.T, target, path string) {
	t.Helper()
	if err := os.Symlink(target, path); err != nil {
		t.Skip(err)
	}
}

// The log is a symbolic link, of whatever kind: rolls are beside the file it
// points to, nothing is there twice, and the link stays.
func TestSymlink(t *testing.T) {
	for _, tt := range []struct {
		name string
		make func(t *testing.T, dir, real string) string
	}{
		{"absolute", func(t *testing.T, dir, real string) string {
			link(t, real, dir+"/x.log")
			return dir + "/x.log"
		}},
		{"relative", func(t *testing.T, dir, _ string) string {
			link(t, "../real/x.log", dir+"/a.log")
			return dir + "/a.log"
		}},
		{"a link to a link", func(t *testing.T, dir, real string) string {
			link(t, real, dir+"/b.log")
			link(t, "b.log", dir+"/a.log")
			return dir + "/a.log"
		}},
		{"relative, in a directory that is a link", func(t *testing.T, dir, real string) string {
			// deep/dir/a.log is ../x.log in real/sub, so real/x.log.
			if err := os.Mkdir(filepath.Dir(real)+"/sub", 0o700); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.RemoveAll(filepath.Dir(real) + "/sub") })
			link(t, filepath.Dir(real)+"/sub", dir+"/dir")
			link(t, "../x.log", filepath.Dir(real)+"/sub/a.log")
			return dir + "/dir/a.log"
		}},
	} {
		for _, there := range []bool{true, false} {
			t.Run(tt.name, func(t *testing.T) {
				top := t.TempDir()
				dir, real := filepath.Join(top, "links"), filepath.Join(top, "real", "x.log")
				for _, d := range []string{dir, filepath.Dir(real)} {
					if err := os.Mkdir(d, 0o700); err != nil {
						t.Fatal(err)
					}
				}
				if there {
					put(t, real, "old\n")
				}
				path := tt.make(t, dir, real)
				before := names(t, dir)
				r := open(t, path, Options{MaxSize: 5, MaxRolls: 2, Plain: true})
				if _, err := Open(real, Options{}); !errors.Is(err, ErrLocked) {
					t.Errorf("a second Open, of the file itself: %v", err)
				}
				write(t, r, "line 1", "line 2", "line 3", "4")
				shut(t, r)
				checkHistory(t, real, "line 2", "line 3", "4")
				if got := names(t, dir); got != before {
					t.Errorf("beside the link: %s, before: %s", got, before)
				}
				if info, err := os.Lstat(path); err != nil || info.Mode()&os.ModeSymlink == 0 {
					t.Errorf("the link: %v, %v", info, err)
				}
			})
		}
	}
}

// Links that go round are no file.
func TestSymlinkLoop(t *testing.T) {
	file := tempLog(t)
	link(t, "x.log", file)
	var e *Error
	if _, err := Open(file, Options{}); !errors.As(err, &e) || e.Op != OpOpen {
		t.Errorf("Open = %v", err)
	}
	checkNames(t, file, "x.log")
}
