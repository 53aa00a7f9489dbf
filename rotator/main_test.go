package rotator

import (
	"compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/internal/testenv"
)

// childVariable, in the environment, makes the test binary one of children
// instead, which is killed, starved or locked out by a test.
const childVariable = "HOLDFAST_ROTATOR_CHILD"

var children = map[string]func(){}

func TestMain(m *testing.M) {
	testenv.Main(m, childVariable, children)
}

// fullLine is a line that does not compress well.
func fullLine(i int) string {
	rnd := rand.New(rand.NewPCG(uint64(i), 0))
	b := fmt.Appendf(nil, "%d", i)
	for range 1 + rnd.IntN(10) {
		b = fmt.Appendf(b, " %016x", rnd.Uint64())
	}
	return string(append(b, '\n'))
}

// openUnlinked skips a test that removes open files where that is not possible.
func openUnlinked(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("an open file cannot be removed here")
	}
}

// open opens a log that must have no errors but those that the test takes out of
// it with r.Errors, and that is closed at the end.
func open(t *testing.T, file string, o Options) *Rotator {
	t.Helper()
	if o.OnError == nil {
		o.OnError = func(err error) { t.Errorf("unexpected: %v", err) }
	}
	r, err := Open(file, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shut(t, r) })
	return r
}

func shut(t *testing.T, r *Rotator) {
	t.Helper()
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func write(t *testing.T, r *Rotator, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if n, err := r.Write([]byte(line + "\n")); err != nil || n != len(line)+1 {
			t.Fatalf("Write = %d, %v", n, err)
		}
	}
}

func tempLog(t *testing.T) string { return filepath.Join(t.TempDir(), "x.log") }

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func zip(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z := gzip.NewWriter(f)
	if _, err := io.WriteString(z, text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
}

// names returns the files of a directory, without the lock file, sorted.
func names(t testing.TB, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), ".lock") {
			list = append(list, entry.Name())
		}
	}
	return strings.Join(list, " ")
}

// checkNames looks at the files, once all of r's goroutines have ended.
func checkNames(t *testing.T, file, want string) {
	t.Helper()
	if got := names(t, filepath.Dir(file)); got != want {
		t.Errorf("files: %s\nwant:  %s", got, want)
	}
}

// text returns what a file of a log holds, unzipped.
func text(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	var in io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		if in, err = gzip.NewReader(f); err != nil {
			return "", fmt.Errorf("%s: %w", path, err)
		}
	}
	b, err := io.ReadAll(in)
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return string(b), nil
}

// history returns all lines of a log, the oldest first. A last line without end
// stays as it is. Each roll must have one file, and each archive must be whole.
func history(t testing.TB, file string) []string {
	t.Helper()
	l, err := list(file, "gz")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	add := func(path string) {
		s, err := text(path)
		if err != nil {
			t.Fatal(err)
		}
		all.WriteString(s)
	}
	for _, roll := range l.rolls {
		if len(roll.suffixes) != 1 {
			t.Errorf("roll %d has the files %q", roll.n, roll.suffixes)
		}
		add(rollName{n: roll.n, suffix: roll.suffixes[0]}.in(file))
	}
	add(file)
	return slices.Collect(strings.Lines(all.String()))
}

func checkHistory(t *testing.T, file string, want ...string) {
	t.Helper()
	got := strings.Join(history(t, file), "")
	if got != strings.Join(want, "\n")+"\n" {
		t.Errorf("history:\n%swant:\n%s\n", got, strings.Join(want, "\n"))
	}
}

func setTime(t *testing.T, path string, mod time.Time) {
	t.Helper()
	if err := os.Chtimes(path, mod, mod); err != nil {
		t.Fatal(err)
	}
}
