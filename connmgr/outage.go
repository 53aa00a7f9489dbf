package connmgr

import (
	"container/list"
	"errors"
	"math"
	"time"
)

const (
	// outageAfter is how many dials in a row must fail for local reasons before
	// their network is taken to be down.
	outageAfter = 3

	// unsureAfter is the same for failures of which nobody can say whose they are (see
	// Classify). So many automatic dials in a row would be slowed anyway.
	unsureAfter = maxFailedAttempts

	// maxProbeInterval caps the wait between two probes of a network that is
	// down, which doubles from RetryDuration: about 100 dials in the first hour.
	maxProbeInterval = 40 * time.Second

	// probeYield is how long GetNewAddress may take to give an address for a
	// probe, before a request that waits takes its turn.
	probeYield = time.Second

	// resumeStagger separates the requests that are resumed when a network is
	// back: 50 dials a second.
	resumeStagger = 20 * time.Millisecond
)

// network is what is known of one network, as Config.Network names them. The
// manager's lock guards it.
type network struct {
	name      string
	automatic bool   // GetNewAddress has given an address of it
	fails     int    // local failures in a row
	host      string // whom the first of them was about
	several   bool   // and others were about somebody else

	down     bool
	since    time.Duration // when it went down
	interval time.Duration // between probes
	probeAt  time.Duration // the next one
	probe    *pending      // the one in flight
	dialed   bool          // the last probe was, or was to be, an automatic dial
	yield    time.Duration // until when the parked leave the probe to it
	parked   list.List     // of *pending, waiting for the network
}

// networkFor returns what is known of p's network. The lock must be held.
func (cm *ConnManager) networkFor(p *pending) *network {
	if p.net == nil {
		p.net = cm.networkNamed(cm.cfg.Network(p.c.Addr))
	}
	return p.net
}

func (cm *ConnManager) networkNamed(name string) *network {
	if n := cm.lastNet; n != nil && n.name == name {
		return n // the usual case, without the map
	}
	n := cm.networks[name]
	if n == nil {
		n = &network{name: name}
		cm.networks[name] = n
	}
	cm.lastNet = n
	return n
}

// allDown reports whether automatic dials have no network: each that
// GetNewAddress has given an address of is down. The lock must be held.
func (cm *ConnManager) allDown() bool {
	if cm.downCount == 0 {
		return false
	}
	known := false
	for _, n := range cm.networks {
		if n.automatic && !n.down {
			return false
		}
		known = known || n.automatic
	}
	return known || cm.downCount == len(cm.networks)
}

// mayChoose reports whether there is a network that an automatic dial could use.
// The lock must be held.
func (cm *ConnManager) mayChoose() bool {
	if !cm.allDown() {
		return true
	}
	for _, n := range cm.networks {
		if cm.mayDial(n) {
			return true
		}
	}
	return false
}

// mayDial reports whether a dial in the network may begin: it is up, or a probe
// is due. The lock must be held.
func (cm *ConnManager) mayDial(n *network) bool {
	return !n.down || n.probe == nil && n.probeAt <= cm.since()
}

// answer records how the dial of p ended, for its network's sake; err is the cause of a
// failure. The lock must be held.
func (cm *ConnManager) answer(p *pending, reason Reason, err error) {
	n := cm.networkFor(p)
	probe := n.probe == p
	if probe {
		n.probe = nil
	}
	switch {
	case cm.outdated(p, reason):
	case !reason.Local():
		// A dial from before the outage proves the network only if it worked.
		if n.down && (reason == ReasonNone || p.began > n.since) {
			cm.networkUp(n)
		}
		n.fails = 0
	case n.down:
		if probe {
			n.interval = min(2*n.interval, maxProbeInterval*time.Duration(cm.downCount))
			n.dialed = p.c.automatic
			// From its beginning: one that was silent for a minute has been wait enough.
			n.probeAt = max(p.began+n.interval, cm.since()+min(cm.cfg.RetryDuration, n.interval))
			cm.rearm()
		}
	default:
		cm.countLocal(n, p, reason)
		if n.fails >= unsureAfter && n.several || n.fails >= outageAfter && !unsure(err) {
			cm.networkDown(n, reason, err)
		}
	}
}

// unsure reports whether a failure may be the address's after all.
func unsure(err error) bool {
	var u interface{ Unsure() bool }
	return errors.As(err, &u) && u.Unsure()
}

// outdated reports whether a dial failed for a reason of our own that may be over: it
// began before the network changed. The lock must be held.
func (cm *ConnManager) outdated(p *pending, reason Reason) bool {
	return reason.Local() && p.began < cm.changed
}

