package dnsseed

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"

	"holdfast/netaddr"
)

const (
	// defaultTimeout is for one lookup. Go's resolver gives a server 5 s, and tries
	// it twice; Tor needs as long.
	defaultTimeout = 15 * time.Second

	// defaultMaxAddrs is Bitcoin Core's nMaxIPs (src/net.cpp): no seed is to
	// dominate the book.
	defaultMaxAddrs = 32
)

// Resolver turns names into addresses. *net.Resolver is one.
//
// LookupNetIP is called with the network "ip", from several goroutines at once. It
// must return when its context ends, and says by a *net.DNSError with IsNotFound
// that there is no such name. One that goes through Tor answers a single address
// (Tor's RESOLVE), which is well.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Config says what Run does. State and OnFound must be set; everything else may be
// left out. All functions are called on the goroutine of Run, one at a time and
// without a lock; while one blocks, nothing else happens.
type Config struct {
	// Seeds are asked in random order. Those that are malformed are told by an
	// event of KindMalformed and left out, and so is one that is there twice.
	Seeds []Seed

	// SeedNodes are nodes to fetch addresses from: see OnFetch. They are opaque
	// here, and may be names.
	SeedNodes []string

	// Port is the port of the addresses that have none of their own. It must be set
	// if there are Seeds.
	Port uint16

	// Services are the service bits that nodes must have. Seeds that filter are
	// asked for them, and what they answer is told to have them. 0 means any: then
	// no seed is asked to filter.
	Services uint64

	// Unfiltered are the service bits that all other addresses are told to have.
	// Bitcoin Core takes NODE_NETWORK, 1, for such a seed's.
	Unfiltered uint64

	// Resolver is who is asked. Nil means net.DefaultResolver.
	Resolver Resolver

	// Timeout is for one lookup. 0 or less means 15 s.
	Timeout time.Duration

	// MaxAddrs is how many addresses are taken of one seed at a time. 0 or less
	// means 32.
	MaxAddrs int

	// Plausible says of an address whether it is worth having. Nil means that all
	// are.
	Plausible func(netaddr.Addr) bool

	// State returns how many addresses are known, and how many outbound peers are
	// connected and greeted. It is called every Policy.Poll and oftener.
	State func() (known, peers int)

	// OnFound takes addresses that a seed gave, at least one; it may keep addrs. It
	// is called for each seed in each round, without the addresses that another seed
	// gave in that round. seed is Seed.Host.
	OnFound func(seed string, addrs []Found)

	// OnFetch is called when it is time to connect to a seed node, ask it for
	// addresses, and disconnect. It must only begin with that. It must be set if
	// there are SeedNodes.
	OnFetch func(node string)

	// OnEvent is told what happens, in order, OnFound and OnFetch having returned
	// before. Nil means nobody is.
	OnEvent func(Event)

	// NetworkChanged, if it is set, is received from when our own network changed,
	// so that what failed over the old one is tried over the new one soon. Send to it
	// without waiting, with a buffer of one. It may be closed.
	NetworkChanged <-chan struct{}

	// Policy says when to ask. Its zero value has the defaults.
	Policy Policy

	// Rand is used by Run alone while it runs. Nil means one that cannot be
	// foreseen.
	Rand *rand.Rand
}

func (c Config) withDefaults() (Config, error) {
	switch {
	case c.State == nil || c.OnFound == nil:
		return c, errors.New("dnsseed: Config.State and Config.OnFound must be set")
	case len(c.Seeds) > 0 && c.Port == 0:
		return c, errors.New("dnsseed: Config.Port must be set: DNS tells no ports")
	case len(c.SeedNodes) > 0 && c.OnFetch == nil:
		return c, errors.New("dnsseed: Config.OnFetch must be set where there are seed nodes")
	}
	if c.Resolver == nil {
		c.Resolver = net.DefaultResolver
	}
	if c.Timeout <= 0 {
		c.Timeout = defaultTimeout
	}
	if c.MaxAddrs <= 0 {
		c.MaxAddrs = defaultMaxAddrs
	}
	if c.Plausible == nil {
		c.Plausible = func(netaddr.Addr) bool { return true }
	}
	if c.OnEvent == nil {
		c.OnEvent = func(Event) {}
	}
	if c.Rand == nil {
		c.Rand = rand.New(globalSource{})
	}
	c.Policy = c.Policy.withDefaults()
	return c, nil
}

// globalSource is the runtime's own source, which nobody can foresee.
type globalSource struct{}

func (globalSource) Uint64() uint64 { return rand.Uint64() }
