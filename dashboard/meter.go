package dashboard

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"holdfast/connmgr"
	"holdfast/node"
	"holdfast/stream"
)

// Meter counts what a node's events tell: whatever the metrics and the page have that is
// not in the node's own state. Since it is fed with each event it misses none. It must be
// made by NewMeter. All methods are safe for concurrent use.
type Meter struct {
	handshakes map[string]prometheus.Histogram // by direction
	pings      prometheus.Histogram

	mu     sync.Mutex
	counts map[counted]tally

	connected, onTarget span
}

// A counted is what is counted: a metric, and the values of its labels. All values are
// names that node or connmgr has: no peer can make more of them.
type counted struct {
	what  metric
	label [2]string
}

type tally struct {
	n    uint64
	last time.Time
}

// A span is a state that holds or does not: since when, and for how long until then.
type span struct {
	since time.Time // zero while it does not hold
	ended time.Time // when it last ceased to hold; zero if never
	sum   time.Duration
}

func (s *span) set(holds bool, now time.Time) {
	switch {
	case holds && s.since.IsZero():
		s.since = now
	case !holds && !s.since.IsZero():
		s.sum += max(0, now.Sub(s.since))
		s.since, s.ended = time.Time{}, now
	}
}

// total is for how long it has held until now.
func (s *span) total(now time.Time) time.Duration {
	if s.since.IsZero() {
		return s.sum
	}
	return s.sum + max(0, now.Sub(s.since))
}

// NewMeter returns a Meter that has counted nothing.
func NewMeter() *Meter {
	m := &Meter{
		handshakes: make(map[string]prometheus.Histogram),
		counts:     make(map[counted]tally),
		pings: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "holdfast_ping_seconds", Help: "Round trips of pings to peers.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}),
	}
	for _, d := range directions {
		m.handshakes[d] = prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:        "holdfast_handshake_seconds",
			Help:        "From the connection to the end of the handshake, of those that became peers.",
			ConstLabels: prometheus.Labels{"direction": d},
			Buckets:     []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
		})
	}
	return m
}

// Feed takes an event. It is for node.Config.OnEvent, and waits for nobody.
func (m *Meter) Feed(e node.Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.count(e, 1, metricEvents, stream.KindName(e))
	if e.Kind == node.KindConnection {
		m.connection(e)
		return
	}
	direction := directionOf(e.Inbound)
	switch e.Kind {
	case node.KindReady:
		m.count(e, 1, metricHandshakes, direction)
		if e.Peer != nil {
			m.handshakes[direction].Observe(max(0, e.Time.Sub(e.Peer.Since).Seconds()))
		}
		m.numbers(e)
	case node.KindStarted:
		m.numbers(e)
	case node.KindUnready:
		m.count(e, 1, metricHandshakeFailures, direction, e.Why.String())
	case node.KindLost:
		m.count(e, 1, metricSessionsEnded, direction, e.Why.String())
		m.numbers(e)
	case node.KindPong:
		if e.Peer != nil {
			m.pings.Observe(e.Peer.Ping.Seconds())
		}
	case node.KindOffence:
		m.count(e, 1, metricOffences, e.Offence.Slug())
	case node.KindBanned:
		m.count(e, 1, metricBans, e.Ban.Origin.String())
	case node.KindTurnedAway:
		m.count(e, 1, metricRefusals, node.ReasonBanned.String())
	case node.KindEvicted:
		m.count(e, 1, metricEvictions, e.Eviction.Cause.String(), e.Eviction.Rule.String())
	case node.KindAddresses, node.KindSeed:
		m.count(e, e.New, metricAddressesTold, "new")
		m.count(e, e.Told-e.New, metricAddressesTold, "known")
		m.count(e, e.Ignored, metricAddressesTold, "ignored")
		if e.Kind == node.KindSeed {
			m.count(e, 1, metricSeedAnswers, "addresses")
		}
	case node.KindSeedFailed:
		m.count(e, 1, metricSeedAnswers, "failed")
	}
}

// connection counts an event of connmgr's. m.mu must be held.
func (m *Meter) connection(e node.Event) {
	reason := e.Reason.String()
	switch e.Type {
	case connmgr.EventDialing:
		m.count(e, 1, metricDials, className(e.Class))
	case connmgr.EventFailed:
		if e.Addr != nil { // else there was none to dial
			m.count(e, 1, metricDialFailures, reason)
		}
	case connmgr.EventRefused:
		if e.Inbound {
			m.count(e, 1, metricRefusals, reason)
		} else {
			m.count(e, 1, metricRequestsRefused, reason)
		}
	case connmgr.EventRetryAt:
		m.count(e, 1, metricBackoffs, reason)
	case connmgr.EventLimitReached:
		m.count(e, 1, metricLimitsReached, reason)
	case connmgr.EventLost:
		m.count(e, e.Count, metricEventsLost)
	}
}

// count adds n. m.mu must be held.
func (m *Meter) count(e node.Event, n int, what metric, labels ...string) {
	if n <= 0 {
		return
	}
	key := counted{what: what}
	copy(key.label[:], labels)
	t := m.counts[key]
	t.n += uint64(n)
	t.last = e.Time
	m.counts[key] = t
}

// numbers takes the numbers of peers of an event. m.mu must be held.
func (m *Meter) numbers(e node.Event) {
	c := e.Counts
	m.connected.set(c.Outbound+c.Permanent+c.Inbound > 0, e.Time)
	m.onTarget.set(atTarget(c), e.Time)
}

// atTarget reports whether there are all peers that the node is to have.
func atTarget(c node.Counts) bool {
	return c.Target+c.Wanted > 0 && c.Outbound >= c.Target && c.Permanent >= c.Wanted
}

// spans returns when there were peers, and when all of them.
func (m *Meter) spans() (connected, onTarget span) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.connected, m.onTarget
}

// all returns the counts so far.
func (m *Meter) all() map[counted]tally {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.counts)
}

// A refusal is what was refused or failed, why, and how often.
type refusal struct {
	What, Why string
	Count     uint64
	Last      time.Time
}

// refusals returns the counts of what was refused and what failed, the most frequent
// first.
func (m *Meter) refusals() []refusal {
	var list []refusal
	for key, t := range m.all() {
		r := refusal{Count: t.n, Last: t.last}
		switch key.what {
		case metricDialFailures:
			r.What, r.Why = "Dial", key.label[0]
		case metricHandshakeFailures:
			r.What, r.Why = "Handshake, "+key.label[0], key.label[1]
		case metricSessionsEnded:
			r.What, r.Why = "Peer lost, "+key.label[0], key.label[1]
		case metricRefusals:
			r.What, r.Why = "Refused at the door", key.label[0]
		case metricRequestsRefused:
			r.What, r.Why = "Not dialed", key.label[0]
		case metricOffences:
			r.What, r.Why = "Offence", key.label[0]
		case metricEvictions:
			r.What, r.Why = "Evicted, "+key.label[0], key.label[1]
		default:
			continue
		}
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b refusal) int {
		return cmp.Or(-cmp.Compare(a.Count, b.Count), cmp.Compare(a.What, b.What), cmp.Compare(a.Why, b.Why))
	})
	return list
}

var directions = []string{"inbound", "outbound"}

func directionOf(inbound bool) string {
	if inbound {
		return "inbound"
	}
	return "outbound"
}
