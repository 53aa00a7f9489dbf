package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"holdfast/addrbook"
	"holdfast/connmgr"
	"holdfast/netaddr"
)

// maxNameAddrs is how many addresses of one host name are tried at each dial.
const maxNameAddrs = 4

// onionShare is in how many choices one is for Tor, while no peer is on it.
const onionShare = 4

// maxSelves bounds the memory of where this node found itself.
const maxSelves = 64

var errNoAddress = errors.New("all that are known are in use, banned, or were tried lately")

// newAddress is connmgr's GetNewAddress.
func (n *Node) newAddress() (net.Addr, error) {
	fits := func(a netaddr.Addr) bool { return n.fits(a, connmgr.ClassOutbound) }
	for {
		a, ok := n.nextAnchor()
		if !ok {
			break
		}
		if fits(a) {
			return dialable(a), nil
		}
	}
	due := func(a netaddr.Addr) bool { return n.due(a) && fits(a) }
	if n.lacksOnion() && n.uint64()%onionShare == 0 {
		if a, ok := n.book.Choose(addrbook.NetworksOf(netaddr.Onion), due); ok {
			return dialable(a), nil
		}
	}
	a, ok := n.book.Choose(n.ways.reachable(), due)
	if !ok {
		return nil, errNoAddress
	}
	return dialable(a), nil
}

// lacksOnion reports whether peers are wanted both on Tor and beside it, and none is on
// Tor: the book has many more addresses of the other networks. Who owns the ways of one
// network should not own all our peers (Core's MaybePickPreferredNetwork in net.cpp).
func (n *Node) lacksOnion() bool {
	onion := addrbook.NetworksOf(netaddr.Onion)
	if reachable := n.ways.reachable(); reachable&onion == 0 || reachable == onion {
		return false
	}
	return !slices.ContainsFunc(n.sessions(), func(s *session) bool {
		return !s.inbound && !s.isShort() && s.network() == netaddr.Onion
	})
}

// wanted reports whether an endpoint may be dialed, and may enter the book: it is
// not banned, and not this node.
func (n *Node) wanted(a netaddr.Addr) bool {
	if n.bans.BannedAt(a.Host, time.Now()) && n.mayDial(a.Host, false) != nil { // it may be trusted
		return false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return !n.selves[a]
}

// foundSelf remembers that dialing a leads back to this node.
func (n *Node) foundSelf(a netaddr.Addr) {
	n.book.Remove(a)
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.selves) < maxSelves {
		n.selves[a] = true
	}
}

// dial is connmgr's DialContext.
func (n *Node) dial(ctx context.Context, addr net.Addr) (net.Conn, error) {
	if !n.NetworkActive() {
		return nil, ReasonNetworkOff // who is late for SetNetworkActive
	}
	if name, ok := addr.(hostAddr); ok {
		return n.dialName(ctx, name)
	}
	a, isEndpoint := endpointOf(addr)
	if isEndpoint {
		if err := n.mayDial(a.Host, n.isChosen(a)); err != nil {
			return nil, err
		}
	}
	conn, err := n.dialBy(ctx, addr)
	// A dial that was given up, or that never left this machine, says nothing
	// about the address.
	canceled := errors.Is(ctx.Err(), context.Canceled)
	if err != nil && isEndpoint && !canceled && !n.ways.classify(addr, err).Local() {
		n.attempted(a)
	}
	return conn, err
}

// dialName resolves a name, and dials what it stands for, one address after
// another. Each gets its share of the time. A proxy does all this itself.
func (n *Node) dialName(ctx context.Context, name hostAddr) (net.Conn, error) {
	if n.ways.proxy != nil {
		return n.dialBy(ctx, name)
	}
	ips, err := n.ways.resolve(ctx, name.host)
	if err != nil {
		return nil, err
	}
	var first error
	for i, ip := range ips {
		conn, err := n.dialShare(ctx, ip, name.port, len(ips)-i)
		if err == nil {
			return conn, nil
		}
		if first == nil {
			first = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, fmt.Errorf("%s: %w", name.host, first)
}

// dialShare dials one address in its share of the time that ctx leaves.
func (n *Node) dialShare(ctx context.Context, ip netip.Addr, port uint16, shares int) (net.Conn, error) {
	if deadline, ok := ctx.Deadline(); ok && shares > 1 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/time.Duration(shares))
		defer cancel()
	}
	if err := n.mayDial(netaddr.FromIP(ip), true); err != nil { // names are always the operator's choice
		return nil, err
	}
	return n.ways.dial(ctx, tcpAddr(ip, port))
}

// plainDNSError leaves the server out of a resolver's error: Go names the one of
// the system's configuration, whoever was asked.
func plainDNSError(host string, err error) error {
	var dns *net.DNSError
	if !errors.As(err, &dns) {
		return err
	}
	plain := *dns
	plain.Server = ""
	plain.Name = host
	plain.UnwrapErr = err
	return &plain
}
