package simnet

import (
	"net"
	"sync"
)

// listener is where a Fabric's connections arrive. Its fields are guarded by the
// Fabric's lock.
type listener struct {
	f       *Fabric
	addr    net.Addr
	key     string
	wake    *sync.Cond
	backlog []*conn
	closed  bool
}

// Accept waits for the next connection.
func (l *listener) Accept() (net.Conn, error) {
	l.f.mu.Lock()
	defer l.f.mu.Unlock()
	for len(l.backlog) == 0 && !l.closed {
		l.wake.Wait()
	}
	if l.closed {
		return nil, l.error("accept")
	}
	c := l.backlog[0]
	l.backlog[0] = nil
	l.backlog = l.backlog[1:]
	if len(l.backlog) == l.f.cfg.Backlog-1 {
		l.f.signal() // there is room again
	}
	return c, nil
}

// Close ends Accept, and breaks the connections that still wait for it.
func (l *listener) Close() error {
	l.f.mu.Lock()
	defer l.f.mu.Unlock()
	if l.closed {
		return l.error("close")
	}
	l.closeLocked()
	l.f.signal()
	return nil
}

// closeLocked must be called with the Fabric's lock held.
func (l *listener) closeLocked() {
	l.closed = true
	delete(l.f.listeners, l.key)
	for _, c := range l.backlog {
		c.link.reset()
		if c.link.markClosed(c) {
			delete(l.f.links, c.link)
		}
	}
	l.backlog = nil
	l.wake.Broadcast()
}

// Addr returns the address listened at.
func (l *listener) Addr() net.Addr { return l.addr }

func (l *listener) error(op string) error {
	return &net.OpError{Op: op, Net: l.addr.Network(), Addr: l.addr, Err: net.ErrClosed}
}
