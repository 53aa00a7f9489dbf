package socks

import "net"

// withRemote returns conn with another RemoteAddr, and with all that the kinds of
// connection can do which there are in practice: half-close, splice, options of the
// socket.
func withRemote(conn net.Conn, remote net.Addr) net.Conn {
	switch c := conn.(type) {
	case *net.TCPConn:
		return &tcpConn{c, remote}
	case *net.UnixConn:
		return &unixConn{c, remote}
	case halfCloser:
		return &halfConn{c, remote}
	default:
		return &plainConn{c, remote}
	}
}

type halfCloser interface {
	net.Conn
	CloseWrite() error
}

type tcpConn struct {
	*net.TCPConn
	remote net.Addr
}

type unixConn struct {
	*net.UnixConn
	remote net.Addr
}

type halfConn struct {
	halfCloser
	remote net.Addr
}

type plainConn struct {
	net.Conn
	remote net.Addr
}

func (c *tcpConn) RemoteAddr() net.Addr   { return c.remote }
func (c *unixConn) RemoteAddr() net.Addr  { return c.remote }
func (c *halfConn) RemoteAddr() net.Addr  { return c.remote }
func (c *plainConn) RemoteAddr() net.Addr { return c.remote }
