package node

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/btcsuite/btcd/chaincfg/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"holdfast/addrbook"
	"holdfast/connmgr"
	"holdfast/dnsseed"
	"holdfast/netaddr"
	"holdfast/socks"
	"holdfast/torctl"
)

// Version is the version of holdfast.
const Version = "0.1.0"

// Defaults of a Config.
const (
	DefaultMaxPeers       = 125 // btcd's and Core's
	DefaultTargetOutbound = 8   // btcd's

	// DefaultMaxAddPeers is as many as Core's addnode takes.
	DefaultMaxAddPeers = 8

	defaultDialTimeout      = 10 * time.Second
	defaultHandshakeTimeout = 30 * time.Second
	defaultPingInterval     = 2 * time.Minute  // Core's
	defaultPingTimeout      = 20 * time.Minute // Core's
	defaultBanDuration      = 24 * time.Hour   // btcd's and Core's
	defaultShutdownTimeout  = 8 * time.Second  // below the 10 s of most service managers' patience

	// maxInboundPerHost leaves room for a few nodes behind one address, and none
	// for one host to take all places.
	maxInboundPerHost = 5

	// maxPending is the most dials at once, so that an unlucky start does not
	// look like a port scan.
	maxPending = 64
)

// Resolver looks up host names. *net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Seed is where addresses come from when none are known: a DNS seed, or an
// address ("1.2.3.4", "host.onion:38333") that is taken as it is.
type Seed = dnsseed.Seed

