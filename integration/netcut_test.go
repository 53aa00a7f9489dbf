package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"holdfast/internal/testenv"
)

const (
	// shortCut is over before any connection notices.
	shortCut = 3 * time.Second

	// usualCut is long enough for several attempts, and for our network to be taken
	// to be down. HOLDFAST_CUT=10m in the environment asks for another time.
	usualCut = 40 * time.Second

	// wantBack is the goal: so long after the network is back all outbound peers
	// are, if the machine is told that it is back. It is logged; maxBack, which a
	// slow machine keeps too, is checked. Where nobody tells, one has to wait for
	// the next attempt, of which there are fewer and fewer: a fixed peer is tried
	// every 5 minutes at last.
	wantBack      = 2 * time.Second
	maxBack       = 20 * time.Second
	maxBackUntold = 40 * time.Second
	maxBackLate   = 6 * time.Minute

	// maxCutDials is how many dials the first minute may have, and moreCutDials each
	// further one: far below what 4 addresses and 8 free places could cause.
	maxCutDials  = 12
	moreCutDials = 3

	// maxCutCPU is what the first minute may cost of one CPU, and moreCutCPU each
	// further one: 5 % and 1 %.
	maxCutCPU  = 3 * time.Second
	moreCutCPU = 600 * time.Millisecond

	cutHost  = "11.10.0.1"
	cutPeers = 4 // the first is kept by --addpeer, the others are found
)

// cut is a way to lose the network, as commands of ip: {node} and {hub} are
// namespaces, {port} is the hub's end of the node's link.
type cut struct {
	name    string
	off, on string
	told    bool // the kernel tells the node's machine that the network is back
}

var cuts = []cut{
	{"Link", "-n {node} link set eth0 down", "-n {node} link set eth0 up", true},
	{"Carrier", "-n {hub} link set {port} down", "-n {hub} link set {port} up", true},
	// The link is as it was, but the router sends nothing on, and does not say so.
	{"Silence", "-n {hub} route add blackhole 11.16.0.0/12", "-n {hub} route del blackhole 11.16.0.0/12", false},
}

// TestNetworkCut takes the network from the program and gives it back. Time is
// real here: what is to be seen is what the kernel does.
func TestNetworkCut(t *testing.T) {
	longCut := usualCut
	if text := os.Getenv("HOLDFAST_CUT"); text != "" {
		var err error
		if longCut, err = time.ParseDuration(text); err != nil || longCut < usualCut {
			t.Fatalf("HOLDFAST_CUT=%s: it must be a time of %v at least", text, usualCut)
		}
	}
	for _, c := range cuts {
		t.Run(c.name, func(t *testing.T) { c.test(t, longCut) })
	}
}

func (c cut) test(t *testing.T, longCut time.Duration) {
	t.Parallel()
	most := c.maxBack(longCut)
	ctx, cancel := context.WithTimeout(t.Context(), patience+shortCut+longCut+most)
	defer cancel()
	l := newLAN(ctx, t)
	if _, err := exec.LookPath("ss"); err != nil {
		testenv.Cannot(t, "connections are ended with ss: install iproute2 (%v)", err)
	}
	within := l.host(ctx, cutHost)
	names := strings.NewReplacer("{node}", within[len(within)-1], "{hub}", l.hub, "{port}", fmt.Sprintf("port%d", l.hosts))
	ip := func(command string) { l.ip(ctx, strings.Fields(names.Replace(command))...) }
	ip("-n {hub} addr add 11.0.0.1/8 dev br0")
	ip("netns exec {hub} sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.br0.send_redirects=0")
	if !c.told {
		ip("-n {node} route add 11.16.0.0/12 via 11.0.0.1")
	}

	hf := start(t, "holdfast", slices.Concat(within, []string{
		holdfastPath(t), "run", "--regtest", "--datadir", t.TempDir(), "--nofilelogging", "--listen", cutHost,
		"--addpeer", "11.20.0.1", "--debuglevel", "debug", "--logformat", "json",
	})...)
	hf.says(ctx, t, `"event":"listening"`)
	for i := range cutPeers {
		// Each dials the node, and tells it where it can be reached itself.
		addr := fmt.Sprintf("11.%d.0.1", 20+i)
		start(t, addr, slices.Concat(l.host(ctx, addr), []string{
			holdfastPath(t), "run", "--regtest", "--datadir", t.TempDir(), "--nofilelogging", "--listen", addr,
			"--services", "9", "--addpeer", cutHost,
		})...)
	}
	awaitOutbound(ctx, t, hf, cutPeers)

	// A short cut costs nobody.
	mark := said(t, hf)
	ip(c.off)
	time.Sleep(shortCut)
	ip(c.on)
	time.Sleep(time.Second)
	if lost := fitting(said(t, hf)[len(mark):], func(e logged) bool { return e.Event == "lost" }); len(lost) > 0 {
		t.Errorf("a cut of %v costs peers:\n%s", shortCut, story(lost, lost[0].Time))
	}

	mark = said(t, hf)
	used, off := cpuTime(t, hf), time.Now()
	ip(c.off)
	// In a long cut the kernel ends the connections itself: after 150 s, when as
	// many keepalive probes as Go asks for were not answered.
	time.Sleep(time.Second)
	ip("netns exec {node} ss -K state established")
	awaitOutbound(ctx, t, hf, 0)
	time.Sleep(longCut - time.Since(off))
	used, length := cpuTime(t, hf)-used, time.Since(off)
	during := said(t, hf)[len(mark):]
	dials := fitting(during, func(e logged) bool { return e.Event == "dialing" })

	on := time.Now()
	ip(c.on)
	awaitOutbound(ctx, t, hf, cutPeers)
	after := said(t, hf)[len(mark)+len(during):]
	back := fitting(after, func(e logged) bool { return e.Event == "ready" && !e.Inbound })
	took := back[len(back)-1].Time.Sub(on)
	t.Logf("cut for %.1f s: %d dials, %v of CPU time; the first outbound peer is back after %.2f s, all after %.2f s (goal: %v, if the machine is told)",
		length.Seconds(), len(dials), used, back[0].Time.Sub(on).Seconds(), took.Seconds(), wantBack)

	minutes := int(length / time.Minute) // besides the first, in which it is told what was lost
	if most := maxCutDials + minutes*moreCutDials; len(dials) > most {
		t.Errorf("%d dials while cut, want at most %d", len(dials), most)
	}
	if most := maxCutCPU + time.Duration(minutes)*moreCutCPU; used > most {
		t.Errorf("%v of CPU time in %v, want at most %v", used, length, most)
	}
	for what, n := range loud(during) {
		if n > 1+minutes {
			t.Errorf("%q is said %d times in %v, want at most one a minute", what, n, length)
		}
	}
	late := fitting(during, func(e logged) bool { return e.Level != "debug" && e.Time.Sub(off) > time.Minute })
	if len(late) > minutes {
		t.Errorf("%d lines after the first minute, want at most one a minute:\n%s", len(late), story(late, off))
	}
	if took > most {
		t.Errorf("all outbound peers are back after %v, want at most %v", took, most)
	}
	if t.Failed() || testing.Verbose() {
		t.Logf("while cut:\n%s\nafterwards:\n%s", story(during, off), story(after, on))
	}
}

