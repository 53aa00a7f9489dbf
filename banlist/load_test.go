package banlist

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// lines makes a file of ours of lines without checksums.
func lines(all ...string) string {
	b := []byte(header + "\n")
	for _, line := range all {
		from := len(b)
		b = appendSum(append(b, line...), from)
	}
	return string(b)
}

// What a file holds, and what is said of a damaged one.
func TestOpen(t *testing.T) {
	ban := `ban 192.0.2.0/24 1760000000 0 operator ""`
	other := `ban 198.51.100.1 1760000000 1760000060 score "a \"b\" \n"`
	short := `ban 203.0.113.9 1760000000 1760000000 protocol "over"`
	good := lines(ban, other)
	for name, tt := range map[string]struct {
		text string
		want []string
		err  error // nil: no Damage
		lost int
		line int
	}{
		"good":            {text: good, want: []string{"192.0.2.0/24", "198.51.100.1"}},
		"only the header": {text: lines()},
		"over":            {text: lines(ban, short), want: []string{"192.0.2.0/24"}},
		"unban":           {text: lines(ban, other, "unban 192.0.2.0/24", "unban 10.0.0.1"), want: []string{"198.51.100.1"}},
		"twice":           {text: lines(ban, other, ban, ban), want: []string{"192.0.2.0/24", "198.51.100.1"}},
		"torn":            {good[:len(good)-10], []string{"192.0.2.0/24"}, ErrTorn, 1, 3},
		"torn at the end": {good[:len(good)-1], []string{"192.0.2.0/24"}, ErrTorn, 1, 3},
		"empty":           {"", nil, ErrForeign, 1, 1},
		"half a header":   {header[:5], nil, ErrForeign, 1, 1},
		"foreign":         {"{\"banned_nets\": [\n]}\n", nil, ErrForeign, 2, 1},
		"binary":          {strings.Repeat("\x00", 100_000), nil, ErrForeign, 1, 1},
		"newer":           {strings.Replace(good, "list 1", "list 2", 1), []string{"192.0.2.0/24", "198.51.100.1"}, ErrForeign, 1, 1},
		"a bit":           {strings.Replace(good, "192.0.2.0", "192.0.3.0", 1), []string{"198.51.100.1"}, ErrCorrupt, 1, 2},
		"zeros":           {good + strings.Repeat("\x00", 4096), []string{"192.0.2.0/24", "198.51.100.1"}, ErrTorn, 1, 4},
		"zeros between":   {lines(ban) + "\x00\x00\n" + strings.Repeat("x", 10_000) + "\n" + lines(other)[len(header)+1:], []string{"192.0.2.0/24", "198.51.100.1"}, ErrCorrupt, 2, 3},
		"nonsense, summed": {
			lines("ban 0.0.0.0/0 0 0 operator \"\"", "ban 1.1.1.1 x 0 operator \"\"", "ban 1.1.1.1 0 -1 operator \"\"",
				"ban 1.1.1.1 0 0 me \"\"", "ban 1.1.1.1 0 0 operator x", "ban 1.1.1.1 0 0", "unban", "hello", "", ban),
			[]string{"192.0.2.0/24"},
			ErrCorrupt, 9, 2,
		},
	} {
		t.Run(name, func(t *testing.T) {
			var c clock
			file := tempFile(t)
			must(t, os.WriteFile(file, []byte(tt.text), 0o600))
			must(t, os.WriteFile(file+".tmp", []byte("left by a killed process"), 0o600))
			l, d, err := Open(file, Options{Now: c.now})
			must(t, err)
			if got := texts(l); !slices.Equal(got, tt.want) && len(got)+len(tt.want) > 0 {
				t.Errorf("%q, want %q", got, tt.want)
			}
			if (d != nil) != (tt.err != nil) {
				t.Fatalf("%v, want %v", d, tt.err)
			}
			if d != nil {
				t.Log(d)
				if !errors.Is(d, tt.err) || d.Lost != tt.lost || d.Line != tt.line || d.Kept != len(tt.want) || d.Pending != nil || d.Path != file {
					t.Errorf("%+v", d)
				}
				if (d.SetAside == "") != errors.Is(d, ErrTorn) {
					t.Errorf("set aside: %q", d.SetAside)
				}
			}
			wantFiles := 1
			if d != nil && d.SetAside != "" {
				wantFiles++
				b, err := os.ReadFile(d.SetAside)
				if string(b) != tt.text || err != nil {
					t.Errorf("set aside: %.40q, %v", b, err)
				}
			}
			if entries, _ := os.ReadDir(filepath.Dir(file)); len(entries) != wantFiles {
				t.Errorf("files: %v", entries)
			}
			// The next start finds all in order, also what is added now.
			must(t, l.BanFor(subject(onion), time.Hour, "", Score))
			want := l.List()
			must(t, l.Close())
			if got := open(t, file, Options{Now: c.now}).List(); !reflect.DeepEqual(got, want) {
				t.Errorf("reopened: %v, want %v", got, want)
			}
		})
	}
}

