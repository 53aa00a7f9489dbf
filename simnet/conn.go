package simnet

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// mergeLimit is how far writes of one instant are gathered in one chunk, so that
// many small writes do not cost many small allocations.
const mergeLimit = 4096

// link is a connection of a Fabric: two ends with a queue to each. Both directions
// share one lock and one condition, which is enough for the four goroutines at most
// that wait here.
type link struct {
	f     *Fabric
	hosts [2]string

	mu      sync.Mutex
	cond    *sync.Cond
	rng     *rand.Rand
	ends    [2]*conn
	stalled bool // cut: nothing arrives
	broken  bool // reset
}

// conn is one end of a link. Its fields are guarded by link.mu.
type conn struct {
	link          *link
	peer          *conn
	local, remote net.Addr

	in            []chunk   // on the way to us, or waiting to be read
	size          int       // bytes in in
	lastAt        time.Time // when the last of in arrives
	closed        bool
	writing       bool // a Write is under way: bytes of two never mix
	readDeadline  time.Time
	writeDeadline time.Time
}

// chunk is what arrives at one moment: bytes, or the end of the stream.
type chunk struct {
	data []byte
	at   time.Time // when it arrives
	held bool      // it does not: the way is cut
	fin  bool
}

// newLink makes a connection; a dialed b.
func newLink(f *Fabric, a, b net.Addr, rng *rand.Rand) (*conn, *conn) {
	l := &link{f: f, rng: rng, hosts: [2]string{host(a), host(b)}}
	l.cond = sync.NewCond(&l.mu)
	ca := &conn{link: l, local: a, remote: b}
	cb := &conn{link: l, local: b, remote: a}
	ca.peer, cb.peer = cb, ca
	l.ends = [2]*conn{ca, cb}
	return ca, cb
}

// Read reads what has arrived; it waits until something has.
func (c *conn) Read(b []byte) (int, error) {
	l := c.link
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		now := time.Now()
		if err := c.usable(now, c.readDeadline); err != nil {
			return 0, c.error("read", err)
		}
		if len(b) == 0 {
			return 0, nil
		}
		if c.headArrived(now) {
			return c.take(b)
		}
		until := c.readDeadline
		if len(c.in) > 0 && !c.in[0].held {
			until = earliest(until, c.in[0].at)
		}
		l.wait(until)
	}
}

// take reads from the head of the queue, which has arrived.
func (c *conn) take(b []byte) (int, error) {
	head := &c.in[0]
	if head.fin {
		return 0, io.EOF
	}
	n := copy(b, head.data)
	head.data = head.data[n:]
	if len(head.data) == 0 {
		c.in[0] = chunk{}
		c.in = c.in[1:]
	}
	c.size -= n
	c.link.cond.Broadcast() // there is room again
	return n, nil
}

// Write sends b; it waits while the other side has a full buffer. Once the other
// side's Close has arrived, it fails with ECONNRESET.
func (c *conn) Write(b []byte) (int, error) {
	l := c.link
	l.mu.Lock()
	defer l.mu.Unlock()
	for c.writing {
		if err := c.usable(time.Now(), c.writeDeadline); err != nil {
			return 0, c.error("write", err)
		}
		l.wait(c.writeDeadline)
	}
	c.writing = true
	defer func() {
		c.writing = false
		l.cond.Broadcast()
	}()

	sent := 0
	for {
		now := time.Now()
		err := c.usable(now, c.writeDeadline)
		if err == nil && c.finArrived(now) {
			err = syscall.ECONNRESET
		}
		if err != nil {
			return sent, c.error("write", err)
		}
		if sent == len(b) {
			return sent, nil
		}
		n := min(l.f.cfg.Buffer-c.peer.size, len(b)-sent)
		if n <= 0 {
			until := c.writeDeadline
			if f := c.fin(); f != nil && !f.held {
				until = earliest(until, f.at)
			}
			l.wait(until)
			continue
		}
		c.peer.push(now, chunk{data: b[sent : sent+n]})
		sent += n
		if sent == len(b) {
			return sent, nil
		}
	}
}

