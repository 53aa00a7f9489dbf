package node

import (
	"context"
	"net"
	"net/netip"
	"testing"

	"holdfast/internal/sockstest"
	"holdfast/netaddr"
	"holdfast/socks"
)

// testProxy is a SOCKS5 proxy on a world's Fabric.
type testProxy struct {
	*sockstest.Proxy
	w  *world
	at *net.TCPAddr
	l  net.Listener
}

// proxied returns a proxy that does not listen yet, and how it is reached. It knows some
// names, onion services among them.
func proxied(names map[string]netip.AddrPort) (*testProxy, *socks.Dialer) {
	p := &testProxy{at: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9050}}
	p.Proxy = &sockstest.Proxy{
		Resolve: func(host string) (netip.Addr, bool) {
			to, ok := names[host]
			return to.Addr(), ok
		},
		Dial: func(ctx context.Context, target string) (net.Conn, error) {
			host, _, _ := net.SplitHostPort(target)
			to, ok := names[host]
			if !ok {
				var err error
				if to, err = netip.ParseAddrPort(target); err != nil {
					return nil, err
				}
			}
			return p.w.fabric.Dial(ctx, &net.TCPAddr{IP: net.IPv4(7, 7, 7, 7)}, net.TCPAddrFromAddrPort(to))
		},
	}
	return p, &socks.Dialer{
		Proxy: p.at.String(),
		DialProxy: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return p.w.fabric.Dial(ctx, ourAddr, p.at)
		},
	}
}

// start has it listen.
func (p *testProxy) start() {
	p.w.t.Helper()
	l, err := p.w.fabric.Listen(p.at)
	if err != nil {
		p.w.t.Fatal(err)
	}
	p.l = l
	go p.Serve(l)
}

// kill ends it, with all connections through it.
func (p *testProxy) kill() {
	_ = p.l.Close()
	p.Break()
}

// never is a Config.Dial that must not be used.
type never struct{ t *testing.T }

func (n never) dial(_ context.Context, addr net.Addr) (net.Conn, error) {
	n.t.Errorf("%v was dialed around the proxy", addr)
	return nil, net.ErrClosed
}

// onionHost is an onion service that no key belongs to.
func onionHost(i byte) netaddr.Host {
	key := make([]byte, 32)
	key[0], key[31] = i<<4, 1
	h, _ := netaddr.FromBytes(netaddr.Onion, key)
	return h
}
