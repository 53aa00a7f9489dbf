package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"
)

// A table is one kind of work to one kind of writer.
type table struct {
	name     string
	subjects []subject
	file     bool
	workers  int
}

var tables = []table{
	{"Infof, 5 arguments, to nowhere", messages, false, 1},
	{"Infof, 5 arguments, to nowhere, 2 goroutines", messages, false, 2},
	{"Infof, 5 arguments, to a file", messages, true, 1},
	{"Infof, 5 arguments, to a file, 2 goroutines", messages, true, 2},
	{"8 fields, to nowhere", fields, false, 1},
	{"8 fields, to nowhere, 2 goroutines", fields, false, 2},
	{"8 fields, to a file", fields, true, 1},
	{"level off", off, false, 1},
}

// A goal is for the ratio of one subject to another, at most.
type goal struct {
	table, ours, other string
	most               float64
}

var goals = []goal{
	{"Infof, 5 arguments, to nowhere", "ours", "btclog v1", 0.85},
	{"Infof, 5 arguments, to nowhere", "ours", "btclog v2", ahead},
	{"Infof, 5 arguments, to nowhere", "ours", "slog text", ahead},
	{"Infof, 5 arguments, to nowhere", "ours", "slog JSON", ahead},
	{"Infof, 5 arguments, to nowhere", "ours", "zap sugared, JSON", ahead},
	{"Infof, 5 arguments, to nowhere", "ours", "zerolog", ahead},
	{"Infof, 5 arguments, to nowhere", "ours", "phuslu/log", ahead},
	{"Infof, 5 arguments, to a file", "ours", "btclog v1", 0.95},
	{"Infof, 5 arguments, to a file, 2 goroutines", "ours", "btclog v1", 0.95},
	{"8 fields, to nowhere", "ours, pairs", "btclog v2, pairs", 0.25},
	{"8 fields, to nowhere", "ours, typed", "zerolog", 1.15},
}

// ahead is the ratio of who is no slower.
const ahead = 1.0

// maxGuarded is how many nanoseconds a guarded line may take at a level that is off.
const maxGuarded = 6

// nowhere is io.Discard, which some loggers would recognise.
type nowhere struct{}

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }

// A result is what one subject did: the processor time of a line in each pass, and
// memory.
type result struct {
	ns     []float64
	bytes  float64
	allocs float64
}

// run measures all tables and writes them, and returns how many goals are missed.
func run(w io.Writer, passes int, sample time.Duration) (missed int, err error) {
	all := make(map[string]map[string]*result)
	for _, t := range tables {
		results, err := t.run(passes, sample)
		if err != nil {
			return 0, err
		}
		all[t.name] = results
		reference := t.subjects[1].name
		fmt.Fprintf(w, "| %s | ns | to %s | B | allocations |\n| --- | ---: | ---: | ---: | ---: |\n", t.name, reference)
		for _, s := range t.subjects {
			r := results[s.name]
			fmt.Fprintf(w, "| %s | %.4g | %.2f | %.0f | %.0f |\n", s.name, quiet(r.ns), ratio(r, results[reference]), r.bytes, r.allocs)
		}
		fmt.Fprintln(w)
	}
	return judge(w, all), nil
}

// judge writes which goals are met, and returns how many are not. The results are by
// table and subject.
func judge(w io.Writer, all map[string]map[string]*result) (missed int) {
	met := func(ok bool) string {
		if ok {
			return "yes"
		}
		missed++
		return "no"
	}
	fmt.Fprint(w, "| goal | ratio | at most | met |\n| --- | ---: | ---: | --- |\n")
	for _, g := range goals {
		results := all[g.table]
		got := ratio(results[g.ours], results[g.other])
		fmt.Fprintf(w, "| %s: %s to %s | %.2f | %.2f | %s |\n", g.table, g.ours, g.other, got, g.most, met(got <= g.most))
	}
	guard := all["level off"]["ours, guarded"]
	ok := quiet(guard.ns) <= maxGuarded && guard.allocs < 0.5
	fmt.Fprintf(w, "| level off, guarded: ns, allocations | %.1f, %.0f | %d, 0 | %s |\n", quiet(guard.ns), guard.allocs, maxGuarded, met(ok))
	return missed
}

// run measures the subjects of a table, each once in each pass, in an order that
// turns.
func (t table) run(passes int, sample time.Duration) (map[string]*result, error) {
	results := make(map[string]*result)
	jobs := make([]job, len(t.subjects))
	counts := make([]int, len(t.subjects))
	for i, s := range t.subjects {
		var w io.Writer = nowhere{}
		if t.file {
			f, err := os.CreateTemp("", "logs-*")
			if err != nil {
				return nil, err
			}
			defer f.Close()
			defer os.Remove(f.Name())
			w = &bounded{f: f}
		}
		jobs[i] = s.start(w)
		results[s.name] = &result{}
		counts[i] = calibrate(jobs[i], sample)
		results[s.name].bytes, results[s.name].allocs = memory(jobs[i])
	}
	// What goroutines that wait for each other take is spread twice as wide.
	for pass := range passes * t.workers {
		for k := range jobs {
			i := (k + pass) % len(jobs)
			runtime.GC() // nobody pays for another's garbage
			took := timed(jobs[i], counts[i], t.workers)
			r := results[t.subjects[i].name]
			r.ns = append(r.ns, float64(took.Nanoseconds())/float64(counts[i]))
		}
	}
	return results, nil
}

// bounded is a file that begins anew after 64 MB, so as not to fill the disk.
type bounded struct {
	f *os.File
	n int
}

// Write is called by one logger, which calls it once at a time.
func (b *bounded) Write(p []byte) (int, error) {
	if b.n += len(p); b.n > 64<<20 {
		b.n = 0
		if _, err := b.f.Seek(0, io.SeekStart); err != nil {
			return 0, err
		}
	}
	return b.f.Write(p)
}

// calibrate returns how many lines take about d.
func calibrate(j job, d time.Duration) int {
	for n := 64; ; n *= 2 {
		if took := timed(j, n, 1); took > d/8 {
			return max(64, int(float64(n)*float64(d)/float64(took)))
		}
	}
}

// timed returns the processor time that n lines take, in all goroutines together.
func timed(j job, n, workers int) time.Duration {
	before := cpu()
	if workers == 1 {
		for i := range n {
			j(i)
		}
		return cpu() - before
	}
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := range n / workers {
				j(i)
			}
		})
	}
	wg.Wait()
	return cpu() - before
}

// memory returns what a line allocates.
func memory(j job) (bytes, allocs float64) {
	const n = 10_000
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for i := range n {
		j(i + 1000)
	}
	runtime.ReadMemStats(&after)
	return float64(after.TotalAlloc-before.TotalAlloc) / n, float64(after.Mallocs-before.Mallocs) / n
}

// quiet is the median of the quickest third: the machine may have other work.
func quiet(ns []float64) float64 {
	sorted := slices.Sorted(slices.Values(ns))
	return median(sorted[:(len(sorted)+2)/3])
}

// ratio is the median of the ratios inside each pass.
func ratio(a, b *result) float64 {
	ratios := make([]float64, len(a.ns))
	for i := range ratios {
		ratios[i] = a.ns[i] / max(b.ns[i], 1e-9)
	}
	slices.Sort(ratios)
	return median(ratios)
}

func median(sorted []float64) float64 {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
