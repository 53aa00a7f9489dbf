package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"sync"
	"time"
)

// nobody is gossip of peers that know no others.
var nobody = []netip.AddrPort{}

// half is what half a round has shown, quiet or with clients.
type half struct {
	ping, ping99 time.Duration
	cpu          time.Duration // of the node, its server and its peers
	left         int           // peers
	cut          int           // viewers
	clients      report
}

// run measures, and writes the table.
func run(out io.Writer, sz size) error {
	w, err := newWorld(sz.peers)
	if err != nil {
		return err
	}
	quiet, loaded, err := measure(w, sz)
	if err = errors.Join(err, w.close()); err != nil {
		return err
	}
	write(out, sz, quiet, loaded)
	return nil
}

// measure runs the rounds, and one before that is not counted.
func measure(w *world, sz size) (quiet, loaded []half, err error) {
	for i := range sz.rounds + 1 {
		q, err := w.half(sz, false)
		if err != nil {
			return nil, nil, err
		}
		l, err := w.half(sz, true)
		if err != nil {
			return nil, nil, err
		}
		if i > 0 {
			quiet, loaded = append(quiet, q), append(loaded, l)
		}
	}
	return quiet, loaded, nil
}

func (w *world) half(sz size, clients bool) (h half, err error) {
	cut, err := w.cut()
	if err != nil {
		return h, err
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	defer wg.Wait()
	defer close(done)
	wg.Go(func() { w.comeAndGo(w.stranger, done) })
	before, began := w.peers(), cpu()
	var finish func() (report, error)
	if clients {
		finish, err = startCrowd(order{
			Addr: w.server.Addrs()[0].String(), Dashboard: w.dashboard.Addrs()[0].String(),
			Calls: sz.calls, Slow: sz.slow, Viewers: sz.viewers, For: sz.phase,
		})
		if err != nil {
			return h, err
		}
	}
	pings := w.pings(sz.phase)
	if clients {
		h.clients, err = finish()
	}
	h.cpu = cpu() - began
	h.ping, h.ping99 = quantile(pings, 0.5), quantile(pings, 0.99)
	after := w.peers()
	for id := range before {
		if !after[id] {
			h.left++
		}
	}
	if err != nil {
		return h, err
	}
	h.cut, err = w.cut()
	h.cut -= cut
	return h, err
}

// startCrowd starts the clients' process. finish waits for its end.
func startCrowd(o order) (finish func() (report, error), err error) {
	text, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), crowdVariable+"="+string(text))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return func() (r report, err error) {
		err = json.NewDecoder(out).Decode(&r)
		return r, errors.Join(err, cmd.Wait())
	}, nil
}

// write writes the table.
func write(out io.Writer, sz size, quiet, loaded []half) {
	duration := func(of func(half) time.Duration) (q, l time.Duration, ratio float64) {
		var ratios []float64
		var qs, ls []time.Duration
		for i := range quiet {
			a, b := of(quiet[i]), of(loaded[i])
			qs, ls = append(qs, a), append(ls, b)
			ratios = append(ratios, float64(b)/float64(a))
		}
		slices.Sort(ratios)
		return quantile(qs, 0.5), quantile(ls, 0.5), ratios[(len(ratios)-1)/2]
	}
	var left, failed, answered, inTime, cut int
	first := loaded[0].clients
	opened, live, least := first.Opened, first.Live, first.Least
	for i := range loaded {
		opened, live = min(opened, loaded[i].clients.Opened), min(live, loaded[i].clients.Live)
		least = min(least, loaded[i].clients.Least)
		cut += loaded[i].cut
		left += quiet[i].left + loaded[i].left
		failed += loaded[i].clients.Failed
		answered += loaded[i].clients.Answered
		inTime += loaded[i].clients.InTime
	}
	seconds := sz.phase.Seconds() * float64(len(loaded))
	rate := float64(inTime) / seconds
	fmt.Fprintf(out, "| what | quiet | %d calls a second, %d slow clients, %d viewers | ratio | goal | met |\n| --- | ---: | ---: | ---: | --- | --- |\n", sz.calls, sz.slow+1, sz.viewers)
	q, l, ratio := duration(func(h half) time.Duration { return h.ping })
	fmt.Fprintf(out, "| ping of a peer, median | %s | %s | %.2f | 1 ms more | %s |\n", ms(q), ms(l), ratio, yes(l-q <= time.Millisecond))
	q99, l99, ratio := duration(func(h half) time.Duration { return h.ping99 })
	fmt.Fprintf(out, "| ping of a peer, 99 of 100 | %s | %s | %.2f | | |\n", ms(q99), ms(l99), ratio)
	fmt.Fprintf(out, "| peers that left | | %d | | 0 | %s |\n", left, yes(left == 0))
	fmt.Fprintf(out, "| calls answered, a second | | %.0f | | 99 of 100 | %s |\n", rate, yes(rate >= 0.99*float64(sz.calls)))
	fmt.Fprintf(out, "| calls answered after the end of the round | | %d of %d | | | |\n", answered-inTime, answered)
	fmt.Fprintf(out, "| calls that failed | | %d | | 0 | %s |\n", failed, yes(failed == 0))
	for _, h := range loaded {
		if h.clients.Failed > 0 {
			fmt.Fprintf(os.Stderr, "%d calls failed; one: %s\n", h.clients.Failed, h.clients.Why)
		}
	}
	_, median, _ := duration(func(h half) time.Duration { return h.clients.Median })
	_, p99, _ := duration(func(h half) time.Duration { return h.clients.P99 })
	fmt.Fprintf(out, "| a call, median | | %s | | | |\n| a call, 99 of 100 | | %s | | | |\n", ms(median), ms(p99))
	readers := order{Viewers: sz.viewers}.readers()
	fmt.Fprintf(out, "| viewers let in, in the worst round | | %d of %d | | all | %s |\n", opened, sz.viewers, yes(opened == sz.viewers))
	fmt.Fprintf(out, "| viewers that read, live to the end | | %d of %d | | all | %s |\n", live, readers, yes(live == readers))
	fmt.Fprintf(out, "| states that such a one had, a second, the least | | %.1f | | | |\n", float64(least)/sz.phase.Seconds())
	fmt.Fprintf(out, "| viewers cut off, a round, of %d that do not read | | %.0f | | | |\n", sz.viewers-readers, float64(cut)/float64(len(loaded)))
	qc, lc, _ := duration(func(h half) time.Duration { return h.cpu })
	share := func(d time.Duration) float64 { return 100 * d.Seconds() / sz.phase.Seconds() }
	fmt.Fprintf(out, "| processor time, of one core | %.0f %% | %.0f %% | | | |\n", share(qc), share(lc))
}

func ms(d time.Duration) string { return fmt.Sprintf("%.2f ms", d.Seconds()*1000) }

func yes(ok bool) string {
	if ok {
		return "yes"
	}
	return "no"
}
