package simnet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/btcsuite/btcd/wire/v2"
)

// ErrStopped says that a peer or its network does not run. It is net.ErrClosed for
// errors.Is.
var ErrStopped = fmt.Errorf("simnet: stopped: %w", net.ErrClosed)

const (
	// defaultMaxConns is the connections of one peer, as many as Core's default.
	defaultMaxConns = 125

	// acceptPause is waited after Accept failed, most likely since there are no
	// file descriptors left; acceptTries failures in a row end the accepting.
	acceptPause = 100 * time.Millisecond
	acceptTries = 600
)

// Spec describes one peer, or Count equal ones.
type Spec struct {
	// Behaviour is how it acts. The zero value is honest.
	Behaviour Behaviour

	// Count makes this many of them. 0 means 1.
	Count int

	// Addr is where it listens. Nil means an address of a /16 group of its own. It
	// must be nil if Count is above 1.
	Addr net.Addr

	// Services is what it says it serves. 0 means SFNodeNetwork|SFNodeWitness.
	Services wire.ServiceFlag

	// UserAgent is its user agent. "" means "/simnet:1/NAME/", NAME of the
	// behaviour.
	UserAgent string

	// Gossip is what it answers to getaddr. Nil means the peers of its Network; an
	// empty slice that is not nil means nothing.
	Gossip []netip.AddrPort

	// MaxConns is the most connections it has at once; more are closed. 0 means 125.
	MaxConns int
}

// Peer is one node of a Network. All methods may be called from several goroutines
// at once, but not from OnEvent if they wait (Stop, Start).
type Peer struct {
	net   *Network
	index int
	spec  Spec

	// life is held while the peer is started or stopped. It is a channel and no
	// mutex since Stop waits while it holds it.
	life chan struct{}

	mu      sync.Mutex
	addr    net.Addr
	run     *peerRun // nil while stopped
	serial  uint64   // of the last session
	accepts uint64
	counts  map[string]uint64
}

// peerRun is what a peer has between Start and Stop.
type peerRun struct {
	ctx      context.Context
	cancel   context.CancelFunc
	ln       net.Listener // nil with NoListener
	wg       sync.WaitGroup
	sessions map[*session]struct{} // guarded by Peer.mu
}

// ConnInfo describes one connection of a peer.
type ConnInfo struct {
	Remote    net.Addr
	Inbound   bool      // the other side dialed
	Ready     bool      // the handshake is done
	Since     time.Time // when it was opened
	UserAgent string    // of the other side; "" before its version came
}

// Index is the peer's place in Network.Peers.
func (p *Peer) Index() int { return p.index }

// Addr returns the address it listens at, or would. It is set by Network.Start.
func (p *Peer) Addr() net.Addr {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.addr
}

// Behaviour returns how it acts.
func (p *Peer) Behaviour() Behaviour { return p.spec.Behaviour }

// Services returns what it says it serves.
func (p *Peer) Services() wire.ServiceFlag { return p.spec.Services }

// Running reports whether it is started.
func (p *Peer) Running() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.run != nil
}

// Conns returns its connections, the oldest first.
func (p *Peer) Conns() []ConnInfo {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.run == nil {
		return nil
	}
	all := make([]*session, 0, len(p.run.sessions))
	for s := range p.run.sessions {
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b *session) int { return cmp.Compare(a.serial, b.serial) })
	infos := make([]ConnInfo, 0, len(all))
	for _, s := range all {
		infos = append(infos, s.info)
	}
	return infos
}

// Received returns how many messages with this command came, over all connections
// since it was made. "unknown" counts those with a command that is not known.
func (p *Peer) Received(command string) uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts[command]
}

// Accepted returns how many connections it accepted since it was made.
func (p *Peer) Accepted() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepts
}

// Start revives a stopped peer, at its old address. It does nothing if it runs.
//
// Errors: ErrStopped if its network does not run, or what Listen returns.
func (p *Peer) Start() error {
	p.life <- struct{}{}
	defer func() { <-p.life }()
	ctx, err := p.net.context() // first: it waits for a Network.Start under way
	if err != nil {
		return err
	}
	if p.Running() {
		return nil
	}
	ln, err := p.listen(p.Addr())
	if err != nil {
		return fmt.Errorf("simnet: start peer %d: %w", p.index, err)
	}
	p.begin(ctx, ln)
	return nil
}