// Config says how a node works. New copies it. The zero value of each field but
// Params is a sensible default.
type Config struct {
	// Params is the Bitcoin network. It must be set.
	Params *chaincfg.Params

	// Listen are the addresses to accept on: "host", "host:port" or ":port" (all
	// interfaces). Where there is no port, it is the network's. Empty means none.
	Listen []string

	// Connect are the only peers, if there are any: no others are looked for.
	// They are dialed for ever. Names are resolved anew at each dial.
	Connect []string

	// AddPeer are peers to keep besides the automatic ones, at most MaxAddPeers.
	// They are dialed for ever. Connect wins: then these are not used.
	AddPeer []string

	// MaxPeers is the most peers altogether. 0 means 125.
	MaxPeers int

	// TargetOutbound is the number of automatic outbound peers. 0 means 8, a
	// negative number none. It is cut to what MaxPeers leaves.
	TargetOutbound int

	// UserAgent is told to peers. "" means "/holdfast:VERSION/".
	UserAgent string

	// Services are told to peers as what this node serves. It serves nothing, so
	// the zero value is the truth. But btcd and others hang up on who they dialed
	// and does not claim SFNodeNetwork and SFNodeWitness: to be kept by those,
	// claim them.
	Services wire.ServiceFlag

	// Seeds are asked when no addresses are known. Nil means those of Params; an
	// empty slice that is not nil means none. On chaincfg's simnet, which is a
	// network of one's own machines, a node without Seeds looks for no peers, as
	// in btcd.
	Seeds []Seed

	// SeedNodes are nodes to ask for addresses before the seeds: they are connected
	// to for that alone.
	SeedNodes []string

	// Resolver resolves seeds and, where there is no Proxy, names. Nil means the
	// Proxy, or net.DefaultResolver if there is none.
	Resolver Resolver

	// Dial connects directly to an address, which is a *net.TCPAddr. Nil means a
	// net.Dialer.
	Dial func(context.Context, net.Addr) (net.Conn, error)

	// Proxy is a SOCKS5 proxy that everything goes through: connections, names, which
	// it resolves, and the questions to seeds. Nil means none.
	Proxy *socks.Dialer

	// OnionProxy is the SOCKS5 proxy for onion services, which must be Tor's. Nil
	// means Proxy; without either they are not dialed.
	OnionProxy *socks.Dialer

	// NoOnion has onion services not dialed in any case.
	NoOnion bool

	// OnlyNet are the networks on which automatic peers are looked for. The zero value
	// means all that can be reached. Peers of Connect and AddPeer, and inbound ones,
	// may be on others.
	OnlyNet addrbook.Networks

	// Onion, if it is set, has the node be reached as an onion service.
	Onion *OnionService

	// NewListener opens a listener. Nil means net.Listen.
	NewListener func(net.Addr) (net.Listener, error)

	// AllowLoopback treats loopback and private addresses as those of the
	// Internet: they enter the address book, have groups, are limited and
	// banned. 127.0.0.1 and ::1 are never banned. It is for demonstrations and
	// tests.
	AllowLoopback bool

	// Filter, if it is set, is asked about each IP address that is told by seeds or
	// peers: only those for which it is true enter the address book, and with that
	// are dialed. It must be quick.
	Filter func(netip.Addr) bool

	// DialTimeout bounds a dial, with all addresses of a name. 0 means 10 s. Through a
	// proxy a dial may take a minute in any case.
	DialTimeout time.Duration

	// HandshakeTimeout bounds the handshake. 0 means 30 s.
	HandshakeTimeout time.Duration

	// PingInterval is the time between pings, and PingTimeout how long a peer may
	// take to answer one. 0 means 2 min and 20 min.
	PingInterval, PingTimeout time.Duration

	// BanDuration is how long a host is banned. 0 means 24 h.
	BanDuration time.Duration

	// BanThreshold is the ban score at which a peer is disconnected and its host
	// banned. 0 means 100.
	BanThreshold uint32

	// NoBanning has peers that misbehave disconnected, but not banned.
	NoBanning bool

	// Whitelist are the networks of hosts that the operator trusts: they are never
	// banned or disconnected for their score, limited by host or in the addresses that
	// they tell, nor evicted; and an inbound place is kept free for one of them.
	Whitelist []netip.Prefix

	// DataDir is where the address book, the bans and the anchors are kept, and
	// must be there. Empty means in memory only. One node at a time may use it.
	DataDir string

	// ASMap gives addresses the group of their autonomous system. Nil means groups
	// by prefix.
	ASMap *addrbook.ASMap

	// Reachable says which networks can be dialed at present. Nil means IPv4 and
	// IPv6. Addresses of others are kept and told, but not dialed.
	Reachable func() addrbook.Networks

	// Feelers is how often, on average, an address of the book is tried by a short
	// connection, so that there are good ones when they are needed. 0 means 2
	// minutes, as in Core; below zero means never.
	Feelers time.Duration

	// ShutdownTimeout bounds the end of Run. 0 means 8 s.
	ShutdownTimeout time.Duration

	// MaxAddPeers is the most AddPeer addresses. 0 means 8.
	MaxAddPeers int

	// WatchNetwork has the node notice when the machine's own network changes, or
	// the machine wakes from sleep, and then try at once what waits (see package
	// netmon).
	WatchNetwork bool

	// OnEvent is called with each event, in order and one at a time. It should be
	// quick: events wait for it, and are dropped and counted if it does not keep
	// up. The node has no other log: see Event's Level, Subsystem, String and
	// Attrs.
	OnEvent func(Event)

	// Rand is the source of all chance, nonces included. Nil means a random one.
	// It need not be safe for concurrent use.
	Rand rand.Source

	// bookKey is where addresses have their places in the book. Tests fix it, so that no
	// two of theirs have the same one; zero means a secret one.
	bookKey addrbook.Key
}

// OnionService says how inbound peers come by Tor. The address is kept in DataDir, and
// told to peers that know addrv2.
type OnionService struct {
	// Control is the control port of the Tor that publishes it.
	Control torctl.Options
}

// ConfigError says that a Config cannot be used.
type ConfigError struct {
	Field   string // as in Config, in lower case: "addpeer"
	Value   string // may be empty
	Problem string // what is wrong, and what to do
}

// Error says which value of which field is wrong, and why.
func (e *ConfigError) Error() string {
	if e.Value == "" {
		return fmt.Sprintf("%s: %s", e.Field, e.Problem)
	}
	return fmt.Sprintf("%s %q: %s", e.Field, e.Value, e.Problem)
}

