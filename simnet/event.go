package simnet

import (
	"fmt"
	"net"
)

// EventKind is the kind of an Event.
type EventKind uint8

// The kinds of events.
const (
	EventStarted  EventKind = iota + 1 // the peer was started
	EventStopped                       // the peer was stopped; its connections are closed
	EventOpened                        // a connection was accepted or made
	EventReady                         // its handshake is done
	EventReceived                      // a message came: Command
	EventClosed                        // the connection is closed: Err says why
)

var eventNames = [...]string{
	EventStarted:  "started",
	EventStopped:  "stopped",
	EventOpened:   "opened",
	EventReady:    "ready",
	EventReceived: "received",
	EventClosed:   "closed",
}

// String returns the kind's name, as "ready".
func (k EventKind) String() string {
	if k > 0 && int(k) < len(eventNames) {
		return eventNames[k]
	}
	return fmt.Sprintf("event-%d", uint8(k))
}

// Event is what happened at a peer.
type Event struct {
	Kind    EventKind
	Peer    *Peer
	Remote  net.Addr // other side of the connection; nil for EventStarted and EventStopped
	Inbound bool     // the other side dialed
	Command string   // of EventReceived; "unknown" for a command that is not known
	Err     error    // of EventClosed: nil if the peer itself ended it as its Behaviour says
}
