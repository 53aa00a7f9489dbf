package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
)

func somePeers() []peer {
	return []peer{
		{ID: 1, Addr: "10.0.0.2:8333", Network: "not_publicly_routable", Ping: 0.5, Received: 10, Sent: 1, Since: 300, Agent: "/b/", State: "ready"},
		{ID: 2, Addr: "9.0.0.1:8333", Network: "ipv4", Ping: 0, Received: 30, Sent: 2, Since: 100, Agent: "/A/", Inbound: true, State: "ready"},
		{ID: 3, Addr: "abc.onion:8333", Network: "onion", Ping: 0.1, Received: 20, Sent: 2, Since: 200, Agent: "", Score: 7, Class: "manual", State: "handshake"},
	}
}

// TestSortPeers: each column has its order, with the same peers always the same way.
func TestSortPeers(t *testing.T) {
	t.Parallel()
	for i, tt := range []struct{ column, forth, back string }{
		{"ID", "123", "321"},
		{"ADDRESS", "213", "312"},
		{"NET", "213", "312"},
		{"TYPE", "231", "132"},
		{"AGENT", "321", "123"},
		{"PING", "312", "213"},
		{"IN", "231", "132"},
		{"OUT", "231", "123"},
		{"AGE", "231", "132"},
		{"SCORE", "312", "123"},
	} {
		if got := peerColumns()[i].title; got != tt.column {
			t.Fatalf("column %d is %s, not %s", i, got, tt.column)
		}
		for _, reverse := range []bool{false, true} {
			peers := somePeers()
			sortPeers(peers, i, reverse)
			got, want := "", tt.forth
			for _, p := range peers {
				got += fmt.Sprint(p.ID)
			}
			if reverse {
				want = tt.back
			}
			if got != want {
				t.Errorf("by %s, reverse %v: %s, want %s", tt.column, reverse, got, want)
			}
		}
	}
	if len(peerOrders) != len(peerColumns()) {
		t.Error("not each column has an order")
	}
}

// TestVisible: the chosen row is seen, and no room is wasted.
func TestVisible(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ n, room, selected, from, first, end int }{
		{3, 10, 0, 0, 0, 3},
		{100, 10, 0, 0, 0, 10},
		{100, 10, 10, 0, 1, 11},
		{100, 10, 5, 20, 5, 15},
		{100, 10, 25, 20, 20, 30},
		{100, 10, 99, 0, 90, 100},
		{15, 10, 3, 50, 3, 13}, // there were more
		{15, 10, 14, 50, 5, 15},
		{3, 0, 1, 0, 2, 2},
		{0, 10, 0, 0, 0, 0},
		{3, -1, 0, 0, 1, 1},
	} {
		if first, end := visible(tt.n, tt.room, tt.selected, tt.from); first != tt.first || end != tt.end {
			t.Errorf("%+v: %d to %d", tt, first, end)
		}
	}
}

// TestHostOf: who would ban this machine's own address is told what that means.
func TestHostOf(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{
		"192.0.2.1:8333":  "192.0.2.1 false",
		"[2001:db8::1]:1": "2001:db8::1 false",
		"127.0.0.1:50000": "127.0.0.1 true",
		"[::1]:50000":     "::1 true",
		"abc.onion:8333":  "abc.onion false",
		"no address":      "no address false",
	} {
		host, loopback := hostOf(addr)
		if got := fmt.Sprint(host, " ", loopback); got != want {
			t.Errorf("%s: %s, want %s", addr, got, want)
		}
	}
	d := newDriver(t)
	d.source.peers = []peer{{ID: 9, Addr: "127.0.0.1:50000", Inbound: true}}
	d.refresh()
	d.press("b")
	if !strings.Contains(d.text(), "y/n: Ban 127.0.0.1? That is this machine, and all peers that come by Tor.") {
		t.Error(d.text())
	}
}

func TestSparkline(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		values []float64
		width  int
		want   string
	}{
		{nil, 3, "   "},
		{[]float64{0, 0}, 3, " ▁▁"},
		{[]float64{0, 1, 2, 4, 7}, 5, "▁▂▃▅█"},
		{[]float64{100, 1, 2}, 2, "▅█"}, // what is not seen does not count
		{[]float64{1e9, 1}, 2, "█▂"},    // little is more than nothing
		{[]float64{1, 2}, 0, ""},
		{[]float64{1, 2}, -1, ""},
	} {
		if got := sparkline(tt.values, tt.width); got != tt.want {
			t.Errorf("%v on %d: %q, want %q", tt.values, tt.width, got, tt.want)
		}
	}
}

// TestDivide: what is left out where there is little room.
func TestDivide(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		height, peers int
		want          sections
	}{
		{24, 100, sections{graphs: 3, rows: 14, keys: true}},
		{15, 100, sections{graphs: 3, rows: 5, keys: true}},
		{14, 100, sections{rows: 9, keys: true}},
		{11, 1, sections{graphs: 3, rows: 1, keys: true}},
		{7, 100, sections{rows: 2, keys: true}},
		{6, 100, sections{rows: 2}},
		{1, 100, sections{}},
		{0, 0, sections{}},
	} {
		if got := divide(tt.height, tt.peers); got != tt.want {
			t.Errorf("%d lines, %d peers: %+v, want %+v", tt.height, tt.peers, got, tt.want)
		}
	}
}

