package node

import (
	"fmt"
	"strings"
)

// Reason says why a session ended or was not begun. It is an error, so that
// errors.Is(err, node.ReasonPingTimeout) works on the cause that connmgr's
// events carry.
type Reason uint8

// The reasons. Their names (String) are fit for a metric's label.
const (
	ReasonNone Reason = iota

	// The session did not become a peer.
	ReasonHandshakeTimeout // version and verack did not come in time
	ReasonWrongNetwork     // the other side speaks another network, or no Bitcoin at all
	ReasonOldProtocol      // its protocol version is too low
	ReasonNoServices       // it does not serve what automatic peers must
	ReasonSelf             // it is this node
	ReasonMirror           // it sends back what this node sent
	ReasonDuplicate        // a fixed peer that is given by name is the same, or in its group; also of peers
	ReasonBanned           // its host is banned

	// The session ended.
	ReasonRemoteClosed // the other side closed the connection
	ReasonReset        // the connection was reset
	ReasonNetworkError // reading or writing failed in another way
	ReasonPingTimeout  // no pong in time
	ReasonIdle         // nothing came at all
	ReasonSlowMessage  // a message was begun and not finished in time
	ReasonSendTimeout  // it does not read what it is sent
	ReasonMisbehaved   // its ban score is full
	ReasonViolation    // it did what ends a connection at once
	ReasonDropped      // the connection manager ended it: the target was lowered
	ReasonShutdown     // this node stops
	ReasonProbed       // it was a feeler, and is done
	ReasonEvicted      // it made room for another inbound peer

	ReasonOperator   // the operator ended it
	ReasonNetworkOff // networking is switched off

	numReasons
)

var reasonNames = [numReasons]string{
	ReasonNone:             "none",
	ReasonHandshakeTimeout: "handshake-timeout",
	ReasonWrongNetwork:     "wrong-network",
	ReasonOldProtocol:      "old-protocol",
	ReasonNoServices:       "no-services",
	ReasonSelf:             "self-connection",
	ReasonMirror:           "mirror",
	ReasonDuplicate:        "duplicate",
	ReasonBanned:           "banned",
	ReasonRemoteClosed:     "closed-by-peer",
	ReasonReset:            "reset",
	ReasonNetworkError:     "network-error",
	ReasonPingTimeout:      "ping-timeout",
	ReasonIdle:             "idle",
	ReasonSlowMessage:      "slow-message",
	ReasonSendTimeout:      "send-timeout",
	ReasonMisbehaved:       "misbehaved",
	ReasonViolation:        "protocol-violation",
	ReasonDropped:          "dropped",
	ReasonShutdown:         "shutdown",
	ReasonProbed:           "probed",
	ReasonEvicted:          "evicted",
	ReasonOperator:         "by-operator",
	ReasonNetworkOff:       "networking-off",
}

// ours reports whether it was our doing, and says nothing of the other side.
func (r Reason) ours() bool {
	switch r {
	case ReasonShutdown, ReasonDropped, ReasonDuplicate, ReasonOperator, ReasonNetworkOff:
		return true
	}
	return false
}

// String returns the reason's name, as "ping-timeout".
func (r Reason) String() string {
	if r < numReasons {
		return reasonNames[r]
	}
	return fmt.Sprintf("reason-%d", uint8(r))
}

// Error returns the reason in words, as "ping timeout".
func (r Reason) Error() string { return strings.ReplaceAll(r.String(), "-", " ") }

// ending is why a session ended: a Reason, and what more there is to say.
type ending struct {
	why  Reason
	text string // more for the reader; may be empty
	err  error  // the cause; may be nil
}

// Error says why, and the details.
func (e *ending) Error() string {
	if e.text == "" {
		return e.why.Error()
	}
	return e.why.Error() + ": " + e.text
}

// Unwrap returns the reason and the cause.
func (e *ending) Unwrap() []error {
	if e.err == nil {
		return []error{e.why}
	}
	return []error{e.why, e.err}
}