// settings is a checked Config.
type settings struct {
	Config
	ways      *ways
	port      uint16 // of the network
	listen    []net.Addr
	permanent []net.Addr // at the start
	given     []string   // the same, as given
	class     connmgr.Class
	bans      BanPolicy // at the start
	auto      bool      // automatic outbound connections are wanted
	inbound   uint32    // at the start, as MaxPeers and TargetOutbound are
	short     int       // places for short connections
}

// Check returns nil if New can use the Config, and a *ConfigError if not.
func (cfg Config) Check() error {
	_, err := cfg.check()
	return err
}

// check fills in the defaults and refuses what makes no sense. Its errors are of
// type *ConfigError.
func (cfg Config) check() (settings, error) {
	s := settings{Config: cfg}
	if cfg.Params == nil {
		return s, &ConfigError{"params", "", "a network must be chosen"}
	}
	port, err := strconv.ParseUint(cfg.Params.DefaultPort, 10, 16)
	if err != nil {
		return s, &ConfigError{"params", cfg.Params.DefaultPort, "the network's default port is no number"}
	}
	s.port = uint16(port)
	s.fillDefaults()
	if len(s.UserAgent) > wire.MaxUserAgentLen {
		return s, &ConfigError{"useragent", "", fmt.Sprintf("it has %d bytes, at most %d are allowed", len(s.UserAgent), wire.MaxUserAgentLen)}
	}
	if s.bans, err = cfg.banPolicy().check(); err != nil {
		return s, err
	}
	if s.listen, err = parseAll("listen", cfg.Listen, s.port, true); err != nil {
		return s, err
	}
	connect, err := parseAll("connect", cfg.Connect, s.port, false)
	if err != nil {
		return s, err
	}
	seedNodes, err := parseAll("seednode", cfg.SeedNodes, s.port, false)
	if err != nil {
		return s, err
	}
	addPeer, err := parseAll("addpeer", cfg.AddPeer, s.port, false)
	if err != nil {
		return s, err
	}
	if len(addPeer) > s.MaxAddPeers {
		return s, &ConfigError{"addpeer", "", fmt.Sprintf("%d are given, at most %d are allowed: use connect for a fixed set of peers, or allow more by maxaddpeers", len(addPeer), s.MaxAddPeers)}
	}
	if err := s.checkWays(connect, addPeer, seedNodes); err != nil {
		return s, err
	}
	s.permanent, s.given, s.class = addPeer, cfg.AddPeer, ClassManual
	if len(connect) > 0 {
		s.permanent, s.given, s.class = connect, cfg.Connect, ClassConnect
	}
	return s, s.share(len(s.permanent))
}

// checkWays makes the ways, and refuses what they do not lead to.
func (s *settings) checkWays(fixed ...[]net.Addr) error {
	for _, p := range []struct {
		field string
		proxy *socks.Dialer
	}{{"proxy", s.Proxy}, {"onion", s.OnionProxy}} {
		if p.proxy == nil {
			continue
		}
		if err := p.proxy.Check(); err != nil {
			return &ConfigError{p.field, "", err.Error()}
		}
	}
	s.ways = newWays(&s.Config)
	if s.OnlyNet != 0 && s.OnlyNet&(s.ways.reachable()|addrbook.NetworksOf(netaddr.IPv4, netaddr.IPv6)) == 0 {
		return &ConfigError{"onlynet", "", "none of these networks can be reached: onion needs a proxy, and the others cannot be dialed yet"}
	}
	for i, field := range []string{"connect", "addpeer", "seednode"} {
		for _, addr := range fixed[i] {
			if _, err := s.ways.to(addr); err != nil {
				return &ConfigError{field, addr.String(), err.Error()}
			}
		}
	}
	if s.Proxy != nil {
		for _, addr := range s.listen {
			if _, isName := addr.(hostAddr); isName {
				return &ConfigError{"listen", addr.String(), "with a proxy no name is looked up: give an IP address"}
			}
		}
	}
	return nil
}

