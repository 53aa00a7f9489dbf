package main

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"time"

	"holdfast/netaddr"
)

// result is what was measured of one book: a value for each round.
type result struct {
	name                                            string
	entries                                         int
	heap, file                                      float64   // bytes an entry
	choose, justTried, unreachable, add, save, load []float64 // seconds
	loadCPU                                         []float64 // of all processors
}

// speed measures full books, and writes the table.
func speed(w io.Writer, rounds int, large bool) error {
	subjects := []struct {
		name string
		make maker
	}{{"ours", makeOurs(1)}, {"btcd", makeBtcd}, {"ours, ten times as large", makeOurs(10)}}
	if !large {
		subjects = subjects[:2]
	}
	results := make([]*result, len(subjects))
	for i, s := range subjects {
		results[i] = &result{name: s.name}
	}
	if err := pair(rounds, results[:2], subjects[0].make, subjects[1].make); err != nil {
		return err
	}
	if large {
		if err := pair(min(rounds, 5), results[2:], subjects[2].make); err != nil {
			return err
		}
	}
	table(w, results)
	return nil
}

// pair measures books in turn.
func pair(rounds int, results []*result, makers ...maker) error {
	times := 1
	if len(makers) == 1 {
		times = 10
	}
	full, mixed, dirs := make([]book, len(makers)), make([]book, len(makers)), make([]string, len(makers))
	for i, m := range makers {
		dir, remove, err := tempDir()
		if err != nil {
			return err
		}
		defer remove()
		other, remove2, err := tempDir()
		if err != nil {
			return err
		}
		defer remove2()
		before := heap()
		if full[i], err = m(dir); err != nil {
			return err
		}
		fill(full[i], times, 0)
		if err := full[i].save(); err != nil {
			return err
		}
		results[i].entries = full[i].len()
		results[i].heap = (heap() - before) / float64(full[i].len())
		size, err := fileSize(dir)
		if err != nil {
			return err
		}
		results[i].file = float64(size) / float64(full[i].len())
		if mixed[i], err = m(other); err != nil {
			return err
		}
		fill(mixed[i], times, 9900)
		if err := mixed[i].save(); err != nil {
			return err
		}
		dirs[i] = dir
		results[i].justTried = append(results[i].justTried, timed(20_000, func() { full[i].choose(0) }))
		for k, b := range []*book{&full[i], &mixed[i]} {
			if o, ok := (*b).(ours); ok {
				o.later(time.Hour)
				continue
			}
			d := []string{dir, other}[k]
			if err := age(d); err != nil {
				return err
			}
			if *b, err = m(d); err != nil {
				return err
			}
		}
	}
	s := newAddresses()
	for round := range rounds {
		for k := range makers {
			i := (k + round) % len(makers)
			r := results[i]
			runtime.GC()
			r.choose = append(r.choose, timed(20_000, func() { full[i].choose(0) }))
			r.unreachable = append(r.unreachable, timed(2_000, func() { mixed[i].choose(netaddr.IPv4) }))
			list := make([]netaddr.Addr, 40_000)
			for j := range list {
				list[j] = s.next(netaddr.IPv4)
			}
			j := 0
			r.add = append(r.add, timed(len(list)/2, func() { full[i].add(list[j], list[j+1].Host); j += 2 }))

			start, before := time.Now(), cpu()
			again, err := makers[i](dirs[i])
			if err != nil {
				return err
			}
			r.load = append(r.load, time.Since(start).Seconds())
			r.loadCPU = append(r.loadCPU, (cpu() - before).Seconds())
			if n := again.len(); n < results[i].entries*9/10 {
				return fmt.Errorf("%s: %d entries were read, of %d", r.name, n, results[i].entries)
			}
			start = time.Now()
			if err := again.save(); err != nil {
				return err
			}
			r.save = append(r.save, time.Since(start).Seconds())
		}
	}
	runtime.KeepAlive(full)
	return nil
}

// timed returns the processor time of one of n calls, in seconds.
func timed(n int, f func()) float64 {
	before := cpu()
	for range n {
		f()
	}
	return (cpu() - before).Seconds() / float64(n)
}

func heap() float64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// table writes one row for each thing measured.
func table(w io.Writer, results []*result) {
	fmt.Fprintf(w, "| what |")
	for _, r := range results {
		fmt.Fprintf(w, " %s |", r.name)
	}
	fmt.Fprintf(w, " btcd to ours | goal | met |\n| --- |")
	for range results {
		fmt.Fprintf(w, " ---: |")
	}
	fmt.Fprintf(w, " ---: | ---: | --- |\n")
	row := func(what, format string, scale float64, get func(*result) float64, goal float64) {
		fmt.Fprintf(w, "| %s |", what)
		for _, r := range results {
			fmt.Fprintf(w, " "+format+" |", get(r)*scale)
		}
		ratio := get(results[1]) / get(results[0])
		if goal == 0 {
			fmt.Fprintf(w, " %.1fx | | |\n", ratio)
			return
		}
		met := "yes"
		for i, r := range results {
			if i != 1 && get(r)*scale > goal {
				met = "no: " + r.name
			}
		}
		fmt.Fprintf(w, " %.1fx | "+format+" | %s |\n", ratio, goal, met)
	}
	fmt.Fprintf(w, "| entries |")
	for _, r := range results {
		fmt.Fprintf(w, " %d |", r.entries)
	}
	fmt.Fprintf(w, " | | |\n")
	of := func(pick func(*result) []float64) func(*result) float64 {
		return func(r *result) float64 { return median(pick(r)) }
	}
	row("choose", "%.2f µs", 1e6, of(func(r *result) []float64 { return r.choose }), 2)
	row("choose, all of tried just tried", "%.2f µs", 1e6, of(func(r *result) []float64 { return r.justTried }), 0)
	row("choose, 99 % unreachable", "%.2f µs", 1e6, of(func(r *result) []float64 { return r.unreachable }), 2)
	row("add one", "%.2f µs", 1e6, of(func(r *result) []float64 { return r.add }), 5)
	row("save", "%.0f ms", 1e3, of(func(r *result) []float64 { return r.save }), 200)
	row("load", "%.0f ms", 1e3, of(func(r *result) []float64 { return r.load }), 200)
	row("load, processor time", "%.0f ms", 1e3, of(func(r *result) []float64 { return r.loadCPU }), 0)
	row("memory, an entry", "%.0f B", 1, func(r *result) float64 { return r.heap }, 200)
	row("file, an entry", "%.0f B", 1, func(r *result) float64 { return r.file }, 0)
	fmt.Fprintln(w)
}

func median(list []float64) float64 {
	sorted := slices.Sorted(slices.Values(list))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
