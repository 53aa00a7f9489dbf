package main

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"
	"time"
)

// goal is that of issue 4: a lookup in a list of 1,000,000.
const goal = 100

// A result is a subject at work.
type result struct {
	name  string
	ask   asker
	bytes float64 // of memory for a ban
}

// run measures all tables and writes them.
func run(w io.Writer, passes int, sample time.Duration, most int) error {
	for _, t := range []struct {
		what      string
		n, length int
	}{
		{"hosts", most / 100, 32}, {"hosts", most, 32}, {"ranges (/24)", most / 100, 24}, {"ranges (/24)", most, 24},
	} {
		bans := newWork(t.n, t.length)
		until := time.Now().Add(24 * time.Hour)
		var results []*result
		for _, s := range subjects {
			if t.length < 32 && s.hosts || s.most > 0 && t.n > s.most {
				continue
			}
			before := heap()
			r := &result{name: s.name, ask: s.start(bans.bans, until)}
			r.bytes = float64(int64(heap()-before)) / float64(t.n)
			results = append(results, r)
		}
		fmt.Fprintf(w, "| %d %s | not banned, ns | to ours | banned, ns | to ours | 2 goroutines, ns | to ours | memory, B a ban |\n"+
			"| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n", t.n, t.what)
		misses := measure(results, &bans.miss, passes, sample, 1)
		hits := measure(results, &bans.hits, passes, sample, 1)
		two := measure(results, &bans.mixed, passes, sample, 2)
		for i, r := range results {
			fmt.Fprintf(w, "| %s | %.0f | %.2f | %.0f | %.2f | %.0f | %.2f | %.0f |\n", r.name, quiet(misses[i]), ratio(misses[i], misses[0]),
				quiet(hits[i]), ratio(hits[i], hits[0]), quiet(two[i]), ratio(two[i], two[0]), r.bytes)
		}
		fmt.Fprintln(w)
		if t.n == most {
			fmt.Fprintf(w, "Goal, under %d ns: not banned %s, banned %s; at a time: %s, %s.\n\n", goal,
				met(misses[0]), met(hits[0]), met(misses[1]), met(hits[1]))
		}
		if t.length == 32 {
			floor(w, t.n, passes, sample)
		}
		runtime.KeepAlive(results)
	}
	return file(w, newWork(most, 32).bans)
}

func met(ns []float64) string {
	if quiet(ns) < goal {
		return "yes"
	}
	return "no"
}

// measure measures each subject once in each pass, in an order that turns. It returns,
// for each, the nanoseconds of a lookup in each pass.
func measure(results []*result, h *hosts, passes int, sample time.Duration, workers int) [][]float64 {
	all := make([][]float64, len(results))
	counts := make([]int, len(results))
	for i, r := range results {
		counts[i] = calibrate(r.ask, h, sample)
	}
	for pass := range passes {
		for k := range results {
			i := (k + pass) % len(results)
			took := timed(results[i].ask, h, counts[i], workers)
			all[i] = append(all[i], float64(took.Nanoseconds())/float64(counts[i]))
		}
	}
	return all
}

// calibrate returns how many lookups take about d.
func calibrate(ask asker, h *hosts, d time.Duration) int {
	for n := 64; ; n *= 2 {
		if took := timed(ask, h, n, 1); took > d/8 {
			return max(64, int(float64(n)*float64(d)/float64(took)))
		}
	}
}

// timed returns the processor time that n lookups take, in all goroutines together.
// They go on through the hosts, one after another.
func timed(ask asker, h *hosts, n, workers int) time.Duration {
	before := cpu()
	var wg sync.WaitGroup
	for worker := range workers {
		wg.Go(func() {
			at := worker * len(h.ips) / workers
			for range n / workers {
				if at++; at == len(h.ips) {
					at = 0
				}
				ask(h, at)
			}
		})
	}
	wg.Wait()
	return cpu() - before
}

// heap returns what is in use after garbage collection.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// quiet is the median of the quickest third: the machine may have other work.
func quiet(ns []float64) float64 {
	sorted := slices.Sorted(slices.Values(ns))
	return median(sorted[:(len(sorted)+2)/3])
}

// ratio is the median of the ratios inside each pass.
func ratio(a, b []float64) float64 {
	ratios := make([]float64, len(a))
	for i := range ratios {
		ratios[i] = a[i] / max(b[i], 1e-9)
	}
	slices.Sort(ratios)
	return median(ratios)
}

func median(sorted []float64) float64 { return sorted[len(sorted)/2] }
