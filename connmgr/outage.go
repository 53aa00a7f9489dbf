package connmgr

import (
	"container/list"
	"math"
	"time"
)

const (
	// outageAfter is how many dials in a row must fail for local reasons before
	// their network is taken to be down.
	outageAfter = 3

	// maxProbeInterval caps the wait between two probes of a network that is
	// down, which doubles from RetryDuration: about 100 dials in the first hour.
	maxProbeInterval = 40 * time.Second

	// resumeStagger separates the requests that are resumed when a network is
	// back: 50 dials a second.
	resumeStagger = 20 * time.Millisecond
)

// network is what is known of one network, as Config.Network names them. The
// manager's lock guards it.
type network struct {
	name     string
	fails    int    // local failures in a row
	lastHost string // whom the last of them was about

	down     bool
	since    time.Duration // when it went down
	interval time.Duration // between probes
	probeAt  time.Duration // the next one
	probe    *pending      // the one in flight
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

// allDown reports whether no network is known that is not down. The lock must be
// held.
func (cm *ConnManager) allDown() bool {
	if cm.downCount == 0 {
		return false
	}
	return cm.downCount == len(cm.networks)
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

// answer records how the dial of p ended, for its network's sake. The lock must
// be held.
func (cm *ConnManager) answer(p *pending, reason Reason) {
	n := cm.networkFor(p)
	probe := n.probe == p
	if probe {
		n.probe = nil
	}
	switch {
	case !reason.Local():
		// A dial from before the outage proves the network only if it worked.
		if n.down && (reason == ReasonNone || p.began > n.since) {
			cm.networkUp(n)
		}
		n.fails = 0
	case n.down:
		if probe {
			n.interval = min(2*n.interval, maxProbeInterval)
			n.probeAt = cm.since() + n.interval
			cm.rearm()
		}
	default:
		// One host that has no route is its own trouble. More are ours.
		host := p.c.Addr.String()
		if reason == ReasonNoRoute && n.fails > 0 && n.lastHost == host {
			return
		}
		n.fails++
		n.lastHost = host
		if n.fails >= outageAfter {
			cm.networkDown(n, reason)
		}
	}
}

func (cm *ConnManager) networkDown(n *network, reason Reason) {
	n.down = true
	n.since = cm.since()
	n.interval = min(cm.cfg.RetryDuration, maxProbeInterval)
	n.probeAt = n.since + n.interval
	cm.downCount++
	cm.emit(Event{Type: EventNetworkDown, Reason: reason, Network: n.name})
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
		if front := n.parked.Front(); front != nil {
			cm.begin(front.Value.(*pending))
		} else {
			cm.choose(1)
		}
	}
}

// probeWanted reports whether there is somebody to probe the network: a request
// that waits for it, or an automatic dial if nothing better can be dialed. The
// lock must be held.
func (cm *ConnManager) probeWanted(n *network) bool {
	return n.parked.Len() > 0 ||
		cm.cfg.GetNewAddress != nil && cm.allDown() && cm.auto.choosing == 0 && cm.autoState().wanted() > 0
}

// nextProbe returns when the next probe is due. The lock must be held.
func (cm *ConnManager) nextProbe() time.Duration {
	at := time.Duration(math.MaxInt64)
	if cm.downCount == 0 {
		return at
	}
	for _, n := range cm.networks {
		if n.down && n.probe == nil && cm.probeWanted(n) {
			at = min(at, n.probeAt)
		}
	}
	return at
}

// NetworkChanged tells the manager that our own network is different now: a link
// came up, an address or a route changed, the machine woke from sleep, or the
// proxy is back. Everything that waits because of a failure of our own is
// retried, staggered, and automatic dials begin afresh. It may be called at any
// time; if nothing was waiting it does nothing.
func (cm *ConnManager) NetworkChanged() {
	cm.mu.Lock()
	defer cm.mu.Unlock()
	if cm.phase != phaseRunning {
		return
	}
	cm.auto.restart()
	cm.auto.pauses = nil
	i := 0
	for _, c := range cm.reqs {
		if p := c.pend; p != nil && p.where == whereTimer && p.reason.Local() {
			cm.stopTimer(p.timer)
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
