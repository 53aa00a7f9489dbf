package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// TestStdoutStuck: nobody reads standard output, and nobody waits for it.
func TestStdoutStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe() // a write waits for its reader
		var lines bytes.Buffer
		p := newPatient(w, time.Second)
		began := time.Now()
		for range 100 {
			if _, err := p.Write([]byte("a line\n")); !errors.Is(err, errStuck) {
				t.Fatalf("%v", err)
			}
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("100 lines took %v, want a second for the first", took)
		}
		go func() { _, _ = io.Copy(&lines, r) }()
		synctest.Wait()
		if _, err := p.Write([]byte("again\n")); err != nil {
			t.Error(err)
		}
		p.close()
		if _, err := p.Write([]byte("too late\n")); !errors.Is(err, os.ErrClosed) {
			t.Errorf("%v", err)
		}
		_ = w.Close() // the reader ends
		synctest.Wait()
		if lines.String() != "a line\nagain\n" || p.lost != 99+1 {
			t.Errorf("%q, %d lost", lines.String(), p.lost)
		}
	})
}

// TestLateLine: whether a line that is late is lost is known when its write ends.
func TestLateLine(t *testing.T) {
	for name, tt := range map[string]struct {
		end  error
		lost uint64
	}{
		"it is written in the end": {nil, 0},
		"it fails in the end":      {io.ErrClosedPipe, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				out := newGated()
				p := newPatient(out, time.Second)
				defer p.close()
				// What is written belongs to the caller again when Write returns.
				line := []byte("late\n")
				if _, err := p.Write(line); !errors.Is(err, errStuck) || p.lost != 0 {
					t.Errorf("%v, %d lost", err, p.lost)
				}
				copy(line, "XXXX\n")
				out.end <- tt.end
				synctest.Wait()
				go func() { out.end <- nil }()
				if _, err := p.Write([]byte("next\n")); err != nil || p.lost != tt.lost {
					t.Errorf("%v, %d lost, want %d", err, p.lost, tt.lost)
				}
				if got := out.got.String(); got != "late\nnext\n" {
					t.Errorf("%q", got)
				}
			})
		})
	}
}

// gated is a writer that looks at what it is given when it may end, and ends as it is
// told.
type gated struct {
	end chan error
	got bytes.Buffer
}

func newGated() *gated { return &gated{end: make(chan error)} }

func (g *gated) Write(line []byte) (int, error) {
	err := <-g.end
	g.got.Write(line)
	return len(line), err
}

// TestLongLineIsNotKept: what one long line takes is given back, also if it was late.
func TestLongLineIsNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newGated()
		p := newPatient(out, time.Second)
		defer p.close()
		_, _ = p.Write(make([]byte, maxKeptLine+1)) // late
		go func() {
			for range 3 {
				out.end <- nil
			}
		}()
		synctest.Wait()
		for _, size := range []int{1, maxKeptLine + 1} {
			if _, err := p.Write(make([]byte, size)); err != nil || cap(p.buf) > maxKeptLine {
				t.Errorf("%v, %d bytes are kept", err, cap(p.buf))
			}
		}
	})
}
