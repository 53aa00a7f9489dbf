package dashboard

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"holdfast/banlist"
	"holdfast/connmgr"
	"holdfast/internal/testenv"
	"holdfast/netaddr"
	"holdfast/node"
	"holdfast/stream"
)

// happenings is an hour of a node: one event of each kind that is counted.
func happenings(from time.Time) []node.Event {
	at := from
	var list []node.Event
	add := func(e node.Event) {
		at = at.Add(time.Second)
		e.Seq, e.Time = uint64(len(list)+1), at
		list = append(list, e)
	}
	conn := func(typ connmgr.EventType, r connmgr.Reason, inbound bool) node.Event {
		return node.Event{Event: connmgr.Event{Type: typ, Reason: r, Addr: tcp("192.0.2.1:8333"), Inbound: inbound, Class: connmgr.ClassOutbound}}
	}
	outbound := &node.PeerInfo{ID: 1, Addr: tcp("192.0.2.1:8333"), Since: from, Ping: 40 * time.Millisecond}
	inbound := &node.PeerInfo{ID: 2, Addr: tcp("192.0.2.2:8333"), Since: from, Inbound: true}
	own := func(k node.Kind, e node.Event) node.Event {
		e.Kind, e.Type = k, connmgr.EventOwner
		e.Addr = tcp("192.0.2.1:8333")
		if e.Peer != nil {
			e.Inbound = e.Peer.Inbound
		}
		return e
	}
	add(conn(connmgr.EventDialing, 0, false))
	add(conn(connmgr.EventFailed, connmgr.ReasonRefused, false))
	add(conn(connmgr.EventRetryAt, connmgr.ReasonRefused, false))
	add(conn(connmgr.EventDialing, 0, false))
	add(conn(connmgr.EventRefused, connmgr.ReasonHostFull, true))
	add(conn(connmgr.EventRefused, connmgr.ReasonGroupFull, false))
	add(conn(connmgr.EventLimitReached, connmgr.ReasonTooManyFails, false))
	add(own(node.KindReady, node.Event{Peer: outbound, Counts: node.Counts{Outbound: 1, Target: 1}}))
	add(own(node.KindReady, node.Event{Peer: inbound, Counts: node.Counts{Outbound: 1, Target: 1, Inbound: 1}}))
	add(own(node.KindPong, node.Event{Peer: outbound}))
	add(own(node.KindPong, node.Event{Peer: outbound})) // as long as the one before: it counts all the same
	add(own(node.KindUnready, node.Event{Peer: inbound, Why: node.ReasonWrongNetwork}))
	add(own(node.KindOffence, node.Event{Peer: inbound, Offence: node.OffenceAddrFlood}))
	s, _ := banlist.ParseSubject("192.0.2.2")
	add(own(node.KindBanned, node.Event{Ban: &banlist.Entry{Subject: s, Origin: banlist.Score}}))
	add(own(node.KindTurnedAway, node.Event{}))
	add(own(node.KindEvicted, node.Event{Eviction: node.Eviction{Cause: node.EvictedForOnion, Rule: node.EvictedFromGroup}}))
	add(own(node.KindAddresses, node.Event{Told: 10, New: 4, Ignored: 2}))
	add(own(node.KindSeed, node.Event{Told: 5, New: 5}))
	add(own(node.KindSeedFailed, node.Event{}))
	add(own(node.KindLost, node.Event{Peer: outbound, Why: node.ReasonPingTimeout, Counts: node.Counts{Target: 1, Inbound: 1}}))
	add(node.Event{Event: connmgr.Event{Type: connmgr.EventLost, Count: 7}})
	return list
}

