package rotator

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"strings"
	"testing"
)

// The surface that programs use which were written for jrick/logrotate.
var (
	_ func(string, int64, bool, int) (*Rotator, error) = New
	_ interface {
		io.WriteCloser
		Run(io.Reader) error
		SetCompressor(Compressor, string)
	} = (*Rotator)(nil)
	_ Compressor = (*gzip.Writer)(nil)
)

func newCompat(t *testing.T, file string, thresholdKB int64, tee bool, maxRolls int) *Rotator {
	t.Helper()
	r, err := New(file, thresholdKB, tee, maxRolls)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shut(t, r) })
	return r
}

func TestNew(t *testing.T) {
	line := strings.Repeat("x", 999)
	t.Run("threshold and rolls", func(t *testing.T) {
		file := tempLog(t)
		r := newCompat(t, file, 2, false, 2)
		for range 9 {
			write(t, r, line)
		}
		shut(t, r)
		checkNames(t, file, "x.log x.log.3.gz x.log.4.gz")
		if lines := history(t, file); len(lines) != 5 {
			t.Errorf("%d lines, want 5", len(lines))
		}
	})
	t.Run("0 rolls are all", func(t *testing.T) {
		file := tempLog(t)
		r := newCompat(t, file, 0, false, 0)
		write(t, r, "a", "b", "c", "d", "e")
		shut(t, r)
		checkNames(t, file, "x.log x.log.1.gz x.log.2.gz x.log.3.gz x.log.4.gz x.log.5.gz")
	})
	t.Run("no compressor", func(t *testing.T) {
		file := tempLog(t)
		put(t, file+".7", "seven\n")
		r := newCompat(t, file, 1, false, 2)
		r.SetCompressor(nil, "")
		write(t, r, line, line)
		shut(t, r)
		checkNames(t, file, "x.log x.log.8 x.log.9")
	})
	t.Run("another compressor, also for left-overs", func(t *testing.T) {
		file := tempLog(t)
		put(t, file+".7", "seven\n")
		zip(t, file+".6.gz", "six\n")
		r := newCompat(t, file, 1, false, 3)
		r.SetCompressor(gzip.NewWriter(nil), ".xyz")
		write(t, r, line)
		shut(t, r)
		checkNames(t, file, "x.log x.log.6.gz x.log.7.xyz x.log.8.xyz")
		r = newCompat(t, file, 1, false, 3)
		r.SetCompressor(gzip.NewWriter(nil), "xyz")
		write(t, r, line, line)
		shut(t, r)
		checkNames(t, file, "x.log x.log.10.xyz x.log.8.xyz x.log.9.xyz")
	})
	t.Run("rolls that only the new suffix makes ours", func(t *testing.T) {
		file := tempLog(t)
		for n := 5; n <= 7; n++ {
			zip(t, rollName{n: int64(n), suffix: "xyz"}.in(file), "old\n")
		}
		r := newCompat(t, file, 1, false, 2)
		r.SetCompressor(gzip.NewWriter(nil), "xyz")
		write(t, r, line)
		shut(t, r)
		checkNames(t, file, "x.log x.log.7.xyz x.log.8.xyz")
	})
	t.Run("lets go of files", func(t *testing.T) {
		z := &watched{Writer: gzip.NewWriter(nil)}
		r := open(t, tempLog(t), Options{MaxSize: 1, Compressor: z, Suffix: "gz"})
		write(t, r, "a")
		shut(t, r)
		if z.resets != 2 || z.to != io.Discard {
			t.Errorf("after %d Resets the Compressor has %T", z.resets, z.to)
		}
	})
	t.Run("unusable suffix", func(t *testing.T) {
		file := tempLog(t)
		r := open(t, file, Options{MaxSize: 1, OnError: func(error) {}})
		r.SetCompressor(gzip.NewWriter(nil), "..")
		write(t, r, "kept")
		checkNames(t, file, "x.log x.log.1")
		if r.Errors() != 1 {
			t.Errorf("%d errors, want 1", r.Errors())
		}
	})
}

// A watched is a Compressor of which is known what it writes to.
type watched struct {
	*gzip.Writer
	to     io.Writer
	resets int
}

