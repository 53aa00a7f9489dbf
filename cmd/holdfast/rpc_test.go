package main

import (
	"path/filepath"
	"slices"
	"testing"
)

// TestRPCFlags says where the server listens, and when it has a certificate.
func TestRPCFlags(t *testing.T) {
	cert, key := filepath.Join("dir", "rpc.cert"), filepath.Join("dir", "rpc.key")
	for _, tt := range []struct {
		name      string
		flags     rpcFlags
		listen    []string
		cert, key string
	}{
		{"default", rpcFlags{}, []string{"127.0.0.1:38341"}, "", ""},
		{"a port", rpcFlags{listen: []string{"127.0.0.1:1", "[::1]:2"}}, []string{"127.0.0.1:1", "[::1]:2"}, "", ""},
		{"none", rpcFlags{listen: []string{"localhost", "::1"}}, []string{"localhost:38341", "[::1]:38341"}, "", ""},
		{"for others", rpcFlags{listen: []string{"192.0.2.1"}}, []string{"192.0.2.1:38341"}, cert, key},
		{"for all", rpcFlags{listen: []string{":1"}}, []string{":1"}, cert, key},
		{"the page for others", rpcFlags{elsewhere: true}, []string{"127.0.0.1:38341"}, cert, key},
		{"own certificate", rpcFlags{listen: []string{"0.0.0.0"}, cert: "c", key: "k"}, []string{"0.0.0.0:38341"}, "c", "k"},
	} {
		tt.flags.hosts = []string{"node.example"}
		cfg, err := tt.flags.config("dir", "signet")
		if err != nil || !slices.Equal(cfg.Listen, tt.listen) || cfg.TLSCert != tt.cert || cfg.TLSKey != tt.key {
			t.Errorf("%s: %v, %q, %q, %v", tt.name, cfg.Listen, cfg.TLSCert, cfg.TLSKey, err)
		}
		if !slices.Equal(cfg.Hosts, tt.flags.hosts) || cfg.CookieFile != filepath.Join("dir", cookieName) {
			t.Errorf("%s: hosts %v, cookie %s", tt.name, cfg.Hosts, cfg.CookieFile)
		}
	}
	if _, err := (&rpcFlags{user: "a"}).config("dir", mainnet); err == nil {
		t.Error("a user without a password is taken")
	}
}
