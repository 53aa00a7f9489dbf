package rpc

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"holdfast/addrbook"
	"holdfast/banlist"
	"holdfast/connmgr"
	"holdfast/netaddr"
	"holdfast/node"
	"holdfast/stream"
)

// query is the address that is asked about.
type query struct {
	text string
	host string // an IP address in its one form, or a name in lower case
	port string // "" is any
	ban  netaddr.Host
}

func parseQuery(text string) query {
	q := query{text: strings.TrimSpace(text)}
	q.host, q.port = splitHost(q.text)
	q.ban, _ = netaddr.Parse(q.host) // names cannot be banned
	return q
}

// splitHost splits an address in one form; the port is "" if there is none.
func splitHost(text string) (host, port string) {
	host = text
	if _, err := netip.ParseAddr(text); err != nil {
		if h, p, err := net.SplitHostPort(text); err == nil {
			host, port = h, p
		}
	}
	host = strings.Trim(host, "[]")
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap().WithZone("").String(), port
	}
	return strings.ToLower(host), port
}

// is reports whether an address is the one that is asked about. One without a port has
// any.
func (q query) is(addr string) bool {
	if addr == "" || q.host == "" {
		return false
	}
	host, port := splitHost(addr)
	return host == q.host && (port == q.port || port == "" || q.port == "")
}

// about reports whether an event is about the address.
func (q query) about(e node.Event) bool {
	switch {
	case e.Kind == node.KindPong:
		return false // there are so many that nothing else would be shown
	case e.Addr != nil && q.is(e.Addr.String()):
		return true
	case e.Peer != nil && e.Peer.Addr != nil && q.is(e.Peer.Addr.String()):
		return true
	}
	return e.Ban != nil && q.ban.IsValid() && e.Ban.Subject.Contains(q.ban)
}

// facts are what there is to know of an address, one of each, the best.
type facts struct {
	now     time.Time
	active  bool // networking is on
	peer    *node.PeerInfo
	request *connmgr.RequestInfo
	added   *node.AddedPeer
	ban     *banlist.Entry
	known   *addrbook.Known
	events  []node.Event // oldest first
}

// find collects the facts of an address.
func find(n Node, hub *stream.Hub, q query) facts {
	f := facts{now: time.Now(), active: n.NetworkActive(), events: hub.Recent(stream.Filter{Match: q.about})}
	for _, p := range n.Peers() {
		if q.is(addrText(p.Addr)) && (f.peer == nil || p.State > f.peer.State) {
			f.peer = &p
		}
	}
	for _, r := range n.Manager().Requests {
		if r.Addr != nil && q.is(r.Addr.String()) && f.request == nil {
			f.request = &r
		}
	}
	for _, a := range n.AddedPeers() {
		if f.added == nil && (q.is(a.Addr) || a.Peer != nil && q.is(addrText(a.Peer.Addr))) {
			f.added = &a
		}
	}
	if q.ban.IsValid() {
		if e, ok := n.Bans().Banned(q.ban); ok {
			f.ban = &e
		}
		if f.peer == nil && f.request == nil && f.added == nil {
			f.known = lookup(n, q)
		}
	}
	return f
}

// lookup looks for an address in the book. It looks at all of them, so it is asked only
// if there is nothing else to tell.
func lookup(n Node, q query) *addrbook.Known {
	all := n.Addresses(0, q.ban.Network())
	i := slices.IndexFunc(all, func(k addrbook.Known) bool { return q.is(k.Addr.String()) })
	if i < 0 {
		return nil
	}
	return &all[i]
}

// explanation is the answer of explain.
type explanation struct {
	Address string     `json:"address"`
	Summary string     `json:"summary"`
	State   string     `json:"state"`
	Ban     *ban       `json:"ban"`
	Added   *addedPeer `json:"added"`
	Peer    *peerInfo  `json:"peer"`
	Next    *int64     `json:"next_attempt"`
	Events  []event    `json:"events"`
}

// addedPeer is a peer that is kept, in an explanation.
type addedPeer struct {
	Node   string `json:"addednode"`
	Reason string `json:"reason,omitempty"` // why it is not connected
	Error  string `json:"error,omitempty"`
}

func explainMethod(c *call) (any, error) {
	q := parseQuery(c.text(0))
	if q.host == "" {
		return nil, &Error{CodeAddress, "address: give host:port, or a host"}
	}
	limit, err := c.number(1, defaultExplained, 0, 1000)
	if err != nil {
		return nil, err
	}
	f := find(c.cfg.Node, c.cfg.Hub, q)
	x := explanation{Address: q.text}
	x.State, x.Summary = f.explain(q)
	if f.ban != nil {
		b := newBan(*f.ban, f.now)
		x.Ban = &b
	}
	if f.added != nil {
		x.Added = &addedPeer{Node: f.added.Addr}
		if f.added.Reason != connmgr.ReasonNone {
			x.Added.Reason = f.added.Reason.String()
		}
		if f.added.Err != nil {
			x.Added.Error = f.added.Err.Error()
		}
	}
	if f.peer != nil {
		p := newPeerInfo(*f.peer)
		x.Peer = &p
	}
	if next := f.next(); !next.IsZero() {
		t := next.Unix()
		x.Next = &t
	}
	x.Events = newEvents(f.events[max(0, len(f.events)-int(limit)):])
	return x, nil
}