// TestHistory: rates are those between two samples of one run.
func TestHistory(t *testing.T) {
	t.Parallel()
	var h history
	at := time.Unix(1000, 0)
	add := func(after, up time.Duration, in, out uint64) bool {
		at = at.Add(after)
		return h.add(sample{at: at, up: up, totals: totals{in, out}})
	}
	if add(0, time.Hour, 1000, 0) || add(2*time.Second, time.Hour, 3000, 100) || add(time.Second, time.Hour, 3000, 100) {
		t.Error("it is taken for another run")
	}
	if !add(5*time.Second, time.Second, 4000, 200) || !add(time.Second, time.Second, 1, 200) {
		t.Error("another run is not noticed")
	}
	if got := fmt.Sprint(h.in, h.out); got != "[1000 0 0 0] [50 0 0 0]" {
		t.Error(got)
	}
	for range 2 * historyLength {
		add(time.Second, time.Hour, 0, 0)
	}
	if len(h.in) != historyLength || len(h.counts) != historyLength {
		t.Errorf("it remembers %d and %d", len(h.in), len(h.counts))
	}
}

// fakeTop is a topSource that has the peers of a test.
type fakeTop struct {
	peers   []peer
	err     error // of asking for them
	refusal error // of an order
	done    []string
}

func (f *fakeTop) sample(context.Context) (sample, error) {
	return sample{at: time.Unix(1000, 0), peers: f.peers, info: netInfo{Active: true, In: 1, Out: 2}, up: time.Hour}, f.err
}

func (f *fakeTop) disconnect(_ context.Context, id uint64) error {
	f.done = append(f.done, fmt.Sprint("disconnect ", id))
	return f.refusal
}

func (f *fakeTop) ban(_ context.Context, host string) error {
	f.done = append(f.done, "ban "+host)
	return f.refusal
}

// driver has a model with keys pressed, and what it asks for done.
type driver struct {
	*topModel
	source *fakeTop
}

func newDriver(t *testing.T) *driver {
	source := &fakeTop{peers: somePeers()}
	d := &driver{newTopModel(t.Context(), source, "regtest", false), source}
	d.refresh()
	return d
}

func (d *driver) send(msg tea.Msg) {
	_, cmd := d.Update(msg)
	for cmd != nil && d.busy { // else it waits for the next tick
		msg := cmd()
		if _, ok := msg.(sampleMsg); ok {
			d.Update(msg)
			return
		}
		_, cmd = d.Update(msg)
	}
}

func (d *driver) refresh() { d.send(tickMsg{}) }

func (d *driver) press(keys ...string) {
	for _, k := range keys {
		code := map[string]rune{"down": tea.KeyDown, "up": tea.KeyUp, "right": tea.KeyRight, "left": tea.KeyLeft, "end": tea.KeyEnd, "pgup": tea.KeyPgUp}[k]
		key := tea.Key{Code: code}
		if code == 0 {
			key = tea.Key{Code: []rune(k)[0], Text: k}
		}
		d.send(tea.KeyPressMsg(key))
	}
}

func (d *driver) text() string {
	return strings.Join(d.screen(time.Unix(1000, 0)), "\n")
}

// TestTopOrders: nothing is done without a yes, and it is done to who was named.
func TestTopOrders(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		keys []string
		err  error
		want string // done
		seen string
	}{
		"disconnect":       {[]string{"down", "d", "y"}, nil, "disconnect 2", "Disconnected 9.0.0.1:8333"},
		"ban":              {[]string{"down", "b", "y"}, nil, "ban 9.0.0.1", "Banned 9.0.0.1"},
		"no":               {[]string{"d", "n"}, nil, "", "Nothing was done"},
		"another key":      {[]string{"b", "q"}, nil, "", "Nothing was done"},
		"to be confirmed":  {[]string{"b"}, nil, "", "y/n: Ban 10.0.0.2?"},
		"a name":           {[]string{"end", "b", "y"}, nil, "ban abc.onion", "Banned abc.onion"},
		"refused":          {[]string{"d", "y"}, errors.New("no\x1b such"), "disconnect 1", `Not done: no\x1b such`},
		"sorted by ping":   {[]string{"6", "up", "up", "d", "y"}, nil, "disconnect 3", ""},
		"the other way":    {[]string{"6", "6", "up", "up", "d", "y"}, nil, "disconnect 2", ""},
		"by right and r":   {[]string{"right", "r", "up", "up", "d", "y"}, nil, "disconnect 3", ""},
		"left of the left": {[]string{"left", "up", "up", "d", "y"}, nil, "disconnect 3", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDriver(t)
			d.source.refusal = tt.err
			d.press(tt.keys...)
			if got := strings.Join(d.source.done, " "); got != tt.want || !strings.Contains(d.text(), tt.seen) {
				t.Errorf("%q, want %q; the screen, which must have %q:\n%s", got, tt.want, tt.seen, d.text())
			}
		})
	}
}

