package main

import (
	"cmp"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"holdfast/addrbook"
	"holdfast/netaddr"
	"holdfast/node"
	"holdfast/socks"
	"holdfast/torctl"
)

// Where Tor is by default.
const (
	defaultProxyPort   = "9050"
	defaultControlPort = "9051"
)

// torFlags say what goes through a proxy, and how Tor is used. Their names are btcd's,
// and Bitcoin Core's where btcd has none.
type torFlags struct {
	proxy             proxyFlag
	user, pass        string
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
	flags.Var(&f.proxy, "proxy", "connect through the SOCKS5 proxy at `address[:port]`, or\nunix:PATH; nothing goes around it, questions to DNS neither")
	flags.StringVar(&f.user, "proxyuser", "", "log in to the proxy as `name`, instead of by --torisolation")
	flags.StringVar(&f.pass, "proxypass", "", "log in to the proxy with this `password`")
	flags.StringVar(&f.onion, "onion", "", "connect to onion services through Tor's SOCKS5 proxy at\n`address[:port]`, or unix:PATH (default: what --proxy says)")
	flags.BoolVar(&f.noOnion, "noonion", false, "do not connect to onion services")
	flags.BoolVar(&f.isolation, "torisolation", true, "have Tor use a circuit of its own for each connection; a proxy\nthat is not Tor's may need --torisolation=false")
	flags.StringArrayVar(&f.onlyNet, "onlynet", nil, "look for peers on this `network` only: ipv4, ipv6 or onion (*)")
	flags.BoolVar(&f.listenOnion, "listenonion", false, "be reached as an onion service, by the Tor of --torcontrol")
	flags.StringVar(&f.control, "torcontrol", torctl.DefaultAddress, "the control port of this machine's Tor is at `address[:port]`,\nor unix:PATH")
	flags.StringVar(&f.password, "torpassword", "", "log in to Tor's control port with this `password`; without it,\nTor's cookie is used")
}

// apply makes the part of the node's configuration that the flags are about.
func (f *torFlags) apply(cfg *node.Config) error {
	login := f.user != "" || f.pass != ""
	switch {
	case login && f.proxy == "":
		return usagef("--proxyuser and --proxypass need --proxy")
	case f.pass != "" && f.user == "":
		return usagef("--proxypass needs --proxyuser")
	case f.noOnion && f.onion != "":
		return usagef("--noonion and --onion exclude each other")
	}
	if f.proxy != "" {
		at, _, err := endpoint("proxy", string(f.proxy), defaultProxyPort)
		if err != nil {
			return err
		}
		// Tor tells circuits apart by the name that one logs in with: there is but one.
		cfg.Proxy = &socks.Dialer{Proxy: at, Username: f.user, Password: f.pass, Isolate: f.isolation && !login}
	}
	if f.onion != "" {
		at, _, err := endpoint("onion", f.onion, defaultProxyPort)
		if err != nil {
			return err
		}
		cfg.OnionProxy = &socks.Dialer{Proxy: at, Isolate: f.isolation}
	}
	cfg.NoOnion = f.noOnion
	for _, name := range f.onlyNet {
		network, err := netaddr.ParseNetwork(name)
		if err != nil {
			return usagef("--onlynet: %w", err)
		}
		cfg.OnlyNet |= addrbook.NetworksOf(network)
	}
	control, remote, err := endpoint("torcontrol", f.control, defaultControlPort)
	switch {
	case err != nil:
		return err
	case remote:
		// Its 127.0.0.1 is not ours, and elsewhere nobody can reach our listener.
		return usagef("--torcontrol %q: Tor must run on this machine, since the onion service leads to 127.0.0.1: give a loopback address or unix:PATH", f.control)
	case f.listenOnion:
		cfg.Onion = &node.OnionService{Control: torctl.Options{Address: control, Password: f.password}}
	}
	return nil
}

// endpoint returns where a flag says that Tor or a proxy is, with a port, and whether
// that is another machine. It takes no name but localhost: to look one up is to tell
// the DNS, and all on the way to it, before there is a proxy to ask through.
func endpoint(flag, text, port string) (at string, remote bool, err error) {
	switch {
	case strings.Contains(text, "://"): // whose login, if it has one, is not repeated
		return "", false, usagef("--%s: leave out the \"://\" and what is before it: it is address[:port] or unix:PATH", flag)
	case strings.HasPrefix(text, "unix:"):
		if text == "unix:" {
			return "", false, usagef("--%s %q: the path is missing", flag, text)
		}
		return text, false, nil
	case strings.Contains(text, "@"):
		return "", false, usagef("--%s: leave out the '@' and what is before it%s", flag, loginHint[flag])
	}
	host, given := text, ""
	for _, form := range []string{text, text + ":" + port, "[" + text + "]:" + port} {
		if h, p, err := net.SplitHostPort(form); err == nil {
			host, given = h, p
			break
		}
	}
	if strings.EqualFold(host, "localhost") {
		host = "127.0.0.1" // no resolver is trusted to know that
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return "", false, usagef("--%s %q: it is neither an IP address nor localhost; any other name would be looked up in the DNS, for others to see", flag, text)
	}
	if n, err := strconv.ParseUint(given, 10, 16); err != nil || n == 0 {
		return "", false, usagef("--%s %q: a port is a number from 1 to 65535", flag, text)
	}
	return net.JoinHostPort(host, given), !ip.IsLoopback(), nil
}

// loginHint says where a login goes that was written before an '@'.
var loginHint = map[string]string{
	"proxy":      ": a name and a password go into --proxyuser and --proxypass",
	"torcontrol": ": a password goes into --torpassword",
}

// proxyFlag is the value of --proxy, "" if there is none. An empty value cannot be set:
// who has HOLDFAST_PROXY= of a variable that is not there wanted a proxy, and must not
// go without.
type proxyFlag string

const noProxy = "none"

// String returns the value, or noProxy.
func (p *proxyFlag) String() string { return cmp.Or(string(*p), noProxy) }

// Set takes a value, or noProxy.
func (p *proxyFlag) Set(text string) error {
	switch text {
	case "":
		return errors.New("it is empty; to have no proxy, say " + noProxy)
	case noProxy:
		text = ""
	}
	*p = proxyFlag(text)
	return nil
}

// Type returns what pflag calls a text.
func (p *proxyFlag) Type() string { return "string" }
