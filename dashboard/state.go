package dashboard

import (
	"fmt"
	"strings"
	"time"

	"holdfast/connmgr"
)

// A state is what the page is filled with, and sent when it changes: texts by the id of
// their place, and the rows of each table.
type state struct {
	Mood  string            `json:"mood"` // good, warn or bad
	Texts map[string]string `json:"texts"`
	Rows  map[string][]row  `json:"rows"`
	Map   *worldMap         `json:"map,omitempty"` // nil if there is no database of places
}

func (s *Server) state(v *view) state { return s.sortedState(v, "", false) }

// sortedState is state with the peers sorted by a column.
func (s *Server) sortedState(v *view, by string, down bool) state {
	headline, mood := headline(v)
	refusals, waiting := s.cfg.Meter.refusals(), waitRows(v)
	st := state{
		Mood: mood,
		Texts: map[string]string{
			"headline":  headline,
			"since":     s.since(v),
			"why":       why(v),
			"outbound":  outOf(v.snap.Counts.Outbound, v.snap.Counts.Target),
			"fixed":     outOf(v.snap.Counts.Permanent, v.snap.Counts.Wanted),
			"inbound":   inbound(v),
			"received":  bytesText(v.traffic.Received),
			"sent":      bytesText(v.traffic.Sent),
			"known":     fmt.Sprint(v.snap.Counts.Addresses),
			"banned":    fmt.Sprint(v.snap.Counts.Banned),
			"waiting":   fmt.Sprint(len(waiting)),
			"history":   s.history.summary(),
			"bans-note": bansNote(v),
		},
		Rows: map[string][]row{
			"peers":    peerRows(v, by, down),
			"waiting":  waiting,
			"groups":   groupRows(v),
			"refusals": refusalRows(refusals, v.at),
			"bans":     banRows(v),
			"book":     bookRows(v),
		},
	}
	if v.places != nil {
		st.Map = newMap(v)
		st.Texts["places-note"] = placesNote(v, st.Map)
		st.Rows["places"] = placeRows(v)
	}
	return st
}

// headline answers "am I connected?".
func headline(v *view) (text, mood string) {
	c := v.snap.Counts
	ready := c.Outbound + c.Permanent + c.Inbound
	switch {
	case !v.active:
		return "Networking is switched off", "bad"
	case ready == 0:
		return "Not connected", "bad"
	case atTarget(c):
		return "Connected", "good"
	case c.Target+c.Wanted == 0:
		return "Connected", "good" // inbound peers only, as it was asked for
	}
	return "Connected to fewer peers than wanted", "warn"
}

// since says for how long it has been so.
func (s *Server) since(v *view) string {
	connected, onTarget := s.cfg.Meter.spans()
	return sinceText(connected, onTarget, v)
}

func sinceText(connected, onTarget span, v *view) string {
	when := func(t time.Time) string {
		return fmt.Sprintf("since %s (%s)", clockText(t, v.at), spanText(v.at.Sub(t)))
	}
	switch {
	case connected.since.IsZero() && connected.ended.IsZero():
		return "since the start"
	case connected.since.IsZero():
		return when(connected.ended)
	case onTarget.since.IsZero():
		return "with at least one peer " + when(connected.since)
	case onTarget.since.Sub(connected.since) < time.Minute:
		return "with all peers " + when(onTarget.since)
	}
	return fmt.Sprintf("with at least one peer %s, with all %s", when(connected.since), when(onTarget.since))
}

// why says what keeps the node from having more peers.
func why(v *view) string {
	var parts []string
	o := v.snap.Outbound
	if o.Why != connmgr.ReasonNone && v.active {
		parts = append(parts, "Outbound: "+o.String()+".")
	}
	for _, n := range v.snap.Networks {
		if n.Down {
			parts = append(parts, fmt.Sprintf("Network %s is down since %s.", n.Name, clockText(n.Since, v.at)))
		}
	}
	return strings.Join(parts, " ")
}

func outOf(n, most int) string {
	if most == 0 && n == 0 {
		return "none"
	}
	return fmt.Sprintf("%d of %d", n, most)
}

func inbound(v *view) string {
	switch {
	case len(v.snap.Listening) == 0:
		return fmt.Sprintf("%d (not listening)", v.snap.Counts.Inbound)
	case v.info.MaxInbound > 0:
		return fmt.Sprintf("%d (room for %d)", v.snap.Counts.Inbound, v.info.MaxInbound)
	}
	return fmt.Sprint(v.snap.Counts.Inbound)
}

func bansNote(v *view) string {
	if n := len(v.snap.Bans) - maxBanRows; n > 0 {
		return fmt.Sprintf("The newest %d are shown; %d more are not.", maxBanRows, n)
	}
	return ""
}
