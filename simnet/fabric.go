package simnet

import (
	"context"
	"hash/fnv"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// Defaults of a Fabric.
const (
	defaultBuffer  = 256 << 10 // about what a kernel gives a TCP socket
	defaultBacklog = 128       // net.core.somaxconn of old, plenty for tests

	firstEphemeral = 20000
	lastEphemeral  = 65535
)

// FabricConfig says how a Fabric works. The zero value is a network without delay.
type FabricConfig struct {
	// Latency is the one-way delay of everything sent; a dial takes two of it.
	// 0 means none.
	Latency time.Duration

	// Jitter is the most that is added to Latency, drawn anew for every write.
	// Bytes still arrive in order. 0 means none.
	Jitter time.Duration

	// Buffer is the most bytes sent and not yet read, for each direction of a
	// connection. A write waits while it is full. 0 means 256 KiB.
	Buffer int

	// Backlog is the most connections that wait for Accept at one listener. While
	// it is full, dials wait too. 0 means 128.
	Backlog int

	// Seed is what jitter is drawn from.
	Seed uint64
}

// Fabric is a network in memory. Listeners and connections are found by the
// String of their address, so any net.Addr will do. All methods may be called from
// several goroutines at once. Inside a synctest bubble it must be made by NewFabric
// in that bubble.
//
// A Fabric has no goroutines; Close it to end what still waits on it.
type Fabric struct {
	cfg FabricConfig

	mu        sync.Mutex
	changed   chan struct{} // closed, and made anew, when waiting dials shall look again
	listeners map[string]*listener
	links     map[*link]struct{} // with at least one end open
	holes     map[string]bool    // by address
	cutHosts  map[string]bool    // by host
	cutAll    bool
	down      bool
	closed    bool
	ports     map[string]int    // the last ephemeral port, by host
	dialed    map[string]uint64 // dials, by address
	stats     FabricStats
}

// FabricStats counts what happened on a Fabric.
type FabricStats struct {
	Dials   uint64 // calls of Dial
	Dialing int    // calls of Dial that have not returned
	Opened  uint64 // dials that got a connection
	Open    int    // connections with at least one end not closed
}

// NewFabric makes a Fabric.
func NewFabric(cfg FabricConfig) *Fabric {
	if cfg.Buffer <= 0 {
		cfg.Buffer = defaultBuffer
	}
	if cfg.Backlog <= 0 {
		cfg.Backlog = defaultBacklog
	}
	return &Fabric{
		cfg:       cfg,
		changed:   make(chan struct{}),
		listeners: make(map[string]*listener),
		links:     make(map[*link]struct{}),
		holes:     make(map[string]bool),
		cutHosts:  make(map[string]bool),
		ports:     make(map[string]int),
		dialed:    make(map[string]uint64),
	}
}

// Listen makes a listener at addr. A *net.TCPAddr with port 0 gets a free port.
//
// Errors are *net.OpError: syscall.EADDRINUSE if the address has a listener,
// net.ErrClosed if the Fabric is closed.
func (f *Fabric) Listen(addr net.Addr) (net.Listener, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fail := func(err error) (net.Listener, error) {
		return nil, &net.OpError{Op: "listen", Net: addr.Network(), Addr: addr, Err: err}
	}
	if f.closed {
		return fail(net.ErrClosed)
	}
	addr = f.fillPort(addr)
	key := addr.String()
	if f.listeners[key] != nil {
		return fail(os.NewSyscallError("bind", syscall.EADDRINUSE))
	}
	l := &listener{f: f, addr: addr, key: key, wake: sync.NewCond(&f.mu)}
	f.listeners[key] = l
	f.signal()
	return l, nil
}

// Dial connects from local to remote. A nil local is 10.0.0.1; a *net.TCPAddr with
// port 0 gets an ephemeral port. It returns after one round trip if somebody
// listens at remote. A remote that is cut off or a black hole lets it wait; when it
// heals meanwhile, the dial goes on.
//
// Errors are *net.OpError: syscall.ECONNREFUSED after one round trip if nobody
// listens, syscall.ENETUNREACH while the network is down (SetUp), ctx.Err when ctx
// ends first, for which Timeout is true if that is context.DeadlineExceeded, and
// net.ErrClosed if the Fabric is closed.
func (f *Fabric) Dial(ctx context.Context, local, remote net.Addr) (net.Conn, error) {
	key := remote.String()
	f.mu.Lock()
	f.stats.Dials++
	f.stats.Dialing++
	f.dialed[key]++
	rng := f.newRand(key, f.dialed[key])
	if local == nil {
		local = &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1)}
	}
	local = f.fillPort(local)
	f.mu.Unlock()

	conn, err := f.dial(ctx, local, remote, rng)

	f.mu.Lock()
	defer f.mu.Unlock()
	f.stats.Dialing--
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: remote.Network(), Source: local, Addr: remote, Err: err}
	}
	return conn, nil
}

// Dialer returns a function that dials from local, fit for connmgr's DialContext.
// For local see Dial.
func (f *Fabric) Dialer(local net.Addr) func(context.Context, net.Addr) (net.Conn, error) {
	return func(ctx context.Context, remote net.Addr) (net.Conn, error) {
		return f.Dial(ctx, local, remote)
	}
}

