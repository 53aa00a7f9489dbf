package main

import (
	"runtime"
	"slices"
	"time"
)

// cost is what a piece of work took.
type cost struct {
	wall   time.Duration
	cpu    time.Duration // of the whole process, garbage collection included
	allocs float64
	bytes  float64
}

// measure runs f n times in one go, that is to say calls f once, which does n
// pieces of work, and returns what one piece cost.
func measure(n int, f func()) cost {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	cpu, start := cpuTime(), time.Now()
	f()
	wall, used := time.Since(start), cpuTime()-cpu
	runtime.ReadMemStats(&after)
	return cost{
		wall:   wall / time.Duration(n),
		cpu:    used / time.Duration(n),
		allocs: float64(after.Mallocs-before.Mallocs) / float64(n),
		bytes:  float64(after.TotalAlloc-before.TotalAlloc) / float64(n),
	}
}

// interleave calls run for each of k subjects, rounds times over, each time in
// the opposite order, so that no subject always profits from its place. It
// returns the results by subject and round. One round before that is not kept: it
// warms up.
func interleave[T any](rounds, k int, run func(subject int) T) [][]T {
	results := make([][]T, k)
	for round := -1; round < rounds; round++ {
		order := make([]int, k)
		for i := range order {
			order[i] = i
		}
		if round%2 != 0 {
			slices.Reverse(order)
		}
		for _, i := range order {
			r := run(i)
			if round >= 0 {
				results[i] = append(results[i], r)
			}
		}
	}
	return results
}

// medianOf returns the median of what get returns for each of xs.
func medianOf[T any](xs []T, get func(T) float64) float64 {
	return quantile(apply(xs, get), 0.5)
}

// medianRatio returns the median over the rounds of a's number divided by b's of
// the same round.
func medianRatio[T any](a, b []T, get func(T) float64) float64 {
	ratios := make([]float64, len(a))
	for i := range a {
		ratios[i] = get(a[i]) / get(b[i])
	}
	return quantile(ratios, 0.5)
}

func apply[T any](xs []T, get func(T) float64) []float64 {
	fs := make([]float64, len(xs))
	for i, x := range xs {
		fs[i] = get(x)
	}
	return fs
}

// quantile returns the q-quantile of xs: the smallest of them that at least the
// share q of them do not exceed.
func quantile(xs []float64, q float64) float64 {
	s := slices.Sorted(slices.Values(xs))
	i := int(q*float64(len(s))+0.999999) - 1
	return s[min(max(i, 0), len(s)-1)]
}
