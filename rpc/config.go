package rpc

import (
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"time"

	"holdfast/addrbook"
	"holdfast/banlist"
	"holdfast/connmgr"
	"holdfast/netaddr"
	"holdfast/node"
	"holdfast/stream"
)

// Node is what the methods ask and order. *node.Node is one.
type Node interface {
	AddPeer(addr string) error
	RemovePeer(addr string) error
	AddedPeers() []node.AddedPeer
	TryPeer(addr string) error
	Disconnect(id uint64) bool
	DisconnectAddr(addr string) int
	SetNetworkActive(on bool)
	NetworkActive() bool
	Ping()
	BanUntil(s banlist.Subject, until time.Time, reason string, o banlist.Origin) error
	Bans() *banlist.List

	Peers() []node.PeerInfo
	PeerCount() int
	Manager() connmgr.Snapshot
	Info() node.Info
	Traffic() node.Traffic
	Addresses(limit int, network netaddr.Network) []addrbook.Known
	AddAddress(a netaddr.Addr, tried bool) error
	BookStats() addrbook.Stats
	LocalAddresses() []netaddr.Addr
	Reachable() addrbook.Networks
}

// Defaults of Limits.
const (
	// DefaultMaxBody holds any call of ours many times over. (Core takes 32 MiB, since
	// it is sent blocks.)
	DefaultMaxBody = 1 << 20

	// DefaultMaxBatch is what a body of a MiB has room for, in sensible calls.
	DefaultMaxBatch = 1000

	// DefaultMaxConnections costs about 5 MB of memory.
	DefaultMaxConnections = 256

	// DefaultMaxRequests is Core's -rpcworkqueue.
	DefaultMaxRequests = 64

	// DefaultRate is five times what a busy monitor needs.
	DefaultRate = 5000

	// DefaultTimeout is Core's -rpcservertimeout.
	DefaultTimeout = 30 * time.Second

	// DefaultBanTime is Core's -bantime.
	DefaultBanTime = 24 * time.Hour
)

// Limits bound what clients can take. The zero value of each means its default. Where a
// request is refused with 429 or 503, a message of a websocket waits.
type Limits struct {
	Body        int           // bytes of a request; beyond it 413. Default: 1 MiB
	Batch       int           // calls in a batch. Default: 1000
	Connections int           // at once; see goesFirst. Default: 256
	Requests    int           // being worked on or waiting for an event, each; beyond it 503. Default: 64
	Rate        int           // calls a second and remote host, twice as many at once; beyond it 429. Default: 5000
	Timeout     time.Duration // to send a request, and to read the answer. Default: 30 s
}

func (l *Limits) fillDefaults() {
	for _, x := range []struct {
		field     *int
		byDefault int
	}{
		{&l.Body, DefaultMaxBody},
		{&l.Batch, DefaultMaxBatch},
		{&l.Connections, DefaultMaxConnections},
		{&l.Requests, DefaultMaxRequests},
		{&l.Rate, DefaultRate},
	} {
		if *x.field <= 0 {
			*x.field = x.byDefault
		}
	}
	if l.Timeout <= 0 {
		l.Timeout = DefaultTimeout
	}
}

// Config says how a Server works. New copies it.
type Config struct {
	// Listen are the addresses to listen on, host:port; the host is an IP address or
	// "localhost". There must be one.
	Listen []string

	// User and Password may log in, and so may Auth's, each a line user:salt$hmac as
	// Bitcoin Core's rpcauth.py prints it.
	User, Password string
	Auth           []string

	// CookieFile is where a password of this run is kept for those who can read the
	// file. It is removed at the end. Empty means none.
	CookieFile string

	// TLSCert and TLSKey are PEM files. If neither is there, New makes a self-signed
	// certificate. Without them there is no TLS, and New refuses to listen elsewhere
	// than on loopback. On loopback both TLS and none are taken, on one port.
	TLSCert, TLSKey string

	// Hosts are names that clients may call this host by, besides IP addresses and
	// localhost. A new certificate has them too.
	Hosts []string

	// Node is what it is all about. It must be set.
	Node Node

	// Version is that of the program, as "0.1.0". Empty means node.Version.
	Version string

	// Magic is the number of the network, for getcurrentnet: wire.BitcoinNet's. 0 means
	// that it fails.
	Magic uint32

	// Hub has the events for explain and events. Nil means none.
	Hub *stream.Hub

	// Stop ends the program. It is called after stop was answered, and must not wait
	// for the Server. Nil means that stop fails.
	Stop func()

	// Levels returns the level of each subsystem of the log, and SetLevels changes
	// them: "debug", or "PEER=debug,CMGR=trace"; what is not named stays. Nil means
	// that debuglevel and logging fail.
	Levels    func() map[string]string
	SetLevels func(spec string) error

	// LogPath is the file of the log, for getrpcinfo.
	LogPath string

	// BanTime is how long setban bans if it is not told. 0 means 24 h.
	BanTime time.Duration

	Limits Limits

	// Log is told of logins that failed, and of trouble with connections. Nil means
	// none.
	Log *slog.Logger
}

// check fills in the defaults and refuses what makes no sense. Its errors are of type
// *node.ConfigError.
func (cfg *Config) check() error {
	cfg.Limits.fillDefaults()
	if cfg.BanTime <= 0 {
		cfg.BanTime = DefaultBanTime
	}
	if cfg.Version == "" {
		cfg.Version = node.Version
	}
	if cfg.Hub == nil {
		cfg.Hub = stream.NewHub(1)
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	switch {
	case cfg.Node == nil:
		return &node.ConfigError{Field: "node", Problem: "it must be set"}
	case len(cfg.Listen) == 0:
		return &node.ConfigError{Field: "rpclisten", Problem: "give at least one address to listen on"}
	case (cfg.TLSCert == "") != (cfg.TLSKey == ""):
		return &node.ConfigError{Field: "rpccert", Problem: "give both a certificate and a key, or neither"}
	}
	for _, text := range cfg.Listen {
		local, err := onLoopback(text)
		if err != nil {
			return err
		}
		if !local && cfg.TLSCert == "" {
			return &node.ConfigError{Field: "rpclisten", Value: text, Problem: "everybody on the way could read the password: give a certificate, or listen on 127.0.0.1"}
		}
	}
	return nil
}

// onLoopback reports whether an address to listen on is reached from this machine only.
func onLoopback(text string) (bool, error) {
	host, _, err := net.SplitHostPort(text)
	if err != nil {
		return false, &node.ConfigError{Field: "rpclisten", Value: text, Problem: "give host:port, as 127.0.0.1:8332"}
	}
	if strings.EqualFold(host, "localhost") {
		return true, nil
	}
	if host == "" {
		return false, nil // all interfaces
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return false, &node.ConfigError{Field: "rpclisten", Value: text, Problem: "give an IP address or localhost"}
	}
	return ip.Unmap().IsLoopback(), nil
}
