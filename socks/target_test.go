package socks

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
)

var netipAddr = netip.MustParseAddr

// What cannot be asked for is refused before the proxy is dialed.
func TestTargetsRefused(t *testing.T) {
	t.Parallel()
	tests := []struct{ network, address, says string }{
		{"tcp", "", "host:port"},
		{"tcp", "example.org", "host:port"},
		{"tcp", "2001:db8::1:80", "host:port"},
		{"tcp", "example.org:", "1 to 65535"},
		{"tcp", "example.org:0", "1 to 65535"},
		{"tcp", "example.org:65536", "1 to 65535"},
		{"tcp", "example.org:-1", "1 to 65535"},
		{"tcp", "example.org:+80", "1 to 65535"},
		{"tcp", "example.org:http", "1 to 65535"},
		{"tcp", ":80", "1 to 255 bytes"},
		{"tcp", strings.Repeat("a", 256) + ":80", "1 to 255 bytes, not 256"},
		{"tcp", strings.Repeat("a", 1<<16) + ":80", "1 to 255 bytes"},
		{"tcp", "a\x00.example:80", "visible"},
		{"tcp", "a\n.example:80", "visible"},
		{"tcp", "a b:80", "visible"},
		{"tcp", "b\xc3\xbccher.example:80", "visible"},
		{"tcp", "[fe80::1%eth0]:80", "zone"},
		{"tcp4", "[2001:db8::1]:80", "tcp4"},
		{"tcp6", "192.0.2.1:80", "tcp6"},
		{"tcp6", "[::ffff:192.0.2.1]:80", "tcp6"},
		{"udp", "192.0.2.1:80", "udp"},
		{"unix", "192.0.2.1:80", "unix"},
		{"", "192.0.2.1:80", "network"},
	}
	for _, tt := range tests {
		conn, err := never(t, Dialer{}).DialContext(t.Context(), tt.network, tt.address)
		if conn != nil || err == nil || !strings.Contains(err.Error(), tt.says) || errors.Is(err, ErrProxy) {
			t.Errorf("%s %.40q: error %v, want one with %q", tt.network, tt.address, err, tt.says)
		}
		if err != nil && strings.ContainsAny(err.Error(), "\x00\n") {
			t.Errorf("%.40q: the error does not quote it: %q", tt.address, err)
		}
	}
	for _, host := range []string{"", strings.Repeat("a", 256), "a b"} {
		if _, err := never(t, Dialer{}).Resolve(t.Context(), host); err == nil {
			t.Errorf("%.40q was looked up", host)
		}
	}
	for _, ip := range []netip.Addr{{}, netipAddr("fe80::1%eth0")} {
		if _, err := never(t, Dialer{}).ResolvePTR(t.Context(), ip); err == nil {
			t.Errorf("%v was looked up", ip)
		}
	}
}

// The networks that a target has.
func TestNetworks(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ network, address string }{
		{"tcp4", "192.0.2.1:80"}, {"tcp4", "[::ffff:192.0.2.1]:80"}, {"tcp6", "[2001:db8::1]:80"}, {"tcp4", "example.org:80"}, {"tcp6", "example.org:80"},
	} {
		d, _ := answers(Dialer{}, noLogin, okIPv4)
		if _, err := d.DialContext(t.Context(), tt.network, tt.address); err != nil {
			t.Errorf("%s %s: %v", tt.network, tt.address, err)
		}
	}
}

func TestRemoteAddr(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]net.Addr{
		"192.0.2.1:8333":          &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1).To4(), Port: 8333},
		"[::ffff:192.0.2.1]:8333": &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1).To4(), Port: 8333},
		"[2001:db8::1]:1":         &net.TCPAddr{IP: net.ParseIP("2001:db8::1"), Port: 1},
		"example.org:65535":       Addr{"example.org", 65535},
	} {
		d, _ := answers(Dialer{}, noLogin, okIPv4)
		conn, err := d.DialContext(t.Context(), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		got := conn.RemoteAddr()
		if got.String() != want.String() || got.Network() != "tcp" {
			t.Errorf("%s: RemoteAddr is %s %s", address, got.Network(), got)
		}
		_, tcp := got.(*net.TCPAddr)
		if _, wantTCP := want.(*net.TCPAddr); tcp != wantTCP {
			t.Errorf("%s: RemoteAddr is a %T", address, got)
		}
	}
}
