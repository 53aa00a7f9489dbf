package node

import (
	"context"
	"errors"
	"time"

	"holdfast/connmgr"
	"holdfast/socks"
)

const (
	// A proxy that was lost is knocked at this often. That is a connection to the
	// proxy only, mostly on this machine.
	knockEvery = time.Second

	// One that answers and serves nobody is left alone for longer and longer.
	knockSeldom = time.Minute

	// servedFor is how long a proxy must have served to be worth a quick knock again.
	servedFor = 30 * time.Second

	// lostEvery is how often it is told anew that a proxy serves nobody.
	lostEvery = 10 * time.Minute
)

// proxyWatch looks after one proxy.
type proxyWatch struct {
	proxy *socks.Dialer
	lost  chan struct{} // has one when something failed for its sake
}

// wake has the watch look. It never waits.
func (w proxyWatch) wake() {
	select {
	case w.lost <- struct{}{}:
	default: // it is about to
	}
}

// lostProxy wakes the watch of the proxy that an event says cannot be reached. One that
// is there and has no network needs no knocks: connmgr's probes go on beyond it.
func (n *Node) lostProxy(e connmgr.Event) {
	if e.Reason != connmgr.ReasonProxy || e.Addr == nil || !errors.Is(e.Err, socks.ErrProxy) {
		return
	}
	p, _ := n.ways.to(e.Addr)
	for _, w := range n.proxies {
		if w.proxy == p {
			w.wake()
		}
	}
}

// lostResolver wakes all watches if a lookup failed for a proxy's sake.
func (n *Node) lostResolver(err error) {
	if !errors.Is(err, socks.ErrProxy) {
		return
	}
	for _, w := range n.proxies {
		w.wake()
	}
}

// watchProxy waits for the loss of a proxy, and when it is back has all tried that
// waits, until ctx ends. While it is away nothing is dialed through it but connmgr's
// probes.
func (n *Node) watchProxy(ctx context.Context, w proxyWatch) {
	var back time.Time
	pause := knockEvery
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.lost:
		}
		// One that seemed to be back, and is not, is left alone for longer.
		if time.Since(back) < servedFor {
			pause = min(2*pause, knockSeldom)
		} else {
			pause = knockEvery
		}
		if !n.awaitProxy(ctx, w.proxy, pause) {
			return
		}
		select {
		case <-w.lost: // of before
		default:
		}
		back = time.Now()
		n.tryAgain()
	}
}

// awaitProxy knocks until the proxy serves, and tells if it does not at once. It returns
// false if ctx has ended.
func (n *Node) awaitProxy(ctx context.Context, p *socks.Dialer, pause time.Duration) bool {
	var told time.Time
	for {
		if !sleep(ctx, pause) {
			return false
		}
		err := knock(ctx, p)
		if ctx.Err() != nil {
			return false
		}
		if err == nil {
			if !told.IsZero() {
				n.publish(Event{Kind: KindProxyBack, Text: p.Proxy})
			}
			return true
		}
		if told.IsZero() || time.Since(told) >= lostEvery {
			told = time.Now()
			n.publish(Event{Kind: KindProxyLost, Text: p.Proxy, Event: connmgr.Event{Err: err}})
		}
		// Who refuses us will do so for some time; who is not there may come any moment.
		if errors.Is(err, socks.ErrAuth) || errors.Is(err, socks.ErrProtocol) {
			pause = min(2*pause, knockSeldom)
		} else {
			pause = knockEvery
		}
	}
}

// knock finds out whether a proxy serves, and asks nothing of it.
func knock(ctx context.Context, p *socks.Dialer) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return p.Probe(ctx)
}