// maxBack is how long after a cut of some length all peers must be back.
func (c cut) maxBack(length time.Duration) time.Duration {
	switch {
	case c.told:
		return maxBack
	case length > time.Minute:
		return maxBackLate
	}
	return maxBackUntold
}

// loud counts what an operator sees at the usual level, by what it is about: the
// event, the address and the reason. One line a minute is allowed for each.
func loud(list []logged) map[string]int {
	count := make(map[string]int)
	for _, e := range list {
		if e.Level != "debug" {
			count[strings.TrimSpace(e.Event+" "+e.Addr+" "+e.Reason)]++
		}
	}
	return count
}

// logged is a line of the program's log in JSON.
type logged struct {
	Time                            time.Time
	Level, Msg, Event, Addr, Reason string
	Inbound                         bool
}

// said returns the lines of a program's log so far.
func said(t *testing.T, p *process) []logged {
	t.Helper()
	text, _ := p.out.text()
	list, err := parseLog(text)
	if err != nil {
		t.Fatalf("%s: %v", p.name, err)
	}
	return list
}

func parseLog(text string) ([]logged, error) {
	var list []logged
	for line := range strings.Lines(text) {
		if !strings.HasSuffix(line, "\n") {
			break // the rest is to come
		}
		var e logged
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			return nil, fmt.Errorf("%q: %w", line, err)
		}
		list = append(list, e)
	}
	return list, nil
}

// awaitOutbound waits until the program has so many peers that it dialed.
func awaitOutbound(ctx context.Context, t *testing.T, p *process, want int) {
	t.Helper()
	have := make(map[string]bool)
	_, err := p.await(ctx, func(text string) bool {
		clear(have)
		list, err := parseLog(text)
		for _, e := range list {
			switch {
			case e.Inbound:
			case e.Event == "ready":
				have[e.Addr] = true
			case e.Event == "lost":
				delete(have, e.Addr)
			}
		}
		return err == nil && len(have) == want
	})
	if err != nil {
		t.Fatalf("%s has %d outbound peers, want %d: %v", p.name, len(have), want, err)
	}
}

func fitting(list []logged, fits func(logged) bool) []logged {
	return slices.DeleteFunc(slices.Clone(list), func(e logged) bool { return !fits(e) })
}

// story is a log for the reader, with the time since a moment.
func story(list []logged, since time.Time) string {
	var b strings.Builder
	for _, e := range list {
		fmt.Fprintf(&b, "%7.3f %-5s %s: %s\n", e.Time.Sub(since).Seconds(), e.Level, e.Event, e.Msg)
	}
	return b.String()
}

// clockTick is the unit of the times in /proc: 100 a second on all Linux systems
// that Go runs on (USER_HZ).
const clockTick = 10 * time.Millisecond

// cpuTime returns how much CPU time a process has used: proc_pid_stat(5), fields
// 14 and 15. The second, its name, may have anything in it.
func cpuTime(t *testing.T, p *process) time.Duration {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	var used time.Duration
	for _, f := range fields[14-3 : 16-3] {
		ticks, err := strconv.Atoi(f)
		if err != nil {
			t.Fatal(err)
		}
		used += time.Duration(ticks) * clockTick
	}
	return used
}