func (w *watched) Reset(to io.Writer) {
	w.to = to
	w.resets++
	w.Writer.Reset(to)
}

func TestRun(t *testing.T) {
	long := strings.Repeat("long ", runBuffer) // 5 buffers
	for _, tt := range []struct{ name, in, want string }{
		{"lines", "a\nb\n", "a\nb\n"},
		{"no last end", "a\nb", "a\nb\n"},
		{"empty lines", "\n\na\n", "\n\na\n"},
		{"nothing", "", ""},
		{"long", long + "\nb\n", long + "\nb\n"},
		{"long without end", long, long + "\n"},
		{"a buffer without end", long[:runBuffer], long[:runBuffer] + "\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := tempLog(t)
			var tee bytes.Buffer
			r := open(t, file, Options{MaxSize: 1, MaxRolls: -1, Tee: &tee})
			if err := r.Run(strings.NewReader(tt.in)); err != io.EOF {
				t.Errorf("Run = %v", err)
			}
			shut(t, r)
			if got := strings.Join(history(t, file), ""); got != tt.want || tee.String() != tt.want {
				t.Errorf("log %.50q, tee %.50q, want %.50q", got, tee.String(), tt.want)
			}
		})
	}
}

// A stream without line feeds is cut into lines of 1 MiB, or the log would be one
// file that grows for ever.
func TestRunEndless(t *testing.T) {
	const lines = 5
	file := tempLog(t)
	var tee strings.Builder
	r := open(t, file, Options{MaxSize: 1000, MaxRolls: -1, Plain: true, Tee: &tee})
	in := strings.Repeat("z", lines*maxRunLine) + "end\n" + strings.Repeat("y", maxRunLine-1) + "\n"
	if err := r.Run(strings.NewReader(in)); err != io.EOF {
		t.Errorf("Run = %v", err)
	}
	shut(t, r)
	got := history(t, file)
	for i, line := range got {
		if i < lines && line != in[:maxRunLine]+"\n" {
			t.Errorf("line %d has %d bytes", i, len(line))
		}
	}
	if len(got) != lines+2 || got[lines] != "end\n" || len(got[lines+1]) != maxRunLine {
		t.Errorf("%d lines", len(got))
	}
	if tee.String() != strings.Join(got, "") {
		t.Error("the tee has something else")
	}
	checkNames(t, file, "x.log x.log.1 x.log.2 x.log.3 x.log.4 x.log.5 x.log.6")
}

// The way lnd uses it: a pipe, with Run at its other end.
func TestRunPipe(t *testing.T) {
	file := tempLog(t)
	r := open(t, file, Options{})
	in, out := io.Pipe()
	done := make(chan error)
	go func() { done <- r.Run(in) }()
	for _, line := range []string{"one\n", "two\n"} {
		if _, err := io.WriteString(out, line); err != nil {
			t.Fatal(err)
		}
	}
	out.Close()
	if err := <-done; err != io.EOF {
		t.Errorf("Run = %v", err)
	}
	checkHistory(t, file, "one", "two")
}

// New with tee copies to the standard output of its time.
func TestTeeIsStdout(t *testing.T) {
	r := newCompat(t, tempLog(t), 1, true, 1)
	if r.opts.Tee != os.Stdout {
		t.Error("tee is not standard output")
	}
	if r := newCompat(t, tempLog(t), 1, false, 1); r.opts.Tee != nil {
		t.Error("tee without being asked for")
	}
}

type brokenTee struct{}

func (brokenTee) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestTeeError(t *testing.T) {
	file := tempLog(t)
	var told []error
	r := open(t, file, Options{Tee: brokenTee{}, OnError: func(err error) { told = append(told, err) }})
	if err := r.Run(strings.NewReader("a\nb\n")); err != io.EOF {
		t.Errorf("Run = %v", err)
	}
	checkHistory(t, file, "a", "b")
	if r.Errors() != 2 || len(told) != 1 || told[0].(*Error).Op != OpTee {
		t.Errorf("%d errors, told %v", r.Errors(), told)
	}
}
