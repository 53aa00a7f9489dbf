package dashboard

import (
	"crypto/tls"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"holdfast/addrbook"
	"holdfast/banlist"
	"holdfast/geodb"
	"holdfast/node"
	"holdfast/stream"
)

// DefaultListen is the address of the page. The port is none of Bitcoin Core's or btcd's.
const DefaultListen = "127.0.0.1:8340"

// DefaultMaxViewers is how many browsers can follow at once. Each costs about 50 kB.
const DefaultMaxViewers = 256

// Node is what the page shows and orders. *node.Node is one.
type Node interface {
	Snapshot() node.Snapshot
	Info() node.Info
	Counts() node.Counts
	Traffic() node.Traffic
	BookStats() addrbook.Stats
	NetworkActive() bool

	Disconnect(id uint64) bool
	Ban(s banlist.Subject, d time.Duration, reason string, o banlist.Origin) error
	Bans() *banlist.List
	AddPeer(addr string) error
}

// Config says how a Server works. New copies it.
type Config struct {
	// Listen are the addresses to listen on, host:port; the host is an IP address or
	// "localhost". Default: DefaultListen. Elsewhere than on loopback Login and TLS must
	// be set.
	Listen []string

	// Node is what it is all about. It must be set.
	Node Node

	// Hub has the events that are shown, and Meter the counts of them. Both must be set,
	// and be fed by the node's OnEvent.
	Hub   *stream.Hub
	Meter *Meter

	// Login reports whether a user and his password are right. It is called concurrently.
	// Nil means that nobody can log in: then orders are taken from who has the token of
	// the run (see Server.URL).
	Login func(user, password string) bool

	// TLS is for listeners elsewhere than on loopback. On loopback there is none.
	TLS *tls.Config

	// Hosts are names that browsers may call this host by, besides IP addresses and
	// localhost.
	Hosts []string

	// MaxViewers is how many pages are live at once. Default: DefaultMaxViewers.
	MaxViewers int

	// Locate says where in the world an address is likely to be, and whether that is known;
	// the Lookup of a *geodb.DB does. It is called for each peer four times a second, and
	// must not wait for anything. Nil means that there is no map.
	Locate func(netip.Addr) (geodb.Place, bool)

	// Version is shown. Default: node.Version.
	Version string

	// Log takes what goes wrong. Default: none is written.
	Log *slog.Logger
}

// check fills in the defaults and refuses what makes no sense. Its error is a
// *node.ConfigError.
func (cfg *Config) check() error {
	wrong := func(field, value, problem string) error {
		return &node.ConfigError{Field: field, Value: value, Problem: problem}
	}
	switch {
	case cfg.Node == nil:
		return wrong("node", "", "there must be one")
	case cfg.Hub == nil:
		return wrong("hub", "", "there must be one, fed by the node's OnEvent")
	case cfg.Meter == nil:
		return wrong("meter", "", "there must be one, fed by the node's OnEvent")
	}
	if len(cfg.Listen) == 0 {
		cfg.Listen = []string{DefaultListen}
	}
	if cfg.MaxViewers <= 0 {
		cfg.MaxViewers = DefaultMaxViewers
	}
	if cfg.Version == "" {
		cfg.Version = node.Version
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	for _, text := range cfg.Listen {
		host, _, err := net.SplitHostPort(text)
		if err != nil {
			return wrong("dashboard", text, "give an address and a port, as "+DefaultListen)
		}
		if isLoopback(host) {
			continue
		}
		if _, err := netip.ParseAddr(host); err != nil && host != "" {
			return wrong("dashboard", text, "give an IP address, or localhost")
		}
		if cfg.Login == nil {
			return wrong("dashboard", text, "others than this machine could steer the node: set a user and a password, or listen on 127.0.0.1")
		}
		if cfg.TLS == nil {
			return wrong("dashboard", text, "the password would go over the network in the clear: set a certificate, or listen on 127.0.0.1 and use a tunnel")
		}
	}
	return nil
}

// isLoopback reports whether a host is this machine, seen from itself.
func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
