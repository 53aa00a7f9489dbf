package main

import (
	"io"
	"os"
	"strings"
	"testing"

	"holdfast/internal/testenv"
)

// onTerminal is a standard output that is a terminal.
type onTerminal struct {
	buffer
	terminal *os.File
}

func (o *onTerminal) Unwrap() io.Writer { return o.terminal }

// TestColour is for a terminal, if the environment does not say otherwise, and never in
// the file.
func TestColour(t *testing.T) {
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		testenv.Cannot(t, "no pseudo-terminal: %v", err)
	}
	defer terminal.Close()
	t.Setenv("TERM", "xterm")
	for noColor, want := range map[string]bool{"": true, "1": false} {
		t.Setenv("NO_COLOR", noColor)
		out := &onTerminal{terminal: terminal}
		l := fileLog(t, out, nil)
		l.infof("x")
		if got := strings.Contains(out.String(), "\x1b["); got != want {
			t.Errorf("NO_COLOR=%s: %q", noColor, out.String())
		}
		if got := read(t, l.path); strings.Contains(got, "\x1b[") {
			t.Errorf("file: %q", got)
		}
	}
}
