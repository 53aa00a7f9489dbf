package dashboard

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"holdfast/addrbook"
	"holdfast/banlist"
	"holdfast/connmgr"
	"holdfast/netaddr"
	"holdfast/node"
)

// A metric is one that the Meter counts.
type metric uint8

const (
	metricEvents metric = iota
	metricDials
	metricDialFailures
	metricBackoffs
	metricHandshakes
	metricHandshakeFailures
	metricSessionsEnded
	metricRefusals
	metricRequestsRefused
	metricLimitsReached
	metricOffences
	metricBans
	metricEvictions
	metricAddressesTold
	metricSeedAnswers
	metricEventsLost

	numMetrics
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("holdfast_"+name, help, labels, nil)
}

// counters are the metrics that the Meter counts.
var counters = [numMetrics]*prometheus.Desc{
	metricEvents:            desc("events_total", "Events by kind.", "event"),
	metricDials:             desc("dials_total", "Dials that began, by class.", "class"),
	metricDialFailures:      desc("dial_failures_total", "Dials that failed, by reason.", "reason"),
	metricBackoffs:          desc("dial_backoffs_total", "Requests that were put off until later, by reason.", "reason"),
	metricHandshakes:        desc("handshakes_total", "Handshakes that made a peer.", "direction"),
	metricHandshakeFailures: desc("handshake_failures_total", "Connections that ended before they were peers, by reason.", "direction", "reason"),
	metricSessionsEnded:     desc("sessions_ended_total", "Peers that are gone, by reason.", "direction", "reason"),
	metricRefusals:          desc("refusals_total", "Inbound connections that were closed at once, by reason. A banned host counts once in 30 s.", "reason"),
	metricRequestsRefused:   desc("requests_refused_total", "Outbound requests that a limit refused, by reason.", "reason"),
	metricLimitsReached:     desc("limits_reached_total", "Times that a limit became full, by reason.", "reason"),
	metricOffences:          desc("offences_total", "Offences that were told of, by kind. Of a flood there are at most six a session.", "offence"),
	metricBans:              desc("bans_total", "Bans that began, by origin.", "origin"),
	metricEvictions:         desc("evictions_total", "Inbound peers that had to go: the reason why one had to, and the rule by which it was this one.", "reason", "rule"),
	metricAddressesTold:     desc("addresses_told_total", "Addresses that peers and seeds told: new, known, or ignored as too many.", "result"),
	metricSeedAnswers:       desc("seed_answers_total", "DNS seeds that were asked: addresses or failed.", "result"),
	metricEventsLost:        desc("events_lost_total", "Events that were lost since their reader was too slow. Counts may be too low by as many."),
}

// What is read from the node's state when the metrics are asked for.
var (
	descBuild       = desc("build_info", "Always 1; the version and the Bitcoin network.", "version", "network")
	descStarted     = desc("start_time_seconds", "When the node was made, in Unix time.")
	descPeers       = desc("peers", "Peers, handshake done.", "direction", "network", "class")
	descHandshaking = desc("handshaking", "Connections whose handshake is not done.", "direction")
	descWanted      = desc("peers_wanted", "Peers that there should be: outbound automatic ones, fixed of the operator's choice.", "class")
	descInboundMax  = desc("inbound_limit", "Inbound peers that there may be.")
	descSlots       = desc("outbound_slots", "Automatic outbound slots by state.", "state")
	descFailures    = desc("outbound_failures_in_a_row", "Automatic dials that failed since the last success.")
	descRate        = desc("dial_success_ratio", "Share of recent automatic dials that were answered, 0 to 1.")
	descShort       = desc("outbound_short", "1 for the reason why there are less automatic peers than there should be, else 0.", "reason")
	descRequests    = desc("requests", "Requests of the connection manager by state.", "state")
	descNetDown     = desc("network_down", "1 while our connection to a network is down and only probed.", "network")
	descNetParked   = desc("network_parked", "Requests that wait for a network to come back.", "network")
	descActive      = desc("networking_active", "0 while networking is switched off.")
	descBytes       = desc("wire_bytes_total", "Bytes on the wire.", "direction")
	descMessages    = desc("message_bytes_total", "Bytes of whole messages, headers included.", "direction", "message")
	descBans        = desc("bans", "Bans in force by origin.", "origin")
	descAddresses   = desc("addresses", "Addresses in the book.", "network", "table")
	descGroups      = desc("address_groups", "Groups of addresses in the book.", "table")
	descCapacity    = desc("address_capacity", "Addresses that the book has room for.", "table")
	descCollisions  = desc("address_collisions", "Addresses that wait for a place among the tried.")
	descConnected   = desc("connected_seconds_total", "Time with at least one peer.")
	descTarget      = desc("at_target_seconds_total", "Time with all peers that there should be.")
	descViewers     = desc("dashboard_viewers", "Pages that follow live.")
	descCut         = desc("dashboard_viewers_cut_total", "Pages that were cut off, since they did not read.")
)

