package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"holdfast/addrbook"
	"holdfast/socks"
)

// Whether what is behind a proxy works. A Tor that runs and has lost its network says so
// to nobody. Seen with C Tor 0.4.9.8, whose relays were stopped (SIGSTOP) or killed: it
// takes requests as ever, and answers none for 60 s (CONNECT, relays killed) to 120 s
// (all else); then with 0x01, 0x06 or, for a lookup, 0x04, as it does for a peer that is
// down. On its control port network-liveness is "up" and status/circuit-established 1
// all the time. When its network is back, it answers what waits within a second.
//
// So a failure that either may cause is the address's own only if something has come
// through the proxy since the dial began. If nothing has, the peers there are asked
// first; if they are silent too, there is no telling. No address is blamed then, and
// after many such failures in a row connmgr takes the proxy's network to be down, has one
// probe at a time on the way, and has all tried again when the first succeeds.

// askPatience is how long the peers behind a proxy have to answer a ping, before a failure
// is held to be nobody's. Through Tor they take a second or two.
const askPatience = 5 * time.Second

// A verdict is what an error of a dial through a proxy says.
type verdict int

const (
	verdictWorks  verdict = iota // what is behind the proxy works: somebody there has answered
	verdictOwn                   // it is about the address, or about the proxy itself
	verdictUnsure                // the address, or what is behind the proxy
)

// judge says what an error means, nil included.
func judge(err error) verdict {
	var reply socks.Reply
	switch {
	case err == nil:
		return verdictWorks
	case errors.Is(err, socks.ErrProxy), errors.Is(err, context.Canceled):
		return verdictOwn
	case !errors.As(err, &reply):
		return verdictUnsure // the proxy took the request, and the time is over
	}
	switch reply {
	case socks.ReplyRefused, socks.ReplyOnionNotFound:
		return verdictWorks // an exit, or the directories of onion services, said so
	case socks.ReplyNotAllowed, socks.ReplyCommandNotSupported, socks.ReplyAddressNotSupported,
		socks.ReplyOnionInvalid, socks.ReplyOnionAuthMissing, socks.ReplyOnionAuthWrong, socks.ReplyOnionBadAddress:
		return verdictOwn
	}
	return verdictUnsure
}

// unproven is a failure of which nobody can say whether it is the address's or the
// proxy's: nothing has come through the proxy since the dial began.
type unproven struct {
	proxy string
	err   error
}

func (e *unproven) Error() string {
	return fmt.Sprintf("%v; nothing else comes through %s, which may have lost its network", e.err, e.proxy)
}

func (e *unproven) Unwrap() error { return e.err }

// Local has connmgr hold it against nobody.
func (e *unproven) Local() bool { return true }

// Unsure has connmgr wait for more of them than if it were sure.
func (e *unproven) Unsure() bool { return true }

// provenAt is when what is behind a proxy was last seen to work, in nanoseconds.
type provenAt struct{ atomic.Int64 }

func (p *provenAt) now() { p.Store(time.Now().UnixNano()) }

// dialBy dials by the way that leads to addr, and says of a failure whose it is.
func (n *Node) dialBy(ctx context.Context, addr net.Addr) (net.Conn, error) {
	p, _ := n.ways.to(addr) // what is wrong is told by dial
	began := time.Now()
	conn, err := n.ways.dial(ctx, addr)
	if p == nil {
		return conn, err
	}
	switch judge(err) {
	case verdictWorks:
		n.ways.proven[p].now()
	case verdictUnsure:
		if n.proven(ctx, p, began) || errors.Is(ctx.Err(), context.Canceled) {
			break
		}
		if a, ok := endpointOf(addr); ok {
			n.book.Attempt(a, addrbook.Noted) // others first
		}
		err = &unproven{p.Proxy, err}
	}
	return conn, err
}

// proven reports whether something has come through a proxy since a time. If nothing has
// it asks the peers there.
func (n *Node) proven(ctx context.Context, p *socks.Dialer, since time.Time) bool {
	if n.seen(p, since) {
		return true
	}
	peers := n.behind(p)
	for _, s := range peers {
		s.ask()
	}
	for began := time.Now(); len(peers) > 0 && time.Since(began) < askPatience; {
		if !sleep(ctx, time.Second) || n.seen(p, since) {
			break
		}
	}
	return n.seen(p, since)
}

// seen is proven without asking.
func (n *Node) seen(p *socks.Dialer, since time.Time) bool {
	last := n.ways.proven[p].Load()
	for _, s := range n.behind(p) {
		last = max(last, s.lastRecv.Load())
	}
	return last > since.UnixNano()
}

// unproven reports whether a handshake was waited for in vain, and nothing else has come
// through the proxy meanwhile.
func (s *session) unproven() bool {
	p, err := s.n.ways.to(s.addr)
	return err == nil && p != nil && s.ended.why == ReasonHandshakeTimeout && s.lastRecv.Load() == 0 && !s.n.seen(p, s.since)
}

// behind returns the sessions that a proxy leads to.
func (n *Node) behind(p *socks.Dialer) (list []*session) {
	for _, s := range n.sessions() {
		if s.inbound || s.hasEnded() {
			continue
		}
		if by, _ := n.ways.to(s.addr); by == p {
			list = append(list, s)
		}
	}
	return list
}

// ask has a ping be due: see keepalive.ask.
func (s *session) ask() {
	s.keep.ask()
	select {
	case s.probe <- struct{}{}:
	default: // it is about to
	}
}

// provingResolver is a proxy's lookups, whose answers show that what is behind it works.
type provingResolver struct {
	n *Node
	p *socks.Dialer
}

// LookupNetIP is the proxy's.
func (r provingResolver) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	ips, err := r.p.LookupNetIP(ctx, network, host)
	if _, literal := netip.ParseAddr(host); err == nil && literal != nil {
		r.n.ways.proven[r.p].now()
		r.n.beyondWorks(r.p)
	}
	return ips, err
}

// beyondWorks has all tried again that waits for a proxy's network.
func (n *Node) beyondWorks(p *socks.Dialer) {
	for _, network := range n.cm.Snapshot().Networks {
		if network.Down && network.Name == networkBy(p) {
			n.forgive()
			n.cm.NetworkChanged()
		}
	}
}
