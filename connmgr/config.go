package connmgr

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"time"
)

// Defaults. The first three are btcd's.
const (
	defaultTargetOutbound = 8
	defaultRetryDuration  = 5 * time.Second

	// maxRetryDuration is the default cap of a retry's wait, and the cap of
	// RetryDuration itself.
	maxRetryDuration = 5 * time.Minute

	// defaultDialStagger is the Connection Attempt Delay that RFC 8305
	// recommends: most round trips on the Internet are shorter.
	defaultDialStagger = 250 * time.Millisecond

	// defaultShutdownTimeout is long enough for a TLS close, and short enough
	// for a service manager's patience.
	defaultShutdownTimeout = 10 * time.Second

	// defaultEventBuffer bounds the memory of a slow OnEvent to about 1 MiB.
	defaultEventBuffer = 4096
)

// TargetNone, as Config.TargetOutbound, asks for no automatic connections. (A
// zero there means the default of 8, as in btcd; in Limits zero means zero.)
const TargetNone = ^uint32(0)

// ErrDialNil says that Config has neither Dial nor DialContext.
var ErrDialNil = errors.New("connmgr: Config needs Dial or DialContext")

// Config says how a manager works. New copies it; the caller's is not written
// to. The first nine fields are those of btcd's connmgr; all others are off or
// neutral when unset. The numbers can be changed while the manager runs: see
// SetLimits.
type Config struct {
	// Listeners are taken over: the manager accepts from them and closes each
	// exactly once when it stops. Nothing is accepted while OnAccept is nil.
	Listeners []net.Listener

	// OnAccept is called with each inbound connection, in its own goroutine.
	// The owner must close the connection. If an inbound limit is set, the
	// connection is wrapped, so that its Close frees its place. Then its method
	// NetConn() net.Conn returns what the listener made, and ConnID() uint64 the
	// id that the events of the connection have. See UnwrappedInbound.
	OnAccept func(net.Conn)

	// MaxInbound is the most inbound connections at once. Nil means no limit, a
	// pointer to zero refuses all.
	MaxInbound *uint32

	// TargetOutbound is the number of automatic connections to keep. Requests
	// given to Connect are additional. 0 means 8; TargetNone means none.
	TargetOutbound uint32

	// RetryDuration is the wait before the first retry of a permanent request,
	// and the pause of an automatic slot after a failure once 25 dials have
	// failed, or 25 more for each automatic connection that is open.
	// 0 means 5 s; more than 5 min is cut to that.
	RetryDuration time.Duration

	// OnConnection is called with each outbound connection. The state of the
	// request is ConnEstablished then, unless it was ended since.
	OnConnection func(*ConnReq, net.Conn)

	// OnDisconnection is called after an outbound connection was ended by
	// Disconnect or Remove (or by a lowered target), and after OnConnection has
	// returned. The state is ConnPending if the request is to be connected
	// anew, which waits for this callback to return, else ConnDisconnected. It
	// is not called for connections that Stop closes.
	OnDisconnection func(*ConnReq)

	// GetNewAddress returns an address for an automatic connection. Nil means
	// connect-only: nothing is dialed but what Connect asks for. It may be
	// called from several goroutines at once, and may block.
	GetNewAddress func() (net.Addr, error)

	// Dial connects to an address. DialContext is used instead if it is set;
	// one of them must be. A Dial that is no longer wanted cannot be aborted:
	// its connection is closed when it comes.
	Dial func(net.Addr) (net.Conn, error)

	// DialContext connects to an address. Its context ends when it has returned,
	// when the connection is no longer wanted, or after DialTimeout.
	DialContext func(context.Context, net.Addr) (net.Conn, error)

	// DialTimeout bounds each call of DialContext. 0 means no bound but the
	// dialer's own. It has no effect on Dial, which cannot be aborted.
	DialTimeout time.Duration

	// ShutdownTimeout bounds how long Run waits, after its context has ended,
	// for dials and callbacks to return. 0 means 10 s.
	ShutdownTimeout time.Duration

	// Backoff says how long a permanent request waits before it is retried. The
	// zero value grows linearly from RetryDuration to 5 min, as in btcd, with
	// jitter.
	Backoff Backoff

	// A connection proves itself by staying connected for Backoff.Stable, and
	// for longer than the wait before it, or by MarkGood, which the owner calls
	// when the handshake is done. What has proved itself is retried soon when it
	// ends; what has not is retried more and more slowly. With CreditOnGood it
	// takes MarkGood and Backoff.Stable: neither a peer that is silent nor one
	// that shakes hands and hangs up is worth a quick retry.
	CreditOnGood bool

	// MaxPending is the most automatic dials in flight at once, and the most
	// dials of Connect's requests in flight at once. 0 means one automatic dial
	// for each missing connection, and no bound on the others.
	//
	// Dials that were given up and cannot be aborted (Dial, or a DialContext that
	// ignores its context) do not count.
	//
	// With a bound, automatic dials run ahead of what is missing: a dial that
	// has not been answered within DialStagger no longer holds up another, and
	// as fewer dials succeed more are made at once, at most two for each
	// missing connection in one DialStagger. The surplus is canceled.
	MaxPending int

	// DialStagger is how long an automatic dial may be silent before others are
	// started in its place; see MaxPending. 0 means 250 ms, which is what
	// RFC 8305 recommends. Where dials are seen to take longer to succeed, it is
	// longer by itself, up to 2 s.
	DialStagger time.Duration

	// Unique refuses a request for an address (by its String) that has one
	// already, waiting, being dialed or connected.
	Unique bool

	// Group names the group of an address, say its /16; the empty string is no
	// group. It must be pure and quick. MaxPerGroup is the most outbound
	// connections to one group, counted from the moment an address is chosen; 0
	// means no limit. Automatic requests are refused by it; others are counted
	// only, or not at all if their class says so.
	Group       func(net.Addr) string
	MaxPerGroup int

	// Classes gives rules to classes; a class without one is not limited.
	Classes map[Class]ClassRule

	// Network names the network that an address is reached by, so that the
	// loss of one does not stop the others. It must be pure and quick. Nil
	// means "ip4" or "ip6" for IP addresses and Addr.Network() for others.
	Network func(net.Addr) string

	// Classify says why a dial failed. It must be pure and quick. Nil means the
	// package's Classify. An error for which the answer is Local is not held
	// against the address, and enough of them in a row mean that our network
	// is down.
	Classify func(net.Addr, error) Reason

	// MaxInboundPerHost and MaxInboundPerPrefix are the most inbound
	// connections at once from one host, and from one /24 (IPv4) or /48 (IPv6).
	// A host is an IPv4 address, or the /64 of an IPv6 address: a subscriber has at
	// least that (RFC 6177), and can call from all of it. 0 means no limit.
	MaxInboundPerHost   int
	MaxInboundPerPrefix int

	// InboundExempt frees an address from the limits per host and per prefix
	// (not from MaxInbound). It must be pure and quick. Nil exempts nobody.
	InboundExempt func(net.Addr) bool

	// UnwrappedInbound hands accepted connections on as the listener made them,
	// even where inbound limits are set. The owner must then call InboundClosed
	// for each when it has ended.
	UnwrappedInbound bool

	// OnEvent is called with every event, in order and one at a time. It should
	// be quick: while it is not, up to EventBuffer (0 means 4096) events wait,
	// and more are dropped and counted by an EventLost.
	OnEvent     func(Event)
	EventBuffer int

	// Logger gets every event as a line, at the level that Event.Level says. Its
	// Enabled must be quick: it is asked under a lock. Nil means silence.
	Logger *slog.Logger

	// OnPanic is called, with the value and the stack, when a callback
	// panicked. Nil means that the panic ends the process, as usual in Go.
	OnPanic func(value any, stack []byte)

	// Rand is the source of jitter. Nil means a random one. It is used under a
	// lock and need not be safe for concurrent use.
	Rand rand.Source
}

