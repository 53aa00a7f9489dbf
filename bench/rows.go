package main

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

// maxPending is the Config.MaxPending that ours has in rows 4 and 5. With 64, the
// dials that nobody answers take all places now and then at 90 %.
const maxPending = 128

// size says how much work the rows do.
type size struct {
	cycles, cycleRounds      int
	outbound, outboundRounds int
	tcp, tcpRounds           int
	seeds                    uint64
	stop                     int
}

var (
	fullSize  = size{200_000, 21, 10_000, 21, 5_000, 11, 101, 1_000}
	smallSize = size{1_000, 2, 200, 2, 100, 2, 15, 50}
)

// line is one line of the table.
type line struct {
	row         string
	what        string
	ours, other string
	ratio       string
	goal        string
	met         verdict
	exact       bool // the same on every machine
}

type verdict string

const (
	noGoal verdict = ""
	met    verdict = "yes"
	missed verdict = "no"
)

func verdictOf(ok bool) verdict {
	if ok {
		return met
	}
	return missed
}

// rows measures everything and returns the lines of the table.
func rows(t *testing.T, sz size) []line {
	var lines []line
	for _, row := range []struct {
		what string
		run  func(*testing.T, size) []line
	}{
		{"cycles", cycleLines},
		{"10,000 outbound", outboundLines},
		{"loopback TCP", tcpLines},
		{"dead addresses", deadLines},
		{"no network", outageLines},
		{"stop", stopLines},
	} {
		fmt.Fprintf(os.Stderr, "measuring: %s\n", row.what)
		lines = append(lines, row.run(t, sz)...)
	}
	return lines
}

func wallOf(c cost) float64   { return float64(c.wall) }
func cpuOf(c cost) float64    { return float64(c.cpu) }
func allocsOf(c cost) float64 { return c.allocs }

func cycleLines(_ *testing.T, sz size) []line {
	var lines []line
	for _, workers := range []int{1, 8} {
		r := measureCycles(sz.cycleRounds, workers, sz.cycles)
		o, b := r[0], r[1]
		ratio := medianRatio(b, o, wallOf)
		who := fmt.Sprintf("Connect+Remove, %d workers: ", workers)
		if workers == 1 {
			who = "Connect+Remove, 1 worker: "
		}
		allocs := medianOf(o, allocsOf)
		lines = append(lines,
			line{row: "1", what: who + "time", ours: ns(medianOf(o, wallOf)), other: ns(medianOf(b, wallOf)), ratio: times(ratio), goal: "4.0x", met: verdictOf(ratio >= 4)},
			line{row: "1", what: who + "CPU", ours: ns(medianOf(o, cpuOf)), other: ns(medianOf(b, cpuOf)), ratio: times(medianRatio(b, o, cpuOf))},
			line{row: "1", what: who + "allocations", ours: fmt.Sprintf("%.1f", allocs), other: fmt.Sprintf("%.1f", medianOf(b, allocsOf)), ratio: times(medianRatio(b, o, allocsOf)), goal: "4 at most", met: verdictOf(allocs < 4.05)},
		)
	}
	return lines
}

func outboundLines(_ *testing.T, sz size) []line {
	r := measureOutbound(sz.outboundRounds, sz.outbound)
	o, b := r[0], r[1]
	get := func(f func(cost) float64) func(outboundCost) float64 {
		return func(c outboundCost) float64 { return f(c.cost) }
	}
	wall, cpu, allocs := get(wallOf), get(cpuOf), get(allocsOf)
	retained := func(c outboundCost) float64 { return c.retained }
	goroutines := func(c outboundCost) float64 { return float64(c.goroutines) }
	ratio := medianRatio(b, o, wall)
	keptOurs, keptBtcd := medianOf(o, retained), medianOf(b, retained)
	who := thousands(sz.outbound) + " outbound, each: "
	return []line{
		{row: "2", what: who + "time", ours: ns(medianOf(o, wall)), other: ns(medianOf(b, wall)), ratio: times(ratio), goal: "4.0x", met: verdictOf(ratio >= 4)},
		{row: "2", what: who + "CPU", ours: ns(medianOf(o, cpu)), other: ns(medianOf(b, cpu)), ratio: times(medianRatio(b, o, cpu))},
		{row: "2", what: who + "allocations", ours: fmt.Sprintf("%.1f", medianOf(o, allocs)), other: fmt.Sprintf("%.1f", medianOf(b, allocs)), ratio: times(medianRatio(b, o, allocs))},
		{row: "2", what: who + "heap kept", ours: fmt.Sprintf("%.0f B", keptOurs), other: fmt.Sprintf("%.0f B", keptBtcd), ratio: times(keptBtcd / keptOurs), goal: "not more", met: verdictOf(keptOurs <= keptBtcd)},
		{row: "2", what: "goroutines at rest, in all", ours: fmt.Sprintf("%.0f", medianOf(o, goroutines)), other: fmt.Sprintf("%.0f", medianOf(b, goroutines))},
	}
}