// next is when the address is dialed next; zero if that is not known.
func (f facts) next() time.Time {
	switch {
	case f.peer != nil:
		return time.Time{}
	case f.request != nil && !f.request.Next.IsZero():
		return f.request.Next
	case f.added != nil:
		return f.added.NextTry
	}
	return time.Time{}
}

// explain says what the state of an address is, in a word and in a sentence. It is a
// function of the facts alone.
func (f facts) explain(q query) (state, sentence string) {
	kept := ""
	if f.added != nil {
		kept = " It is to be kept."
	}
	switch {
	case f.peer != nil && f.peer.State == node.StateReady:
		return "connected", fmt.Sprintf("Connected for %s as %s peer %d: %s.%s", f.ago(f.peer.Since), f.direction(), f.peer.ID, agent(f.peer), kept)
	case f.peer != nil:
		return "handshake", fmt.Sprintf("The connection was made %s ago (%s), and the handshake is not done yet.%s", f.ago(f.peer.Since), f.direction(), kept)
	case f.ban != nil:
		return "banned", f.banned()
	case !f.active:
		return "waiting", "Networking is off: nothing is dialed or taken until setnetworkactive true." + kept
	case f.request != nil && f.request.Dialing:
		return "dialing", fmt.Sprintf("A dial is under way for %s.%s", f.ago(f.request.Since), kept)
	case f.request != nil:
		return "waiting", f.waiting(f.request.Reason, f.request.Err) + kept
	case f.added != nil:
		return "waiting", f.waiting(f.added.Reason, f.added.Err) + kept
	}
	if state, e, ok := f.last(); ok {
		return state, fmt.Sprintf("Not connected. %s ago: %s.", f.ago(e.Time), strings.TrimSuffix(e.String(), "."))
	}
	if f.known != nil {
		return "known", fmt.Sprintf("It is in the address book, and was last seen in the network %s ago. It was not tried lately.", f.ago(f.known.Seen))
	}
	return "unknown", "Nothing is known of it, and nothing happened with it lately."
}

// direction is how a peer came to be.
func (f facts) direction() string {
	switch {
	case f.peer.Inbound:
		return "inbound"
	case f.peer.Class != "" && f.peer.Class != connmgr.ClassOutbound:
		return string(f.peer.Class)
	}
	return "outbound"
}

func agent(p *node.PeerInfo) string {
	if p.UserAgent == "" {
		return "no user agent"
	}
	return p.UserAgent
}

// banned says by whom, for how long and why.
func (f facts) banned() string {
	until := "for ever"
	if !f.ban.Until.IsZero() {
		until = "for another " + inWords(f.ban.Until.Sub(f.now))
	}
	by := map[banlist.Origin]string{
		banlist.Operator: "by the operator",
		banlist.Score:    "for its score",
		banlist.Protocol: "for an offence",
	}[f.ban.Origin]
	text := fmt.Sprintf("%s is banned %s, %s: %s.", f.ban.Subject, by, until, f.ban.Reason)
	if f.added != nil && f.ban.Origin != banlist.Operator {
		text += " It is to be kept, so it is dialed all the same."
	}
	return text
}

// waiting says why an address is not dialed now, and when it is.
func (f facts) waiting(why connmgr.Reason, err error) string {
	var b strings.Builder
	b.WriteString("Not connected")
	switch {
	case err != nil:
		fmt.Fprintf(&b, " (%v)", err)
	case why != connmgr.ReasonNone:
		fmt.Fprintf(&b, " (%v)", why.Error())
	}
	if next := f.next(); !next.IsZero() {
		fmt.Fprintf(&b, "; the next attempt is in %s.", inWords(next.Sub(f.now)))
	} else {
		b.WriteString("; no attempt is planned by time.")
	}
	return b.String()
}

// last returns the last event that says how an address came to be not connected, and
// the state that this is.
func (f facts) last() (string, node.Event, bool) {
	for _, e := range slices.Backward(f.events) {
		switch e.Kind {
		case node.KindEvicted:
			return "evicted", e, true
		case node.KindTurnedAway:
			return "refused", e, true
		case node.KindLost, node.KindUnready:
			if e.Why != node.ReasonEvicted {
				return "ended", e, true
			}
			if told := f.eviction(e); told != nil {
				e = *told
			}
			return "evicted", e, true
		case node.KindConnection:
			switch e.Type {
			case connmgr.EventRefused:
				return "refused", e, true
			case connmgr.EventFailed:
				return "ended", e, true
			}
		}
	}
	return "", node.Event{}, false
}

// eviction returns the event that says why a peer had to go that was lost by it; nil if it
// is not kept any more.
func (f facts) eviction(lost node.Event) *node.Event {
	i := slices.IndexFunc(f.events, func(e node.Event) bool {
		return e.Kind == node.KindEvicted && e.ID == lost.ID
	})
	if i < 0 {
		return nil
	}
	return &f.events[i]
}

// ago is how long ago a time was, as people say it.
func (f facts) ago(t time.Time) string { return inWords(f.now.Sub(t)) }

// inWords is a duration as people say it: "10m", not "10m0s".
func inWords(d time.Duration) string {
	unit := time.Second
	if d < 10*time.Second {
		unit = 100 * time.Millisecond
	}
	text := max(0, d).Round(unit).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