func (f *Fabric) dial(ctx context.Context, local, remote net.Addr, rng *rand.Rand) (net.Conn, error) {
	rtt := f.delay(rng) + f.delay(rng)
	travelled := false
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		f.mu.Lock()
		conn, wait, err := f.tryDial(local, remote, travelled, rng)
		changed := f.changed
		f.mu.Unlock()
		switch {
		case conn != nil || err != nil:
			return conn, err
		case wait:
			travelled = false // what heals the way lets the next try through
			select {
			case <-ctx.Done():
			case <-changed:
			}
		default:
			travelled = true
			if rtt == 0 {
				continue
			}
			timer := time.NewTimer(rtt)
			select {
			case <-ctx.Done():
			case <-timer.C:
			}
			timer.Stop()
		}
	}
}

// tryDial looks where a dial stands: it got a connection or an error, or it has to
// wait for a change, or (all zero) its round trip begins now. Must be called with
// the lock held.
func (f *Fabric) tryDial(local, remote net.Addr, travelled bool, rng *rand.Rand) (c *conn, wait bool, err error) {
	key := remote.String()
	switch {
	case f.closed:
		return nil, false, net.ErrClosed
	case f.down:
		return nil, false, os.NewSyscallError("connect", syscall.ENETUNREACH)
	case f.holes[key] || f.cutBetween(host(local), host(remote)):
		return nil, true, nil
	case !travelled:
		return nil, false, nil
	}
	l := f.listeners[key]
	if l == nil {
		return nil, false, os.NewSyscallError("connect", syscall.ECONNREFUSED)
	}
	if len(l.backlog) >= f.cfg.Backlog {
		return nil, true, nil
	}
	ours, theirs := newLink(f, local, l.addr, rng)
	f.links[ours.link] = struct{}{}
	f.stats.Opened++
	l.backlog = append(l.backlog, theirs)
	l.wake.Signal()
	return ours, false, nil
}

// BlackHole swallows what is sent to set up a connection to addr, if on is true:
// dials wait until their context ends. Connections that exist are not touched.
func (f *Fabric) BlackHole(addr net.Addr, on bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	set(f.holes, addr.String(), on)
	f.signal()
}

// SetUp says whether our network is there at all. While it is not, every dial fails
// at once with ENETUNREACH, and connections stall as under Cut. It is up at first.
func (f *Fabric) SetUp(up bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = !up
	f.restall()
}

// Cut interrupts everything silently, if on is true: nothing more arrives, writes
// wait once the buffer is full, dials wait. Nothing is lost: when the cut ends, what
// was under way arrives after one Latency. With hosts, only connections from or to
// their hosts (the ports are ignored) are cut; without, all.
func (f *Fabric) Cut(on bool, hosts ...net.Addr) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(hosts) == 0 {
		f.cutAll = on
	}
	for _, a := range hosts {
		set(f.cutHosts, host(a), on)
	}
	f.restall()
}

// Reset breaks the connections from or to addr's host, or all if addr is nil: both
// ends get ECONNRESET at once. It returns how many were broken.
func (f *Fabric) Reset(addr net.Addr) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for l := range f.links {
		if addr == nil || l.hosts[0] == host(addr) || l.hosts[1] == host(addr) {
			l.reset()
			n++
		}
	}
	return n
}

// Stats returns the counters.
func (f *Fabric) Stats() FabricStats {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.stats
	s.Open = len(f.links)
	return s
}

// Dialed returns how often addr was dialed.
func (f *Fabric) Dialed(addr net.Addr) uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dialed[addr.String()]
}

// Close ends all listeners, dials and connections. It may be called again.
func (f *Fabric) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	for _, l := range f.listeners {
		l.closeLocked()
	}
	for l := range f.links {
		l.reset()
	}
	f.signal()
	return nil
}

// signal lets waiting dials look again. Must be called with the lock held.
func (f *Fabric) signal() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// restall tells each connection whether it is cut now. Must be called with the lock
// held.
func (f *Fabric) restall() {
	for l := range f.links {
		l.setStalled(f.down || f.cutBetween(l.hosts[0], l.hosts[1]))
	}
	f.signal()
}

// cutBetween must be called with the lock held.
func (f *Fabric) cutBetween(a, b string) bool {
	return f.cutAll || f.cutHosts[a] || f.cutHosts[b]
}

// fillPort gives a TCP address without a port the next one of its host. Must be
// called with the lock held.
func (f *Fabric) fillPort(addr net.Addr) net.Addr {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok || tcp.Port != 0 {
		return addr
	}
	filled := *tcp
	h := host(addr)
	for range lastEphemeral - firstEphemeral {
		p := f.ports[h] + 1
		if p < firstEphemeral || p > lastEphemeral {
			p = firstEphemeral
		}
		f.ports[h] = p
		filled.Port = p
		if f.listeners[filled.String()] == nil {
			break
		}
	}
	return &filled
}

func (f *Fabric) newRand(key string, n uint64) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(key)) // never fails
	return rand.New(rand.NewPCG(f.cfg.Seed, h.Sum64()+n))
}

// delay draws one one-way delay.
func (f *Fabric) delay(rng *rand.Rand) time.Duration {
	d := f.cfg.Latency
	if f.cfg.Jitter > 0 {
		d += time.Duration(rng.Int64N(int64(f.cfg.Jitter)))
	}
	return d
}

// forget drops a connection both ends of which are closed.
func (f *Fabric) forget(l *link) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.links, l)
}

// host returns the host of an address, or all of it if it has no port.
func host(a net.Addr) string {
	h, _, err := net.SplitHostPort(a.String())
	if err != nil {
		return a.String()
	}
	return h
}

func set(m map[string]bool, key string, on bool) {
	if on {
		m[key] = true
	} else {
		delete(m, key)
	}
}