func tcpLines(t *testing.T, sz size) []line {
	r, err := measureTCP(sz.tcpRounds, sz.tcp)
	if err != nil {
		t.Errorf("row 3: %v", err)
	}
	rate := func(x float64) float64 { return x }
	show := func(xs []float64) string { return thousands(int(medianOf(xs, rate))) + "/s" }
	who := thousands(sz.tcp) + " TCP connections: "
	compare := func(what string, ours []float64, than string, other []float64) line {
		return line{row: "3", what: who + what, ours: show(ours), other: than + show(other), ratio: fmt.Sprintf("%.2f", medianRatio(ours, other, rate))}
	}
	goal := func(l line, ours, bare []float64) line {
		l.goal, l.met = "0.95", verdictOf(medianRatio(ours, bare, rate) >= 0.95)
		return l
	}
	bare, bareAbortable, ours, oursAbortable, btcd := r[0], r[1], r[2], r[3], r[4]
	return []line{
		goal(compare("Dial, against a bare loop", ours, "bare ", bare), ours, bare),
		goal(compare("DialContext, against a bare loop", oursAbortable, "bare ", bareAbortable), oursAbortable, bareAbortable),
		compare("DialContext, against a bare loop of Dial", oursAbortable, "bare ", bare),
		compare("Dial, against btcd", ours, "", btcd),
	}
}

func deadLines(t *testing.T, sz size) []line {
	took := func(r deadResult) float64 { return r.took.Seconds() }
	surplus := func(r deadResult) float64 { return float64(r.surplus) }
	dials := func(r deadResult) float64 { return float64(r.dials) }
	run := func(s subject, share float64) []deadResult {
		return twice(t, sz.seeds, func(seed uint64) deadResult { return runDead(t, s, maxPending, seed, share) })
	}
	var lines []line
	for _, percent := range []int{0, 50, 70, 90} {
		share := float64(percent) / 100
		o, b := run(oursSubject, share), run(btcdSubject, share)
		who := fmt.Sprintf("to 8 outbound, %d %% dead: ", percent)
		l := quantiles(who+"median", took, o, b, 0.5)
		if percent >= 70 {
			l.goal, l.met = "100x", verdictOf(medianOf(o, took)*100 <= medianOf(b, took))
		}
		lines = append(lines, l,
			quantiles(who+"90th percentile", took, o, b, 0.9),
			quantiles(who+"worst", took, o, b, 1),
			line{row: "4", exact: true, what: who + "opened in vain, worst", ours: fmt.Sprintf("%.0f", quantile(apply(o, surplus), 1)), other: fmt.Sprintf("%.0f", quantile(apply(b, surplus), 1)), goal: "8 at most", met: verdictOf(quantile(apply(o, surplus), 1) <= slots)},
			line{row: "4", exact: true, what: who + "dials, median", ours: fmt.Sprintf("%.0f", medianOf(o, dials)), other: fmt.Sprintf("%.0f", medianOf(b, dials))},
		)
	}
	return lines
}

