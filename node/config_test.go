package node

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/btcsuite/btcd/chaincfg/v2"

	"holdfast/addrbook"
	"holdfast/netaddr"
	"holdfast/socks"
)

func TestParseAddr(t *testing.T) {
	for _, tt := range []struct {
		in     string
		listen bool
		want   string // with its network, or the error
	}{
		{"1.2.3.4", false, "tcp 1.2.3.4:8333"},
		{"1.2.3.4:99", false, "tcp 1.2.3.4:99"},
		{"::1", false, "tcp [::1]:8333"},
		{"[::1]", false, "tcp [::1]:8333"},
		{"[::1]:99", false, "tcp [::1]:99"},
		{"::ffff:1.2.3.4", false, "tcp 1.2.3.4:8333"},
		{"[fe80::1%eth0]:99", false, "tcp [fe80::1%eth0]:99"},
		{"Node.Example", false, "ip by name node.example:8333"},
		{"node.example:99", false, "ip by name node.example:99"},
		{"localhost", false, "ip by name localhost:8333"},
		{":99", true, "tcp :99"},
		{"", true, "tcp :8333"},
		{"0.0.0.0", true, "tcp 0.0.0.0:8333"},
		{"127.0.0.1:0", true, "tcp 127.0.0.1:0"},
		{"127.0.0.1:0", false, "port 0 cannot be dialed"},
		{":99", false, "it has no host"},
		{"", false, "it has no host"},
		{"1.2.3.4:99999", false, `port "99999" is not a number from 1 to 65535`},
		{"1.2.3.4:", false, `port "" is not a number from 1 to 65535`},
		{"1.2.3.4:http", false, `port "http" is not a number from 1 to 65535`},
		{"1.2.3.4:-1", false, `port "-1" is not a number from 1 to 65535`},
		{"1.2.3", false, `it is neither an IP address nor a name`},
		{"1.2.3.256:99", false, `it is neither an IP address nor a name`},
		{"a:b:c", false, "it is not host:port, and not an IPv6 address"},
		{"http://x/", false, `port "//x/" is not a number from 1 to 65535`},
		{"no spaces:99", false, `its name has ' '; names have letters, digits, dots and hyphens`},
		{"a..b:99", false, `its name has two dots in a row, or begins with one`},
		{strings.Repeat("a", 64), false, "a part of its name is longer than 63 letters"},
		{"fe80::1%a]b", false, "it is not host:port, and not an IPv6 address"},
		{"fe80::1%\x1b[2J", false, "it is not host:port, and not an IPv6 address"},
		{"[::1", false, "it is not host:port, and not an IPv6 address"},
	} {
		addr, err := parseAddr(tt.in, 8333, tt.listen)
		got := fmt.Sprint(err)
		if err == nil {
			got = addr.Network() + " " + addr.String()
		}
		if got != tt.want {
			t.Errorf("%q: %s, want %s", tt.in, got, tt.want)
		}
	}
}

func FuzzParseAddr(f *testing.F) {
	for _, s := range []string{"1.2.3.4:8333", "[::1]:1", ":1", "a.b:1", "%", "[fe80::1%25eth0]:1"} {
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, s string, listen bool) {
		addr, err := parseAddr(s, 8333, listen)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r\x1b") {
				t.Errorf("the error of %q is not one clean line: %q", s, err)
			}
			return
		}
		again, err := parseAddr(addr.String(), 8333, listen)
		if err != nil || again.String() != addr.String() {
			t.Errorf("%q became %v, which becomes %v (%v)", s, addr, again, err)
		}
	})
}

func TestConfigErrors(t *testing.T) {
	many := make([]string, 9)
	for i := range many {
		many[i] = fmt.Sprintf("1.2.3.%d", i)
	}
	for _, tt := range []struct {
		change func(*Config)
		want   string
	}{
		{func(c *Config) { c.Params = nil }, "params: a network must be chosen"},
		{func(c *Config) { c.Connect = []string{"1.2.3.4:x"} }, `connect "1.2.3.4:x": port "x" is not a number from 1 to 65535`},
		{func(c *Config) { c.Connect = []string{"1.2.3.4", "1.2.3.4:18444"} }, `connect "1.2.3.4:18444": it is given twice: remove one`},
		{func(c *Config) { c.Listen = []string{":1", ":1"} }, `listen ":1": it is given twice: remove one`},
		{func(c *Config) { c.AddPeer = many }, "addpeer: 9 are given, at most 8 are allowed: use connect for a fixed set of peers, or allow more by maxaddpeers"},
		{func(c *Config) { c.AddPeer = []string{"x.onion"} }, `addpeer "x.onion": "x.onion" is no onion service: the name of one is 56 letters and digits long`},
		{func(c *Config) { c.OnlyNet = addrbook.NetworksOf(netaddr.Onion) }, "onlynet: none of these networks can be reached: onion needs a proxy, and the others cannot be dialed yet"},
		{func(c *Config) { c.AddPeer = []string{onionHost(1).String()} }, fmt.Sprintf(`addpeer "%v:18444": it is reached by Tor only: set a proxy, or an onion proxy`, onionHost(1))},
		{func(c *Config) {
			c.AddPeer = []string{onionHost(1).String()}
			c.Proxy, c.NoOnion = &socks.Dialer{Proxy: "127.0.0.1:9050"}, true
		}, fmt.Sprintf(`addpeer "%v:18444": onion services are not to be dialed (noonion)`, onionHost(1))},
		{func(c *Config) { c.MaxPeers = -1 }, `maxpeers "-1": at least one peer must be allowed`},
		{func(c *Config) { c.MaxPeers = 1; c.Connect = many[:2] }, `maxpeers "1": 2 peers are to be connected for ever: allow at least as many`},
		{func(c *Config) { c.UserAgent = strings.Repeat("x", 300) }, "useragent: it has 300 bytes, at most 256 are allowed"},
	} {
		cfg := Config{Params: &chaincfg.RegressionNetParams}
		tt.change(&cfg)
		n, err := New(cfg)
		var ce *ConfigError
		if n != nil || !errors.As(err, &ce) || err.Error() != tt.want {
			t.Errorf("%v, want %s", err, tt.want)
		}
	}
}

