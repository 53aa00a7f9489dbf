package main

import (
	"net"
	"strings"

	"github.com/spf13/pflag"

	"holdfast/addrbook"
	"holdfast/netaddr"
	"holdfast/node"
	"holdfast/socks"
	"holdfast/torctl"
)

// defaultProxyPort is Tor's.
const defaultProxyPort = "9050"

// torFlags say what goes through a proxy, and how Tor is used. Their names are btcd's,
// and Bitcoin Core's where btcd has none.
type torFlags struct {
	proxy, user, pass string
	onion             string
	noOnion           bool
	isolation         bool
	onlyNet           []string
	listenOnion       bool
	control, password string
}

// secretFlags are the flags whose values are shown to nobody.
var secretFlags = []string{"proxypass", "torpassword", "rpcpass"}

func (f *torFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.proxy, "proxy", "", "connect through the SOCKS5 proxy at `host[:port]`, or unix:PATH;\nnothing goes around it, questions to DNS neither")
	flags.StringVar(&f.user, "proxyuser", "", "log in to the proxy as `name`, instead of by --torisolation")
	flags.StringVar(&f.pass, "proxypass", "", "log in to the proxy with this `password`")
	flags.StringVar(&f.onion, "onion", "", "connect to onion services through Tor's SOCKS5 proxy at\n`host[:port]`, or unix:PATH (default: what --proxy says)")
	flags.BoolVar(&f.noOnion, "noonion", false, "do not connect to onion services")
	flags.BoolVar(&f.isolation, "torisolation", true, "have Tor use a circuit of its own for each connection; a proxy\nthat is not Tor's may need --torisolation=false")
	flags.StringArrayVar(&f.onlyNet, "onlynet", nil, "look for peers on this `network` only: ipv4, ipv6 or onion (*)")
	flags.BoolVar(&f.listenOnion, "listenonion", false, "be reached as an onion service, by the Tor of --torcontrol")
	flags.StringVar(&f.control, "torcontrol", "127.0.0.1:9051", "Tor's control port is at `host:port`, or unix:PATH")
	flags.StringVar(&f.password, "torpassword", "", "log in to Tor's control port with this `password`; without it,\nTor's cookie is used")
}

// apply makes the part of the node's configuration that the flags are about.
func (f *torFlags) apply(cfg *node.Config) error {
	login := f.user != "" || f.pass != ""
	switch {
	case login && f.proxy == "":
		return usagef("--proxyuser and --proxypass need --proxy")
	case f.noOnion && f.onion != "":
		return usagef("--noonion and --onion exclude each other")
	}
	if f.proxy != "" {
		// Tor tells circuits apart by the name that one logs in with: there is but one.
		cfg.Proxy = &socks.Dialer{Proxy: proxyAddress(f.proxy), Username: f.user, Password: f.pass, Isolate: f.isolation && !login}
	}
	if f.onion != "" {
		cfg.OnionProxy = &socks.Dialer{Proxy: proxyAddress(f.onion), Isolate: f.isolation}
	}
	cfg.NoOnion = f.noOnion
	for _, name := range f.onlyNet {
		network, err := netaddr.ParseNetwork(name)
		if err != nil {
			return usagef("--onlynet: %w", err)
		}
		cfg.OnlyNet |= addrbook.NetworksOf(network)
	}
	if f.listenOnion {
		cfg.Onion = &node.OnionService{Control: torctl.Options{Address: f.control, Password: f.password}}
	}
	return nil
}

// proxyAddress adds Tor's port where there is none.
func proxyAddress(text string) string {
	if _, _, err := net.SplitHostPort(text); err == nil || strings.HasPrefix(text, "unix:") {
		return text
	}
	return net.JoinHostPort(strings.Trim(text, "[]"), defaultProxyPort)
}
