package socks

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
)

// Resolve looks up the address of a host through Tor, by its command RESOLVE. Tor
// answers with one address, IPv4 or IPv6 (IPv4 if both are there and its SocksPort
// does not prefer IPv6); an IPv4-mapped one is returned as IPv4. Host goes to Tor as
// it is; it has 1 to 255 visible ASCII bytes.
//
// Errors are an *Error. Tor refuses with ReplyHostUnreachable whatever the cause is:
// it does not tell a name that does not exist from a lookup that failed.
func (d *Dialer) Resolve(ctx context.Context, host string) (netip.Addr, error) {
	t, err := nameTarget(host)
	if err != nil {
		return netip.Addr{}, d.fail("resolve", host, err)
	}
	a, err := d.lookup(ctx, cmdResolve, t)
	if err == nil && !a.ip.IsValid() {
		err = faultf("%w: a name for an address", ErrAnswer)
	}
	if err != nil {
		return netip.Addr{}, d.fail("resolve", host, err)
	}
	return a.ip, nil
}

// ResolvePTR looks up the name of an address through Tor, by its command RESOLVE_PTR.
// The name is who knows whose: who owns an address says what its name is. It has 1 to
// 255 visible ASCII bytes. Errors are those of Resolve.
func (d *Dialer) ResolvePTR(ctx context.Context, ip netip.Addr) (string, error) {
	t, err := ipTarget(ip)
	if err != nil {
		return "", d.fail("resolve_ptr", ip.String(), err)
	}
	a, err := d.lookup(ctx, cmdResolvePTR, t)
	switch {
	case err != nil:
	case a.ip.IsValid():
		err = faultf("%w: an address for a name", ErrAnswer)
	default:
		if wrong := checkName(a.name); wrong != nil {
			err = faultf("%w: %w", ErrAnswer, wrong)
		}
	}
	if err != nil {
		return "", d.fail("resolve_ptr", ip.String(), err)
	}
	return a.name, nil
}

// LookupNetIP is Resolve in the form of a *net.Resolver's method; network is "ip",
// "ip4" or "ip6". A host that is an IP address is its own answer, and nothing is
// sent; an IPv4-mapped one becomes IPv4. The dot at the end of an absolute name is left
// out: for Tor all names are.
//
// If there is no such host the error is a *net.DNSError with IsNotFound. For Tor that
// is every lookup that failed (see Resolve), and an onion service that does not
// exist. So it is if the answer is of another network than the one asked for. All
// other errors are an *Error.
func (d *Dialer) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	switch network {
	case "ip", "ip4", "ip6":
	default:
		return nil, d.fail("resolve", host, net.UnknownNetworkError(network))
	}
	ip, err := netip.ParseAddr(host)
	if err == nil {
		ip = ip.Unmap()
	} else if ip, err = d.Resolve(ctx, strings.TrimSuffix(host, ".")); err != nil {
		if noSuchHost(err) {
			return nil, d.notFound("no such host", host, err)
		}
		return nil, err
	}
	if network == "ip4" && !ip.Is4() || network == "ip6" && !ip.Is6() {
		return nil, d.notFound("no suitable address", host, nil)
	}
	return []netip.Addr{ip}, nil
}

// noSuchHost: C Tor answers a failed RESOLVE with ReplyHostUnreachable and nothing
// else; Tors that know more may say what is wrong with the name of an onion service.
func noSuchHost(err error) bool {
	return errors.Is(err, ReplyHostUnreachable) || errors.Is(err, ReplyOnionNotFound) || errors.Is(err, ReplyOnionBadAddress)
}

func (d *Dialer) notFound(text, host string, cause error) error {
	return &net.DNSError{UnwrapErr: cause, Err: text, Name: host, Server: d.Proxy, IsNotFound: true}
}

// lookup asks for an answer and hangs up.
func (d *Dialer) lookup(ctx context.Context, command byte, t target) (answer, error) {
	conn, a, err := d.ask(ctx, command, t)
	if err != nil {
		return answer{}, err
	}
	conn.Close() //nolint:errcheck // the answer is here
	return a, nil
}