// TestShares divides the peers as btcd does, with a place for a feeler.
func TestShares(t *testing.T) {
	addrs := []string{"1.2.3.4", "1.2.3.5"}
	for _, tt := range []struct {
		name          string
		cfg           Config
		target, inbnd int
	}{
		{"default", Config{}, 8, 116},
		{"few", Config{MaxPeers: 5}, 4, 0},
		{"none wanted", Config{TargetOutbound: -1}, 0, 125},
		{"addpeer", Config{AddPeer: addrs}, 8, 114},
		{"connect", Config{Connect: addrs}, 0, 123},
		{"connect wins", Config{Connect: addrs[:1], AddPeer: addrs}, 0, 124},
		{"addpeer takes all", Config{AddPeer: addrs, MaxPeers: 2}, 0, 0},
		{"simnet", Config{Params: &chaincfg.SimNetParams}, 0, 125},
		{"simnet with seeds", Config{Params: &chaincfg.SimNetParams, Seeds: []Seed{{Host: "1.2.3.4"}}}, 8, 116},
		{"no feelers", Config{Feelers: -1}, 8, 117},
	} {
		if tt.cfg.Params == nil {
			tt.cfg.Params = &chaincfg.RegressionNetParams
		}
		s, err := tt.cfg.check()
		if err != nil || s.TargetOutbound != tt.target || int(s.inbound) != tt.inbnd || s.auto != (tt.target > 0) {
			t.Errorf("%s: target %d, inbound %d (%v), want %d, %d", tt.name, s.TargetOutbound, s.inbound, err, tt.target, tt.inbnd)
		}
	}
	if err := (Config{Params: &chaincfg.MainNetParams, MaxPeers: 1, SeedNodes: []string{"1.2.3.4"}}).Check(); err == nil {
		t.Error("a seed node has a place on top of MaxPeers")
	}
	s, err := Config{Params: &chaincfg.MainNetParams}.check()
	if err != nil || len(s.Seeds) != 8 || s.HandshakeTimeout != 30*time.Second || s.PingTimeout != 20*time.Minute {
		t.Errorf("defaults: %+v (%v)", s, err)
	}
}

func TestGroups(t *testing.T) {
	n := &Node{cfg: settings{Config: Config{AllowLoopback: true}}, groups: addrbook.Groups{Local: true}}
	for _, tt := range []struct {
		addr net.Addr
		want string
	}{
		{tcpAddr(netip.MustParseAddr("1.2.3.4"), 1), "1.2.0.0/16"},
		{tcpAddr(netip.MustParseAddr("1.2.200.9"), 2), "1.2.0.0/16"},
		{tcpAddr(netip.MustParseAddr("::ffff:1.2.3.4"), 1), "1.2.0.0/16"},
		{tcpAddr(netip.MustParseAddr("2a01:7c8:d005::5"), 1), "2a01:7c8::/32"},
		{tcpAddr(netip.MustParseAddr("2002:102:304::1"), 1), "1.2.0.0/16"},
		{tcpAddr(netip.MustParseAddr("64:ff9b::1.2.3.4"), 1), "1.2.0.0/16"},
		{tcpAddr(netip.MustParseAddr("127.12.0.1"), 1), "127.12.0.0/16"},
		{tcpAddr(netip.MustParseAddr("127.0.0.1"), 1), ""},
		{tcpAddr(netip.MustParseAddr("::1"), 1), ""},
		{hostAddr{"Node.Example", 1}, "node.example"},
		{hostAddr{"x.onion", 1}, "x.onion"},
	} {
		if got := n.group(tt.addr); got != tt.want {
			t.Errorf("group of %v: %q, want %q", tt.addr, got, tt.want)
		}
	}
	n.cfg.AllowLoopback, n.groups.Local = false, false
	if got := n.group(tcpAddr(netip.MustParseAddr("127.0.0.1"), 1)); got != "local" {
		t.Errorf("group of 127.0.0.1: %q", got)
	}
}
