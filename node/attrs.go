package node

import (
	"log/slog"

	"holdfast/connmgr"
)

// Attrs is the event as data: what a log for machines has besides the line. The
// first is event, the name of the kind (connmgr's where Kind is KindConnection), the
// second seq. Of the others there are those that the event has.
func (e Event) Attrs() []slog.Attr {
	name := e.Kind.String()
	if e.Kind == KindConnection {
		name = e.Type.String()
	}
	attrs := []slog.Attr{slog.String("event", name), slog.Uint64("seq", e.Seq)}
	add := func(has bool, key string, value any) {
		if has {
			attrs = append(attrs, slog.Any(key, value))
		}
	}
	text := func(key, value string) { add(value != "", key, value) }
	if e.Addr != nil {
		text("addr", e.Addr.String())
	}
	add(e.ID != 0, "id", e.ID)
	text("class", string(e.Class))
	add(e.Inbound, "inbound", true)
	switch {
	case e.Why != ReasonNone:
		text("reason", e.Why.String())
	case e.Reason != connmgr.ReasonNone:
		text("reason", e.Reason.String())
	}
	if e.Err != nil {
		text("error", e.Err.Error())
	}
	add(!e.At.IsZero(), "retry_at", e.At)
	add(e.Count != 0, "count", e.Count)
	text("network", e.Network)
	if p := e.Peer; p != nil {
		add(true, "peer", p.ID)
		text("agent", p.UserAgent)
		add(true, "version", p.Version)
		add(true, "score", p.BanScore)
	}
	if e.Offence != OffenceNone {
		text("offence", e.Offence.Slug())
	}
	if e.Eviction != (Eviction{}) {
		text("cause", e.Eviction.Cause.String())
		text("rule", e.Eviction.Rule.String())
	}
	if b := e.Ban; b != nil {
		text("subject", b.Subject.String())
		text("origin", b.Origin.String())
		text("why", b.Reason)
		add(!b.Until.IsZero(), "until", b.Until)
		add(e.Ignored > 0, "ignored", e.Ignored)
	}
	if e.Kind == KindSeed || e.Kind == KindSeedFailed {
		text("seed", e.Text)
	}
	if e.Kind == KindSeed || e.Kind == KindAddresses {
		add(true, "told", e.Told)
		add(true, "new", e.New)
		add(true, "ignored", e.Ignored)
	}
	if e.Kind == KindReady || e.Kind == KindLost {
		add(true, "outbound_peers", e.Counts.Outbound)
		add(true, "fixed_peers", e.Counts.Permanent)
		add(true, "inbound_peers", e.Counts.Inbound)
	}
	return attrs
}
