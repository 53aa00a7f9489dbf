package banlist

import (
	"bytes"
	"cmp"
	"fmt"
	"math/bits"
	"net/netip"
	"strings"

	"holdfast/netaddr"
)

// Subject is who is banned: a range of IP addresses, which may be a single one, an
// onion service or an I2P destination. It is comparable: two Subjects are equal if
// and only if they are the same hosts. The zero Subject is nobody.
//
// A range has no bits set behind its prefix. IPv4-mapped IPv6 addresses are IPv4
// ones, and zones are dropped. A CJDNS address is the IPv6 address that it looks
// like, so that a ban of either is one of both, and ranges in fc00::/8 hold CJDNS
// hosts: nobody on the internet has such an IPv6 address.
type Subject struct {
	host netaddr.Host // the first address of the range
	bits uint8        // the length of the prefix; 0 for onion and I2P
}

// SubjectOf returns the Subject that is one host. That of the zero Host is the zero
// Subject.
func SubjectOf(h netaddr.Host) Subject {
	h = canonical(h)
	s := Subject{host: h}
	switch h.Network() {
	case netaddr.IPv4:
		s.bits = 32
	case netaddr.IPv6:
		s.bits = 128
	}
	return s
}

// canonical makes an IPv6 address of a CJDNS one.
func canonical(h netaddr.Host) netaddr.Host {
	if h.Network() != netaddr.CJDNS {
		return h
	}
	var b [16]byte
	h.AppendBytes(b[:0])
	return netaddr.FromIP(netip.AddrFrom16(b))
}

// SubjectOfPrefix returns the Subject that is a range. It fails with ErrSubject for
// an invalid prefix and for one that has all of IPv4 and part of IPv6, and with
// ErrEverything for one of length 0.
func SubjectOfPrefix(p netip.Prefix) (Subject, error) {
	if !p.IsValid() {
		return Subject{}, fmt.Errorf("%w: the prefix is invalid", ErrSubject)
	}
	return subjectOfRange(p.Addr(), p.Bits(), p.String())
}

// subjectOfRange is SubjectOfPrefix; text is for errors. The length must be one that
// the address can have.
func subjectOfRange(ip netip.Addr, length int, text string) (Subject, error) {
	if ip.Is4In6() {
		if length -= 96; length < 0 {
			return Subject{}, fmt.Errorf("%w: %q is all of IPv4 and some of IPv6; write an IPv4 range", ErrSubject, text)
		}
	}
	if length == 0 {
		return Subject{}, fmt.Errorf("%w: %q", ErrEverything, text)
	}
	p, err := ip.Unmap().WithZone("").Prefix(length)
	if err != nil {
		return Subject{}, fmt.Errorf("%w: %q: %w", ErrSubject, text, err)
	}
	return Subject{netaddr.FromIP(p.Addr()), uint8(length)}, nil
}

// ParseSubject reads an IP address, a range ("192.0.2.0/24", also with a netmask:
// "192.0.2.0/255.255.255.0"), or the name of an onion service (v3) or of an I2P
// destination. What a range has behind its prefix is dropped: "192.0.2.7/24" is
// "192.0.2.0/24". It never asks a resolver. It fails with ErrSubject or
// ErrEverything.
func ParseSubject(text string) (Subject, error) {
	host, length, isRange := strings.Cut(text, "/")
	ip, err := netip.ParseAddr(host)
	if err != nil {
		if isRange {
			return Subject{}, fmt.Errorf("%w: %q: %q is no IP address", ErrSubject, text, host)
		}
		h, err := netaddr.Parse(text)
		if err != nil {
			return Subject{}, fmt.Errorf("%w: %w", ErrSubject, err)
		}
		return SubjectOf(h), nil
	}
	if !isRange {
		return SubjectOf(netaddr.FromIP(ip)), nil
	}
	n, err := parseLength(length, ip)
	if err != nil {
		return Subject{}, fmt.Errorf("%w: %q: %w", ErrSubject, text, err)
	}
	return subjectOfRange(ip, n, text)
}

// parseLength reads the length of a prefix, or a netmask.
func parseLength(text string, ip netip.Addr) (int, error) {
	n, ok := digits(text, ip.BitLen())
	if ok {
		return n, nil
	}
	mask, err := netip.ParseAddr(text)
	if err != nil {
		return 0, fmt.Errorf("%q is no length of a prefix from 0 to %d, and no netmask", text, ip.BitLen())
	}
	if mask.BitLen() != ip.BitLen() || mask.Zone() != "" {
		return 0, fmt.Errorf("the netmask %q is of another kind than the address", text)
	}
	for _, b := range mask.AsSlice() {
		n += bits.OnesCount8(b)
	}
	if whole, err := ones(ip).Prefix(n); err != nil || whole.Addr() != mask {
		return 0, fmt.Errorf("the netmask %q has a hole", text)
	}
	return n, nil
}

// digits reads a number from 0 to most, as netip writes it: without signs and
// leading zeros.
func digits(text string, most int) (n int, ok bool) {
	if text == "" || len(text) > 3 || text[0] == '0' && len(text) > 1 {
		return 0, false
	}
	for _, c := range []byte(text) {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	if n > most {
		return 0, false
	}
	return n, true
}

// ones returns the address of the same length that is all ones.
func ones(ip netip.Addr) netip.Addr {
	all, _ := netip.AddrFromSlice(bytes.Repeat([]byte{0xff}, ip.BitLen()/8))
	return all
}

// IsValid reports whether s is not the zero Subject.
func (s Subject) IsValid() bool { return s.host.IsValid() }

// Host returns the host if s is a single one.
func (s Subject) Host() (netaddr.Host, bool) {
	if !s.IsValid() || s.isRange() {
		return netaddr.Host{}, false
	}
	return s.host, true
}

// Prefix returns the range if s is one of IP addresses, which may be a single one.
func (s Subject) Prefix() (netip.Prefix, bool) {
	ip, ok := s.host.IP()
	if !ok {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(ip, int(s.bits)), true
}

// isRange reports whether s is more than one host.
func (s Subject) isRange() bool {
	ip, ok := s.host.IP()
	return ok && int(s.bits) < ip.BitLen()
}

// Contains reports whether a host is s, or is in it.
func (s Subject) Contains(h netaddr.Host) bool {
	h = canonical(h)
	if !s.isRange() {
		return s.IsValid() && s.host == h
	}
	p, _ := s.Prefix()
	ip, ok := h.IP()
	return ok && p.Contains(ip)
}

// Compare orders Subjects by network, then by address, then the wider range first.
func (s Subject) Compare(other Subject) int {
	return cmp.Or(s.host.Compare(other.host), cmp.Compare(s.bits, other.bits))
}

// String returns what ParseSubject reads: "192.0.2.1", "192.0.2.0/24", "....onion",
// "....b32.i2p"; "nobody" for the zero Subject.
func (s Subject) String() string {
	switch p, _ := s.Prefix(); {
	case !s.IsValid():
		return "nobody"
	case s.isRange():
		return p.String()
	}
	return s.host.String()
}

// MarshalText returns the text of String. The zero Subject has none.
func (s Subject) MarshalText() ([]byte, error) {
	if !s.IsValid() {
		return nil, fmt.Errorf("%w: it is nobody", ErrSubject)
	}
	return []byte(s.String()), nil
}

// UnmarshalText is ParseSubject.
func (s *Subject) UnmarshalText(text []byte) error {
	parsed, err := ParseSubject(string(text))
	if err == nil {
		*s = parsed
	}
	return err
}
