package rotator

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

func TestRotatesBySize(t *testing.T) {
	file := tempLog(t)
	r := open(t, file, Options{MaxSize: 10, MaxRolls: -1})
	write(t, r, "1234", "5678") // 10 bytes: full
	write(t, r, "a line that is longer than the limit")
	if _, err := r.Write([]byte("in ")); err != nil {
		t.Fatal(err)
	}
	write(t, r, "two pieces, over the limit")
	write(t, r, "rest")
	shut(t, r)
	checkNames(t, file, "x.log x.log.1.gz x.log.2.gz x.log.3.gz")
	checkHistory(t, file, "1234", "5678", "a line that is longer than the limit", "in two pieces, over the limit", "rest")
	for name, want := range map[string]string{
		"x.log":      "rest\n",
		"x.log.1.gz": "1234\n5678\n",
		"x.log.3.gz": "in two pieces, over the limit\n",
	} {
		if got, err := text(filepath.Join(filepath.Dir(file), name)); got != want || err != nil {
			t.Errorf("%s holds %q, %v", name, got, err)
		}
	}
}

// The zero Options are btcd's: 10,240,000 bytes, 3 rolls, gzip, for the owner only.
func TestZeroOptions(t *testing.T) {
	file := filepath.Join(t.TempDir(), "new", "dir", "x.log")
	shut(t, open(t, file, Options{}))
	for n := range 4 {
		put(t, fmt.Sprint(file, ".", n+1), "")
	}
	put(t, file, strings.Repeat("x", 10_240_000-3)+"\n")
	r := open(t, file, Options{})
	write(t, r, "")
	if _, err := os.Stat(file + ".5"); err == nil {
		t.Error("rotated at 10,239,999 bytes")
	}
	write(t, r, "")
	shut(t, r)
	checkNames(t, file, "x.log x.log.3.gz x.log.4.gz x.log.5.gz")
	if info, err := os.Stat(file); err != nil || info.Size() != 0 {
		t.Errorf("not rotated at 10,240,000 bytes: %v, %v", info, err)
	}
	if runtime.GOOS == "windows" {
		return
	}
	for _, name := range []string{"x.log", "x.log.5.gz"} {
		info, err := os.Stat(filepath.Join(filepath.Dir(file), name))
		if err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: mode %v, %v", name, info.Mode(), err)
		}
	}
}

func TestOptionsRefused(t *testing.T) {
	z := gzip.NewWriter(nil)
	for _, o := range []Options{
		{MaxSize: -1},
		{MaxAge: -1},
		{MaxTotalBytes: 5},
		{MaxSize: 100, MaxTotalBytes: 199},
		{Plain: true, Compressor: z, Suffix: "gz"},
		{Plain: true, Suffix: "gz"},
		{Suffix: "zst"},
		{Compressor: z},
		{Compressor: z, Suffix: "tmp"},
		{Compressor: z, Suffix: "7"},
		{Compressor: z, Suffix: "a.b"},
		{Compressor: z, Suffix: "../x"},
	} {
		file := tempLog(t)
		r, err := Open(file, o)
		var e *Error
		if !errors.As(err, &e) || e.Op != OpOpen {
			t.Errorf("Open(%+v) = %v, %v", o, r, err)
		}
		checkNames(t, file, "")
	}
	dir := t.TempDir()
	if _, err := Open(dir, Options{}); !errors.Is(err, errNotRegular) {
		t.Errorf("a directory as log file: %v", err)
	}
	if _, err := Open(os.DevNull, Options{}); !errors.Is(err, errNotRegular) && runtime.GOOS != "windows" {
		t.Errorf("a device as log file: %v", err)
	}
}

