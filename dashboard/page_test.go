package dashboard

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"holdfast/connmgr"
	"holdfast/node"
)

// TestPage: all that an operator looks for is in the HTML, without a script.
func TestPage(t *testing.T) {
	h := serve(t, nil)
	for _, e := range happenings(time.Now()) {
		h.feed(e)
	}
	_, page := h.do(h.trusted(http.MethodGet, "/?level=debug", ""))
	for _, want := range []string{
		"Connected to fewer peers than wanted", "1 of 8", "1 (room for 117)", "1.2 MB",
		"1 of 8 connected: too many failures", "Network ip6 is down since",
		"192.0.2.1:8333", "/Satoshi:27.0.0/", "87 ms", "12 kB", "2 h 0 min", "192.0.0.0/16",
		"[2001:db8::7]:50123", "AS64500", "2.0 s", "40", "(handshake)", "feeler",
		"203.0.113.9:8333", "manual", "refused", "in 1 min",
		"Cannot connect to 192.0.2.1:8333: refused", "Lost peer",
		"Refused at the door", "host full", "Peer lost, outbound", "ping timeout",
		"Nobody is banned.", `action="/orders/disconnect"`, `action="/orders/add"`,
		`<th scope="row" data-label="Address">`, `aria-live="polite"`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q on the page", want)
		}
	}
	for _, never := range []string{"style=", "onclick", "javascript:", "http://www", "https://"} {
		if strings.Contains(page, never) {
			t.Errorf("%q is on the page", never)
		}
	}
}

// TestStrangersText: what a peer calls itself is text, whatever it is.
func TestStrangersText(t *testing.T) {
	h := serve(t, nil)
	h.feed(node.Event{
		Event: connmgr.Event{Seq: 1, Time: time.Now(), Type: connmgr.EventOwner, Addr: tcp("192.0.2.1:8333")},
		Kind:  node.KindReady, Peer: &node.PeerInfo{UserAgent: hostile}, Counts: node.Counts{Outbound: 1, Target: 8},
	})
	_, page := h.get("/?level=debug&has=script&sub=%22%3E%3Cscript%3E")
	if strings.Contains(page, "<script>alert") || strings.Contains(page, "<img") || strings.Contains(page, `"><script>`) {
		t.Error("it is HTML")
	}
	if strings.Count(page, "&lt;script&gt;alert(1)") < 1 {
		t.Error("it is not shown at all")
	}
}

// TestEventFilter: the page without a script shows the events that are asked for.
func TestEventFilter(t *testing.T) {
	h := serve(t, nil)
	for _, e := range happenings(time.Now()) {
		h.feed(e)
	}
	for query, want := range map[string]int{
		"":                          6, // information and louder
		"?level=debug":              19,
		"?level=warn":               2,
		"?level=debug&sub=BANS":     3,
		"?level=debug&has=DIALING":  2,
		"?level=nonsense":           6,
		"?level=debug&has=no+such+": 0,
	} {
		_, page := h.get("/" + query)
		if got := strings.Count(page, "data-seq="); got != want {
			t.Errorf("%q: %d events, want %d", query, got, want)
		}
	}
}

// TestSort: links sort the peers.
func TestSort(t *testing.T) {
	v := &view{at: time.Now()}
	v.snap.Peers = peers()
	for _, tt := range []struct {
		by   string
		down bool
		want string
	}{
		{"", false, "1 2 3"},
		{"nonsense", false, "1 2 3"},
		{"ping", false, "3 1 2"},
		{"ping", true, "2 1 3"},
		{"addr", false, "1 3 2"},
		{"score", true, "2 1 3"},
		{"age", false, "3 2 1"},
	} {
		var keys []string
		for _, r := range peerRows(v, tt.by, tt.down) {
			keys = append(keys, r.Key)
		}
		if got := strings.Join(keys, " "); got != tt.want {
			t.Errorf("by %q, down %v: %s, want %s", tt.by, tt.down, got, tt.want)
		}
	}
}

