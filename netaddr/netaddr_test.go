package netaddr

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
)

// The onion service of Core's test vectors for BIP155.
const onion = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion"

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		text    string
		network Network
		again   string // what String makes of it, where that differs
		err     string
	}{
		{text: "192.0.2.1", network: IPv4},
		{text: "2001:db8::1", network: IPv6},
		{text: "2001:DB8:0::1", network: IPv6, again: "2001:db8::1"},
		{text: "::ffff:192.0.2.1", network: IPv4, again: "192.0.2.1"},
		{text: onion, network: Onion},
		{text: strings.ToUpper(onion), network: Onion, again: onion},
		{text: "ukeu3k5oycgaauneqgtnvselmt4yemvoilkln7jpvamvfx7dnkdq.b32.i2p", network: I2P},

		{text: "", err: "no IP address"},
		{text: "example.org", err: "no IP address"},
		{text: "fe80::1%eth0", err: "no IP address"},
		{text: "1.2.3.4:8333", err: "no IP address"},
		{text: "a" + onion[1:], err: "checksum"},
		{text: "expyuzz4wqqyqhjn.onion", err: "version 2"},
		{text: "x.onion", err: "56 letters"},
		{text: "pg\n" + onion[2:], err: "56 letters"},
		{text: "pg\n\n\n\n\n\n\n\n" + onion[10:], err: "56 letters"},
		{text: "x.b32.i2p", err: "52 letters"},
		{text: "ukeu3k5oycgaauneqgtnvselmt4yemvoilkln7jpvamvfx7dnkdr.b32.i2p", err: "52 letters"},
	} {
		h, err := Parse(tt.text)
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%q: %v, want an error with %q", tt.text, err, tt.err)
			}
			continue
		}
		want := tt.text
		if tt.again != "" {
			want = tt.again
		}
		if err != nil || h.Network() != tt.network || h.String() != want || !h.IsValid() {
			t.Errorf("%q: %v (%v), %v", tt.text, h, h.Network(), err)
		}
		if again, err := FromBytes(h.Network(), h.Bytes()); err != nil || again != h {
			t.Errorf("%q: bytes give %v, %v", tt.text, again, err)
		}
	}
}

func TestFromBytes(t *testing.T) {
	cjdns := netip.MustParseAddr("fc00:1::2").AsSlice()
	h, err := FromBytes(CJDNS, cjdns)
	if _, isIP := h.IP(); err != nil || isIP || h.String() != "fc00:1::2" || h == FromIP(netip.MustParseAddr("fc00:1::2")) {
		t.Errorf("%v, %v", h, err)
	}
	mapped := netip.MustParseAddr("::ffff:1.2.3.4").AsSlice()
	for _, tt := range []struct {
		n Network
		b []byte
	}{{0, nil}, {3, make([]byte, 10)}, {7, make([]byte, 16)}, {IPv4, make([]byte, 16)}, {Onion, make([]byte, 31)}, {IPv6, mapped}, {CJDNS, make([]byte, 16)}} {
		if h, err := FromBytes(tt.n, tt.b); err == nil || h.IsValid() {
			t.Errorf("%v %x: %v", tt.n, tt.b, h)
		}
	}
}

func TestAddr(t *testing.T) {
	for _, text := range []string{"192.0.2.1:8333", "[2001:db8::1]:0", onion + ":65535"} {
		a, err := ParseAddr(text)
		if err != nil || a.String() != text || !a.IsValid() || a.Network() != "tcp" {
			t.Errorf("%q: %v, %v", text, a, err)
		}
	}
	for _, text := range []string{"", "192.0.2.1", "192.0.2.1:", "192.0.2.1:65536", "192.0.2.1:-1", "example.org:1", "2001:db8::1:1"} {
		if a, err := ParseAddr(text); err == nil {
			t.Errorf("%q: %v", text, a)
		}
	}
	if a := FromAddrPort(netip.MustParseAddrPort("[::ffff:192.0.2.1]:8333")); a.String() != "192.0.2.1:8333" {
		t.Error(a)
	}
	var none Addr
	if none.IsValid() || none.Host.String() != "invalid" || len(none.Host.Bytes()) != 0 || FromIP(netip.Addr{}) != none.Host {
		t.Error("the zero Addr is something")
	}
}

func TestCompare(t *testing.T) {
	var last Addr
	for _, text := range []string{"1.2.3.4:1", "1.2.3.4:2", "1.2.3.5:1", "[::1]:1", onion + ":1"} {
		a, err := ParseAddr(text)
		if err != nil || last.Compare(a) >= 0 || a.Compare(last) <= 0 || a.Compare(a) != 0 {
			t.Errorf("%v after %v: %v", a, last, err)
		}
		last = a
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string]string{
		"seed.test": "", "Seed.Test.": "", "a-b.c_d.x9": "", "localhost": "", strings.Repeat("a.", 125) + "aaa": "",
		"": "empty", ".": "empty", "a..b": "two dots", ".a": "two dots", "-a.b": "hyphen", "a-.b": "hyphen",
		"a b": "' '", "s\u00e9ed": "'\u00e9'", "a:1": "':'", "\x1b": `'\x1b'`,
		strings.Repeat("a", 64): "63", strings.Repeat("a.", 125) + "aaaa": "253",
		"1.2.3": "neither", "1.2.3.256": "neither", "a.9": "neither",
	} {
		if err := CheckName(name); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", name, err, want)
		}
	}
	for name, want := range map[string]bool{
		"x.onion": true, "X.ONION.": true, "onion": true, "a.b.i2p": true, "b32.i2p": true, "i2p": true,
		"": false, "onion.test": false, "xonion": false, "x.i2p.test": false, "1.2.3.4": false,
	} {
		if got := IsOverlayName(name); got != want {
			t.Errorf("%q is an overlay's: %v", name, got)
		}
	}
}

func TestNetworks(t *testing.T) {
	for _, n := range Networks() {
		if again, err := ParseNetwork(n.String()); err != nil || again != n {
			t.Errorf("%v: %v, %v", n, again, err)
		}
	}
	if _, err := ParseNetwork("tcp"); err == nil || Network(9).String() != "network-9" {
		t.Error(err)
	}
}

// What is read is written so that it is read again.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"1.2.3.4", "::1", onion, "x.b32.i2p", "fe80::1%a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		h, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(h.String())
		if err != nil || again != h || !bytes.Equal(again.Bytes(), h.AppendBytes(nil)) {
			t.Errorf("%q: %v, then %v, %v", text, h, again, err)
		}
	})
}
