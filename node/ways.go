package node

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"

	"holdfast/addrbook"
	"holdfast/connmgr"
	"holdfast/netaddr"
	"holdfast/socks"
)

// How an address is reached: directly, through the proxy, or through the one for
// onion services. Nothing of a node opens a connection or looks up a name but by
// ways.

// proxyDialTimeout bounds a dial through a proxy: Tor may have to build a circuit, and
// for an onion service several.
const proxyDialTimeout = time.Minute

var (
	errNoWay   = errors.New("it is reached by Tor only: set a proxy, or an onion proxy")
	errNoOnion = errors.New("onion services are not to be dialed (noonion)")
)

// ways are made of a Config. They do not change, but for what is in proven.
type ways struct {
	direct func(context.Context, net.Addr) (net.Conn, error)
	within time.Duration // how long a direct dial may take

	proxy *socks.Dialer // for everything; nil means none
	onion *socks.Dialer // for onion services; nil means that they are not reached

	names Resolver
	local func() addrbook.Networks // what can be dialed without a proxy
	only  addrbook.Networks        // what may be dialed automatically

	noOnion bool // it is not for want of a proxy that there is no way

	proven map[*socks.Dialer]*provenAt // of each proxy
}

func newWays(cfg *Config) *ways {
	w := &ways{
		direct: cfg.Dial, within: cfg.DialTimeout,
		proxy: cfg.Proxy, onion: cfg.OnionProxy,
		names: cfg.Resolver, local: cfg.Reachable, only: cfg.OnlyNet, noOnion: cfg.NoOnion,
	}
	if w.onion == nil {
		w.onion = w.proxy
	}
	if cfg.NoOnion {
		w.onion = nil
	}
	if w.only == 0 {
		w.only = addrbook.AllNetworks
	}
	w.proven = make(map[*socks.Dialer]*provenAt)
	for _, p := range []*socks.Dialer{w.proxy, w.onion} {
		if p != nil {
			w.proven[p] = new(provenAt)
		}
	}
	return w
}

// timeout bounds all dials, with the time to find out whose a failure is.
func (w *ways) timeout() time.Duration {
	if w.proxy == nil && w.onion == nil {
		return w.within
	}
	return w.byProxy() + askPatience
}

// byProxy is how long a dial through a proxy may take.
func (w *ways) byProxy() time.Duration { return max(w.within, proxyDialTimeout) }

// to returns the proxy that leads to addr; nil means that none does. An address that
// cannot be reached is an error.
func (w *ways) to(addr net.Addr) (*socks.Dialer, error) {
	a, ok := endpointOf(addr)
	switch network := a.Host.Network(); {
	case !ok, network == netaddr.IPv4, network == netaddr.IPv6:
		return w.proxy, nil
	case network == netaddr.Onion && w.onion != nil:
		return w.onion, nil
	case network == netaddr.Onion && w.noOnion:
		return nil, errNoOnion
	case network == netaddr.Onion:
		return nil, errNoWay
	default:
		return nil, errors.New("addresses of " + network.String() + " cannot be dialed yet")
	}
}

// dial connects to an address. A name is resolved by the proxy if there is one, and
// must have been resolved before if not.
func (w *ways) dial(ctx context.Context, addr net.Addr) (net.Conn, error) {
	p, err := w.to(addr)
	switch {
	case err != nil:
		return nil, err
	case p != nil:
		ctx, cancel := context.WithTimeout(ctx, w.byProxy())
		defer cancel()
		return p.DialContext(ctx, "tcp", addr.String())
	}
	ctx, cancel := context.WithTimeout(ctx, w.within)
	defer cancel()
	return w.direct(ctx, addr)
}

// reachable returns the networks that automatic peers are looked for on.
func (w *ways) reachable() addrbook.Networks {
	all := addrbook.NetworksOf(netaddr.IPv4, netaddr.IPv6)
	if w.proxy == nil {
		all = w.local()
	}
	all &^= addrbook.NetworksOf(netaddr.Onion, netaddr.I2P, netaddr.CJDNS)
	if w.onion != nil {
		all |= addrbook.NetworksOf(netaddr.Onion)
	}
	return all & w.only
}

// proxies returns a watch for each of them.
func (w *ways) proxies() []proxyWatch {
	var list []proxyWatch
	for _, p := range []*socks.Dialer{w.proxy, w.onion} {
		if p != nil && (len(list) == 0 || list[0].proxy != p) {
			list = append(list, proxyWatch{p, make(chan struct{}, 1)})
		}
	}
	return list
}

// network is connmgr's Network: what is reached through one proxy is lost with it.
func (w *ways) network(addr net.Addr) string {
	if p, err := w.to(addr); err == nil && p != nil {
		return networkBy(p)
	}
	return connmgr.NetworkOf(addr)
}

func networkBy(p *socks.Dialer) string { return "proxy " + p.Proxy }

// classify is connmgr's Classify: a proxy that cannot be reached is our own trouble,
// and what it answers is about the address, if it is not unproven.
func (w *ways) classify(addr net.Addr, err error) connmgr.Reason {
	var reply socks.Reply
	var open *unproven
	switch {
	case errors.Is(err, socks.ErrProxy), errors.As(err, &open):
		return connmgr.ReasonProxy
	case !errors.As(err, &reply):
		return connmgr.Classify(addr, err)
	}
	switch reply {
	case socks.ReplyRefused:
		return connmgr.ReasonRefused
	case socks.ReplyTTLExpired, socks.ReplyIntroTimedOut:
		return connmgr.ReasonTimedOut
	}
	return connmgr.ReasonFailed
}

// private reports whether a session's other side does not see our address: it came by
// our onion service, or was dialed through a proxy.
func (s *session) private() bool {
	if s.inbound {
		return s.network() == netaddr.Onion
	}
	p, err := s.n.ways.to(s.addr)
	return err == nil && p != nil
}

// network returns the network that the other side is on; 0 if that is not known.
func (s *session) network() netaddr.Network {
	if _, ok := s.addr.(onionPeer); ok {
		return netaddr.Onion
	}
	return s.host.Network()
}

// resolve looks up a name, without a proxy.
func (w *ways) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	ips, err := w.names.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, plainDNSError(host, err)
	}
	if len(ips) == 0 {
		return nil, &net.DNSError{Err: "no addresses", Name: host, IsNotFound: true}
	}
	return ips[:min(len(ips), maxNameAddrs)], nil
}