// countLocal counts a local failure if it speaks against the network, and not
// only against the host: one host without a route is its own trouble, and where
// connections are open it takes two without any network. The lock must be held.
func (cm *ConnManager) countLocal(n *network, p *pending, reason Reason) {
	host := sourceOf(p.c.Addr).host
	if n.fails == 0 {
		n.host, n.several = host, false
	}
	n.several = n.several || host != n.host
	switch open := cm.connectedBy(n); {
	case reason == ReasonNoRoute && (open || n.fails > 0 && !n.several):
	case open && n.fails == outageAfter-1 && !n.several:
	default:
		n.fails++
	}
}

// connectedBy reports whether a connection by the network is open. The lock must
// be held.
func (cm *ConnManager) connectedBy(n *network) bool {
	for _, c := range cm.reqs {
		if c.pos == posConnected && cm.cfg.Network(c.Addr) == n.name {
			return true
		}
	}
	return false
}

func (cm *ConnManager) networkDown(n *network, reason Reason, err error) {
	n.down = true
	n.since = cm.since()
	n.interval = min(cm.cfg.RetryDuration, maxProbeInterval)
	n.probeAt = n.since + n.interval
	cm.downCount++
	cm.emit(Event{Type: EventNetworkDown, Reason: reason, Network: n.name, Err: err})
	cm.rearm()
}

// networkUp resumes what waits for the network, staggered. The lock must be
// held.
func (cm *ConnManager) networkUp(n *network) {
	n.down, n.probe, n.fails = false, nil, 0
	cm.downCount--
	cm.auto.restart()
	cm.emit(Event{Type: EventNetworkUp, Network: n.name})
	for i := 0; n.parked.Len() > 0; i++ {
		p := n.parked.Front().Value.(*pending)
		cm.unlist(p)
		p.c.retries = 0 // the outage is held against nobody
		cm.retryIn(p, time.Duration(i)*resumeStagger)
	}
	cm.fill()
}

// probe begins the probes that are due. The lock must be held.
func (cm *ConnManager) probe() {
	for _, n := range cm.networks {
		if !n.down || !cm.mayDial(n) || !cm.probeWanted(n) {
			continue
		}
		// By turns: those that wait may have troubles of their own.
		front := n.parked.Front()
		switch now := cm.since(); {
		case front == nil || !n.dialed && cm.autoProbe():
			n.dialed, n.yield = true, now+probeYield
			cm.choose(1)
		case now >= n.yield:
			cm.begin(front.Value.(*pending))
		}
	}
}

// probeWanted reports whether there is somebody to probe the network. The lock
// must be held.
func (cm *ConnManager) probeWanted(n *network) bool {
	return n.parked.Len() > 0 || cm.autoProbe()
}

// autoProbe reports whether an automatic dial is wanted, and nothing better can
// be dialed than a network that is down. The lock must be held.
func (cm *ConnManager) autoProbe() bool {
	return cm.cfg.GetNewAddress != nil && cm.allDown() && cm.auto.choosing == 0 && cm.autoState().wanted() > 0
}

// nextProbe returns when the next probe is due. The lock must be held.
func (cm *ConnManager) nextProbe() time.Duration {
	at := time.Duration(math.MaxInt64)
	if cm.downCount == 0 {
		return at
	}
	for _, n := range cm.networks {
		if n.down && n.probe == nil && cm.probeWanted(n) {
			at = min(at, max(n.probeAt, n.yield))
		}
	}
	return at
}

// NetworkChanged tells the manager that our own network is different now: a link
// came up, an address or a route changed, the machine woke from sleep, or the
// proxy is back. Everything that waits because of a failure of our own is
// retried, staggered, and automatic dials begin afresh; a dial in flight that fails so is
// retried at once. It may be called at any
// time; if nothing was waiting it does nothing.
func (cm *ConnManager) NetworkChanged() {
	cm.mu.Lock()
	defer cm.mu.Unlock()
	if cm.phase != phaseRunning {
		return
	}
	cm.changed = cm.since()
	cm.auto.restart()
	cm.auto.pauses = nil
	i := 0
	for _, c := range cm.reqs {
		if p := c.pend; p != nil && p.where == whereTimer && p.reason.Local() {
			cm.stopTimer(p.timer)
			c.retries = 0
			cm.retryIn(p, time.Duration(i)*resumeStagger)
			i++
		}
	}
	for _, n := range cm.networks {
		if n.down {
			cm.networkUp(n)
		}
		n.fails = 0
	}
	cm.fill()
}
