package btclog

import (
	"io"
	"os"
	"strings"
	"testing"
)

// A pseudo-terminal is a terminal, unless the environment says otherwise; a file, a
// pipe and /dev/null are not.
func TestColorOnATerminal(t *testing.T) {
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	file, err := os.Create(t.TempDir() + "/log")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	closed, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	for _, tt := range []struct {
		f             *os.File
		noColor, term string
		want          bool
	}{
		{terminal, "", "xterm", true},
		{terminal, "1", "xterm", false},
		{terminal, "", "dumb", false},
		{null, "", "xterm", false},
		{file, "", "xterm", false},
		{closed, "", "xterm", false},
	} {
		t.Setenv("NO_COLOR", tt.noColor)
		t.Setenv("TERM", tt.term)
		b := NewBackend(NewOutput(tt.f), WithColor())
		got := strings.Contains(b.Handler("A").head[LevelInfo], "\x1b[")
		if got != tt.want {
			t.Errorf("%s, NO_COLOR=%s, TERM=%s: colour %v", tt.f.Name(), tt.noColor, tt.term, got)
		}
		b = NewBackend(wrapper{wrapper{tt.f}}, WithColor())
		if got := strings.Contains(b.Handler("A").head[LevelInfo], "\x1b["); got != tt.want {
			t.Errorf("%s, wrapped: colour %v", tt.f.Name(), got)
		}
	}
}

// wrapper is a writer around another one.
type wrapper struct{ io.Writer }

func (w wrapper) Unwrap() io.Writer { return w.Writer }
