package connmgr

import (
	"fmt"
	"net"
	"strings"
)

// Reason says why something happened. It is one enumeration for events, errors,
// log lines and snapshots, and it is an error itself, so that
// errors.Is(err, connmgr.ReasonTimedOut) works on every error of this package.
type Reason uint8

// The reasons. Their order is not part of the interface; their names (String)
// are, and are fit for a metric's label.
const (
	ReasonNone Reason = iota

	// A dial failed, and the remote side or the way to it is to blame.
	ReasonRefused    // the remote host refused the connection
	ReasonTimedOut   // no answer in time
	ReasonReset      // the connection was reset while it was made
	ReasonUnresolved // the dialer found no such host name
	ReasonFailed     // anything else that a dialer returns

	// A dial failed, and this host is to blame. Such a failure is not held
	// against the address: see Config.Classify.
	ReasonNoNetwork // no network, or no route at all (ENETUNREACH and its like)
	ReasonNoRoute   // no route to the host (EHOSTUNREACH): the gateway or the host is gone
	ReasonProxy     // the proxy on the way is not reachable
	ReasonResolver  // the resolver does not answer
	ReasonResources // out of file descriptors, ports or memory

	// A request or a connection was not taken.
	ReasonInUse       // the request is with the manager already
	ReasonDuplicate   // Config.Unique: the address has a request or connection
	ReasonGroupFull   // Limits.MaxPerGroup
	ReasonClassFull   // Limits.Classes
	ReasonInboundFull // Limits.MaxInbound
	ReasonHostFull    // Limits.MaxInboundPerHost
	ReasonPrefixFull  // Limits.MaxInboundPerPrefix
	ReasonNoAddress   // no address to dial: none given, or GetNewAddress has none
	ReasonNetworkDown // waits until the network of the address is back
	ReasonMaxPending  // waits for a place among Limits.MaxPending dials

	// A request or a connection ended, or a pause began.
	ReasonRemoved      // Remove
	ReasonDisconnected // Disconnect
	ReasonCanceled     // the context given to ConnectContext ended
	ReasonSurplus      // dialed in parallel, and others were faster
	ReasonTargetLower  // TargetOutbound was lowered
	ReasonStopped      // Stop, Shutdown, or the end of Run
	ReasonOwnerClosed  // the owner closed the accepted connection
	ReasonTooManyFails // automatic dials fail one after another: they are slowed
	ReasonAcceptFailed // the listener returned an error
	ReasonUnknownID    // no live request has the id
	ReasonLost         // events were lost: the owner's OnEvent is too slow

	numReasons
)

var reasonNames = [numReasons]string{
	ReasonNone:         "none",
	ReasonRefused:      "refused",
	ReasonTimedOut:     "timed-out",
	ReasonReset:        "reset",
	ReasonUnresolved:   "unresolved",
	ReasonFailed:       "failed",
	ReasonNoNetwork:    "no-network",
	ReasonNoRoute:      "no-route",
	ReasonProxy:        "proxy",
	ReasonResolver:     "resolver",
	ReasonResources:    "resources",
	ReasonInUse:        "in-use",
	ReasonDuplicate:    "duplicate",
	ReasonGroupFull:    "group-full",
	ReasonClassFull:    "class-full",
	ReasonInboundFull:  "inbound-full",
	ReasonHostFull:     "host-full",
	ReasonPrefixFull:   "prefix-full",
	ReasonNoAddress:    "no-address",
	ReasonNetworkDown:  "network-down",
	ReasonMaxPending:   "max-pending",
	ReasonRemoved:      "removed",
	ReasonDisconnected: "disconnected",
	ReasonCanceled:     "canceled",
	ReasonSurplus:      "surplus",
	ReasonTargetLower:  "target-lowered",
	ReasonStopped:      "stopped",
	ReasonOwnerClosed:  "owner-closed",
	ReasonTooManyFails: "too-many-failures",
	ReasonAcceptFailed: "accept-failed",
	ReasonUnknownID:    "unknown-id",
	ReasonLost:         "events-lost",
}

// String returns the reason's name, as "timed-out".
func (r Reason) String() string {
	if r < numReasons {
		return reasonNames[r]
	}
	return fmt.Sprintf("reason-%d", uint8(r))
}

// reasonWords are the reasons whose names are not words enough.
var reasonWords = map[Reason]string{
	ReasonInboundFull: "there are as many inbound connections as may be",
	ReasonHostFull:    "its host has as many connections as one host may",
	ReasonPrefixFull:  "its network has as many connections as one may",
}

// Error returns the reason in words, as "timed out".
func (r Reason) Error() string {
	if words := reasonWords[r]; words != "" {
		return words
	}
	return strings.ReplaceAll(r.String(), "-", " ")
}

// Is makes errors.Is(ReasonStopped, net.ErrClosed) true.
func (r Reason) Is(target error) bool {
	return r == ReasonStopped && target == net.ErrClosed
}

// Timeout reports whether the reason is a time-out, as net.Error does.
func (r Reason) Timeout() bool { return r == ReasonTimedOut }

// Local reports whether this host is to blame, and not the address dialed.
func (r Reason) Local() bool { return r >= ReasonNoNetwork && r <= ReasonResources }

// Error is what went wrong with one request or connection. It unwraps to its
// Reason and to the cause, so errors.Is and errors.As find both.
type Error struct {
	Op     string   // "connect" or "dial"
	ID     uint64   // the request's id; 0 if it has none
	Addr   net.Addr // whom it was about; may be nil
	Reason Reason
	Err    error // the cause; may be nil
}

// Error says what happened, to whom, and why, on one line.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("connmgr: ")
	b.WriteString(e.Op)
	if e.Addr != nil {
		b.WriteString(" ")
		b.WriteString(e.Addr.String())
	}
	if e.ID != 0 {
		fmt.Fprintf(&b, " (reqid %d)", e.ID)
	}
	b.WriteString(": ")
	b.WriteString(e.Reason.Error())
	if e.Err != nil && e.Err != error(e.Reason) {
		b.WriteString(": ")
		b.WriteString(e.Err.Error())
	}
	return b.String()
}

// Unwrap returns the reason and the cause.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Reason}
	}
	return []error{e.Reason, e.Err}
}

// Timeout makes Error a net.Error.
func (e *Error) Timeout() bool { return e.Reason.Timeout() }

// Temporary makes Error a net.Error: a later attempt may succeed unless the
// manager has stopped.
func (e *Error) Temporary() bool { return e.Reason != ReasonStopped }