// ClassRule is what an owner declares for a class of requests.
type ClassRule struct {
	// Max is the most requests of the class at once, waiting, being dialed or
	// connected. 0 means no limit. (ClassOutbound's automatic requests are
	// limited by TargetOutbound.)
	Max int

	// NoGroup leaves the class out of MaxPerGroup: not even counted.
	NoGroup bool
}

// Limits are the numbers of a Config that can be changed while the manager
// runs; the fields are described there. Here a TargetOutbound of zero means
// zero.
type Limits struct {
	TargetOutbound      uint32
	MaxPending          int
	MaxPerGroup         int
	Classes             map[Class]ClassRule
	MaxInbound          *uint32
	MaxInboundPerHost   int
	MaxInboundPerPrefix int
}

// limits returns the numbers of cfg with the defaults filled in.
func (cfg *Config) limits() Limits {
	l := Limits{
		TargetOutbound:      cfg.TargetOutbound,
		MaxPending:          cfg.MaxPending,
		MaxPerGroup:         cfg.MaxPerGroup,
		Classes:             cfg.Classes,
		MaxInbound:          cfg.MaxInbound,
		MaxInboundPerHost:   cfg.MaxInboundPerHost,
		MaxInboundPerPrefix: cfg.MaxInboundPerPrefix,
	}
	if l.TargetOutbound == 0 {
		l.TargetOutbound = defaultTargetOutbound
	}
	return l.clone()
}

// clone returns a copy that shares no memory with l, and says zero for
// TargetNone.
func (l Limits) clone() Limits {
	if l.TargetOutbound == TargetNone {
		l.TargetOutbound = 0
	}
	if l.MaxInbound != nil {
		n := *l.MaxInbound
		l.MaxInbound = &n
	}
	classes := make(map[Class]ClassRule, len(l.Classes))
	for k, v := range l.Classes {
		classes[k] = v
	}
	l.Classes = classes
	return l
}

// withDefaults returns a copy of cfg with every default filled in, except for
// the numbers in Limits.
func (cfg *Config) withDefaults() Config {
	c := *cfg
	if c.RetryDuration <= 0 {
		c.RetryDuration = defaultRetryDuration
	}
	c.RetryDuration = min(c.RetryDuration, maxRetryDuration)
	c.Backoff = c.Backoff.withDefaults(c.RetryDuration)
	if c.DialStagger <= 0 {
		c.DialStagger = defaultDialStagger
	}
	if c.ShutdownTimeout <= 0 {
		c.ShutdownTimeout = defaultShutdownTimeout
	}
	if c.EventBuffer <= 0 {
		c.EventBuffer = defaultEventBuffer
	}
	if c.Network == nil {
		c.Network = NetworkOf
	}
	if c.Classify == nil {
		c.Classify = Classify
	}
	if c.Rand == nil {
		c.Rand = rand.NewPCG(rand.Uint64(), rand.Uint64())
	}
	c.Listeners = append([]net.Listener(nil), cfg.Listeners...)
	return c
}