// push puts a chunk on its way to c.
func (c *conn) push(now time.Time, k chunk) {
	l := c.link
	k.at = now.Add(l.f.delay(l.rng))
	if k.at.Before(c.lastAt) {
		k.at = c.lastAt
	}
	c.lastAt = k.at
	k.held = l.stalled
	c.size += len(k.data)
	l.cond.Broadcast()
	if n := len(c.in); n > 0 && !k.fin {
		tail := &c.in[n-1]
		if !tail.fin && tail.held == k.held && tail.at.Equal(k.at) && len(tail.data) < mergeLimit {
			tail.data = append(tail.data, k.data...)
			return
		}
	}
	k.data = append([]byte(nil), k.data...) // the caller's is its own again
	c.in = append(c.in, k)
}

// Close ends the connection. The other side reads what was sent, and then io.EOF.
func (c *conn) Close() error {
	l := c.link
	l.mu.Lock()
	if c.closed {
		l.mu.Unlock()
		return c.error("close", net.ErrClosed)
	}
	c.closed = true
	c.peer.push(time.Now(), chunk{fin: true})
	done := c.peer.closed
	l.mu.Unlock()
	if done {
		l.f.forget(l)
	}
	return nil
}

// LocalAddr returns the address of this end.
func (c *conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr returns the address of the other end.
func (c *conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline sets both deadlines.
func (c *conn) SetDeadline(t time.Time) error { return c.setDeadlines(t, true, true) }

// SetReadDeadline sets when Read fails with os.ErrDeadlineExceeded; zero is never.
func (c *conn) SetReadDeadline(t time.Time) error { return c.setDeadlines(t, true, false) }

// SetWriteDeadline sets when Write fails with os.ErrDeadlineExceeded; zero is never.
func (c *conn) SetWriteDeadline(t time.Time) error { return c.setDeadlines(t, false, true) }

func (c *conn) setDeadlines(t time.Time, read, write bool) error {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	if c.closed {
		return c.error("set", net.ErrClosed)
	}
	if read {
		c.readDeadline = t
	}
	if write {
		c.writeDeadline = t
	}
	c.link.cond.Broadcast()
	return nil
}

// The functions below must be called with the lock of the link held.

// usable returns why nothing can be read or written now.
func (c *conn) usable(now, deadline time.Time) error {
	switch {
	case c.closed:
		return net.ErrClosed
	case c.link.broken:
		return syscall.ECONNRESET
	case !deadline.IsZero() && !now.Before(deadline):
		return os.ErrDeadlineExceeded
	}
	return nil
}

func (c *conn) headArrived(now time.Time) bool {
	return len(c.in) > 0 && c.in[0].arrived(now)
}

// fin returns the other side's Close, if it is on its way or here.
func (c *conn) fin() *chunk {
	if n := len(c.in); n > 0 && c.in[n-1].fin {
		return &c.in[n-1]
	}
	return nil
}

func (c *conn) finArrived(now time.Time) bool {
	f := c.fin()
	return f != nil && f.arrived(now)
}

func (k *chunk) arrived(now time.Time) bool { return !k.held && !k.at.After(now) }

// wait waits for a change, or until a time that is not zero.
func (l *link) wait(until time.Time) {
	if !until.IsZero() {
		t := time.AfterFunc(time.Until(until), func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.cond.Broadcast()
		})
		defer t.Stop()
	}
	l.cond.Wait()
}

// The functions below take the lock of the link.

// setStalled begins or ends a cut: what has not arrived when it begins is held, and
// arrives one latency after its end.
func (l *link) setStalled(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stalled == on {
		return
	}
	l.stalled = on
	now := time.Now()
	for _, c := range l.ends {
		for i := range c.in {
			k := &c.in[i]
			switch {
			case on:
				k.held = !k.arrived(now)
			case k.held:
				k.held = false
				k.at = now.Add(l.f.cfg.Latency)
				c.lastAt = k.at
			}
		}
	}
	l.cond.Broadcast()
}

// reset breaks both ends.
func (l *link) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken = true
	for _, c := range l.ends {
		c.in, c.size = nil, 0
	}
	l.cond.Broadcast()
}

// markClosed closes an end that nobody got to see, and reports whether both are
// closed now.
func (l *link) markClosed(c *conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.closed = true
	return c.peer.closed
}

// error wraps err as package net does.
func (c *conn) error(op string, err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		err = os.NewSyscallError(op, err)
	}
	return &net.OpError{Op: op, Net: c.local.Network(), Source: c.local, Addr: c.remote, Err: err}
}

func earliest(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}
