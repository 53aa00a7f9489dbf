package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"holdfast/connmgr"
	"holdfast/netaddr"
)

// maxNameAddrs is how many addresses of one host name are tried at each dial.
const maxNameAddrs = 4

// maxSelves bounds the memory of where this node found itself.
const maxSelves = 64

var errNoAddress = errors.New("all that are known are in use, banned, or were tried lately")

// newAddress is connmgr's GetNewAddress.
func (n *Node) newAddress() (net.Addr, error) {
	fits := func(a netaddr.Addr) bool {
		return !n.fixed[a] && n.wanted(a) && n.cm.Check(dialable(a), connmgr.ClassOutbound) == nil
	}
	for {
		a, ok := n.nextAnchor()
		if !ok {
			break
		}
		if fits(a) {
			return dialable(a), nil
		}
	}
	a, ok := n.book.Choose(n.cfg.Reachable(), func(a netaddr.Addr) bool { return n.due(a) && fits(a) })
	if !ok {
		return nil, errNoAddress
	}
	return dialable(a), nil
}

// wanted reports whether an endpoint may be dialed, and may enter the book: it is
// not banned, and not this node.
func (n *Node) wanted(a netaddr.Addr) bool {
	if _, banned := n.bans.Banned(a.Host); banned {
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
	if name, ok := addr.(hostAddr); ok {
		return n.dialName(ctx, name)
	}
	a, isEndpoint := endpointOf(addr)
	if isEndpoint {
		if err := n.mayDial(a.Host, n.fixed[a]); err != nil {
			return nil, err
		}
	}
	conn, err := n.cfg.Dial(ctx, addr)
	// A dial that was given up, or that never left this machine, says nothing
	// about the address.
	canceled := errors.Is(ctx.Err(), context.Canceled)
	if err != nil && isEndpoint && !canceled && !connmgr.Classify(addr, err).Local() {
		n.attempted(a)
	}
	return conn, err
}

// dialName resolves a name, and dials what it stands for, one address after
// another. Each gets its share of the time.
func (n *Node) dialName(ctx context.Context, name hostAddr) (net.Conn, error) {
	ips, err := n.cfg.Resolver.LookupNetIP(ctx, "ip", name.host)
	if err != nil {
		return nil, plainDNSError(name.host, err)
	}
	if len(ips) == 0 {
		return nil, &net.DNSError{Err: "no addresses", Name: name.host, IsNotFound: true}
	}
	ips = ips[:min(len(ips), maxNameAddrs)]
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
	return n.cfg.Dial(ctx, tcpAddr(ip, port))
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