// TestHeadline answers "am I connected?".
func TestHeadline(t *testing.T) {
	for _, tt := range []struct {
		off  bool
		c    node.Counts
		want string
		mood string
	}{
		{false, node.Counts{Outbound: 8, Target: 8}, "Connected", "good"},
		{false, node.Counts{Outbound: 8, Target: 8, Wanted: 1}, "Connected to fewer peers than wanted", "warn"},
		{false, node.Counts{Outbound: 7, Target: 8}, "Connected to fewer peers than wanted", "warn"},
		{false, node.Counts{Target: 8}, "Not connected", "bad"},
		{false, node.Counts{Inbound: 1}, "Connected", "good"},
		{true, node.Counts{Target: 8}, "Networking is switched off", "bad"},
	} {
		v := &view{active: !tt.off}
		v.snap.Counts = tt.c
		if got, mood := headline(v); got != tt.want || mood != tt.mood {
			t.Errorf("%+v: %q, %s", tt.c, got, mood)
		}
	}
}

// TestSince says for how long it has been so.
func TestSince(t *testing.T) {
	at := time.Date(2026, 3, 4, 12, 0, 0, 0, time.Local)
	ago := func(d time.Duration) time.Time { return at.Add(-d) }
	for _, tt := range []struct {
		connected, onTarget span
		want                string
	}{
		{span{}, span{}, "since the start"},
		{span{ended: ago(5 * time.Minute)}, span{}, "since 11:55:00 (5 min)"},
		{span{since: ago(time.Hour)}, span{ended: ago(time.Minute)}, "with at least one peer since 11:00:00 (1 h 0 min)"},
		{span{since: ago(26 * time.Hour)}, span{since: ago(time.Second)}, "with at least one peer since 2026-03-03 10:00 (1 d 2 h), with all since 11:59:59 (1 s)"},
		{span{since: ago(62 * time.Second)}, span{since: ago(time.Minute)}, "with all peers since 11:59:00 (1 min)"},
	} {
		if got := sinceText(tt.connected, tt.onTarget, &view{at: at}); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

// TestFormat shows how numbers are written.
func TestFormat(t *testing.T) {
	for got, want := range map[string]string{
		bytesText(0): "0 B", bytesText(999): "999 B", bytesText(1000): "1.0 kB", bytesText(9_949): "9.9 kB",
		bytesText(9_950): "10 kB", bytesText(999_499): "999 kB", bytesText(999_500): "1.0 MB", bytesText(1 << 63): "9 EB",
		spanText(-1): "0 s", spanText(59 * time.Second): "59 s", spanText(61 * time.Second): "1 min",
		spanText(125 * time.Minute): "2 h 5 min", spanText(76 * time.Hour): "3 d 4 h",
		pingText(0): "–", pingText(time.Microsecond): "<0.1 ms", pingText(300 * time.Microsecond): "0.3 ms",
		pingText(87 * time.Millisecond): "87 ms", pingText(1200 * time.Millisecond): "1.2 s",
		rangeText([]int{3}): "3", rangeText([]int{6, 8, 7}): "6 to 8",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestHistory: an hour and a day of points, and no more.
func TestHistory(t *testing.T) {
	h := newHistory()
	v := &view{at: time.Unix(1_700_000_000, 0)}
	for i := range 3 * dayPoints * int(dayEvery/hourEvery) {
		v.at = v.at.Add(hourEvery)
		v.traffic.Received += 10 * 100 // 100 bytes a second
		v.snap.Counts.Outbound = i % 9
		h.add(v)
	}
	hour, day := h.columns(false), h.columns(true)
	if len(hour.Time) != hourPoints || len(day.Time) != dayPoints || len(day.Outbound) != dayPoints {
		t.Fatalf("%d and %d points, want %d and %d", len(hour.Time), len(day.Time), hourPoints, dayPoints)
	}
	if hour.In[5] != 100 || day.In[5] != 100 || hour.Out[5] != 0 {
		t.Errorf("%v and %v bytes a second, want 100", hour.In[5], day.In[5])
	}
	if d := day.Time[1] - day.Time[0]; d != 300 {
		t.Errorf("a point each %d s, want 300", d)
	}
	if got, want := h.summary(), "In the last 59 min: 0 to 8 outbound and 0 inbound peers; 359 kB received, 0 B sent."; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestFilesAreInTheProgram: nothing is fetched from elsewhere, and the licence of what
// others wrote is beside it.
func TestFilesAreInTheProgram(t *testing.T) {
	err := fstest.TestFS(staticFiles, "static/dashboard.js", "static/dashboard.css", "static/icon.svg",
		"static/uplot/uPlot.iife.min.js", "static/uplot/uPlot.min.css", "static/uplot/LICENSE")
	if err := errors.Join(err, fstest.TestFS(worldFiles, "world/land.path", "world/LICENSE")); err != nil {
		t.Error(err)
	}
}
