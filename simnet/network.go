package simnet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"syscall"

	"github.com/btcsuite/btcd/chaincfg/v2"
	"github.com/btcsuite/btcd/wire/v2"
)

const (
	// maxPeers is how many /16 groups fabricAddr has.
	maxPeers = (99 - 11 + 1) * 256

	// Where Start looks for a port that is free on all addresses: below the ports
	// that systems give to outgoing connections, which could take it from a peer
	// while that is stopped.
	firstTryPort = 20000
	tryPorts     = 10000
	portTries    = 20
)

// Config says what a Network consists of.
type Config struct {
	// Params is the Bitcoin network that is spoken. Nil means regtest.
	Params *chaincfg.Params

	// Seed is what everything random is drawn from.
	Seed uint64

	// Peers are the peers. See also Mix.
	Peers []Spec

	// Transport is what they listen and dial with. Nil means Loopback{}.
	Transport Transport

	// Port is where they listen. DNS carries no ports, so it is one for all. 0
	// means Params.DefaultPort, or on Loopback a free one. It is not used where
	// only 127.0.0.1 exists: see Loopback.SingleAddress.
	Port uint16

	// Height is the height of the chain that they claim to have.
	Height int32

	// Churn stops and revives peers while the Network runs. The zero value does
	// not.
	Churn Churn

	// OnEvent is called with what happens, from the goroutine that it happens in,
	// so from several at once. It must not block, and must not call methods that
	// wait. Nil means nothing.
	OnEvent func(Event)
}

// Network is a number of peers. All methods may be called from several goroutines
// at once.
type Network struct {
	cfg   Config
	peers []*Peer

	mu     sync.Mutex
	state  netState
	ctx    context.Context
	cancel context.CancelFunc
	done   chan struct{} // closed when everything has ended
}

type netState uint8

const (
	netNew netState = iota
	netRunning
	netClosed
)

// New makes a Network; Start runs it.
//
// It fails if there are no peers, or more than have a /16 group of their own
// (22,784), or if an Addr is given to several peers at once.
func New(cfg Config) (*Network, error) {
	if cfg.Params == nil {
		cfg.Params = &chaincfg.RegressionNetParams
	}
	if cfg.Transport == nil {
		cfg.Transport = Loopback{}
	}
	n := &Network{cfg: cfg, done: make(chan struct{})}
	taken := make(map[string]bool)
	for _, spec := range cfg.Peers {
		if spec.Addr != nil && (spec.Count > 1 || taken[spec.Addr.String()]) {
			return nil, fmt.Errorf("simnet: address %v is given to more than one peer", spec.Addr)
		}
		if spec.Addr != nil {
			taken[spec.Addr.String()] = true
		}
		for range max(spec.Count, 1) {
			n.peers = append(n.peers, n.newPeer(spec))
		}
	}
	if len(n.peers) == 0 || len(n.peers) > maxPeers {
		return nil, fmt.Errorf("simnet: %d peers: want 1 to %d", len(n.peers), maxPeers)
	}
	return n, nil
}

func (n *Network) newPeer(spec Spec) *Peer {
	if spec.Behaviour.Name == "" {
		spec.Behaviour.Name = "honest"
		if (spec.Behaviour != Behaviour{Name: "honest", Expect: spec.Behaviour.Expect}) {
			spec.Behaviour.Name = "custom"
		}
	}
	if spec.Services == 0 {
		spec.Services = wire.SFNodeNetwork | wire.SFNodeWitness
	}
	spec.UserAgent = cmp.Or(spec.UserAgent, "/simnet:1/"+spec.Behaviour.Name+"/")
	spec.MaxConns = cmp.Or(spec.MaxConns, defaultMaxConns)
	return &Peer{
		net:    n,
		index:  len(n.peers),
		spec:   spec,
		life:   make(chan struct{}, 1),
		addr:   spec.Addr,
		counts: make(map[string]uint64),
	}
}

// Start gives each peer its address and starts all. When ctx ends, all is stopped
// as by Close.
//
// Errors: ErrStopped if it was closed, an error if it was started before, and those
// of the Transport; after one of these nothing runs, and Start may be called again.
func (n *Network) Start(ctx context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch n.state {
	case netClosed:
		return ErrStopped
	case netRunning:
		return errors.New("simnet: network is started already")
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("simnet: start network: %w", err)
	}
	listeners, err := n.listenAll()
	if err != nil {
		return fmt.Errorf("simnet: start network: %w", err)
	}
	n.state = netRunning
	n.ctx, n.cancel = context.WithCancel(ctx)
	for i, p := range n.peers {
		p.begin(n.ctx, listeners[i])
	}
	go n.supervise(n.ctx)
	return nil
}

// Close stops all peers and waits for all goroutines. It may be called again, and
// before Start.
func (n *Network) Close() {
	n.mu.Lock()
	switch n.state {
	case netNew:
		close(n.done)
	case netRunning:
		n.cancel()
	}
	n.state = netClosed
	n.mu.Unlock()
	<-n.done
}