// collector is the node and its Meter as Prometheus sees them.
type collector struct{ s *Server }

// registry returns what /metrics serves. It is gathered once in a second of the clock,
// however many ask.
func (s *Server) registry() prometheus.Gatherer {
	r := prometheus.NewRegistry()
	r.MustRegister(
		collector{s},
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return prometheus.GathererFunc(onceASecond(r.Gather))
}

// onceASecond returns a function that calls get, unless it did in the same second of the
// clock: then it returns what it had. It may be called by several at once. The caller may
// not change what it gets.
func onceASecond[T any](get func() (T, error)) func() (T, error) {
	var (
		mu     sync.Mutex
		called bool
		second int64
		last   T
		err    error
	)
	return func() (T, error) {
		mu.Lock()
		defer mu.Unlock()
		if now := time.Now().Unix(); !called || now != second {
			called, second = true, now
			last, err = get()
		}
		return last, err
	}
}

// Describe sends nothing: which values labels have is known when they have them.
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect sends all metrics.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	now := time.Now()
	m := c.s.cfg.Meter
	for key, t := range withZeros(m.all()) {
		n := labelsOf[key.what]
		ch <- prometheus.MustNewConstMetric(counters[key.what], prometheus.CounterValue, float64(t.n), key.label[:n]...)
	}
	for _, h := range m.handshakes {
		ch <- h
	}
	ch <- m.pings
	connected, onTarget := m.spans()
	counter := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter(descConnected, connected.total(now).Seconds())
	counter(descTarget, onTarget.total(now).Seconds())
	gauge(descViewers, float64(c.s.feed.viewers.Load()))
	counter(descCut, float64(c.s.feed.cut.Load()))

	v := c.s.view()
	gauge(descBuild, 1, c.s.cfg.Version, v.snap.Network)
	gauge(descStarted, float64(v.info.Started.UnixMilli())/1000)
	gauge(descActive, truth(v.active))
	collectPeers(v, gauge)
	collectOutbound(v.snap, gauge)

	traffic := v.traffic
	counter(descBytes, float64(traffic.Sent), "sent")
	counter(descBytes, float64(traffic.Received), "received")
	for message, n := range traffic.SentBy {
		counter(descMessages, float64(n), "sent", messageLabel(message))
	}
	for message, n := range traffic.ReceivedBy {
		counter(descMessages, float64(n), "received", messageLabel(message))
	}

	bans := map[banlist.Origin]int{banlist.Operator: 0, banlist.Score: 0, banlist.Protocol: 0}
	for i := range v.snap.Bans {
		bans[v.snap.Bans[i].Origin]++
	}
	for origin, n := range bans {
		gauge(descBans, float64(n), origin.String())
	}
	collectBook(v.book, gauge)
}

type gaugeFunc = func(d *prometheus.Desc, v float64, labels ...string)

func collectPeers(v *view, gauge gaugeFunc) {
	type sort struct{ direction, network, class string }
	peers := make(map[sort]int)
	handshaking := map[string]int{"inbound": 0, "outbound": 0}
	for _, n := range netaddr.Networks() { // so that no peer at all is a number too
		peers[sort{"outbound", n.String(), "outbound"}] = 0
		peers[sort{"inbound", n.String(), "inbound"}] = 0
	}
	for i := range v.snap.Peers {
		p := &v.snap.Peers[i]
		direction := directionOf(p.Inbound)
		if p.State != node.StateReady {
			handshaking[direction]++
			continue
		}
		class := className(p.Class)
		if p.Inbound {
			class = "inbound"
		}
		peers[sort{direction, networkName(p.Network), class}]++
	}
	for s, n := range peers {
		gauge(descPeers, float64(n), s.direction, s.network, s.class)
	}
	for direction, n := range handshaking {
		gauge(descHandshaking, float64(n), direction)
	}
	gauge(descWanted, float64(v.snap.Counts.Target), "outbound")
	gauge(descWanted, float64(v.snap.Counts.Wanted), "fixed")
	gauge(descInboundMax, float64(v.info.MaxInbound))
}

// shortReasons are those that connmgr's Outbound.Why can be.
var shortReasons = []connmgr.Reason{
	connmgr.ReasonStopped, connmgr.ReasonNoAddress, connmgr.ReasonNetworkDown, connmgr.ReasonTooManyFails,
}

