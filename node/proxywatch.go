package node

import (
	"context"
	"time"

	"holdfast/connmgr"
	"holdfast/socks"
)

const (
	// A proxy that was lost is knocked at this often. That is a connection to the
	// proxy only, mostly on this machine.
	knockEvery = time.Second

	// One that takes connections and serves none is left alone for longer and longer.
	knockSeldom = time.Minute

	// servedFor is how long a proxy must have served to be worth a quick knock again.
	servedFor = 30 * time.Second
)

// proxyWatch looks after one proxy.
type proxyWatch struct {
	proxy *socks.Dialer
	lost  chan struct{} // has one when a dial could not reach it
}

// lostProxy wakes the watch of the proxy that an event says cannot be reached. It never
// waits.
func (n *Node) lostProxy(e connmgr.Event) {
	if e.Reason != connmgr.ReasonProxy || e.Addr == nil {
		return
	}
	p, _ := n.ways.to(e.Addr)
	for _, w := range n.proxies {
		if w.proxy != p {
			continue
		}
		select {
		case w.lost <- struct{}{}:
		default: // it is told already
		}
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
		if time.Since(back) < servedFor {
			pause = min(2*pause, knockSeldom)
		} else {
			pause = knockEvery
		}
		for {
			if !sleep(ctx, pause) {
				return
			}
			if knock(ctx, w.proxy) == nil {
				break
			}
			pause = knockEvery
		}
		select {
		case <-w.lost: // of before
		default:
		}
		back = time.Now()
		n.tryAgain()
	}
}

// knock finds out whether a proxy serves, and asks nothing of it.
func knock(ctx context.Context, p *socks.Dialer) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return p.Probe(ctx)
}