// TestTopChoice: the chosen peer stays the chosen one, whatever comes and goes; a
// question is about the one it was asked about.
func TestTopChoice(t *testing.T) {
	t.Parallel()
	d := newDriver(t)
	d.press("down")
	d.source.peers = append([]peer{{ID: 0, Addr: "1.2.3.4:1"}}, d.source.peers...)
	d.refresh()
	if d.chosen != 2 || d.row != 2 {
		t.Errorf("peer %d in row %d is chosen, want 2", d.chosen, d.row)
	}
	d.press("d")
	d.source.peers = d.source.peers[3:] // it goes meanwhile
	d.refresh()
	if d.chosen != 3 {
		t.Errorf("peer %d is chosen, want the last", d.chosen)
	}
	d.press("y")
	if got := strings.Join(d.source.done, " "); got != "disconnect 2" {
		t.Errorf("%q, want the one that was asked about", got)
	}
	d.source.peers = nil
	d.refresh()
	d.press("d")
	if d.question != nil || !strings.Contains(d.text(), "There are no peers") {
		t.Error(d.text())
	}
}

// TestTopGone: the daemon goes and comes again.
func TestTopGone(t *testing.T) {
	t.Parallel()
	d := newDriver(t)
	d.source.err = unreachableError{errors.New("refused")}
	d.refresh()
	d.refresh()
	if text := d.text(); !strings.Contains(text, "no daemon") || !strings.Contains(text, "(refused); trying again") || !strings.Contains(text, "9.0.0.1") {
		t.Error(text)
	}
	d.source.err = nil
	d.refresh()
	if text := d.text(); strings.Contains(text, "no daemon") || !strings.Contains(text, "The daemon answers again") {
		t.Error(text)
	}
	d.press("p")
	d.source.peers = nil
	d.refresh()
	if text := d.text(); !strings.Contains(text, "paused") || !strings.Contains(text, "9.0.0.1") {
		t.Error(text)
	}
	d.press("p")
	d.refresh()
	if text := d.text(); strings.Contains(text, "paused") || strings.Contains(text, "9.0.0.1") {
		t.Error(text)
	}
}

// TestTopScreen: the screen is never larger than the terminal, and what peers say
// steers nothing.
func TestTopScreen(t *testing.T) {
	t.Parallel()
	d := newDriver(t)
	for i := range 50 {
		d.source.peers = append(d.source.peers, peer{
			ID: uint64(100 + i), Addr: strings.Repeat("x", i) + "\x1b[2J", Agent: strings.Repeat("好\n", i), State: "ready",
		})
	}
	d.refresh()
	for _, help := range []bool{false, true} {
		d.help = help
		for width := 1; width <= 200; width += 7 {
			for height := 1; height <= 60; height += 3 {
				d.send(tea.WindowSizeMsg{Width: width, Height: height})
				d.choose((width * height) % 53)
				lines := d.screen(time.Unix(1000, 0))
				if len(lines) != height {
					t.Fatalf("%d x %d: %d lines", width, height, len(lines))
				}
				for _, l := range lines {
					if ansi.StringWidth(l) > width || strings.ContainsAny(l, "\n\r") || strings.Contains(l, "\x1b[2J") {
						t.Fatalf("%d x %d: %q", width, height, l)
					}
				}
				if !help && height > 8 && !strings.Contains(strings.Join(lines, "\n"), "\x1b[7m") {
					t.Fatalf("%d x %d: the chosen one is not seen", width, height)
				}
			}
		}
	}
	d.send(tea.WindowSizeMsg{}) // a terminal that does not know
	if d.text() == "" {
		t.Error("there is no screen")
	}
	if d.help = true; !strings.Contains(d.text(), "disconnect the chosen peer") {
		t.Error(d.text())
	}
}

// TestTopAsks: the daemon is asked one thing at a time.
func TestTopAsks(t *testing.T) {
	t.Parallel()
	d := newDriver(t)
	_, first := d.Update(tickMsg{})
	if first == nil {
		t.Fatal("it is not asked")
	}
	for _, msg := range []tea.Msg{tickMsg{}, tea.KeyPressMsg{Code: 'd', Text: "d"}, tea.KeyPressMsg{Code: 'y', Text: "y"}} {
		if _, cmd := d.Update(msg); cmd != nil {
			t.Fatal("it is asked again before it has answered")
		}
	}
	d.Update(first())
	if !d.busy || len(d.orders) != 0 {
		t.Error("what was to be done is not done next")
	}
	if _, cmd := d.Update(tea.KeyPressMsg{Code: 'q', Text: "q"}); cmd == nil {
		t.Error("q does not end it")
	} else if _, quit := cmd().(tea.QuitMsg); !quit {
		t.Error("q does not end it")
	}
}
