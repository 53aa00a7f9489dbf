package connmgr

import (
	"fmt"
	"math"
	"net"
	"sync/atomic"
	"time"
)

// ConnState is the state of a request.
type ConnState uint8

// The states of a request. A request begins Pending, and is Pending again when
// it is to be dialed anew after Disconnect. It is Failing when its last dial
// failed; if nothing more will be tried it stays so. Canceled, Disconnected and
// (when not retried) Failing are final: such a request may be given to Connect
// again, as a new one.
const (
	ConnPending      ConnState = iota // waits or is being dialed
	ConnFailing                       // the last dial failed
	ConnCanceled                      // given up before it was connected
	ConnEstablished                   // connected
	ConnDisconnected                  // was connected; ended for good
)

// String returns the state's name in lower case.
func (s ConnState) String() string {
	switch s {
	case ConnPending:
		return "pending"
	case ConnFailing:
		return "failing"
	case ConnCanceled:
		return "canceled"
	case ConnEstablished:
		return "established"
	case ConnDisconnected:
		return "disconnected"
	}
	return fmt.Sprintf("state-%d", uint8(s))
}

// Class is a request's label. A class can have a limit of its own
// (Limits.Classes), so that, say, a feeler never takes the place of another
// connection. Only the two classes below are known to the manager; an owner
// makes up more as he likes.
type Class string

const (
	// ClassOutbound is the class of the automatic connections, which
	// Limits.TargetOutbound counts. A request given to Connect with this class
	// is not automatic, and is not counted among them.
	ClassOutbound Class = "outbound"

	// ClassManual is the class of requests given to Connect without one.
	ClassManual Class = "manual"
)

// ConnReq is a request for a connection to Addr. If Permanent, it is retried
// for ever, and connected anew when the connection ends. Set the exported fields
// before Connect and do not change them while the request is with the manager.
// A ConnReq must not be copied, nor given to two managers at once. The methods
// are safe for concurrent use.
type ConnReq struct {
	Addr      net.Addr
	Permanent bool

	// What follows belongs to the manager, and its lock guards it. The order of
	// the fields keeps a ConnReq within 80 bytes.
	automatic bool     // made by the manager from GetNewAddress
	good      bool     // MarkGood was called on this connection
	calling   bool     // the owner's callbacks of this request run
	pos       position // where it stands
	retries   uint16   // failures since it last proved itself

	Class Class // empty means ClassManual

	tag  atomic.Uint64 // the id, and in the top bits the state
	conn net.Conn
	up   time.Duration // when it was connected, since the manager's epoch
	pend *pending      // while it is not connected
}

// stateShift leaves 56 bits for ids: more than two million years of a thousand a
// second.
const stateShift = 56

// ID returns the id that the manager gave to the request when it was submitted,
// and 0 before. Inside one manager an id is never used twice.
func (c *ConnReq) ID() uint64 { return c.tag.Load() & (1<<stateShift - 1) }

// State returns the state of the request.
func (c *ConnReq) State() ConnState { return ConnState(c.tag.Load() >> stateShift) }

// class returns the class that the request is treated as.
func (c *ConnReq) class() Class {
	if c.Class == "" {
		return ClassManual
	}
	return c.Class
}

// setTag sets the id and the state. The lock must be held.
func (c *ConnReq) setTag(id uint64, s ConnState) { c.tag.Store(id | uint64(s)<<stateShift) }

func (c *ConnReq) setState(s ConnState) { c.setTag(c.ID(), s) }

// failedAgain counts a failure. The lock must be held.
func (c *ConnReq) failedAgain() {
	if c.retries < math.MaxUint16 {
		c.retries++
	}
}

// String returns "ADDRESS (reqid N)", or "reqid N" without an address.
func (c *ConnReq) String() string {
	if c.Addr == nil || c.Addr.String() == "" {
		return fmt.Sprintf("reqid %d", c.ID())
	}
	return fmt.Sprintf("%s (reqid %d)", c.Addr, c.ID())
}
