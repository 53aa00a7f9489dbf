package torctl

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func files(t testing.TB, path string) string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimPrefix(e.Name(), filepath.Base(path)))
	}
	return strings.Join(names, " ")
}

func TestKeyFile(t *testing.T) {
	t.Parallel()
	file := keyFile(t)
	if key, err := loadKey(file); key != "" || err != nil {
		t.Fatal(key, err)
	}
	put(t, file+newFile, "what a crash left", 0o644)
	if err := saveKey(file, fakeKey(1)); err != nil {
		t.Fatal(err)
	}
	if key, err := loadKey(file); key != fakeKey(1) || err != nil || files(t, file) != "" {
		t.Error(err, files(t, file))
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 && runtime.GOOS != "windows" {
		t.Error(info.Mode(), err)
	}

	// Never over another.
	if err := saveKey(file, fakeKey(2)); !errors.Is(err, fs.ErrExist) {
		t.Error(err)
	}
	if got := read(t, file); got != fakeKey(1) || files(t, file) != "" {
		t.Error("the key was overwritten, or more than it is left:", files(t, file))
	}

	if err := saveKey(filepath.Join(file+"-none", "key"), fakeKey(2)); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// Where files cannot have two names.
func TestNoLinks(t *testing.T) {
	t.Parallel()
	file := keyFile(t)
	none := func(_, _ string) error { return errors.ErrUnsupported }
	put(t, file+newFile, fakeKey(1), 0o600)
	if err := moveNew(file+newFile, file, none); err != nil || read(t, file) != fakeKey(1) || files(t, file) != "" {
		t.Error(err, files(t, file))
	}
	put(t, file+newFile, fakeKey(2), 0o600)
	if err := moveNew(file+newFile, file, none); !errors.Is(err, fs.ErrExist) || read(t, file) != fakeKey(1) {
		t.Error(err)
	}
}

// A file that holds no key is kept, whatever it is, and however often.
func TestDamagedKeys(t *testing.T) {
	t.Parallel()
	file := keyFile(t)
	good := fakeKey(1)
	for _, tt := range []struct{ name, text, err string }{
		{"empty", "", "ED25519-V3:"},
		{"zeros", strings.Repeat("\x00", 99), "ED25519-V3:"},
		{"version 2", "RSA1024:AAAA", "ED25519-V3:"},
		{"cut", good[:50], "base64"},
		{"cut at a whole group", good[:len(keyPrefix)+84], "63 bytes"},
		{"longer", keyPrefix + strings.Repeat("A", 88), "66 bytes"},
		{"two lines", good + "\n" + good, "base64"},
		{"a line end inside", good[:60] + "\n" + good[60:], "base64"},
		{"no letters", good[:60] + "!" + good[61:], "base64"},
		{"large", strings.Repeat(good, 1000), "larger"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := files(t, file)
			put(t, file, tt.text, 0o600)
			key, err := loadKey(file)
			damaged, ok := errors.AsType[*DamagedKeyError](err)
			if key != "" || !ok || !strings.Contains(err.Error(), tt.err) {
				t.Fatal(key, err)
			}
			if tt.name == "large" != errors.Is(err, errTooLarge) {
				t.Error(err)
			}
			if damaged.File != file || read(t, damaged.Aside) != tt.text {
				t.Error("it was not kept")
			}
			if after := files(t, file); after == before || strings.HasPrefix(after, " ") {
				t.Error(after)
			}
			if tt.text != "" && strings.Contains(err.Error(), good[20:40]) {
				t.Error("the error shows the key:", err)
			}
		})
	}

	// Line ends behind it are none of its faults, as an editor makes them.
	for _, text := range []string{good, good + "\n", good + "\r\n"} {
		put(t, file, text, 0o600)
		if key, err := loadKey(file); key != good || err != nil {
			t.Error(err)
		}
	}
}

func TestKeyMode(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such modes")
	}
	file := keyFile(t)
	for mode, want := range map[os.FileMode]error{
		0o600: nil, 0o400: nil, 0o700: nil,
		0o640: ErrKeyMode, 0o604: ErrKeyMode, 0o620: ErrKeyMode, 0o666: ErrKeyMode,
	} {
		for _, text := range []string{fakeKey(1), "damaged"} {
			put(t, file, text, 0o600)
			if err := os.Chmod(file, mode); err != nil {
				t.Fatal(err)
			}
			key, err := loadKey(file)
			switch {
			case want != nil:
				if !errors.Is(err, want) || key != "" || !strings.Contains(err.Error(), "chmod 600 it; else remove it") || read(t, file) != text {
					t.Errorf("%v: %v", mode, err)
				}
			case text == "damaged":
				if _, ok := errors.AsType[*DamagedKeyError](err); !ok {
					t.Errorf("%v: %v", mode, err)
				}
			case err != nil || key != text:
				t.Errorf("%v: %v", mode, err)
			}
			_ = os.Remove(file)
		}
	}
}

// A key that cannot be read may be there, so no other is made.
func TestKeyThatCannotBeRead(t *testing.T) {
	t.Parallel()
	file := keyFile(t)
	if err := os.Symlink(file+"-elsewhere", file); err != nil {
		t.Skip(err) // not allowed here
	}
	if _, err := loadKey(file); err == nil || !strings.Contains(err.Error(), "link to nothing") {
		t.Error(err)
	}
	put(t, file+"-elsewhere", fakeKey(1), 0o600)
	if key, err := loadKey(file); key != fakeKey(1) || err != nil {
		t.Error(err)
	}
	if key, err := loadKey(filepath.Join(file, "below")); key != "" || err == nil {
		t.Error(err)
	}
	if _, err := loadKey(filepath.Dir(file)); !errors.Is(err, errNotRegular) {
		t.Error(err)
	}
}
