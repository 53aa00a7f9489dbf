package connmgr

import (
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"
)

// EventType is the kind of an Event.
type EventType uint8

// The kinds of events. Their names (String) are fit for a metric's label.
const (
	EventDialing      EventType = iota + 1 // a dial began
	EventConnected                         // an outbound connection was made
	EventGood                              // the owner called MarkGood
	EventFailed                            // a dial failed; Reason and Err say why
	EventClosed                            // a connection ended, or a pending request was given up
	EventRefused                           // a limit refused a request or an inbound connection
	EventRetryAt                           // the request waits; At says until when, if that is known
	EventLimitReached                      // a limit is full now; Reason says which
	EventAccepted                          // an inbound connection was taken
	EventListening                         // a listener was taken over
	EventAcceptFailed                      // Accept fails; repeated at most every 30 s, with Count
	EventNetworkDown                       // our network is down: only probes are dialed until it is back
	EventNetworkUp                         // our network is back
	EventOwner                             // something the owner published: see Detail
	EventUnknownID                         // Remove or Disconnect of an id that is not there; repeated at most every 30 s, with Count
	EventLost                              // Count events were lost here: OnEvent is too slow
	EventStopped                           // Stop was called

	numEventTypes
)

var eventNames = [numEventTypes]string{
	EventDialing:      "dialing",
	EventConnected:    "connected",
	EventGood:         "good",
	EventFailed:       "failed",
	EventClosed:       "closed",
	EventRefused:      "refused",
	EventRetryAt:      "retry-at",
	EventLimitReached: "limit-reached",
	EventAccepted:     "accepted",
	EventListening:    "listening",
	EventAcceptFailed: "accept-failed",
	EventNetworkDown:  "network-down",
	EventNetworkUp:    "network-up",
	EventOwner:        "owner",
	EventUnknownID:    "unknown-id",
	EventLost:         "events-lost",
	EventStopped:      "stopped",
}

// String returns the kind's name, as "retry-at".
func (t EventType) String() string {
	if t > 0 && t < numEventTypes {
		return eventNames[t]
	}
	return fmt.Sprintf("event-%d", uint8(t))
}

// Event is one change of state. Events are numbered from 1 without gaps, except
// where an EventLost says so, and are delivered in that order.
type Event struct {
	Seq    uint64
	Time   time.Time
	Type   EventType
	Reason Reason // why; ReasonNone where there is nothing to say

	ID      uint64   // the request's id; inbound connections have ids too
	Addr    net.Addr // the remote address, or the listener's; may be nil
	Class   Class    // the request's class; empty for inbound
	Inbound bool

	Err   error     // the cause, where there is one
	At    time.Time // EventRetryAt: the next attempt; zero if it waits for something else
	Count int       // EventRetryAt: retries so far; EventAcceptFailed, EventLost: how many

	Network string // EventNetworkDown, EventNetworkUp: which, as Config.Network names it
	Detail  any    // EventOwner: what was given to Publish
}

// Level returns how loud the event is in a log: what an operator must act on is
// a warning or an error, a change of the whole is information, and what happens
// to one connection is for debugging.
func (e Event) Level() slog.Level {
	switch e.Type {
	case EventAcceptFailed, EventUnknownID:
		return slog.LevelError
	case EventNetworkDown, EventLost:
		return slog.LevelWarn
	case EventNetworkUp, EventListening, EventLimitReached:
		return slog.LevelInfo
	}
	return slog.LevelDebug
}

// String renders the event as one line of text, without its time. It is the one
// wording that logs and tools show.
func (e Event) String() string {
	var b strings.Builder
	b.WriteString(e.headline())
	if e.Class != "" && e.Class != ClassOutbound {
		fmt.Fprintf(&b, " [%s]", e.Class)
	}
	if e.ID != 0 && e.Type != EventUnknownID {
		fmt.Fprintf(&b, " (reqid %d)", e.ID)
	}
	switch {
	case e.Type == EventOwner && e.Detail != nil:
		fmt.Fprintf(&b, ": %v", e.Detail)
	case e.Err != nil:
		fmt.Fprintf(&b, ": %s: %v", e.Reason.Error(), e.Err)
	case e.Reason != ReasonNone && !e.saysReason():
		fmt.Fprintf(&b, ": %s", e.Reason.Error())
	}
	return b.String()
}

// saysReason reports whether the headline says all that the reason would.
func (e Event) saysReason() bool {
	switch e.Type {
	case EventLimitReached, EventLost, EventUnknownID, EventStopped:
		return true
	}
	return false
}

func (e Event) headline() string {
	who := "connection"
	if e.Addr != nil {
		who = e.Addr.String()
	}
	switch e.Type {
	case EventDialing:
		return "Dialing " + who
	case EventConnected:
		return "Connected to " + who
	case EventGood:
		return "Good: " + who
	case EventFailed:
		return "Failed to connect to " + who
	case EventClosed:
		return "Closed " + who
	case EventRefused:
		return "Refused " + who
	case EventRetryAt:
		if e.At.IsZero() {
			return "Will retry " + who
		}
		return fmt.Sprintf("Will retry %s in %v", who, e.At.Sub(e.Time).Round(time.Millisecond))
	case EventLimitReached:
		return "Limit reached: " + e.Reason.Error()
	case EventAccepted:
		return "Accepted " + who
	case EventListening:
		return "Listening on " + who
	case EventAcceptFailed:
		return fmt.Sprintf("Cannot accept on %s (%d times), pausing", who, e.Count)
	case EventNetworkDown:
		return fmt.Sprintf("Network %s is down, probing slowly", e.Network)
	case EventNetworkUp:
		return fmt.Sprintf("Network %s is back", e.Network)
	case EventOwner:
		return who
	case EventUnknownID:
		return fmt.Sprintf("Unknown connid=%d (%d times)", e.ID, e.Count)
	case EventLost:
		return fmt.Sprintf("Lost %d events", e.Count)
	case EventStopped:
		return "Connection manager stopped"
	}
	return e.Type.String()
}
