package connmgr

import (
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
)

// inbound counts the accepted connections that are open, by host and prefix.
// The manager's lock guards it.
type inbound struct {
	total    int
	byHost   map[string]int
	byPrefix map[string]int
	open     map[net.Conn]*inboundConn // only with Config.UnwrappedInbound
	accepted uint64
	refused  uint64
}

// source is where an inbound connection comes from, as the limits see it. The
// zero source is limited by nothing but the total.
type source struct{ host, prefix string }

// sourceOf returns the host of addr and its /24 or /48. The host of an IPv6 address is
// its /64: who has one address has all of them. An address that is no IP address is
// its own host, without its port, and its own prefix.
func sourceOf(addr net.Addr) source {
	ip, ok := ipOf(addr)
	if !ok {
		text := addr.String()
		if host, _, err := net.SplitHostPort(text); err == nil {
			text = host
		}
		text = strings.ToLower(text)
		return source{text, text}
	}
	if ip.Is4() || sharesItsNetwork(ip) {
		bits := 24
		if ip.Is6() {
			bits = 120 // of the IPv4 address at its end
		}
		return source{ip.String(), netip.PrefixFrom(ip, bits).Masked().String()}
	}
	return source{netip.PrefixFrom(ip, 64).Masked().String(), netip.PrefixFrom(ip, 48).Masked().String()}
}

// sharesItsNetwork reports whether an IPv6 address ends with the IPv4 address of a
// host, so that its /64 is everybody: NAT64 (RFC 6052) and Teredo (RFC 4380).
func sharesItsNetwork(ip netip.Addr) bool {
	return nat64.Contains(ip) || teredo.Contains(ip)
}

var (
	nat64  = netip.MustParsePrefix("64:ff9b::/96")
	teredo = netip.MustParsePrefix("2001::/32")
)

// refuse says why an inbound connection from src may not be taken, or
// ReasonNone. It changes nothing.
func (in *inbound) refuse(l *Limits, src source) Reason {
	full := func(n, most int) bool { return most > 0 && n >= most }
	switch {
	case l.MaxInbound != nil && uint64(in.total) >= uint64(*l.MaxInbound):
		return ReasonInboundFull
	case src.host != "" && full(in.byHost[src.host], l.MaxInboundPerHost):
		return ReasonHostFull
	case src.prefix != "" && full(in.byPrefix[src.prefix], l.MaxInboundPerPrefix):
		return ReasonPrefixFull
	}
	return ReasonNone
}

func (in *inbound) take(src source) {
	in.total++
	if src.host != "" {
		in.byHost[src.host]++
		in.byPrefix[src.prefix]++
	}
}

func (in *inbound) release(src source) {
	in.total--
	drop(in.byHost, src.host)
	drop(in.byPrefix, src.prefix)
}

// inboundConn is an accepted connection that frees its place when it is closed.
type inboundConn struct {
	net.Conn
	cm   *ConnManager
	id   uint64
	addr net.Addr
	src  source
	once sync.Once
}

// NetConn returns the connection as the listener made it.
func (c *inboundConn) NetConn() net.Conn { return c.Conn }

// ConnID returns the id that the manager's events have for the connection.
func (c *inboundConn) ConnID() uint64 { return c.id }

// Close closes the connection and frees its place. It may be called more than
// once.
func (c *inboundConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() { c.cm.released(c) })
	return err
}

func (cm *ConnManager) released(c *inboundConn) {
	cm.mu.Lock()
	defer cm.mu.Unlock()
	cm.inbound.release(c.src)
	cm.emit(Event{Type: EventClosed, Reason: ReasonOwnerClosed, ID: c.id, Addr: c.addr, Inbound: true})
}

// InboundClosed frees the place of an accepted connection that has ended. It is
// needed with Config.UnwrappedInbound only, and may be called more than once.
// It does not close conn.
func (cm *ConnManager) InboundClosed(conn net.Conn) {
	cm.mu.Lock()
	c := cm.inbound.open[conn]
	delete(cm.inbound.open, conn)
	cm.mu.Unlock()
	if c != nil {
		c.once.Do(func() { cm.released(c) })
	}
}

// admit hands an accepted connection to the owner, or closes it if a limit says
// so.
func (cm *ConnManager) admit(conn net.Conn) {
	c := &inboundConn{Conn: conn, cm: cm}
	limited := cm.inboundLimited()
	if limited || cm.wanted(slog.LevelDebug) {
		// Otherwise the connection is not even asked for its address.
		c.addr = conn.RemoteAddr()
	}
	if limited && c.addr != nil && (cm.cfg.InboundExempt == nil || !cm.cfg.InboundExempt(c.addr)) {
		c.src = sourceOf(c.addr)
	}

	cm.mu.Lock()
	reason := cm.inbound.refuse(&cm.lim, c.src)
	if cm.phase == phaseStopped {
		reason = ReasonStopped
	}
	if reason != ReasonNone {
		cm.inbound.refused++
		if reason == ReasonHostFull || reason == ReasonPrefixFull {
			cm.limitReached(reason, c.addr)
		}
		cm.emit(Event{Type: EventRefused, Reason: reason, Addr: c.addr, Inbound: true})
		cm.mu.Unlock()
		conn.Close()
		return
	}
	defer cm.mu.Unlock()
	cm.lastID++
	c.id = cm.lastID
	cm.inbound.accepted++
	cm.emit(Event{Type: EventAccepted, ID: c.id, Addr: c.addr, Inbound: true})
	switch {
	case cm.cfg.UnwrappedInbound:
		cm.inbound.take(c.src)
		cm.inbound.open[conn] = c
	case limited:
		cm.inbound.take(c.src)
		conn = c
	}
	if most := cm.lim.MaxInbound; most != nil && uint64(cm.inbound.total) == uint64(*most) {
		cm.limitReached(ReasonInboundFull, nil)
	}
	cm.hand(conn)
}

func (cm *ConnManager) inboundLimited() bool {
	cm.mu.Lock()
	defer cm.mu.Unlock()
	l := &cm.lim
	return l.MaxInbound != nil || l.MaxInboundPerHost > 0 || l.MaxInboundPerPrefix > 0
}

// hand runs OnAccept in a goroutine of its own. The lock must be held.
func (cm *ConnManager) hand(conn net.Conn) {
	cm.busy[busyCallbacks]++
	go func() {
		defer func() { // also if the owner's code ends the goroutine
			cm.mu.Lock()
			cm.done(busyCallbacks)
			cm.mu.Unlock()
		}()
		cm.guard(func() { cm.cfg.OnAccept(conn) })
	}()
}
