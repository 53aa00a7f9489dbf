package node

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"holdfast/addrbook"
	"holdfast/banlist"
	"holdfast/connmgr"
	"holdfast/netaddr"
	"holdfast/netmon"
)

// ErrRunning says that Run was called before.
var ErrRunning = errors.New("node: Run was called already")

// The back-off of permanent peers.
const (
	retryBackoffMin = 5 * time.Second
	retryBackoffMax = 5 * time.Minute

	// retryStable is how long a peer must stay to be worth a quick retry. A full
	// node hangs up right after the handshake.
	retryStable = 30 * time.Second
)

// Node keeps the peers of a Bitcoin node. It is made by New. All methods are safe
// for concurrent use.
type Node struct {
	cfg       settings
	began     time.Time // when it was made
	cm        *connmgr.ConnManager
	book      *addrbook.Book
	groups    addrbook.Groups
	bans      *banlist.List
	policy    atomic.Pointer[BanPolicy] // with defaults; it is replaced, never changed
	listeners []net.Listener
	own       []netaddr.Addr // where others could reach us
	troubles  []trouble      // with files, to be told when Run is called
	ways      *ways
	proxies   []proxyWatch

	onionTarget string // where Tor connects to for our onion service; "" if there is none

	discouraged *banlist.Discouraged
	turned      turnedAway
	banLines    banLines
	orders      sync.Mutex // held while an order is carried out
	evicting    sync.Mutex // held while it is decided who makes room

	streamEnded atomic.Bool   // connmgr takes no events any more
	lastSeq     atomic.Uint64 // of the events so far

	groupKey groupKey

	networkChanged chan struct{}  // has one when our network changed, for the seeds
	retryOnion     chan struct{}  // and for our onion service
	fetches        sync.WaitGroup // connections to seed nodes, and to peers that are tried

	rngMu sync.Mutex
	rng   *rand.Rand

	mu       sync.Mutex
	ctx      context.Context // nil until Run
	closed   bool
	lastID   uint64
	all      map[uint64]*session   // by ID
	nonces   map[uint64]*session   // by the nonce that they sent: one each
	selves   map[netaddr.Addr]bool // where this node found itself
	alone    time.Time             // since when there are no peers
	failing  map[netaddr.Addr]int  // how often in a row; see failed
	forgiven time.Time             // when that was last forgotten
	anchors  []netaddr.Addr        // of the last run, not dialed yet
	inVain   []netaddr.Addr        // those that were, and have not been peers since
	onion    netaddr.Addr          // our onion service, when it is published
	ready    Counts                // Outbound, Permanent and Inbound only
	added    []*addedPeer          // in the order in which they were added
	tries    int                   // peers that are tried, or were and stay
	chosen   map[netaddr.Addr]int  // of both; see choose
	budget   budget
	shares   shares
	off      bool          // networking is
	toggled  chan struct{} // closed when it is switched
	past     traffic       // of sessions that have ended
}

// trouble is what went wrong with a file, and the kind of event that tells it.
type trouble struct {
	kind Kind
	err  error
}

// New checks cfg, and opens the listeners. Run must be called, or Close.
//
// Errors are of type *ConfigError where a field is wrong, else those of
// listening, wrapped.
func New(cfg Config) (*Node, error) {
	s, err := cfg.check()
	if err != nil {
		return nil, err
	}
	n := &Node{
		cfg:            s,
		ways:           s.ways,
		proxies:        s.ways.proxies(),
		groups:         addrbook.Groups{ASMap: s.ASMap, Local: s.AllowLoopback},
		chosen:         make(map[netaddr.Addr]int),
		toggled:        make(chan struct{}),
		began:          time.Now(),
		rng:            rand.New(s.Rand),
		failing:        make(map[netaddr.Addr]int),
		networkChanged: make(chan struct{}, 1),
		retryOnion:     make(chan struct{}, 1),
		discouraged:    banlist.NewDiscouraged(banlist.DiscouragedOptions{}),
		all:            make(map[uint64]*session),
		nonces:         make(map[uint64]*session),
		selves:         make(map[netaddr.Addr]bool),
	}
	n.policy.Store(&s.bans)
	n.groupKey = newGroupKey(n.uint64)
	if err := n.openListeners(); err != nil {
		return nil, err
	}
	if err := n.openBook(); err != nil {
		n.closeListeners()
		return nil, fmt.Errorf("node: %w", err)
	}
	n.own = ownEndpoints(n.listeners, s.AllowLoopback)
	if n.cm, err = connmgr.New(n.managerConfig()); err != nil {
		n.closeListeners()
		return nil, fmt.Errorf("node: %w", err)
	}
	for i, addr := range s.permanent {
		n.added = append(n.added, &addedPeer{
			text: strings.TrimSpace(s.given[i]),
			req:  &connmgr.ConnReq{Addr: addr, Permanent: true, Class: s.class},
		})
		n.choose(addr, 1)
	}
	n.budget = s.budget()
	n.shares, _ = n.budget.divide(len(s.permanent))
	return n, nil
}

