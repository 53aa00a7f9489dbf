package node

import (
	"context"
	"net"
	"path/filepath"
	"strconv"
	"time"

	"holdfast/addrbook"
	"holdfast/connmgr"
	"holdfast/netaddr"
	"holdfast/torctl"
)

// onionKeyFile is in the data directory.
const onionKeyFile = "onion_v3_private_key"

// onionPeer is where a connection by our own onion service comes from: Tor tells
// nobody. The port is that of Tor's connection to us, to tell one from another.
type onionPeer struct{ port int }

// Network returns "onion".
func (onionPeer) Network() string { return "onion" }

// String returns "onion-peer:" and the port of Tor's connection to us.
func (p onionPeer) String() string { return "onion-peer:" + strconv.Itoa(p.port) }

// onionSource is who told what peers tell whose host nobody knows, for the address book:
// all of them are one source, since anybody may come as often as he likes.
var onionSource, _ = netaddr.FromBytes(netaddr.Onion, make([]byte, 32))

// source is who told what the session tells, as the address book sees it. Who came by our
// onion service, or was dialed by a name that the proxy has resolved, has no host.
func (s *session) source() netaddr.Host {
	if !s.host.IsValid() {
		return onionSource
	}
	return s.host
}

// onionListener is the listener that Tor connects to, and nobody else knows. What comes
// there is not from this machine, though it looks so.
type onionListener struct{ net.Listener }

// Addr returns where Tor connects to, and says so.
func (l onionListener) Addr() net.Addr { return onionTarget{l.Listener.Addr()} }

// onionTarget is the address of an onionListener.
type onionTarget struct{ net.Addr }

// String returns the address, and what it is for.
func (t onionTarget) String() string { return t.Addr.String() + " (for our onion service)" }

// Accept returns a connection whose RemoteAddr is an onionPeer.
func (l onionListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	from := onionPeer{}
	if tcp, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		from.port = tcp.Port
	}
	return onionConn{conn, from}, nil
}

type onionConn struct {
	net.Conn
	from onionPeer
}

// RemoteAddr returns an onionPeer.
func (c onionConn) RemoteAddr() net.Addr { return c.from }

// openOnionListener opens the listener that the onion service leads to, on a free port.
func (n *Node) openOnionListener() error {
	addr := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}
	l, err := n.cfg.NewListener(addr)
	if err != nil {
		return listenError(addr, err)
	}
	n.onionTarget = l.Addr().String()
	n.listeners = append(n.listeners, onionListener{l})
	return nil
}

// maxOnionInbound is how many peers may be there by our onion service: half of the
// inbound places, or all where nobody comes from elsewhere.
func (n *Node) maxOnionInbound() int {
	most := n.inboundPlaces()
	for _, l := range n.listeners {
		if _, isOnion := l.(onionListener); isOnion {
			continue
		}
		if ip, ok := ipOf(l.Addr()); !ok || !ip.IsLoopback() || n.cfg.AllowLoopback {
			return (most + 1) / 2
		}
	}
	return most
}

// publishOnion keeps our onion service published until ctx ends.
func (n *Node) publishOnion(ctx context.Context) {
	service := torctl.Service{
		Control:     n.cfg.Onion.Control,
		VirtualPort: n.cfg.port,
		Target:      n.onionTarget,
		OnEvent:     n.onOnion,
		Retry:       n.retryOnion,
		Rand:        n.newSource(),
	}
	if n.cfg.DataDir != "" {
		service.KeyFile = filepath.Join(n.cfg.DataDir, onionKeyFile)
	}
	if err := service.Run(ctx); err != nil && ctx.Err() == nil {
		n.publish(Event{Kind: KindOnionTrouble, Event: connmgr.Event{Err: err}})
	}
}

// onOnion is told what happens to our onion service.
func (n *Node) onOnion(e torctl.Event) {
	switch e.Kind {
	case torctl.KindPublished:
		n.mu.Lock()
		n.onion = e.Addr
		n.mu.Unlock()
		n.publish(Event{Kind: KindOnion, Text: "Tor " + e.Version, Event: connmgr.Event{Addr: e.Addr}})
		for _, s := range n.sessions() {
			if p := s.info(); n.cfg.auto && p.State == StateReady && !s.inbound && !s.isShort() {
				s.tellOwn()
			}
		}
	default:
		n.publish(Event{Kind: KindOnionTrouble, Event: connmgr.Event{Err: e.Err, At: e.Next, Count: e.Attempt}})
	}
}

// ownFor returns where a peer is told that we can be reached: who sees our IP address gets
// that, and who does not gets that of our onion service, so that nobody can tell from us
// that both are one node (Core's GetLocal in net.cpp).
func (n *Node) ownFor(s *session, now time.Time) []addrbook.Known {
	var list []addrbook.Known
	tell := func(a netaddr.Addr) {
		list = append(list, addrbook.Known{Addr: a, Services: uint64(n.cfg.Services), Seen: now})
	}
	if !s.private() {
		for _, a := range n.own {
			tell(a)
		}
		return list
	}
	n.mu.Lock()
	onion := n.onion
	n.mu.Unlock()
	if onion.IsValid() {
		tell(onion)
	}
	return list
}
