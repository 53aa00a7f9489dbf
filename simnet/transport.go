package simnet

import (
	"context"
	"errors"
	"net"
	"syscall"
)

// Transport is what a Network's peers listen and dial with. *Fabric and Loopback
// are Transports.
type Transport interface {
	// Listen makes a listener at addr.
	Listen(addr net.Addr) (net.Listener, error)

	// Dial connects from local, the port of which is 0, to remote. It returns
	// when ctx ends.
	Dial(ctx context.Context, local, remote net.Addr) (net.Conn, error)
}

var (
	_ Transport = (*Fabric)(nil)
	_ Transport = Loopback{}
)

// Loopback is the Transport of real TCP sockets on the loopback interface.
type Loopback struct {
	// SingleAddress says that only 127.0.0.1 can be used, as on macOS: the peers
	// of a Network get different ports then, instead of different addresses. A
	// Network finds this out for itself; setting it spares the try.
	SingleAddress bool
}

// Listen makes a TCP listener at addr.
func (Loopback) Listen(addr net.Addr) (net.Listener, error) {
	return net.Listen("tcp", addr.String())
}

// Dial connects to remote by TCP, from local's address if that can be: where the
// system does not let it be used, from one that the system picks.
func (Loopback) Dial(ctx context.Context, local, remote net.Addr) (net.Conn, error) {
	var d net.Dialer
	if sameLoopback(local, remote) {
		d.LocalAddr = local
		c, err := d.DialContext(ctx, "tcp", remote.String())
		if err == nil || !errors.Is(err, syscall.EADDRNOTAVAIL) {
			return c, err
		}
		d.LocalAddr = nil
	}
	return d.DialContext(ctx, "tcp", remote.String())
}

// sameLoopback reports whether both are loopback addresses of one family, so that a
// connection can go from one to the other.
func sameLoopback(local, remote net.Addr) bool {
	l, ok := local.(*net.TCPAddr)
	if !ok || l == nil {
		return false
	}
	r := net.ParseIP(host(remote))
	return l.IP.IsLoopback() && r.IsLoopback() && (l.IP.To4() == nil) == (r.To4() == nil)
}