// managerConfig says how the connection manager works for this node.
func (n *Node) managerConfig() *connmgr.Config {
	cfg := &connmgr.Config{
		Listeners:       n.listeners,
		OnAccept:        n.onAccept,
		MaxInbound:      &n.cfg.inbound,
		TargetOutbound:  connmgr.TargetNone,
		OnConnection:    n.onConnection,
		DialContext:     n.dial,
		DialTimeout:     n.ways.timeout(),
		ShutdownTimeout: n.cfg.ShutdownTimeout,
		Backoff:         connmgr.Backoff{Min: retryBackoffMin, Factor: 2, Max: retryBackoffMax, Stable: retryStable},
		CreditOnGood:    true,
		MaxPending:      maxPending,
		Unique:          true,
		Group:           n.group,
		MaxPerGroup:     1,
		Classes: map[connmgr.Class]connmgr.ClassRule{
			ClassManual: {Max: n.cfg.MaxAddPeers},
			ClassFeeler: {Max: 1, NoGroup: true},
			ClassSeed:   {Max: 1, NoGroup: true},
		},
		MaxInboundPerHost: maxInboundPerHost,
		InboundExempt:     n.exempt,
		Network:           n.ways.network,
		Classify:          n.ways.classify,
		OnEvent:           n.onEvent,
		Rand:              n.newSource(),
	}
	if n.cfg.auto {
		cfg.TargetOutbound = uint32(n.cfg.TargetOutbound)
		cfg.GetNewAddress = n.newAddress
	}
	return cfg
}

// exempt frees local addresses from the limits per host: behind one of them may
// be a proxy, and with it anybody. And those that the operator trusts.
func (n *Node) exempt(addr net.Addr) bool {
	if _, ok := addr.(onionPeer); ok {
		return true // they are not one host; makeRoom limits them
	}
	ip, ok := ipOf(addr)
	return ok && (isSelfHost(ip) || ip.IsLoopback() && !n.cfg.AllowLoopback || n.policy.Load().trustsIP(ip))
}

// Run joins the network, and leaves it when ctx ends. It returns when everything
// has ended that the node began: at most Config.ShutdownTimeout later, then with
// a *connmgr.LeftBehind. It returns ErrRunning if it was called before, and
// net.ErrClosed after Close.
func (n *Node) Run(ctx context.Context) error {
	parent := ctx
	// Who is there for longest is asked before the sessions end.
	ctx, cancel := context.WithCancel(context.WithoutCancel(parent))
	defer cancel()
	if err := n.begin(ctx); err != nil {
		return err
	}
	var wg sync.WaitGroup
	var anchors []netaddr.Addr
	wg.Go(func() {
		select {
		case <-parent.Done():
			anchors = n.lastPeers()
			cancel()
		case <-ctx.Done():
		}
	})
	if n.cfg.auto {
		wg.Go(func() { n.whileActive(ctx, n.askSeeds) })
	}
	if n.cfg.auto && n.cfg.Feelers > 0 {
		wg.Go(func() { n.feel(ctx) })
	}
	for _, w := range n.proxies {
		wg.Go(func() { n.whileActive(ctx, func(ctx context.Context) { n.watchProxy(ctx, w) }) })
	}
	if n.onionTarget != "" {
		wg.Go(func() { n.publishOnion(ctx) })
	}
	if n.cfg.WatchNetwork {
		wg.Go(func() { n.watchNetwork(ctx) })
	}
	// The book is saved when the sessions have ended, and told what they know.
	kept, keep := context.WithCancel(context.WithoutCancel(ctx))
	defer keep()
	var keeper sync.WaitGroup
	keeper.Go(func() { n.keepBook(kept) })
	wg.Go(func() {
		for sleep(ctx, time.Hour) {
			n.bans.Prune()
		}
	})
	err := n.cm.Run(ctx)
	n.streamEnded.Store(err == nil)
	cancel()
	wg.Wait()
	n.endOrders()
	n.fetches.Wait()
	keep()
	keeper.Wait()
	n.closeBook(anchors)
	if err != nil {
		return fmt.Errorf("node: %w", err)
	}
	return nil
}

