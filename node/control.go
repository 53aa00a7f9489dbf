package node

import (
	"context"
	"net"
	"net/netip"
	"strings"

	"holdfast/addrbook"
)

// The orders of the operator, but for who is to be a peer: see added.go. Orders are
// carried out one after another, under Node.orders, and wait for nothing: neither a
// dial nor a session nor a callback. So they may come from within OnEvent.

// mayOrder returns net.ErrClosed after the end. Node.orders must be held for the answer
// to last.
func (n *Node) mayOrder() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed || n.ctx != nil && n.ctx.Err() != nil {
		return net.ErrClosed
	}
	return nil
}

// mayConnect returns nil if the node runs, and networking is on. Node.orders must be
// held for the answer to last.
func (n *Node) mayConnect() error {
	if err := n.mayOrder(); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.ctx == nil:
		return ErrNotRunning
	case n.off:
		return ReasonNetworkOff
	}
	return nil
}

// endOrders waits for the order that is being carried out: after it none begins.
func (n *Node) endOrders() {
	n.orders.Lock()
	defer n.orders.Unlock()
}

// Disconnect ends a session by its PeerInfo.ID, and reports whether there was one. A
// peer that is kept is dialed again after a while, and an automatic one replaced.
func (n *Node) Disconnect(id uint64) bool {
	n.mu.Lock()
	s := n.all[id]
	n.mu.Unlock()
	return s != nil && s.disconnect()
}

// DisconnectAddr ends the sessions with an address, as Disconnect does, and returns how
// many there were. "host:port" is the address as it is shown, or where a name leads to;
// "host" is all ports of it.
func (n *Node) DisconnectAddr(addr string) int {
	host, port := splitAddr(strings.TrimSpace(addr))
	ended := 0
	for _, s := range n.sessions() {
		if s.isAt(host, port) && s.disconnect() {
			ended++
		}
	}
	return ended
}

// disconnect ends the session by order, and reports whether it had not ended.
func (s *session) disconnect() bool {
	if s.hasEnded() {
		return false
	}
	s.end(&ending{why: ReasonOperator})
	return true
}

// isAt reports whether the other side is at a host, and at a port unless that is empty.
func (s *session) isAt(host, port string) bool {
	for _, a := range []net.Addr{s.addr, s.conn.RemoteAddr()} {
		if a == nil || host == "" {
			continue
		}
		if h, p := splitAddr(a.String()); h == host && (port == "" || p == port) {
			return true
		}
	}
	return false
}

// splitAddr returns host and port of an address in one form; the port is empty if there
// is none.
func splitAddr(text string) (host, port string) {
	host = strings.Trim(text, "[]")
	if _, isIP := parseIP(text); !isIP {
		if h, p, err := net.SplitHostPort(text); err == nil {
			host, port = h, p
		}
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap().WithZone("").String(), port
	}
	return strings.ToLower(host), port
}

// Ping has all peers pinged now, or a second after they were pinged last; not where the
// answer to a ping is awaited.
func (n *Node) Ping() {
	for _, s := range n.sessions() {
		s.ask()
	}
}

// SetNetworkActive switches networking off, or on again. While it is off there are no
// peers: all sessions end, nothing is dialed, the seeds are not asked, and who comes is
// turned away. That is held against nobody, and who is to be kept is not forgotten. When
// it is on again all is tried at once. An onion service stays published meanwhile.
//
// It does nothing if it is so already, or after the end. Before Run it says how Run
// begins.
func (n *Node) SetNetworkActive(on bool) {
	n.orders.Lock()
	defer n.orders.Unlock()
	if n.mayOrder() != nil || n.NetworkActive() == on {
		return
	}
	longest := n.longest() // the first to be dialed then
	n.mu.Lock()
	n.off = !on
	close(n.toggled)
	n.toggled = make(chan struct{})
	n.anchors = append(longest, n.anchors...)
	n.anchors = n.anchors[:min(len(n.anchors), addrbook.MaxAnchors)]
	n.mu.Unlock()
	text := "off"
	if on {
		text = "on"
	}
	n.publish(Event{Kind: KindNetworkActive, Text: text})
	n.limit()
	if on {
		n.connectAdded()
		n.tryAgain()
		return
	}
	// Whatever is being dialed was begun before, and is in the snapshot: see dial.
	why := &ending{why: ReasonNetworkOff}
	for _, r := range n.cm.Snapshot().Requests {
		n.cm.RemoveIfLive(r.ID, why)
	}
	for _, s := range n.sessions() {
		s.end(why)
	}
}

// NetworkActive reports whether networking is on, as it is unless SetNetworkActive has
// switched it off.
func (n *Node) NetworkActive() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return !n.off
}

// whileActive runs f whenever networking is on, until ctx ends, or f does by itself. The
// context of f ends when networking is switched off.
func (n *Node) whileActive(ctx context.Context, f func(context.Context)) {
	for ctx.Err() == nil {
		n.mu.Lock()
		off, toggled := n.off, n.toggled
		n.mu.Unlock()
		if off {
			select {
			case <-toggled:
			case <-ctx.Done():
			}
			continue
		}
		active, cancel := context.WithCancel(ctx)
		watched := make(chan struct{})
		go func() {
			defer close(watched)
			select {
			case <-toggled:
				cancel()
			case <-active.Done():
			}
		}()
		f(active)
		byItself := active.Err() == nil
		cancel()
		<-watched
		if byItself {
			return
		}
	}
}