func quantiles(what string, took func(deadResult) float64, o, b []deadResult, q float64) line {
	x, y := quantile(apply(o, took), q), quantile(apply(b, took), q)
	return line{row: "4", exact: true, what: what, ours: seconds(x), other: seconds(y), ratio: times(y / x)}
}

func outageLines(t *testing.T, sz size) []line {
	took := func(r outageResult) float64 { return r.took.Seconds() }
	dials := func(r outageResult) float64 { return float64(r.dials) }
	run := func(s subject, told bool) []outageResult {
		return twice(t, sz.seeds, func(seed uint64) outageResult { return runOutage(t, s, maxPending, seed, told) })
	}
	o, untold, b := run(oursSubject, true), run(oursSubject, false), run(btcdSubject, false)
	most, worst := quantile(apply(o, dials), 1), quantile(apply(o, took), 1)
	limit := (time.Second + roundTrip).Seconds()
	line5 := func(what string, ours []outageResult, q float64) line {
		x, y := quantile(apply(ours, took), q), quantile(apply(b, took), q)
		return line{row: "5", exact: true, what: what, ours: seconds(x), other: seconds(y), ratio: times(y / x)}
	}
	told := line5("network back to 8 outbound, NetworkChanged called: worst", o, 1)
	told.goal, told.met = "1.1 s", verdictOf(worst < limit)
	return []line{
		{row: "5", exact: true, what: "dials in 1 h without network, most", ours: thousands(int(most)), other: thousands(int(quantile(apply(b, dials), 1))), ratio: times(quantile(apply(b, dials), 1) / most), goal: "under 120", met: verdictOf(most < 120)},
		told,
		line5("network back to 8 outbound, not told: median", untold, 0.5),
		line5("network back to 8 outbound, not told: worst", untold, 1),
	}
}

func stopLines(_ *testing.T, sz size) []line {
	o, plain, b := measureStop(oursSubject, sz.stop, true), measureStop(oursSubject, sz.stop, false), measureStop(btcdSubject, sz.stop, false)
	who := fmt.Sprintf("Stop with %s dials in flight: ", thousands(sz.stop))
	number := func(n int) string { return thousands(n) }
	return []line{
		{row: "6", exact: true, what: who + "goroutines left after Wait", ours: number(o.goroutines), other: number(b.goroutines), goal: "0", met: verdictOf(o.goroutines == 0)},
		{row: "6", exact: true, what: who + "connections left open", ours: number(o.open), other: number(b.open), goal: "0", met: verdictOf(o.open == 0)},
		{row: "6", exact: true, what: who + "left open, dialer without context", ours: number(plain.open), other: number(b.open), goal: "0", met: verdictOf(plain.open == 0 && plain.goroutines == 0)},
	}
}

// twice calls run for the seeds from 1 on, and then again: what is exact must be
// the same both times.
func twice[T any](t *testing.T, seeds uint64, run func(seed uint64) T) []T {
	var all [2][]T
	for i := range all {
		for seed := range seeds {
			all[i] = append(all[i], run(seed+1))
		}
	}
	for i := range all[0] {
		if !reflect.DeepEqual(all[0][i], all[1][i]) {
			t.Errorf("seed %d gave %+v, and then %+v", i+1, all[0][i], all[1][i])
		}
	}
	return all[0]
}

// render returns the lines as a markdown table.
func render(lines []line) string {
	var b strings.Builder
	b.WriteString("| row | what | ours | btcd | ratio | goal | met |\n")
	b.WriteString("| --- | --- | ---: | ---: | ---: | ---: | --- |\n")
	for _, l := range lines {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s |\n", l.row, l.what, l.ours, l.other, l.ratio, l.goal, l.met)
	}
	return b.String()
}

func ns(x float64) string {
	if x >= 10_000 {
		return fmt.Sprintf("%.1f us", x/1000)
	}
	return fmt.Sprintf("%.0f ns", x)
}

func seconds(x float64) string { return fmt.Sprintf("%.2f s", x) }

func times(x float64) string {
	if x >= 20 {
		return fmt.Sprintf("%.0fx", x)
	}
	return fmt.Sprintf("%.2fx", x)
}

// thousands groups the digits of n by commas.
func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
