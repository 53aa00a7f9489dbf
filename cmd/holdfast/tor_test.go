package main

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"holdfast/addrbook"
	"holdfast/netaddr"
	"holdfast/node"
	"holdfast/socks"
	"holdfast/torctl"
)

// torConfig returns what the flags make of an empty configuration.
func torConfig(t *testing.T, args ...string) (node.Config, error) {
	t.Helper()
	var f torFlags
	flags := pflag.NewFlagSet("run", pflag.ContinueOnError)
	f.add(flags)
	if err := flags.Parse(args); err != nil {
		t.Fatalf("%q: %v", args, err)
	}
	var cfg node.Config
	return cfg, f.apply(&cfg)
}

// torText is what the flags are about, to be told.
func torText(cfg node.Config) string {
	return fmt.Sprintf("proxy %v, onion %v, noonion %v, onlynet %v, service %+v", cfg.Proxy, cfg.OnionProxy, cfg.NoOnion, cfg.OnlyNet, cfg.Onion)
}

func TestTorFlags(t *testing.T) {
	t.Parallel()
	service := func(at, password string) *node.OnionService {
		return &node.OnionService{Control: torctl.Options{Address: at, Password: password}}
	}
	tor := &socks.Dialer{Proxy: "127.0.0.1:9050", Isolate: true}
	for args, want := range map[string]node.Config{
		"":                                  {},
		"--proxy none --torisolation=false": {},

		"--proxy 127.0.0.1":                      {Proxy: tor},
		"--proxy LocalHost":                      {Proxy: tor},
		"--proxy localhost:1080":                 {Proxy: &socks.Dialer{Proxy: "127.0.0.1:1080", Isolate: true}},
		"--proxy 192.0.2.7:1080":                 {Proxy: &socks.Dialer{Proxy: "192.0.2.7:1080", Isolate: true}},
		"--proxy ::1":                            {Proxy: &socks.Dialer{Proxy: "[::1]:9050", Isolate: true}},
		"--proxy [::1]":                          {Proxy: &socks.Dialer{Proxy: "[::1]:9050", Isolate: true}},
		"--proxy [fe80::1%eth0]:1":               {Proxy: &socks.Dialer{Proxy: "[fe80::1%eth0]:1", Isolate: true}},
		"--proxy unix:/run/tor/s@x":              {Proxy: &socks.Dialer{Proxy: "unix:/run/tor/s@x", Isolate: true}},
		"--proxy 127.0.0.1 --torisolation=false": {Proxy: &socks.Dialer{Proxy: "127.0.0.1:9050"}},
		"--proxy 127.0.0.1 --proxyuser u":        {Proxy: &socks.Dialer{Proxy: "127.0.0.1:9050", Username: "u"}},
		"--proxy 127.0.0.1 --proxyuser u --proxypass p --torisolation": {Proxy: &socks.Dialer{Proxy: "127.0.0.1:9050", Username: "u", Password: "p"}},
		"--proxy 127.0.0.1 --noonion":                                  {Proxy: tor, NoOnion: true},

		"--onion 127.0.0.1":                      {OnionProxy: tor},
		"--onion unix:/s":                        {OnionProxy: &socks.Dialer{Proxy: "unix:/s", Isolate: true}},
		"--onion 127.0.0.1 --torisolation=false": {OnionProxy: &socks.Dialer{Proxy: "127.0.0.1:9050"}},
		// The login is for the proxy, not for Tor.
		"--proxy 192.0.2.7:1080 --proxyuser u --proxypass p --onion 127.0.0.1": {
			Proxy: &socks.Dialer{Proxy: "192.0.2.7:1080", Username: "u", Password: "p"}, OnionProxy: tor,
		},

		"--onlynet ipv6":                 {OnlyNet: addrbook.NetworksOf(netaddr.IPv6)},
		"--onlynet ipv4 --onlynet onion": {OnlyNet: addrbook.NetworksOf(netaddr.IPv4, netaddr.Onion)},

		"--torcontrol 127.0.0.1:1 --torpassword p": {}, // not asked for
		"--listenonion": {Onion: service("127.0.0.1:9051", "")},
		"--listenonion --torcontrol 127.0.0.2 --torpassword p": {Onion: service("127.0.0.2:9051", "p")},
		"--listenonion --torcontrol localhost:1":               {Onion: service("127.0.0.1:1", "")},
		"--listenonion --torcontrol ::1":                       {Onion: service("[::1]:9051", "")},
		"--listenonion --torcontrol [::ffff:127.0.0.1]:1":      {Onion: service("[::ffff:127.0.0.1]:1", "")},
		"--listenonion --torcontrol unix:/run/tor/control":     {Onion: service("unix:/run/tor/control", "")},
	} {
		got, err := torConfig(t, strings.Fields(args)...)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, got %s\nwant %s", args, err, torText(got), torText(want))
		}
	}
}