// TestMetrics shows the counts of each event, and that a linter has nothing to say.
func TestMetrics(t *testing.T) {
	h := serve(t, nil)
	began := time.Now()
	for _, e := range happenings(began) {
		h.feed(e)
	}
	reg := h.registry()
	if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
		t.Errorf("lint: %v, %v", problems, err)
	}
	_, body := h.get("/metrics")
	for _, want := range []string{
		`holdfast_dials_total{class="outbound"} 2`,
		`holdfast_dials_total{class="feeler"} 0`,
		`holdfast_dial_failures_total{reason="refused"} 1`,
		`holdfast_dial_failures_total{reason="timed-out"} 0`,
		`holdfast_dial_backoffs_total{reason="refused"} 1`,
		`holdfast_refusals_total{reason="host-full"} 1`,
		`holdfast_refusals_total{reason="banned"} 1`,
		`holdfast_requests_refused_total{reason="group-full"} 1`,
		`holdfast_limits_reached_total{reason="too-many-failures"} 1`,
		`holdfast_handshakes_total{direction="inbound"} 1`,
		`holdfast_handshakes_total{direction="outbound"} 1`,
		`holdfast_handshake_failures_total{direction="inbound",reason="wrong-network"} 1`,
		`holdfast_handshake_seconds_count{direction="outbound"} 1`,
		`holdfast_sessions_ended_total{direction="outbound",reason="ping-timeout"} 1`,
		`holdfast_offences_total{offence="addr-flood"} 1`,
		`holdfast_bans_total{origin="score"} 1`,
		`holdfast_ping_seconds_count 2`,
		`holdfast_ping_seconds_bucket{le="0.025"} 0`,
		`holdfast_ping_seconds_bucket{le="0.05"} 2`,
		`holdfast_evictions_total{reason="onion-full",rule="largest-group"} 1`,
		`holdfast_evictions_total{reason="full",rule="misbehaved"} 0`,
		`holdfast_addresses_told_total{result="new"} 9`,
		`holdfast_addresses_told_total{result="known"} 6`,
		`holdfast_addresses_told_total{result="ignored"} 2`,
		`holdfast_seed_answers_total{result="addresses"} 1`,
		`holdfast_seed_answers_total{result="failed"} 1`,
		`holdfast_events_lost_total 7`,
		`holdfast_events_total{event="dialing"} 2`,
		`holdfast_at_target_seconds_total 12`,
		`holdfast_peers{class="outbound",direction="outbound",network="ipv4"} 1`,
		`holdfast_peers{class="inbound",direction="inbound",network="ipv6"} 1`,
		`holdfast_peers{class="outbound",direction="outbound",network="onion"} 0`,
		`holdfast_handshaking{direction="outbound"} 1`,
		`holdfast_peers_wanted{class="outbound"} 8`,
		`holdfast_outbound_short{reason="too-many-failures"} 1`,
		`holdfast_outbound_short{reason="network-down"} 0`,
		`holdfast_dial_success_ratio 0.25`,
		`holdfast_network_down{network="ipv6"} 1`,
		`holdfast_network_parked{network="ipv6"} 2`,
		`holdfast_networking_active 1`,
		`holdfast_wire_bytes_total{direction="received"} 1.234567e+06`,
		`holdfast_message_bytes_total{direction="received",message="other"} 48`,
		`holdfast_addresses{network="ipv4",table="tried"} 5`,
		`holdfast_build_info{network="regtest",version="test"} 1`,
	} {
		if !strings.Contains(body, "\n"+want+"\n") {
			name, _, _ := strings.Cut(want, " ")
			at := strings.Index(body, "\n"+name)
			t.Errorf("no %s, but %q", want, body[max(at, 0):min(max(at, 0)+len(want)+10, len(body))])
		}
	}
}