// share divides MaxPeers between so many permanent peers, automatic and inbound ones.
func (s *settings) share(permanent int) error {
	if s.MaxPeers < 0 {
		return &ConfigError{"maxpeers", strconv.Itoa(s.MaxPeers), "at least one peer must be allowed"}
	}
	free := s.MaxPeers - permanent
	if free < 0 {
		return &ConfigError{"maxpeers", strconv.Itoa(s.MaxPeers), fmt.Sprintf("%d peers are to be connected for ever: allow at least as many", permanent)}
	}
	lonely := s.Params.Net == wire.SimNet && len(s.Seeds)+len(s.SeedNodes) == 0
	if s.class == ClassConnect || lonely || s.TargetOutbound < 0 {
		s.TargetOutbound = 0
	}
	s.TargetOutbound = min(s.TargetOutbound, free)
	s.auto, s.short = s.TargetOutbound > 0, 0
	s.inbound = uint32(free - s.TargetOutbound)
	// Feelers, and the asking of seed nodes, have one place.
	switch short := s.auto && (s.Feelers > 0 || len(s.SeedNodes) > 0); {
	case short && s.inbound > 0:
		s.inbound--
		s.short = 1
	case short && s.TargetOutbound > 1:
		s.TargetOutbound--
		s.short = 1
	case short && len(s.SeedNodes) > 0:
		return &ConfigError{"seednode", s.SeedNodes[0], "there is no place for it: allow at least 2 peers"}
	case short:
		s.Feelers = -1
	}
	return nil
}

func (s *settings) fillDefaults() {
	if s.MaxPeers == 0 {
		s.MaxPeers = DefaultMaxPeers
	}
	if s.TargetOutbound == 0 {
		s.TargetOutbound = DefaultTargetOutbound
	}
	if s.UserAgent == "" {
		s.UserAgent = "/holdfast:" + Version + "/"
	}
	if s.Seeds == nil {
		for _, seed := range s.Params.DNSSeeds {
			s.Seeds = append(s.Seeds, Seed(seed))
		}
	}
	switch {
	case s.Resolver != nil:
	case s.Proxy != nil:
		s.Resolver = s.Proxy
	default:
		s.Resolver = net.DefaultResolver
	}
	if s.Dial == nil {
		s.Dial = func(ctx context.Context, addr net.Addr) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", addr.String())
		}
	}
	if s.NewListener == nil {
		s.NewListener = func(addr net.Addr) (net.Listener, error) {
			return net.Listen("tcp", addr.String())
		}
	}
	for _, d := range []struct {
		field     *time.Duration
		byDefault time.Duration
	}{
		{&s.DialTimeout, defaultDialTimeout},
		{&s.HandshakeTimeout, defaultHandshakeTimeout},
		{&s.PingInterval, defaultPingInterval},
		{&s.PingTimeout, defaultPingTimeout},
		{&s.ShutdownTimeout, defaultShutdownTimeout},
	} {
		if *d.field <= 0 {
			*d.field = d.byDefault
		}
	}
	if s.MaxAddPeers <= 0 {
		s.MaxAddPeers = DefaultMaxAddPeers
	}
	if s.Feelers == 0 {
		s.Feelers = defaultFeelers
	}
	if s.Reachable == nil {
		s.Reachable = func() addrbook.Networks { return addrbook.NetworksOf(netaddr.IPv4, netaddr.IPv6) }
	}
	if s.Rand == nil {
		var key [32]byte
		for i := range key {
			key[i] = byte(rand.Uint32())
		}
		s.Rand = rand.NewChaCha8(key)
	}
}

// parseAll reads the addresses of one field.
func parseAll(field string, texts []string, port uint16, listen bool) ([]net.Addr, error) {
	seen := make(map[string]bool)
	var addrs []net.Addr
	for _, text := range texts {
		text = strings.TrimSpace(text)
		addr, err := parseAddr(text, port, listen)
		if err != nil {
			return nil, &ConfigError{field, text, err.Error()}
		}
		if _, overlay := addr.(netaddr.Addr); overlay && listen {
			return nil, &ConfigError{field, text, "give an address of this machine; to be reached by Tor, use listenonion"}
		}
		if seen[addr.String()] {
			return nil, &ConfigError{field, addr.String(), "it is given twice: remove one"}
		}
		seen[addr.String()] = true
		addrs = append(addrs, addr)
	}
	return addrs, nil
}
