package connmgr

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// Classify says why a dial of addr failed with err. It knows the errors of
// package net on every system that Go supports, contexts, host names that do
// not exist, and a proxy that cannot be reached. An error with a method
// Local() bool that returns true is ReasonProxy, unless it is known more
// exactly: a dialer marks so what is this host's fault and not the address's. If it has
// a method Unsure() bool that returns true as well, it may be the address's: then 25
// in a row, of several hosts, show that their network is down, and not 3.
func Classify(addr net.Addr, err error) Reason {
	var r Reason
	if errors.As(err, &r) {
		return r
	}
	if proxied(addr, err) {
		return ReasonProxy
	}
	var marked interface{ Local() bool }
	local := errors.As(err, &marked) && marked.Local()
	var errno syscall.Errno
	if errors.As(err, &errno) {
		// That of a proxy that refuses us does not say that the address does.
		if r := classifyErrno(errno); r != ReasonNone && (r.Local() || !local) {
			return r
		}
	}
	if local {
		return ReasonProxy
	}
	var dns *net.DNSError
	if errors.As(err, &dns) {
		if dns.IsNotFound {
			return ReasonUnresolved
		}
		return ReasonResolver
	}
	var timeout interface{ Timeout() bool }
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) ||
		errors.As(err, &timeout) && timeout.Timeout() {
		return ReasonTimedOut
	}
	return ReasonFailed
}

// proxied reports whether err is the failure to reach something other than
// addr: a dialer that was asked for one address, and could not connect to
// another, goes through a proxy. A host name may stand for any IP address, except
// for those that only a proxy knows, but not for another port.
func proxied(addr net.Addr, err error) bool {
	var op *net.OpError
	for e := err; errors.As(e, &op); e = op.Err {
		if op.Op != "dial" || op.Addr == nil || isNil(addr) {
			continue
		}
		dialed, err := netip.ParseAddrPort(op.Addr.String())
		if err != nil {
			continue
		}
		host, port, err := net.SplitHostPort(addr.String())
		if err != nil {
			continue
		}
		ip, err := netip.ParseAddr(host)
		switch {
		case port != strconv.Itoa(int(dialed.Port())):
			return true
		case err == nil:
			if ip.Unmap() != dialed.Addr().Unmap() {
				return true
			}
		case strings.HasSuffix(host, ".onion") || strings.HasSuffix(host, ".i2p"):
			return true
		}
	}
	return false
}

// NetworkOf names the network of an address: "ip4" or "ip6", or what the
// address calls it.
func NetworkOf(addr net.Addr) string {
	if tcp, ok := addr.(*net.TCPAddr); ok { // the usual case, without netip
		if tcp.IP.To4() != nil {
			return "ip4"
		}
		return "ip6"
	}
	ip, ok := ipOf(addr)
	switch {
	case !ok:
		return addr.Network()
	case ip.Is4():
		return "ip4"
	default:
		return "ip6"
	}
}

// ipOf returns the IP address of addr, IPv4-mapped ones as IPv4 and without
// their zone.
func ipOf(addr net.Addr) (netip.Addr, bool) {
	if tcp, ok := addr.(*net.TCPAddr); ok {
		ip := tcp.AddrPort().Addr()
		return ip.Unmap().WithZone(""), ip.IsValid()
	}
	text := addr.String()
	if ap, err := netip.ParseAddrPort(text); err == nil {
		return ap.Addr().Unmap().WithZone(""), true
	}
	if ip, err := netip.ParseAddr(text); err == nil {
		return ip.Unmap().WithZone(""), true
	}
	return netip.Addr{}, false
}