// TestOnceASecond: who asks in a loop gets what was gathered and written in that second, and
// costs nothing but the sending of it. Whoever asks for something else does not get that.
func TestOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wrote, gathered := 0, 0
		gather := onceASecond(func() (int, error) {
			gathered++
			time.Sleep(10 * time.Millisecond)
			return gathered, nil
		})
		h := inTurn(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n, _ := gather() // it returns none
			wrote++
			w.Header().Set("Content-Type", r.Header.Get("Accept"))
			w.WriteHeader(http.StatusAccepted)
			_, _ = fmt.Fprintf(w, "%d %s", n, r.URL.Query().Get("name[]"))
		}))
		ask := func(accept, query string) string {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics?"+query, nil)
			r.Header.Set("Accept", accept)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			return fmt.Sprint(w.Code, " ", w.Header().Get("Content-Type"), ": ", w.Body)
		}
		for i := range 3000 { // 3 s
			second := i/1000 + 1
			if got, want := ask("text", ""), fmt.Sprintf("202 text: %d ", second); got != want {
				t.Fatalf("%q, want %q", got, want)
			}
			if i%1000 == 20 {
				var wg sync.WaitGroup
				for range 100 {
					wg.Go(func() { ask("text", "") })
				}
				wg.Wait()
			}
			time.Sleep(time.Until(time.Unix(946684800, 0).Add(time.Duration(i+1) * time.Millisecond)))
		}
		if wrote != 3 || gathered != 3 {
			t.Errorf("written %d times, gathered %d times in 3 s", wrote, gathered)
		}
		for i := range 3 * maxAnswers {
			query := fmt.Sprint("name[]=", i)
			if got, want := ask("open", query), fmt.Sprintf("202 open: 4 %d", i); got != want {
				t.Errorf("%q, want %q", got, want)
			}
		}
		if gathered != 4 {
			t.Errorf("gathered %d times in 4 s", gathered)
		}
	})
}

// TestLoopOnMetrics: the node is asked once a second, and what it then says is shown.
func TestLoopOnMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFake()
		s, err := New(Config{Listen: []string{"127.0.0.1:0"}, Node: n, Hub: stream.NewHub(1), Meter: NewMeter()})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close() //nolint:errcheck // it returns none
		h := s.handler()
		for i := range 10 {
			if i == 5 { // a second has passed
				n.snap.Outbound.Failures = 77
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1/metrics", nil))
			if got := strings.Contains(w.Body.String(), "\nholdfast_outbound_failures_in_a_row 77\n"); got != (i >= 5) {
				t.Errorf("round %d: that it changed is shown: %v", i, got)
			}
			time.Sleep(200 * time.Millisecond)
		}
		if n.asked != 2 {
			t.Errorf("the node was asked %d times in 2 s", n.asked)
		}
	})
}

// TestPromtool has the real linter look.
func TestPromtool(t *testing.T) {
	h := serve(t, nil)
	for _, e := range happenings(time.Now()) {
		h.feed(e)
	}
	_, body := h.get("/metrics")
	promtool(t, strings.NewReader(body), "check", "metrics")
}

func promtool(t *testing.T, in *strings.Reader, args ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		testenv.Cannot(t, "promtool is missing: %v", err)
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	if in != nil {
		cmd.Stdin = in
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %v: %v\n%s", args, err, out)
	}
}

// TestLabelsAreBounded: strangers cannot make time series.
func TestLabelsAreBounded(t *testing.T) {
	m := NewMeter()
	for i := range 1000 {
		class := connmgr.Class(strings.Repeat("x", i%50))
		m.Feed(node.Event{Event: connmgr.Event{Type: connmgr.EventDialing, Class: class, Addr: tcp("192.0.2.1:8333")}})
	}
	if n := len(m.all()); n != 2 { // the event, and one class for all
		t.Errorf("%d counts, want 2", n)
	}
	if networkName(netaddr.Network(0)) != "unknown" {
		t.Error("a network that is not known has no name")
	}
}

// TestHealth: the process serves, and is ready with the first peer.
func TestHealth(t *testing.T) {
	h := serve(t, nil)
	for _, tt := range []struct {
		path string
		c    node.Counts
		want int
	}{
		{"/healthz", node.Counts{}, http.StatusOK},
		{"/readyz", node.Counts{Target: 8}, http.StatusServiceUnavailable},
		{"/readyz", node.Counts{Outbound: 1, Target: 8}, http.StatusOK},
		{"/readyz", node.Counts{Permanent: 1}, http.StatusOK},
		{"/readyz", node.Counts{Inbound: 1}, http.StatusOK},
	} {
		h.node.mu.Lock()
		h.node.snap.Counts = tt.c
		h.node.mu.Unlock()
		if resp, body := h.get(tt.path); resp.StatusCode != tt.want {
			t.Errorf("%s with %+v: %d %q, want %d", tt.path, tt.c, resp.StatusCode, body, tt.want)
		}
	}
}
