package banlist

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"holdfast/netaddr"
)

func TestParseSubject(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"192.0.2.1", "192.0.2.1"},
		{"192.0.2.1/32", "192.0.2.1"},
		{"192.0.2.7/24", "192.0.2.0/24"},
		{"192.0.2.7/255.255.255.0", "192.0.2.0/24"},
		{"192.0.2.7/255.255.255.255", "192.0.2.7"},
		{"2001:db8::1", "2001:db8::1"},
		{"2001:DB8:0::1/128", "2001:db8::1"},
		{"2001:db8::1/32", "2001:db8::/32"},
		{"2001:db8::1/ffff:ffff::", "2001:db8::/32"},
		{"::ffff:192.0.2.1", "192.0.2.1"},
		{"::ffff:192.0.2.1/120", "192.0.2.0/24"},
		{"::ffff:192.0.2.1/ffff:ffff:ffff:ffff:ffff:ffff:ffff:ff00", "192.0.2.0/24"},
		{"fe80::1%eth0", "fe80::1"},
		{"fe80::1%eth0/64", "fe80::/64"},
		{"::/64", "::/64"}, // no IPv4 address is in it: those are looked up as IPv4
		{"fc12::1", "fc12::1"},
		{onion, onion},
		{strings.ToUpper(onion), onion},
		{i2p, i2p},
	} {
		s, err := ParseSubject(tt.in)
		if err != nil || s.String() != tt.want {
			t.Errorf("%s = %v, %v; want %s", tt.in, s, err, tt.want)
			continue
		}
		var again Subject
		if text, err := s.MarshalText(); err != nil || again.UnmarshalText(text) != nil || again != s {
			t.Errorf("%s: %s, %v is read as %v", tt.in, text, err, again)
		}
	}
	for _, tt := range []struct {
		in   string
		want error
	}{
		{"", ErrSubject},
		{"example.com", ErrSubject}, // a resolver is never asked
		{"192.0.2.1:8333", ErrSubject},
		{"192.0.2", ErrSubject},
		{"192.0.2.1/", ErrSubject},
		{"192.0.2.1/33", ErrSubject},
		{"192.0.2.1/-1", ErrSubject},
		{"192.0.2.1/+8", ErrSubject},
		{"192.0.2.1/08", ErrSubject},
		{"192.0.2.1/24/24", ErrSubject},
		{"192.0.2.1/255.0.255.0", ErrSubject},
		{"192.0.2.1/ffff::", ErrSubject},
		{"2001:db8::1/255.0.0.0", ErrSubject},
		{"2001:db8::1/129", ErrSubject},
		{"::ffff:192.0.2.1/95", ErrSubject},
		{"[2001:db8::1]", ErrSubject},
		{"expyuzz4wqqyqhjn.onion", ErrSubject}, // version 2
		{onion + "/24", ErrSubject},
		{"192.0.2.1 ", ErrSubject},
		{"0.0.0.0/0", ErrEverything},
		{"1.2.3.4/0", ErrEverything},
		{"1.2.3.4/0.0.0.0", ErrEverything},
		{"::/0", ErrEverything},
		{"::ffff:0:0/96", ErrEverything},
	} {
		if s, err := ParseSubject(tt.in); !errors.Is(err, tt.want) || s.IsValid() {
			t.Errorf("%s = %v, %v; want %v", tt.in, s, err, tt.want)
		}
	}
}

func TestSubjectOf(t *testing.T) {
	for _, tt := range []struct {
		host netaddr.Host
		want string
	}{
		{host("192.0.2.1"), "192.0.2.1"},
		{host("::ffff:192.0.2.1"), "192.0.2.1"},
		{host("fe80::1%eth0"), "fe80::1"},
		{host(onion), onion},
		{cjdnsHost("fc12::1"), "fc12::1"},
		{netaddr.Host{}, "nobody"},
	} {
		s := SubjectOf(tt.host)
		h, ok := s.Host()
		if s.String() != tt.want || ok != tt.host.IsValid() || s.Contains(tt.host) != ok || ok && SubjectOf(h) != s {
			t.Errorf("%v: %v, %v, %v", tt.host, s, h, ok)
		}
	}
	if s, err := SubjectOfPrefix(netip.MustParsePrefix("::ffff:192.0.2.1/120")); err != nil || s != subject("192.0.2.0/24") {
		t.Error(s, err)
	}
	if s, err := SubjectOfPrefix(netip.Prefix{}); !errors.Is(err, ErrSubject) {
		t.Error(s, err)
	}
	if _, err := (Subject{}).MarshalText(); !errors.Is(err, ErrSubject) {
		t.Error(err)
	}
	if _, ok := subject("192.0.2.0/24").Host(); ok {
		t.Error("a range is a host")
	}
	if p, ok := subject("192.0.2.1").Prefix(); !ok || p != netip.MustParsePrefix("192.0.2.1/32") {
		t.Error(p, ok)
	}
	if _, ok := subject(onion).Prefix(); ok {
		t.Error("an onion service is a prefix")
	}
}

func TestContains(t *testing.T) {
	for _, tt := range []struct {
		subject, host string
		want          bool
	}{
		{"192.0.2.0/24", "192.0.2.255", true},
		{"192.0.2.0/24", "192.0.3.0", false},
		{"192.0.2.0/24", "::ffff:192.0.2.9", true},
		{"::/64", "192.0.2.9", false},
		{"2001:db8::/32", "2001:db8::7", true},
		{"192.0.2.0/24", onion, false},
		{onion, onion, true},
		{"192.0.2.1", "192.0.2.1", true},
	} {
		if got := subject(tt.subject).Contains(host(tt.host)); got != tt.want {
			t.Errorf("%s, %s: %v", tt.subject, tt.host, got)
		}
	}
	if !subject("fc12::/16").Contains(cjdnsHost("fc12::1")) {
		t.Error("a CJDNS address is not in its range")
	}
}

// FuzzParseSubject: what is read is written, and read again as the same.
func FuzzParseSubject(f *testing.F) {
	for _, text := range []string{"192.0.2.7/24", "::ffff:1.2.3.4/120", "fe80::1%eth0/64", "1.2.3.4/255.0.0.0", onion, i2p, "::/0", "1.2.3.4/"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSubject(text)
		if err != nil {
			if !errors.Is(err, ErrSubject) && !errors.Is(err, ErrEverything) || s.IsValid() {
				t.Errorf("%q: %v, %v", text, s, err)
			}
			return
		}
		if again, err := ParseSubject(s.String()); err != nil || again != s {
			t.Errorf("%q is %v, and that %v, %v", text, s, again, err)
		}
		if p, ok := s.Prefix(); ok {
			if again, err := SubjectOfPrefix(p); err != nil || again != s || p != p.Masked() || p.Addr().Is4In6() {
				t.Errorf("%q is %v, and %v, %v", text, p, again, err)
			}
		}
	})
}
