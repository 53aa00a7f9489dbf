package connmgr

import (
	"errors"
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
	EventLimitReached                      // a limit is full now; Reason says which, Addr whose, if it is for some only
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
	b.WriteString(e.sentence())
	if e.Class != "" && e.Class != ClassOutbound {
		fmt.Fprintf(&b, " [%s]", e.Class)
	}
	if e.ID != 0 && e.Type != EventUnknownID {
		fmt.Fprintf(&b, " (reqid %d)", e.ID)
	}
	return b.String()
}

func (e Event) sentence() string {
	switch e.Type {
	case EventDialing:
		return "Dialing " + e.who()
	case EventConnected:
		return "Connected to " + e.who()
	case EventGood:
		return "Good: " + e.who()
	case EventFailed:
		if e.Addr == nil {
			return "No address to dial now: " + e.cause()
		}
		return fmt.Sprintf("Cannot connect to %s: %s", e.who(), e.cause())
	case EventClosed:
		text := fmt.Sprintf("Closed %s: %s", e.who(), e.Reason.Error())
		if e.Err != nil {
			text += ": " + e.cause()
		}
		return text
	case EventRefused:
		return fmt.Sprintf("Refused %s: %s", e.who(), e.cause())
	case EventRetryAt:
		return e.retry()
	case EventLimitReached:
		if e.Addr != nil {
			return fmt.Sprintf("Limit reached by %s: %s", e.who(), e.cause())
		}
		return "Limit reached: " + e.cause()
	case EventAccepted:
		return "Accepted " + e.who()
	case EventListening:
		return "Listening on " + e.who()
	case EventAcceptFailed:
		return fmt.Sprintf("Cannot accept on %s (%d times), pausing: %s", e.who(), e.Count, e.cause())
	case EventNetworkDown:
		return fmt.Sprintf("Network %s is down, probing slowly: %s", e.Network, e.cause())
	case EventNetworkUp:
		return fmt.Sprintf("Network %s is back", e.Network)
	case EventOwner:
		return fmt.Sprintf("%s: %v", e.who(), e.Detail)
	case EventUnknownID:
		return fmt.Sprintf("Unknown connid=%d (%d times)", e.ID, e.Count)
	case EventLost:
		return fmt.Sprintf("Lost %d events", e.Count)
	case EventStopped:
		return "Connection manager stopped"
	}
	return e.Type.String()
}

// retry words an EventRetryAt.
func (e Event) retry() string {
	if e.At.IsZero() {
		return fmt.Sprintf("Waiting to connect to %s: %s", e.who(), e.cause())
	}
	wait := e.At.Sub(e.Time).Round(100 * time.Millisecond)
	if e.Reason == ReasonDisconnected {
		return fmt.Sprintf("Connecting to %s again in %v", e.who(), wait) // Closed has said why
	}
	return fmt.Sprintf("Cannot connect to %s (%s): next try in %v", e.who(), e.cause(), wait)
}

func (e Event) who() string {
	if e.Addr == nil {
		return "connection"
	}
	return e.Addr.String()
}

// cause is why, short where the reason says it all, and without the address, which
// the line has already.
func (e Event) cause() string {
	switch e.Reason {
	case ReasonRefused, ReasonTimedOut, ReasonReset, ReasonUnresolved:
		return e.Reason.Error()
	}
	var op *net.OpError
	switch {
	case e.Err == nil:
		return e.Reason.Error()
	case e.Reason == ReasonProxy && errors.As(e.Err, &op):
		return "the proxy: " + op.Error() // with its address
	case errors.As(e.Err, &op) && op.Err != nil:
		return op.Err.Error()
	}
	return e.Err.Error()
}