// watchNetwork tells the connection manager of changes of the machine's own network,
// until ctx ends.
func (n *Node) watchNetwork(ctx context.Context) {
	err := netmon.Run(ctx, netmon.Options{}, func(c netmon.Change) {
		n.publish(Event{Kind: KindNetworkChanged, Text: c.String()})
		n.tryAgain()
		for _, s := range n.sessions() {
			s.test()
		}
	})
	if err != nil {
		n.publish(Event{Kind: KindUnwatched, Event: connmgr.Event{Err: err}})
	}
}

// tryAgain has all tried that waits, for what failed may not have been at fault.
func (n *Node) tryAgain() {
	n.forgive()
	for _, c := range []chan struct{}{n.networkChanged, n.retryOnion} {
		select {
		case c <- struct{}{}:
		default: // it is told already
		}
	}
	n.cm.NetworkChanged()
}

// begin marks the node as running, and hands its fixed peers to connmgr, which dials
// them when it starts.
func (n *Node) begin(ctx context.Context) error {
	n.orders.Lock()
	defer n.orders.Unlock()
	n.mu.Lock()
	switch {
	case n.closed:
		n.mu.Unlock()
		return net.ErrClosed
	case n.ctx != nil:
		n.mu.Unlock()
		return ErrRunning
	}
	n.ctx, n.alone = ctx, time.Now()
	n.mu.Unlock()
	n.publish(Event{Kind: KindStarted, Text: n.greeting(), Counts: n.Counts()})
	for _, t := range n.troubles {
		n.trouble(t.kind, t.err)
	}
	n.connectAdded()
	return nil
}

// greeting says what the node is about to do.
func (n *Node) greeting() string {
	var b strings.Builder
	c := n.Counts()
	fmt.Fprintf(&b, "Joining %s as %s: ", n.cfg.Params.Name, n.cfg.UserAgent)
	switch {
	case n.cfg.class == ClassConnect:
		fmt.Fprintf(&b, "only %s", count(c.Wanted, "fixed peer", "fixed peers"))
	case n.cfg.auto:
		fmt.Fprintf(&b, "%d outbound peers wanted", c.Target)
	default:
		b.WriteString("no outbound peers wanted")
	}
	if n.cfg.class == ClassManual && c.Wanted > 0 {
		fmt.Fprintf(&b, " and %s", count(c.Wanted, "fixed one", "fixed ones"))
	}
	if len(n.listeners) == 0 {
		b.WriteString(", no inbound ones (not listening)")
	} else {
		fmt.Fprintf(&b, ", up to %d inbound ones", n.inboundPlaces())
	}
	if !n.NetworkActive() {
		b.WriteString("; networking is switched off")
	}
	return b.String()
}

// Close closes the listeners of a node that is not run. It does nothing if Run
// was called.
func (n *Node) Close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ctx == nil && !n.closed {
		n.closed = true
		n.closeListeners()
		return n.bans.Close()
	}
	return nil
}

// Listening returns where connections are accepted.
func (n *Node) Listening() []net.Addr {
	addrs := make([]net.Addr, 0, len(n.listeners))
	for _, l := range n.listeners {
		addrs = append(addrs, l.Addr())
	}
	return addrs
}

func (n *Node) openListeners() error {
	for _, addr := range n.cfg.listen {
		l, err := n.cfg.NewListener(addr)
		if err != nil {
			n.closeListeners()
			return listenError(addr, err)
		}
		n.listeners = append(n.listeners, l)
	}
	if n.cfg.Onion == nil {
		return nil
	}
	if err := n.openOnionListener(); err != nil {
		n.closeListeners()
		return err
	}
	return nil
}

func (n *Node) closeListeners() {
	for _, l := range n.listeners {
		_ = l.Close() // closing is all that is wanted of it
	}
}

// listenError says what to do about the usual failures of listening.
func listenError(addr net.Addr, err error) error {
	hint := ""
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		hint = "; is another node running? choose another address or port to listen on"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		hint = "; listen on an address that this machine has"
	case errors.Is(err, syscall.EACCES):
		hint = "; listen on a port above 1023"
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return fmt.Errorf("cannot listen on %s: %w%s", addr, op.Err, hint)
	}
	return fmt.Errorf("cannot listen on %s: %w%s", addr, err, hint)
}

// uint64 draws a random number.
func (n *Node) uint64() uint64 {
	n.rngMu.Lock()
	defer n.rngMu.Unlock()
	return n.rng.Uint64()
}

// newSource returns a source of its own for somebody else.
func (n *Node) newSource() rand.Source { return rand.NewPCG(n.uint64(), n.uint64()) }

// sessions returns the live sessions, in no order.
func (n *Node) sessions() []*session {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := make([]*session, 0, len(n.all))
	for _, s := range n.all {
		all = append(all, s)
	}
	return all
}