// TestTorFlagsRefused: nothing is made of what is mistyped, and no secret is repeated.
func TestTorFlagsRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"--proxyuser", "u"}, "--proxyuser and --proxypass need --proxy"},
		{[]string{"--proxypass", "geheim"}, "--proxyuser and --proxypass need --proxy"},
		{[]string{"--proxypass", "geheim", "--proxy", "::1"}, "--proxypass needs --proxyuser"},
		{[]string{"--noonion", "--onion", "::1"}, "--noonion and --onion exclude each other"},
		{[]string{"--onlynet", "tor"}, `--onlynet: there is no network "tor"`},

		{[]string{"--proxy", "socks5://127.0.0.1:9050"}, `--proxy: leave out the "://" and what is before it`},
		{[]string{"--proxy", "socks5://user:geheim@127.0.0.1:9050"}, `--proxy: leave out the "://" and what is before it`},
		{[]string{"--proxy", "user:geheim@127.0.0.1:9050"}, "--proxy: leave out the '@' and what is before it: a name and a password go into --proxyuser and --proxypass"},
		{[]string{"--onion", "user:geheim@127.0.0.1:9050"}, "--onion: leave out the '@' and what is before it"},
		{[]string{"--torcontrol", "geheim@127.0.0.1:9051"}, "--torcontrol: leave out the '@' and what is before it: a password goes into --torpassword"},
		{[]string{"--proxy", "a b c"}, `--proxy "a b c": it is neither an IP address nor localhost`},
		{[]string{"--proxy", "tor.example:9050"}, `--proxy "tor.example:9050": it is neither an IP address nor localhost; any other name would be looked up in the DNS`},
		{[]string{"--onion", "tor.example"}, `--onion "tor.example": it is neither`},
		{[]string{"--torcontrol", "bla"}, `--torcontrol "bla": it is neither`},
		{[]string{"--torcontrol", ""}, `--torcontrol "": it is neither`},
		{[]string{"--proxy", ":9050"}, `--proxy ":9050": it is neither`},
		{[]string{"--proxy", "[::1"}, `--proxy "[::1": it is neither`},
		{[]string{"--proxy", "[127.0.0.1]x"}, `--proxy "[127.0.0.1]x": it is neither`},
		{[]string{"--proxy", "127.0.0.1:"}, `--proxy "127.0.0.1:": a port is a number from 1 to 65535`},
		{[]string{"--onion", "127.0.0.1:0"}, `--onion "127.0.0.1:0": a port is`},
		{[]string{"--torcontrol", "127.0.0.1:65536"}, `--torcontrol "127.0.0.1:65536": a port is`},
		{[]string{"--proxy", "unix:"}, `--proxy "unix:": the path is missing`},
		{[]string{"--torcontrol", "192.0.2.7:9051"}, `--torcontrol "192.0.2.7:9051": Tor must run on this machine`},
		{[]string{"--torcontrol", "::"}, `--torcontrol "::": Tor must run on this machine`},
	} {
		cfg, err := torConfig(t, tt.args...)
		var usage usageError
		if !errors.As(err, &usage) || !strings.HasPrefix(err.Error(), tt.want) || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%q: %v, %v; want %s", tt.args, cfg.Proxy, err, tt.want)
		}
	}
}

// TestEmptyProxy: who sets the proxy to nothing, as by a variable that is not there,
// does not go without one.
func TestEmptyProxy(t *testing.T) {
	t.Parallel()
	const want = `it is empty; to have no proxy, say none`
	var f torFlags
	flags := pflag.NewFlagSet("run", pflag.ContinueOnError)
	f.add(flags)
	var wrong *pflag.InvalidValueError
	if err := flags.Parse([]string{"--proxy", ""}); !errors.As(err, &wrong) || plainValueError(wrong).Error() != want {
		t.Errorf("the command line: %v", err)
	}
	if _, err := configured(t, nil, []string{"HOLDFAST_PROXY="}, ""); err == nil || !strings.Contains(err.Error(), `HOLDFAST_PROXY "": `+want) {
		t.Errorf("the environment: %v", err)
	}
	if _, err := configured(t, nil, nil, "proxy="); err == nil || !strings.Contains(err.Error(), `holdfast.conf:1: proxy "": `+want) {
		t.Errorf("the file: %v", err)
	}
	s, err := configured(t, []string{"--proxy", "none"}, nil, "proxy=127.0.0.1")
	if err != nil || s.text("proxy") != "none" {
		t.Errorf("none: %v, %v", s.text("proxy"), err)
	}
}
