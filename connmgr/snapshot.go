package connmgr

import (
	"cmp"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"
)

// Snapshot is the state of a manager at one moment. It shares no memory with the
// manager.
type Snapshot struct {
	Time     time.Time
	Running  bool
	Limits   Limits
	Outbound Outbound
	Inbound  Inbound
	Requests []RequestInfo // by id
	Networks []NetworkInfo // by name
}

// Outbound sums up the automatic connections.
type Outbound struct {
	Target    int
	Connected int
	Dialing   int       // being chosen or dialed
	Waiting   int       // reconnects to the same address that wait for their time
	Pausing   int       // slots that are kept empty for a while after failures
	Until     time.Time // when the first of these is filled again; zero if none pauses
	Failures  int       // in a row
	Rate      float64   // share of recent dials that were answered in time, 0 to 1
	Why       Reason    // why Connected is below Target; ReasonNone if it is not, or if dials are on their way
}

// String answers "why have I five peers and not eight?" in one line.
func (o Outbound) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d of %d connected", o.Connected, o.Target)
	for _, x := range []struct {
		n    int
		what string
	}{{o.Dialing, "dialing"}, {o.Waiting, "waiting to reconnect"}, {o.Pausing, "pausing"}} {
		if x.n > 0 {
			fmt.Fprintf(&b, ", %d %s", x.n, x.what)
		}
	}
	if o.Why != ReasonNone {
		fmt.Fprintf(&b, ": %s", o.Why.Error())
	}
	return b.String()
}

// Inbound sums up the accepted connections. Open counts only while an inbound
// limit is set, or with Config.UnwrappedInbound: else the manager does not see
// them end.
type Inbound struct {
	Open     int
	Accepted uint64 // since the start
	Refused  uint64 // by a limit, since the start
}

// RequestInfo is the state of one live request.
type RequestInfo struct {
	ID        uint64
	Addr      net.Addr
	Class     Class
	Permanent bool
	Automatic bool // made from GetNewAddress
	State     ConnState
	Good      bool      // MarkGood was called
	Since     time.Time // when it was connected, or its dial began; zero while it waits
	Dialing   bool
	Retries   int       // failures since it last proved itself
	Next      time.Time // the next attempt, if that is known
	Reason    Reason    // why it is not connected
	Err       error     // the cause of Reason
}

// NetworkInfo is what is known of a network that was dialed.
type NetworkInfo struct {
	Name      string
	Down      bool
	Since     time.Time // when it went down
	NextProbe time.Time
	Parked    int // requests that wait for it
}

// Snapshot returns the state of the manager.
func (cm *ConnManager) Snapshot() Snapshot {
	cm.mu.Lock()
	defer cm.mu.Unlock()
	s := Snapshot{
		Time:     cm.now(),
		Running:  cm.phase == phaseRunning,
		Limits:   cm.lim.clone(),
		Outbound: cm.outbound(),
		Inbound:  Inbound{Open: cm.inbound.total, Accepted: cm.inbound.accepted, Refused: cm.inbound.refused},
		Requests: make([]RequestInfo, 0, len(cm.reqs)),
	}
	for _, c := range cm.reqs {
		s.Requests = append(s.Requests, cm.info(c))
	}
	slices.SortFunc(s.Requests, func(a, b RequestInfo) int { return cmp.Compare(a.ID, b.ID) })
	for _, n := range cm.networks {
		info := NetworkInfo{Name: n.name, Down: n.down, Parked: n.parked.Len()}
		if n.down {
			info.Since = cm.wall(n.since)
			info.NextProbe = cm.wall(n.probeAt)
		}
		s.Networks = append(s.Networks, info)
	}
	slices.SortFunc(s.Networks, func(a, b NetworkInfo) int { return cmp.Compare(a.Name, b.Name) })
	return s
}

func (cm *ConnManager) outbound() Outbound {
	s := cm.autoState()
	o := Outbound{
		Target:    s.target,
		Connected: s.connected,
		Dialing:   s.inFlight,
		Waiting:   s.waiting,
		Pausing:   s.pausing,
		Failures:  cm.auto.failures,
		Rate:      s.rate,
	}
	starved := false
	for _, p := range cm.auto.pauses {
		if until := cm.wall(p.until); o.Until.IsZero() || until.Before(o.Until) {
			o.Until = until
		}
		starved = starved || p.starved
	}
	switch {
	case s.connected >= s.target:
	case cm.phase == phaseStopped:
		o.Why = ReasonStopped
	case cm.cfg.GetNewAddress == nil:
		o.Why = ReasonNoAddress
	case cm.allDown():
		o.Why = ReasonNetworkDown
	case starved:
		o.Why = ReasonNoAddress
	case s.failing:
		o.Why = ReasonTooManyFails
	}
	return o
}

func (cm *ConnManager) info(c *ConnReq) RequestInfo {
	info := RequestInfo{
		ID:        c.ID(),
		Addr:      c.Addr,
		Class:     c.class(),
		Permanent: c.Permanent,
		Automatic: c.automatic,
		State:     c.State(),
		Good:      c.good,
		Retries:   int(c.retries),
	}
	p := c.pend
	if p == nil {
		info.Since = cm.wall(c.up)
		return info
	}
	info.Reason, info.Err = p.reason, p.err
	switch p.where {
	case whereDialing:
		info.Dialing = true
		info.Since = cm.wall(p.began)
	case whereTimer:
		info.Next = cm.wall(p.at)
	case whereParked:
		info.Reason = ReasonNetworkDown
	case whereQueued:
		info.Reason = ReasonMaxPending
	}
	return info
}

// Lookup returns the ids of the live requests for an address, in order. It looks
// at every request.
func (cm *ConnManager) Lookup(addr net.Addr) []uint64 {
	text := addr.String()
	cm.mu.Lock()
	defer cm.mu.Unlock()
	var ids []uint64
	for id, c := range cm.reqs {
		if c.Addr.String() == text {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}