// Many writers, and an operator who rotates and reopens: no line is lost, mixed
// with another, or out of its writer's order.
func TestConcurrent(t *testing.T) {
	const writers, lines = 8, 500
	file := tempLog(t)
	r := open(t, file, Options{MaxSize: 4000, MaxRolls: -1})
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range lines {
				if _, err := fmt.Fprintf(r, "%d %d\n", w, i); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Go(func() {
		for range 20 {
			if err := errors.Join(r.Rotate(), r.Reopen(), r.Sync()); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Go(func() {
		in := strings.NewReader(strings.Repeat("run\n", lines))
		if err := r.Run(in); err != io.EOF {
			t.Errorf("Run = %v", err)
		}
	})
	wg.Wait()
	shut(t, r)
	next := make([]int, writers)
	ran := 0
	for _, line := range history(t, file) {
		var w, i int
		if line == "run\n" {
			ran++
			continue
		}
		if n, err := fmt.Sscanf(line, "%d %d\n", &w, &i); n != 2 || err != nil || next[w] != i {
			t.Fatalf("line %q, want %d of writer %d", line, next[w], w)
		}
		next[w]++
	}
	if ran != lines || slices.Min(next) != lines {
		t.Errorf("%d lines of Run, %v of the writers; want %d of each", ran, next, lines)
	}
}

// A stuck is a gzip that waits, once, in the middle of its work.
type stuck struct {
	*gzip.Writer
	once            sync.Once
	began, released chan struct{}
}

func newStuck() *stuck {
	return &stuck{Writer: gzip.NewWriter(nil), began: make(chan struct{}), released: make(chan struct{})}
}

func (s *stuck) Write(p []byte) (int, error) {
	s.once.Do(func() {
		close(s.began)
		<-s.released
	})
	return s.Writer.Write(p)
}

// While a compression takes as long as it likes, lines are written, files
// rotated and old rolls removed, the one being compressed too.
func TestWritesDoNotWaitForCompression(t *testing.T) {
	file := tempLog(t)
	z := newStuck()
	r := open(t, file, Options{MaxSize: 1, MaxRolls: 2, Compressor: z, Suffix: "gz"})
	write(t, r, "1")
	<-z.began
	write(t, r, "2")
	checkNames(t, file, "x.log x.log.1 x.log.1.gz.tmp x.log.2")
	write(t, r, "3", "4", "5")
	checkNames(t, file, "x.log x.log.1.gz.tmp x.log.4 x.log.5")
	close(z.released)
	shut(t, r)
	checkNames(t, file, "x.log x.log.4.gz x.log.5.gz")
	checkHistory(t, file, "4", "5")
}

// Close ends nothing half-way: when it returns, all rolls are archives and the
// lock file is gone. (TestMain sees that no goroutine is left.)
func TestCloseWaits(t *testing.T) {
	file := tempLog(t)
	r := open(t, file, Options{MaxSize: 1, MaxRolls: 20})
	for range 10 {
		write(t, r, strings.Repeat("x", 100_000))
	}
	shut(t, r)
	var want []string
	for n := range 10 {
		want = append(want, fmt.Sprintf("x.log.%d.gz", n+1))
	}
	slices.Sort(want)
	checkNames(t, file, "x.log "+strings.Join(want, " "))
	if _, err := os.Stat(file + ".lock"); err == nil {
		t.Error("the lock file is still there")
	}
	shut(t, r) // harmless
}

func TestClosed(t *testing.T) {
	var told int
	file := tempLog(t)
	r := open(t, file, Options{OnError: func(error) { told++ }})
	shut(t, r)
	_, err := r.Write([]byte("x\n"))
	for name, err := range map[string]error{
		"Write": err, "Rotate": r.Rotate(), "Reopen": r.Reopen(), "Sync": r.Sync(), "Run": r.Run(strings.NewReader("x\n")),
	} {
		var e *Error
		if !errors.Is(err, os.ErrClosed) || !errors.As(err, &e) || e.Path != file {
			t.Errorf("%s after Close = %v", name, err)
		}
	}
	if r.Errors() != 5 || told != 4 { // two of OpWrite
		t.Errorf("%d errors counted, %d told", r.Errors(), told)
	}
}

func TestRotate(t *testing.T) {
	file := tempLog(t)
	r := open(t, file, Options{Plain: true})
	rotate := func() {
		t.Helper()
		if err := r.Rotate(); err != nil {
			t.Error(err)
		}
	}
	rotate() // nothing to rotate
	write(t, r, "one")
	rotate()
	rotate()
	checkNames(t, file, "x.log x.log.1")
	if _, err := r.Write([]byte("in two ")); err != nil {
		t.Fatal(err)
	}
	rotate()
	checkNames(t, file, "x.log x.log.1") // put off
	write(t, r, "pieces")
	checkNames(t, file, "x.log x.log.1 x.log.2")
	checkHistory(t, file, "one", "in two pieces")
}
