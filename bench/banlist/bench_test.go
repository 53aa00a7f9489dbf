package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// All say the same of every host.
func TestSubjectsAgree(t *testing.T) {
	for _, length := range []int{24, 32} {
		w := newWork(500, length)
		for _, s := range subjects {
			if length < 32 && s.hosts {
				continue
			}
			ask := s.start(w.bans, time.Now().Add(time.Hour))
			for i := range 1000 {
				if !ask(&w.hits, i) || ask(&w.miss, i) {
					t.Fatalf("%s, /%d: %v, %v", s.name, length, w.hits.ips[i], w.miss.ips[i])
				}
			}
		}
	}
}

// The tables can be made; what is in them is not judged here.
func TestRun(t *testing.T) {
	var out bytes.Buffer
	if err := run(&out, 1, 100*time.Microsecond, 1000); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"| 10 hosts |", "| 1000 ranges (/24) |", "| ours |", "| ours, yes or no at a time |", "| btcd's map of strings |", "Goal", "The clock alone", "| Compact |"} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("no %q in\n%s", part, &out)
		}
	}
}
