// Package sockstest is a SOCKS5 proxy for tests, with Tor's RESOLVE: it asks for no
// authentication, takes any that is offered, and does what its functions say.
package sockstest

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"
)

// The replies that a Proxy gives by itself (RFC 1928).
const (
	replyUnreachable = 4
	replyRefused     = 5
	replyTTLExpired  = 6
)

// dialTimeout bounds a dial of a Proxy.
const dialTimeout = 20 * time.Second

// cutTimeout is how long a request may wait for the network: Tor's SocksTimeout.
const cutTimeout = 2 * time.Minute

// Reply is an error of Proxy.Dial that is told as this code.
type Reply byte

func (r Reply) Error() string { return "SOCKS reply " + strconv.Itoa(int(r)) }

// Proxy is a SOCKS5 proxy. All methods are safe for concurrent use.
type Proxy struct {
	// Dial connects to what was asked for, a "host:port" with whatever host. An
	// error is told as a refused connection, if it is no Reply.
	Dial func(ctx context.Context, target string) (net.Conn, error)

	// Resolve looks up a name; false means that there is none.
	Resolve func(host string) (netip.Addr, bool)

	mu     sync.Mutex
	asked  []string
	users  []string
	open   map[net.Conn]context.CancelFunc
	mended chan struct{} // closed when the network is back; nil if it is not cut
	served sync.WaitGroup
}

// Serve serves the connections that l takes, until l is closed.
func (p *Proxy) Serve(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		if p.open == nil {
			p.open = make(map[net.Conn]context.CancelFunc)
		}
		ctx, cancel := context.WithCancel(context.Background())
		p.open[conn] = cancel
		p.mu.Unlock()
		p.served.Go(func() {
			defer cancel()
			p.serve(ctx, cancel, conn)
			_ = conn.Close()
			p.mu.Lock()
			delete(p.open, conn)
			p.mu.Unlock()
		})
	}
}

// Break closes all connections, as the end of the proxy's process does, and waits until
// nothing is left of them.
func (p *Proxy) Break() {
	p.mu.Lock()
	for conn, cancel := range p.open {
		_ = conn.Close()
		cancel()
	}
	p.mu.Unlock()
	p.served.Wait()
}

// Cut takes the network away from the proxy, as when the link behind a Tor is cut: it
// takes requests as before, and answers none of them for 2 min, and then that they took
// too long (a lookup: that there is no such host). What is open is silent.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mended == nil {
		p.mended = make(chan struct{})
	}
}

// Mend gives the network back. What waits is served.
func (p *Proxy) Mend() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mended != nil {
		close(p.mended)
		p.mended = nil
	}
}

// passable waits until there is a network, and returns false if ctx ends before.
func (p *Proxy) passable(ctx context.Context) bool {
	p.mu.Lock()
	mended := p.mended
	p.mu.Unlock()
	if mended == nil {
		return true
	}
	select {
	case <-mended:
		return true
	case <-ctx.Done():
		return false
	}
}

// passing is a writer that waits for the network.
type passing struct {
	io.Writer
	p   *Proxy
	ctx context.Context
}

func (w passing) Write(b []byte) (int, error) {
	if !w.p.passable(w.ctx) {
		return 0, net.ErrClosed
	}
	return w.Writer.Write(b)
}

// Targets returns what was asked for so far, in order: "host:port", and for a name to
// look up the name alone.
func (p *Proxy) Targets() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.asked)
}

// Users returns the name and password, as "name:password", of each connection that
// offered one.
func (p *Proxy) Users() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.users)
}

// serve serves a connection, and ends ctx when one of its sides has ended.
func (p *Proxy) serve(ctx context.Context, end context.CancelFunc, conn net.Conn) {
	r, err := p.request(conn)
	if err != nil {
		return
	}
	p.mu.Lock()
	p.asked = append(p.asked, r.target())
	p.mu.Unlock()
	reply := func(code byte, ip netip.Addr) {
		msg := []byte{5, code, 0, 1}
		if ip.Is6() {
			msg[3] = 4
		}
		_, _ = conn.Write(append(append(msg, ip.AsSlice()...), 0, 0)) // whoever asked may be gone
	}
	nowhere := netip.IPv4Unspecified()
	waiting, cancelWait := context.WithTimeout(ctx, cutTimeout)
	defer cancelWait()
	if !p.passable(waiting) {
		code := byte(replyTTLExpired)
		if r.lookup {
			code = replyUnreachable
		}
		reply(code, nowhere)
		return
	}
	if r.lookup {
		if ip, ok := p.Resolve(r.host); ok {
			reply(0, ip)
		} else {
			reply(replyUnreachable, nowhere)
		}
		return
	}
	dialing, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	far, err := p.Dial(dialing, r.target())
	if err != nil {
		code := Reply(replyRefused)
		_ = errors.As(err, &code)
		reply(byte(code), nowhere)
		return
	}
	reply(0, nowhere)
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(passing{far, p, ctx}, conn)
		_ = far.Close()
		end()
	})
	_, _ = io.Copy(passing{conn, p, ctx}, far)
	_ = conn.Close()
	end()
	back.Wait()
}

// request is what a client asks for.
type request struct {
	lookup bool // RESOLVE, not CONNECT
	host   string
	port   uint16
}

func (r request) target() string {
	if r.lookup {
		return r.host
	}
	return net.JoinHostPort(r.host, strconv.Itoa(int(r.port)))
}

var errRequest = errors.New("sockstest: no request that is understood")

// request does the handshake, and reads what is asked for.
func (p *Proxy) request(conn io.ReadWriter) (r request, err error) {
	var b [256]byte
	read := func(n int) []byte {
		if err == nil {
			_, err = io.ReadFull(conn, b[:n])
		}
		return b[:n]
	}
	write := func(msg ...byte) {
		if err == nil {
			_, err = conn.Write(msg)
		}
	}
	methods := read(int(read(2)[1]))
	if slices.Contains(methods, 2) {
		write(5, 2)
		name := string(read(int(read(2)[1])))
		password := string(read(int(read(1)[0])))
		p.mu.Lock()
		p.users = append(p.users, name+":"+password)
		p.mu.Unlock()
		write(1, 0)
	} else {
		write(5, 0)
	}
	head := read(4)
	command, kind := head[1], head[3]
	switch kind {
	case 1:
		r.host = netip.AddrFrom4([4]byte(read(4))).String()
	case 4:
		r.host = netip.AddrFrom16([16]byte(read(16))).String()
	default:
		r.host = string(read(int(read(1)[0])))
	}
	r.port = binary.BigEndian.Uint16(read(2))
	if r.lookup = command == 0xf0; err == nil && command != 1 && !r.lookup {
		err = errRequest
	}
	return r, err
}