// Peers returns the peers, in the order of Config.Peers. The slice is the caller's.
func (n *Network) Peers() []*Peer { return slices.Clone(n.peers) }

// SeedAddrs returns what a DNS seed would answer: the IP addresses of the peers that
// serve all of services, whatever their behaviour. It fits Zone.Addrs.
func (n *Network) SeedAddrs(services uint64) []netip.Addr {
	var ips []netip.Addr
	seen := make(map[netip.Addr]bool)
	for _, p := range n.peers {
		a, ok := addrPort(p.Addr())
		if !ok || seen[a.Addr()] || !p.spec.Services.HasFlag(wire.ServiceFlag(services)) {
			continue
		}
		seen[a.Addr()] = true
		ips = append(ips, a.Addr())
	}
	return ips
}

// supervise runs the churn until ctx ends, and then stops the peers.
func (n *Network) supervise(ctx context.Context) {
	defer close(n.done)
	n.churn(ctx)
	n.mu.Lock()
	n.state = netClosed // where ctx was the caller's
	n.cancel()
	n.mu.Unlock()
	var wg sync.WaitGroup
	for _, p := range n.peers {
		wg.Go(p.Stop)
	}
	wg.Wait()
}

// context returns what a peer's life hangs on.
func (n *Network) context() (context.Context, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.state != netRunning || n.ctx.Err() != nil {
		return nil, ErrStopped
	}
	return n.ctx, nil
}

func (n *Network) event(e Event) {
	if n.cfg.OnEvent != nil {
		n.cfg.OnEvent(e)
	}
}

// listenAll chooses the addresses and makes the listeners, nil for peers without.
func (n *Network) listenAll() ([]net.Listener, error) {
	loopback, ok := n.cfg.Transport.(Loopback)
	if !ok {
		port := int(n.cfg.Port)
		if port == 0 {
			port, _ = strconv.Atoi(n.cfg.Params.DefaultPort) // a number in all Params
		}
		return n.listenAt(func(i int) net.Addr { return fabricAddr(i, port) })
	}
	if loopback.SingleAddress {
		return n.listenSingle()
	}
	rng := rand.New(rand.NewPCG(n.cfg.Seed, uint64(len(n.peers))))
	for try := 1; ; try++ {
		port := int(n.cfg.Port)
		if port == 0 {
			port = firstTryPort + rng.IntN(tryPorts)
		}
		listeners, err := n.listenAt(func(i int) net.Addr { return loopbackAddr(i, port) })
		switch {
		case errors.Is(err, syscall.EADDRNOTAVAIL):
			return n.listenSingle()
		case err != nil && n.cfg.Port == 0 && try < portTries:
			continue // taken somewhere; systems name that error differently
		}
		return listeners, err
	}
}

// listenAt listens for each peer at its own address, or at what addr says if it has
// none.
func (n *Network) listenAt(addr func(i int) net.Addr) ([]net.Listener, error) {
	listeners := make([]net.Listener, len(n.peers))
	for i, p := range n.peers {
		a := p.spec.Addr
		if a == nil {
			a = addr(i)
		}
		l, err := p.listen(a)
		if err != nil {
			closeAll(listeners)
			return nil, err
		}
		if l != nil {
			a = l.Addr() // with its port
		}
		listeners[i] = l
		p.setAddr(a)
	}
	return listeners, nil
}

// listenSingle listens at different ports of 127.0.0.1.
func (n *Network) listenSingle() ([]net.Listener, error) {
	listeners, err := n.listenAt(func(int) net.Addr {
		return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}
	})
	if err != nil {
		return nil, err
	}
	// Peers that do not listen need a port of which nobody makes use.
	for i, p := range n.peers {
		if listeners[i] != nil || p.spec.Addr != nil {
			continue
		}
		free, err := n.cfg.Transport.Listen(p.Addr())
		if err != nil {
			closeAll(listeners)
			return nil, err
		}
		p.setAddr(free.Addr())
		defer free.Close() //nolint:errcheck // closing is all that is wanted of it
	}
	return listeners, nil
}

func (p *Peer) setAddr(a net.Addr) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.addr = a
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		if l != nil {
			_ = l.Close() // closing is all that is wanted of it
		}
	}
}

// fabricAddr is where the i-th peer of a Fabric listens: one of each /16 group from
// 11.0.0.0 to 99.255.0.0, none of which is private or reserved.
func fabricAddr(i, port int) net.Addr {
	return &net.TCPAddr{IP: net.IPv4(byte(11+i/256), byte(i%256), 0, 1).To4(), Port: port}
}

// loopbackAddr is where the i-th peer of Loopback listens: 127.10.0.1, 127.11.0.1
// and so on, and from the 241st on the groups get a second one.
func loopbackAddr(i, port int) net.Addr {
	return &net.TCPAddr{IP: net.IPv4(127, byte(10+i%240), byte(i/240), 1).To4(), Port: port}
}
