package socks

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// A lookup, byte for byte; the connection is closed behind it.
func TestResolve(t *testing.T) {
	t.Parallel()
	mapped := join([]byte{5, 0, 0, 4}, net.ParseIP("192.0.2.7").To16(), []byte{0, 0})
	for _, tt := range []struct {
		answer []byte
		want   string
	}{{okIPv4, "192.0.2.7"}, {okIPv6, "2001:db8::7"}, {mapped, "192.0.2.7"}} {
		d, c := answers(Dialer{}, noLogin, tt.answer, "more")
		ip, err := d.Resolve(t.Context(), "Seed.example.")
		if err != nil || ip.String() != tt.want {
			t.Errorf("%x: %v, %v", tt.answer, ip, err)
		}
		if want := []string{"\x05\x01\x00", "\x05\xf0\x00\x03\x0dSeed.example.\x00\x00"}; !slices.Equal(c.sent, want) || !c.closed {
			t.Errorf("sent %q; closed: %v", c.sent, c.closed)
		}
	}

	d, c := answers(Dialer{}, noLogin, okName)
	_, err := d.Resolve(t.Context(), "example.org")
	isAll(t, err, ErrProxy, ErrProtocol, ErrAnswer)
	if !c.closed {
		t.Error("left open")
	}
	d, _ = answers(Dialer{}, noLogin, []byte{5, 7, 0, 1})
	_, err = d.Resolve(t.Context(), "example.org")
	isAll(t, err, ReplyCommandNotSupported)
	if e, ok := errors.AsType[*Error](err); !ok || e.Op != "resolve" || e.Target != "example.org" {
		t.Errorf("error %#v", e)
	}
}

func TestResolvePTR(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ ip, sent string }{
		{"192.0.2.1", "\x05\xf1\x00\x01\xc0\x00\x02\x01\x00\x00"},
		{"::ffff:192.0.2.1", "\x05\xf1\x00\x01\xc0\x00\x02\x01\x00\x00"},
		{"2001:db8::1", "\x05\xf1\x00\x04" + string(net.ParseIP("2001:db8::1")) + "\x00\x00"},
	} {
		d, c := answers(Dialer{}, noLogin, okName)
		name, err := d.ResolvePTR(t.Context(), netipAddr(tt.ip))
		if err != nil || name != "example.org" || !c.closed || c.sent[1] != tt.sent {
			t.Errorf("%s: %q, %v; sent %q; closed: %v", tt.ip, name, err, c.sent, c.closed)
		}
	}
	for _, answer := range [][]byte{okIPv4, okIPv6, {5, 0, 0, 3, 0, 0, 0}, join([]byte{5, 0, 0, 3, 3}, "a\nb", []byte{0, 0})} {
		d, _ := answers(Dialer{}, noLogin, answer)
		name, err := d.ResolvePTR(t.Context(), netipAddr("192.0.2.1"))
		if name != "" {
			t.Errorf("%x gave the name %q", answer, name)
		}
		isAll(t, err, ErrProxy, ErrAnswer)
	}
}

// LookupNetIP does as *net.Resolver does.
func TestLookupNetIP(t *testing.T) {
	t.Parallel()
	var _ interface {
		LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
	} = net.DefaultResolver
	tests := []struct {
		network, host string
		answer        []byte // nil: the proxy must not be asked
		want          string // or
		notFound      bool
	}{
		{"ip", "seed.example", okIPv4, "192.0.2.7", false},
		{"ip4", "seed.example", okIPv4, "192.0.2.7", false},
		{"ip6", "seed.example", okIPv4, "", true},
		{"ip", "seed.example", okIPv6, "2001:db8::7", false},
		{"ip6", "seed.example", okIPv6, "2001:db8::7", false},
		{"ip4", "seed.example", okIPv6, "", true},
		{"ip", "192.0.2.1", nil, "192.0.2.1", false},
		{"ip", "::ffff:192.0.2.1", nil, "192.0.2.1", false},
		{"ip4", "::ffff:192.0.2.1", nil, "192.0.2.1", false},
		{"ip6", "192.0.2.1", nil, "", true},
		{"ip", "fe80::1%eth0", nil, "fe80::1%eth0", false},
		{"tcp", "seed.example", nil, "", false},
		{"ip", "", nil, "", false},
		{"ip", "seed.example", []byte{5, 1, 0, 0}, "", false},
		{"ip", "seed.example", []byte{5, 4, 0, 0}, "", true},
		{"ip", "seed.example", []byte{5, 7, 0, 0}, "", false},
		{"ip", "x.onion", []byte{5, 0xf0, 0, 0}, "", true},
		{"ip", "x.onion", []byte{5, 0xf1, 0, 0}, "", false},
		{"ip", "x.onion", []byte{5, 0xf6, 0, 0}, "", true},
		{"ip", "seed.example", okName, "", false},
	}
	for _, tt := range tests {
		d := never(t, Dialer{})
		if tt.answer != nil {
			d, _ = answers(Dialer{}, noLogin, tt.answer)
		}
		ips, err := d.LookupNetIP(t.Context(), tt.network, tt.host)
		if tt.want != "" {
			if err != nil || len(ips) != 1 || ips[0].String() != tt.want {
				t.Errorf("%s %s, %x: %v, %v", tt.network, tt.host, tt.answer, ips, err)
			}
			continue
		}
		dns, isDNS := errors.AsType[*net.DNSError](err)
		if err == nil || ips != nil || isDNS != tt.notFound || isDNS && (!dns.IsNotFound || dns.Name != tt.host || dns.Server != "proxy:9050") {
			t.Errorf("%s %s, %x: %v, %v; want not found: %v", tt.network, tt.host, tt.answer, ips, err, tt.notFound)
		}
		if tt.notFound && len(tt.answer) == 4 {
			isAll(t, err, Reply(tt.answer[1]))
		}
		if _, isOurs := errors.AsType[*Error](err); !isOurs && !tt.notFound {
			t.Errorf("%s %s, %x: the error is a %T", tt.network, tt.host, tt.answer, err)
		}
	}
	d, _ := answers(Dialer{}, noLogin, []byte{5, 4, 0, 0})
	_, err := d.LookupNetIP(t.Context(), "ip", "seed.example")
	if !strings.Contains(err.Error(), "no such host") {
		t.Errorf("error %q", err)
	}
}