// Stop ends its listener and its connections, and waits for their goroutines. It
// does nothing if it does not run.
func (p *Peer) Stop() {
	p.life <- struct{}{}
	defer func() { <-p.life }()
	p.mu.Lock()
	run := p.run
	p.run = nil // from now on nothing is added to it
	p.mu.Unlock()
	if run == nil {
		return
	}
	run.cancel()
	if run.ln != nil {
		_ = run.ln.Close() // closing is all that is wanted of it
	}
	p.mu.Lock()
	for s := range run.sessions {
		_ = s.conn.Close()
	}
	p.mu.Unlock()
	run.wg.Wait()
	p.net.event(Event{Kind: EventStopped, Peer: p})
}

// Connect dials addr from the peer's own address (with another port), whether or
// not that is where one of its Network's peers is. It returns once the connection
// is made; the session runs on in the background until either side ends it, and
// Stop waits for it. ctx bounds the dial only.
//
// Errors: ErrStopped if the peer does not run, else those of the Transport.
func (p *Peer) Connect(ctx context.Context, addr net.Addr) error {
	p.mu.Lock()
	run, local := p.run, p.addr
	p.mu.Unlock()
	if run == nil {
		return ErrStopped
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(run.ctx, cancel)()

	if tcp, ok := local.(*net.TCPAddr); ok {
		local = &net.TCPAddr{IP: tcp.IP, Zone: tcp.Zone}
	}
	conn, err := p.net.cfg.Transport.Dial(ctx, local, addr)
	if err != nil {
		if run.ctx.Err() != nil {
			return ErrStopped
		}
		return fmt.Errorf("simnet: peer %d: connect: %w", p.index, err)
	}
	return p.serve(run, conn, false)
}

// listen makes the listener at addr, nil if the behaviour has none.
func (p *Peer) listen(addr net.Addr) (net.Listener, error) {
	if p.spec.Behaviour.NoListener {
		return nil, nil
	}
	return p.net.cfg.Transport.Listen(addr)
}

// begin starts the peer with a listener. Must be called with life held, or under
// Network.Start, which Start waits for.
func (p *Peer) begin(ctx context.Context, ln net.Listener) {
	run := &peerRun{ln: ln, sessions: make(map[*session]struct{})}
	run.ctx, run.cancel = context.WithCancel(ctx)
	p.mu.Lock()
	p.run = run
	p.mu.Unlock()
	p.net.event(Event{Kind: EventStarted, Peer: p})
	if ln != nil {
		run.wg.Go(func() { p.accept(run) })
	}
}

// accept takes connections until the listener is closed.
func (p *Peer) accept(run *peerRun) {
	fails := 0
	for {
		conn, err := run.ln.Accept()
		switch {
		case err == nil:
			fails = 0
			p.mu.Lock()
			p.accepts++
			p.mu.Unlock()
			_ = p.serve(run, conn, true) // it has closed conn then
		case errors.Is(err, net.ErrClosed):
			return
		default:
			if fails++; fails >= acceptTries || !sleep(run.ctx, acceptPause) {
				return
			}
		}
	}
}

// serve runs a session on conn in the background. If there is no room or the peer
// was stopped it closes conn and returns an error.
func (p *Peer) serve(run *peerRun, conn net.Conn, inbound bool) error {
	p.mu.Lock()
	if p.run != run || len(run.sessions) >= p.spec.MaxConns {
		full := p.run == run
		p.mu.Unlock()
		_ = conn.Close()
		if full {
			return fmt.Errorf("simnet: peer %d has %d connections: no room", p.index, p.spec.MaxConns)
		}
		return ErrStopped
	}
	p.serial++
	s := newSession(p, conn, inbound, p.serial)
	run.sessions[s] = struct{}{}
	run.wg.Add(1)
	p.mu.Unlock()

	go func() {
		defer run.wg.Done()
		s.event(EventOpened, "", nil)
		err := s.run(run.ctx)
		_ = conn.Close()
		p.mu.Lock()
		delete(run.sessions, s)
		p.mu.Unlock()
		s.event(EventClosed, "", err)
	}()
	return nil
}

// sleep waits, and reports whether it did to the end.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
