package main

import (
	"net"
	"sync/atomic"
	"time"
)

// stubAddrs returns n different addresses of the kind that owners use most.
func stubAddrs(n int) []net.Addr {
	tcp := make([]net.TCPAddr, n)
	addrs := make([]net.Addr, n)
	for i := range tcp {
		tcp[i] = net.TCPAddr{IP: net.IPv4(11, byte(i>>16), byte(i>>8), byte(i)), Port: 8333}
		addrs[i] = &tcp[i]
	}
	return addrs
}

// supply returns a GetNewAddress that hands out addrs in turn.
func supply(addrs []net.Addr) func() (net.Addr, error) {
	var next atomic.Int64
	return func() (net.Addr, error) {
		i := int(next.Add(1)-1) % len(addrs)
		return addrs[i], nil
	}
}

// stubConn is a connection that carries nothing. It costs no more than itself, so
// that what is measured is the manager.
type stubConn struct {
	addr   net.Addr
	closed atomic.Bool
}

func (c *stubConn) Read([]byte) (int, error)         { return 0, net.ErrClosed }
func (c *stubConn) Write(b []byte) (int, error)      { return len(b), nil }
func (c *stubConn) Close() error                     { c.closed.Store(true); return nil }
func (c *stubConn) LocalAddr() net.Addr              { return c.addr }
func (c *stubConn) RemoteAddr() net.Addr             { return c.addr }
func (c *stubConn) SetDeadline(time.Time) error      { return nil }
func (c *stubConn) SetReadDeadline(time.Time) error  { return nil }
func (c *stubConn) SetWriteDeadline(time.Time) error { return nil }