func collectOutbound(s node.Snapshot, gauge gaugeFunc) {
	o := s.Outbound
	gauge(descSlots, float64(o.Connected), "connected")
	gauge(descSlots, float64(o.Dialing), "dialing")
	gauge(descSlots, float64(o.Waiting), "waiting")
	gauge(descSlots, float64(o.Pausing), "pausing")
	gauge(descFailures, float64(o.Failures))
	gauge(descRate, o.Rate)
	for _, r := range shortReasons {
		gauge(descShort, truth(o.Why == r), r.String())
	}
	states := map[string]int{"connected": 0, "dialing": 0, "waiting": 0}
	for i := range s.Requests {
		r := &s.Requests[i]
		switch {
		case r.State == connmgr.ConnEstablished:
			states["connected"]++
		case r.Dialing:
			states["dialing"]++
		default:
			states["waiting"]++
		}
	}
	for state, n := range states {
		gauge(descRequests, float64(n), state)
	}
	for _, n := range s.Networks { // as many as there are proxies, and two or three more
		name := networkLabel(n.Name)
		gauge(descNetDown, truth(n.Down), name)
		gauge(descNetParked, float64(n.Parked), name)
	}
}

func collectBook(b addrbook.Stats, gauge gaugeFunc) {
	for network, n := range b.Networks {
		gauge(descAddresses, float64(n.New), network.String(), "new")
		gauge(descAddresses, float64(n.Tried), network.String(), "tried")
	}
	gauge(descGroups, float64(b.Groups.New), "new")
	gauge(descGroups, float64(b.Groups.Tried), "tried")
	gauge(descCapacity, float64(b.Capacity.New), "new")
	gauge(descCapacity, float64(b.Capacity.Tried), "tried")
	gauge(descCollisions, float64(b.Collisions))
}

// labelsOf is how many labels a metric has.
var labelsOf = func() (n [numMetrics]int) {
	for _, m := range []metric{metricHandshakeFailures, metricSessionsEnded, metricEvictions} {
		n[m] = 2
	}
	for m := range numMetrics {
		if n[m] == 0 && m != metricEventsLost {
			n[m] = 1
		}
	}
	return n
}()

// withZeros adds what did not happen yet and an alert may ask for: rate() sees the first
// time only if there was a 0 before.
func withZeros(counts map[counted]tally) map[counted]tally {
	zero := func(m metric, labels ...string) {
		key := counted{what: m}
		copy(key.label[:], labels)
		if _, ok := counts[key]; !ok {
			counts[key] = tally{}
		}
	}
	zero(metricEventsLost)
	for _, c := range evictionCauses {
		for _, r := range evictionRules {
			zero(metricEvictions, c.String(), r.String())
		}
	}
	for _, d := range directions {
		zero(metricHandshakes, d)
	}
	for _, r := range dialReasons {
		zero(metricDialFailures, r.String())
	}
	for _, c := range classNames {
		zero(metricDials, c)
	}
	for _, o := range []banlist.Origin{banlist.Operator, banlist.Score, banlist.Protocol} {
		zero(metricBans, o.String())
	}
	return counts
}

// dialReasons are those for which a dial fails.
var dialReasons = []connmgr.Reason{
	connmgr.ReasonRefused, connmgr.ReasonTimedOut, connmgr.ReasonReset, connmgr.ReasonUnresolved, connmgr.ReasonFailed,
	connmgr.ReasonNoNetwork, connmgr.ReasonNoRoute, connmgr.ReasonProxy, connmgr.ReasonResolver, connmgr.ReasonResources,
}

// evictionCauses and evictionRules are why an inbound peer is evicted.
var (
	evictionCauses = []node.EvictionCause{node.EvictedForNewcomer, node.EvictedForOnion, node.EvictedForFewer}
	evictionRules  = []node.EvictionRule{node.EvictedAsBad, node.EvictedFromGroup, node.EvictedAsLast}
)

// classNames are the classes of outbound connections that the node has.
var classNames = slices.Sorted(maps.Keys(map[string]bool{
	string(connmgr.ClassOutbound): true, string(node.ClassManual): true, string(node.ClassTry): true,
	string(node.ClassConnect): true, string(node.ClassFeeler): true, string(node.ClassSeed): true,
}))

// className is a class as a label.
func className(c connmgr.Class) string {
	if slices.Contains(classNames, string(c)) {
		return string(c)
	}
	return "other"
}

// networkName is a network as a label.
func networkName(n netaddr.Network) string {
	if n == 0 {
		return "unknown"
	}
	return n.String()
}

// networkLabel is a network of the connection manager as a label: as all others have it.
func networkLabel(name string) string {
	switch name {
	case "ip4":
		return netaddr.IPv4.String()
	case "ip6":
		return netaddr.IPv6.String()
	}
	return name
}

// messageLabel is a command as a label. The node has a table of them, and one name for
// all others.
func messageLabel(command string) string { return strings.Trim(command, "*") }

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