// Two damaged files in one second get names of their own.
func TestSetAsideTwice(t *testing.T) {
	var c clock
	file := tempFile(t)
	var names []string
	for range 3 {
		must(t, os.WriteFile(file, []byte("hello\n"), 0o600))
		l, d, err := Open(file, Options{Now: c.now})
		must(t, err)
		must(t, l.Close())
		names = append(names, strings.TrimPrefix(d.SetAside, file))
	}
	if want := []string{".bad-20251009T085320Z", ".bad-20251009T085320Z-2", ".bad-20251009T085320Z-3"}; !slices.Equal(names, want) {
		t.Errorf("%q", names)
	}
}

// What cannot be read is neither damaged nor overwritten.
func TestOpenFails(t *testing.T) {
	if _, _, err := Open("", Options{}); err == nil {
		t.Error("no file")
	}
	dir := t.TempDir()
	if l, d, err := Open(dir, Options{}); err == nil {
		t.Errorf("a directory: %v, %v", l, d)
	}
	if runtime.GOOS != "windows" {
		file := filepath.Join(dir, "file")
		must(t, os.WriteFile(file, nil, 0o600))
		if _, _, err := Open(filepath.Join(file, "bans"), Options{}); !errors.Is(err, syscall.ENOTDIR) {
			t.Error(err)
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) > 1 {
		t.Error(entries)
	}
	// A directory that is missing is noticed by the first change.
	l, d, err := Open(filepath.Join(dir, "missing", "bans"), Options{})
	if err != nil || d != nil {
		t.Fatal(d, err)
	}
	var e *SaveError
	if err := l.Ban(subject(onion), time.Time{}, "", Operator); !errors.As(err, &e) || !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	must(t, os.Mkdir(filepath.Join(dir, "missing"), 0o700))
	must(t, l.Close()) // tries again
	if got := texts(open(t, filepath.Join(dir, "missing", "bans"), Options{})); !slices.Equal(got, []string{onion}) {
		t.Error(got)
	}
}

// Each step fails once, while a list is changed, imported, cleared and compacted.
// All stays in memory, and is on disk with the next change that succeeds.
func TestEachStepFails(t *testing.T) {
	changes := map[string]func(*List) error{
		"ban":     func(l *List) error { return l.Ban(subject("192.0.2.1"), time.Time{}, "new", Score) },
		"unban":   func(l *List) error { _, err := l.Unban(subject("10.0.0.0/8")); return err },
		"clear":   func(l *List) error { return l.Clear() },
		"compact": func(l *List) error { return l.Compact() },
		"import": func(l *List) error {
			_, err := l.ImportCore(strings.NewReader(`{"banned_nets":[{"version":1,"ban_created":0,"banned_until":9999999999,"address":"5.5.5.0/24"}]}`))
			return err
		},
	}
	for name, change := range changes {
		for _, step := range []string{"append", "sync", "write", "sync new", "rename", "sync directory"} {
			t.Run(name+", "+step, func(t *testing.T) {
				var c clock
				file := tempFile(t)
				failing := ""
				o := Options{Now: c.now, hook: func(s string) error {
					if s == failing {
						return &fs.PathError{Op: "x", Path: "y", Err: syscall.EIO}
					}
					return nil
				}}
				l := open(t, file, o)
				must(t, l.Ban(subject("10.0.0.0/8"), time.Time{}, "", Operator))
				failing = step
				err := change(l)
				var e *SaveError
				if err != nil && (!errors.As(err, &e) || e.Op != step || !errors.Is(err, syscall.EIO)) {
					t.Fatal(err)
				}
				want := l.List()
				if err == nil {
					onDisk := open(t, file, Options{Now: c.now}).List()
					if !reflect.DeepEqual(onDisk, want) {
						t.Fatalf("acknowledged: %v, on disk %v", want, onDisk)
					}
				}
				// A second change fails as well, and then the disk is well again.
				err2 := l.Ban(subject(i2p), time.Time{}, "", Operator)
				failing = ""
				must(t, l.Ban(subject(onion), time.Time{}, "", Operator))
				t.Logf("%v; %v", err, err2)
				want = l.List()
				if got := open(t, file, Options{Now: c.now}).List(); !reflect.DeepEqual(got, want) || len(got) < 2 {
					t.Errorf("on disk %v, want %v", got, want)
				}
			})
		}
	}
}

// A damaged file that cannot be set aside stays where it is, and is set aside later.
func TestDamagePending(t *testing.T) {
	for _, step := range []string{"write", "sync new", "set aside", "rename", "sync directory"} {
		var c clock
		file := tempFile(t)
		text := lines(`ban 192.0.2.0/24 1760000000 0 operator ""`) + "broken\n"
		must(t, os.WriteFile(file, []byte(text), 0o600))
		failing := step
		l, d, err := Open(file, Options{Now: c.now, hook: func(s string) error {
			if s == failing {
				return syscall.ENOSPC
			}
			return nil
		}})
		if err != nil || !errors.Is(d, ErrCorrupt) || !errors.Is(d.Pending, syscall.ENOSPC) || !errors.Is(d, syscall.ENOSPC) {
			t.Fatalf("%s: %v, %v", step, d, err)
		}
		if b, _ := os.ReadFile(file); string(b) != text && step != "sync directory" {
			t.Errorf("%s: %q", step, b)
		}
		failing = ""
		must(t, l.Ban(subject(onion), time.Time{}, "", Operator))
		if b, err := os.ReadFile(d.SetAside); string(b) != text || err != nil {
			t.Errorf("%s: set aside: %q, %v", step, b, err)
		}
		if got := texts(open(t, file, Options{Now: c.now})); !slices.Equal(got, []string{"192.0.2.0/24", onion}) {
			t.Errorf("%s: %q", step, got)
		}
	}
}

// The file does not grow for ever, and its mode is 0600.
func TestCompaction(t *testing.T) {
	var c clock
	file := tempFile(t)
	l := open(t, file, Options{Now: c.now, spare: 10})
	must(t, l.Ban(subject("10.0.0.0/8"), time.Time{}, "", Operator))
	most := 0
	for i := range 200 {
		c.advance(time.Second)
		must(t, l.BanFor(subject(fmt.Sprintf("192.0.2.%d", i%50)), 10*time.Second, "", Score))
		s := l.Stats()
		most = max(most, s.Lines)
		info, err := os.Stat(file)
		must(t, err)
		if info.Size() != s.Bytes || runtime.GOOS != "windows" && info.Mode() != 0o600 || s.Compact != nil {
			t.Fatalf("%v bytes, %v; %+v", info.Size(), info.Mode(), s)
		}
		if l.Len() > 60 {
			t.Fatalf("%v, and 11 at most are in force", l)
		}
	}
	if most > 50 || most < 11 {
		t.Errorf("up to %d lines", most)
	}
}

// A compaction that fails costs nobody anything, and is not tried at each change.
func TestCompactionFails(t *testing.T) {
	var c clock
	tries, failing := 0, false
	l := open(t, tempFile(t), Options{Now: c.now, spare: 100, hook: func(step string) error {
		if failing && step == "write" {
			tries++
			return syscall.ENOSPC
		}
		return nil
	}})
	s := subject("192.0.2.1")
	must(t, l.Ban(s, time.Time{}, "", Operator))
	failing = true
	for range 1000 {
		must(t, l.Ban(s, time.Time{}, "", Operator))
	}
	if st := l.Stats(); !errors.Is(st.Compact, syscall.ENOSPC) || tries == 0 || tries > 20 || st.Lines != 1001 {
		t.Errorf("%d tries, %+v", tries, st)
	}
	failing = false
	must(t, l.Compact())
	if st := l.Stats(); st.Compact != nil || st.Lines != 1 {
		t.Errorf("%+v", st)
	}
}

// A file that others removed, cut or wrote to is made whole by the next change.
func TestMeddling(t *testing.T) {
	for name, meddle := range map[string]func(file string) error{
		"removed":  os.Remove,
		"cut":      func(file string) error { return os.Truncate(file, 30) },
		"extended": func(file string) error { return os.WriteFile(file, bytes.Repeat([]byte("x"), 500), 0o600) },
	} {
		var c clock
		file := tempFile(t)
		l := open(t, file, Options{Now: c.now})
		must(t, l.Ban(subject("192.0.2.1"), time.Time{}, "", Operator))
		must(t, meddle(file))
		must(t, l.Ban(subject("192.0.2.2"), time.Time{}, "", Operator))
		if got := texts(open(t, file, Options{Now: c.now})); !slices.Equal(got, []string{"192.0.2.1", "192.0.2.2"}) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// FuzzLoad: whatever is in the file, what is read of it is written, and read again
// as the same.
func FuzzLoad(f *testing.F) {
	f.Add([]byte("ban 1.2.3.0/24 5 0 operator \"x\"\nunban 1.2.3.0/24"), true)
	f.Add([]byte(`ban 2001:db8::1 5 1960000000 score "\u00fc"`), true)
	f.Add([]byte("ban 1.1.1.1 0 0 score \"\\x00\"\nunban 1.1.1.1"), true)
	f.Add([]byte(lines(`ban 1.2.3.4 0 0 protocol ""`)), false)
	f.Add([]byte("{}"), false)
	f.Add([]byte{}, false)
	f.Fuzz(func(t *testing.T, text []byte, summed bool) {
		if summed { // give the fuzzer's lines right checksums
			text = []byte(lines(strings.Split(string(text), "\n")...))
		}
		read := func(text []byte) (*table, contents) {
			tb := newTable()
			c, err := readLines(bytes.NewReader(text), tb)
			must(t, err)
			must(t, tb.check())
			if c.whole > int64(len(text)) || (c.bad > 0) != (c.wrong != nil) || c.lines > bytes.Count(text, []byte("\n")) {
				t.Fatalf("%q: %+v", text, c)
			}
			return tb, c
		}
		first, _ := read(text)
		again := []byte(header + "\n")
		all := first.records(func(ban) bool { return true })
		for _, r := range all {
			again = appendBan(again, r)
		}
		second, c := read(again)
		if c.wrong != nil || c.lines != len(all) || c.whole != int64(len(again)) {
			t.Fatalf("%q: %+v", again, c)
		}
		for _, r := range all {
			if b := second.get(r.subject); b != r.ban {
				t.Errorf("%+v, want %+v", b, r)
			}
		}
	})
}
