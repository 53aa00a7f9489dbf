package main

import (
	"fmt"
	"testing"
	"time"
)

func BenchmarkCycle(b *testing.B) {
	for _, s := range subjects {
		for _, workers := range []int{1, 8} {
			b.Run(fmt.Sprintf("%s/workers=%d", s.name, workers), func(b *testing.B) {
				m := startCycles(s)
				defer func() { m.stop(); m.wait() }()
				b.ReportAllocs()
				b.ResetTimer()
				runCycles(m, workers, b.N)
			})
		}
	}
}

// BenchmarkOutbound makes 10,000 outbound connections per operation.
func BenchmarkOutbound(b *testing.B) {
	const n = 10_000
	f := newFixture(n)
	for _, s := range subjects {
		b.Run(s.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				m := f.outbound(s)
				b.StopTimer()
				m.stop()
				m.wait()
				b.StartTimer()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/conn")
		})
	}
}

// BenchmarkTCP makes 1,000 connections on loopback per operation.
func BenchmarkTCP(b *testing.B) {
	const n = 1_000
	lb, err := newLoopback()
	if err != nil {
		b.Fatal(err)
	}
	defer lb.close()
	for _, r := range routes {
		b.Run(r.name, func(b *testing.B) {
			var took time.Duration
			for b.Loop() {
				d, err := r.run(lb, n)
				if err != nil {
					b.Fatal(err)
				}
				took += d
			}
			b.ReportMetric(float64(b.N)*n/took.Seconds(), "conn/s")
		})
	}
}

// TestRows runs every row at a reduced size, and holds those to their goals that
// are the same on every machine.
func TestRows(t *testing.T) {
	lines := rows(t, smallSize)
	seen := map[string]bool{}
	for _, l := range lines {
		seen[l.row] = true
		if l.ours == "" || l.other == "" {
			t.Errorf("row %s, %s: a number is missing", l.row, l.what)
		}
		if l.exact && l.met == missed {
			t.Errorf("row %s, %s: %s, goal %s", l.row, l.what, l.ours, l.goal)
		}
	}
	if len(seen) != 6 {
		t.Errorf("rows %v, want 6", seen)
	}
	t.Logf("\n%s", render(lines))
}
