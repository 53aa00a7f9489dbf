package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	if os.Getenv(crowdVariable) != "" {
		crowdMain()
		return
	}
	os.Exit(m.Run())
}

// The table can be made: the clients call, the viewers look, and the peers stay. How long it takes is not
// judged here.
func TestRun(t *testing.T) {
	var out bytes.Buffer
	if err := run(&out, size{peers: 10, calls: 100, slow: 10, viewers: 10, rounds: 1, phase: 300 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{
		"| ping of a peer, median |", "| peers that left | | 0 |", "| calls that failed | | 0 |",
		"| a call, median |", "| viewers let in, in the worst round | | 10 of 10 |", "| viewers that read, live to the end | | 5 of 5 |",
	} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("no %q in\n%s", part, &out)
		}
	}
}
