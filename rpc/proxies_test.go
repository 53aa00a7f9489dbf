package rpc

import (
	"testing"

	"github.com/btcsuite/btcd/chaincfg/v2"

	"holdfast/node"
	"holdfast/socks"
)

// TestRandomCredentials: getnetworkinfo tells where each connection has a login of its
// own, and where it has not.
func TestRandomCredentials(t *testing.T) {
	t.Parallel()
	isolated := &socks.Dialer{Proxy: "127.0.0.1:9050", Isolate: true}
	login := &socks.Dialer{Proxy: "127.0.0.1:1080", Username: "u"}
	for _, tt := range []struct {
		name  string
		cfg   node.Config
		apart map[string]bool // by network that has a proxy
	}{
		{"no proxy", node.Config{}, map[string]bool{}},
		{"isolated", node.Config{Proxy: isolated}, map[string]bool{"ipv4": true, "ipv6": true, "onion": true}},
		{"with a login", node.Config{Proxy: login}, map[string]bool{"ipv4": false, "ipv6": false, "onion": false}},
		{"onion by Tor", node.Config{Proxy: login, OnionProxy: isolated}, map[string]bool{"ipv4": false, "ipv6": false, "onion": true}},
		{"onion not isolated", node.Config{OnionProxy: &socks.Dialer{Proxy: "127.0.0.1:9050"}}, map[string]bool{"onion": false}},
	} {
		tt.cfg.Params = &chaincfg.RegressionNetParams
		n, err := node.New(tt.cfg)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := getNetworkInfo(&call{Server: &Server{cfg: Config{Node: n}}})
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range answer.(networkInfo).Networks {
			apart, proxied := tt.apart[x.Name]
			if x.RandomCredentials != apart || (x.Proxy != "") != proxied {
				t.Errorf("%s: %+v, want %v", tt.name, x, apart)
			}
		}
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	}
}
