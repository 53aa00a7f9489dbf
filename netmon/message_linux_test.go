package netmon

import (
	"context"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"
)

// The messages of the tests are put together here, as rtnetlink(7) has them.

func msg(typ, flags uint16, parts ...[]byte) []byte {
	body := slices.Concat(parts...)
	b := make([]byte, syscall.NLMSG_HDRLEN)
	native.PutUint32(b, uint32(syscall.NLMSG_HDRLEN+len(body)))
	native.PutUint16(b[4:], typ)
	native.PutUint16(b[6:], flags)
	return append(b, body...)
}

func attr(typ uint16, value ...byte) []byte {
	b := make([]byte, syscall.SizeofRtAttr)
	native.PutUint16(b, uint16(syscall.SizeofRtAttr+len(value)))
	native.PutUint16(b[2:], typ)
	b = append(b, value...)
	return append(b, make([]byte, -len(b)&3)...)
}

func number(n uint32) []byte { return native.AppendUint32(nil, n) }

func link(family byte, id, flags uint32) []byte {
	return slices.Concat([]byte{family, 0, 1, 0}, number(id), number(flags), number(0), attr(syscall.IFLA_IFNAME, []byte("eth0\x00")...))
}

func address(family, bits, flags byte, id uint32, attrs ...[]byte) []byte {
	return append([]byte{family, bits, flags, 0}, append(number(id), slices.Concat(attrs...)...)...)
}

func route(family, bits, table, typ byte, attrs ...[]byte) []byte {
	return append([]byte{family, bits, 0, 0, table, 3, 0, typ, 0, 0, 0, 0}, slices.Concat(attrs...)...)
}

func ip(s string) []byte { return netip.MustParseAddr(s).AsSlice() }

const (
	v4, v6   = syscall.AF_INET, syscall.AF_INET6
	newLink  = syscall.RTM_NEWLINK
	newAddr  = syscall.RTM_NEWADDR
	newRoute = syscall.RTM_NEWROUTE
	up       = syscall.IFF_UP
	running  = syscall.IFF_UP | syscall.IFF_RUNNING
)

var (
	gatewayA = attr(syscall.RTA_GATEWAY, ip("192.0.2.254")...)
	byEth0   = attr(syscall.RTA_OIF, number(2)...)
	hops     = "\x05" + string(ip("192.0.2.254")) + "\x04" + string(number(2))
)

func TestParse(t *testing.T) {
	prefix := netip.MustParsePrefix
	tests := []struct {
		name string
		msg  []byte
		want news // the zero value: none that count
	}{
		{"a link that runs", msg(newLink, 0, link(0, 2, running)), news{key: eth0, value: "running"}},
		{"without a carrier", msg(newLink, 0, link(0, 2, up)), news{key: eth0, value: "up"}},
		{"a link that is down", msg(newLink, 0, link(0, 2, 0)), news{key: eth0, value: "down"}},
		{"a link that is gone", msg(syscall.RTM_DELLINK, 0, link(0, 2, 0)), news{key: eth0, value: "down", gone: true}},
		{"the loopback", msg(newLink, 0, link(0, 1, running|syscall.IFF_LOOPBACK)), news{}},
		{"a link leaves a bridge", msg(syscall.RTM_DELLINK, 0, link(syscall.AF_BRIDGE, 2, running)), news{}},

		{
			"an address",
			msg(newAddr, 0, address(v4, 24, 0x80, 2, attr(syscall.IFA_ADDRESS, ip("192.0.2.1")...), attr(syscall.IFA_LOCAL, ip("192.0.2.1")...))),
			news{key: ourIP},
		},
		{
			"one of a link to one other",
			msg(newAddr, 0, address(v4, 32, 0x80, 2, attr(syscall.IFA_ADDRESS, ip("192.0.2.2")...), attr(syscall.IFA_LOCAL, ip("192.0.2.1")...))),
			news{key: key{kind: Address, id: 2, prefix: prefix("192.0.2.1/32")}},
		},
		{
			"of IPv6",
			msg(newAddr, 0, address(v6, 64, 0, 3, attr(syscall.IFA_ADDRESS, ip("2001:db8::1")...))),
			news{key: key{kind: Address, id: 3, prefix: prefix("2001:db8::1/64")}},
		},
		{
			"one that is tentative",
			msg(newAddr, 0, address(v6, 64, syscall.IFA_F_TENTATIVE, 3, attr(syscall.IFA_ADDRESS, ip("2001:db8::1")...))),
			news{key: key{kind: Address, id: 3, prefix: prefix("2001:db8::1/64")}, gone: true},
		},
		{
			"but optimistic",
			msg(newAddr, 0, address(v6, 64, syscall.IFA_F_TENTATIVE|syscall.IFA_F_OPTIMISTIC, 3, attr(syscall.IFA_ADDRESS, ip("2001:db8::1")...))),
			news{key: key{kind: Address, id: 3, prefix: prefix("2001:db8::1/64")}},
		},
		{
			"one that somebody else has",
			msg(newAddr, 0, address(v6, 64, syscall.IFA_F_DADFAILED|syscall.IFA_F_OPTIMISTIC, 3, attr(syscall.IFA_ADDRESS, ip("2001:db8::1")...))),
			news{key: key{kind: Address, id: 3, prefix: prefix("2001:db8::1/64")}, gone: true},
		},
		{
			"one that is gone",
			msg(syscall.RTM_DELADDR, 0, address(v4, 24, 0x80, 2, attr(syscall.IFA_LOCAL, ip("192.0.2.1")...))),
			news{key: ourIP, gone: true},
		},
		{"a loopback address", msg(newAddr, 0, address(v4, 8, 0x80, 1, attr(syscall.IFA_LOCAL, ip("127.0.0.1")...))), news{}},
		{"a link-local address", msg(newAddr, 0, address(v6, 64, 0x80, 2, attr(syscall.IFA_ADDRESS, ip("fe80::1")...))), news{}},
		{"too long a network", msg(newAddr, 0, address(v4, 33, 0, 2, attr(syscall.IFA_LOCAL, ip("192.0.2.1")...))), news{}},
		{"no address", msg(newAddr, 0, address(v6, 64, 0x80, 2)), news{}},

		{
			"the default route",
			msg(newRoute, 0x400, route(v4, 0, 254, 1, attr(syscall.RTA_TABLE, number(254)...), gatewayA, byEth0)),
			news{key: gateway, value: "\x01" + hops, added: true},
		},
		{
			"replaced",
			msg(newRoute, nlmReplace, route(v4, 0, 254, 1, gatewayA, byEth0)),
			news{key: gateway, value: "\x01" + hops},
		},
		{
			"with a lifetime that does not matter",
			msg(newRoute, nlmReplace, route(v4, 0, 254, 1, gatewayA, byEth0, attr(syscall.RTA_CACHEINFO, make([]byte, 32)...))),
			news{key: gateway, value: "\x01" + hops},
		},
		{
			"unreachable, in another table, with a metric",
			msg(newRoute, 0, route(v6, 0, 252, 7, attr(syscall.RTA_TABLE, number(51820)...), attr(syscall.RTA_PRIORITY, number(9)...))),
			news{key: key{kind: Route, id: 51820, metric: 9, prefix: prefix("::/0")}, value: "\x07", added: true},
		},
		{
			"half of the Internet",
			msg(newRoute, 0, route(v4, 1, 254, 1, attr(syscall.RTA_DST, ip("128.0.0.0")...), byEth0)),
			news{key: key{kind: Route, id: 254, prefix: prefix("128.0.0.0/1")}, value: "\x01\x04" + string(number(2)), added: true},
		},
		{
			"gone",
			msg(syscall.RTM_DELROUTE, 0, route(v4, 0, 254, 1, gatewayA, byEth0)),
			news{key: gateway, value: "\x01" + hops, gone: true, added: true},
		},
		{"another route", msg(newRoute, 0, route(v4, 8, 254, 1, attr(syscall.RTA_DST, ip("10.0.0.0")...), byEth0)), news{}},
		{"a route of multicast", msg(newRoute, 0, route(128, 0, 254, 1)), news{}},

		{"something else", msg(syscall.RTM_NEWNEIGH, 0, make([]byte, 40)), news{}},
	}
	for _, test := range tests {
		n := 0
		for m := range messages(slices.Concat(test.msg, test.msg)) {
			n++
			got, ok := parse(m)
			if ok != (test.want != news{}) || ok && got != test.want {
				t.Errorf("%s: %+v (%v), want %+v", test.name, got, ok, test.want)
			}
		}
		if n != 2 {
			t.Errorf("%s: %d messages, want 2", test.name, n)
		}
	}
}

// A message that was cut short says as much as there is of it.
func TestParseCutShort(t *testing.T) {
	whole := msg(newLink, 0, link(0, 2, running))
	for n := range len(whole) {
		var got []news
		for m := range messages(whole[:n]) {
			if news, ok := parse(m); ok {
				got = append(got, news)
			}
		}
		want := n >= syscall.NLMSG_HDRLEN+syscall.SizeofIfInfomsg
		if (len(got) == 1) != want {
			t.Errorf("%d of %d bytes: %v", n, len(whole), got)
		}
	}
}

func FuzzMessages(f *testing.F) {
	f.Add(msg(newLink, 0, link(0, 2, running)))
	f.Add(msg(newAddr, 0, address(v4, 24, 0x80, 2, attr(syscall.IFA_LOCAL, ip("192.0.2.1")...))))
	f.Add(msg(newAddr, 0, address(v6, 64, 0x40, 2, attr(syscall.IFA_ADDRESS, ip("2001:db8::1")...))))
	f.Add(msg(newRoute, nlmReplace, route(v4, 0, 254, 1, gatewayA, byEth0)))
	f.Add(msg(newRoute, 0, route(v6, 1, 254, 1, attr(syscall.RTA_DST, ip("8000::")...), byEth0)))
	f.Add(slices.Concat(msg(syscall.NLMSG_ERROR, 0, number(^uint32(0))), msg(syscall.NLMSG_DONE, 0)))
	f.Add(msg(newRoute, 0, route(v4, 0, 254, 1, []byte{3, 0, 5, 0}))) // too short an attribute
	f.Fuzz(func(t *testing.T, b []byte) {
		known := make(facts)
		left := len(b)
		for m := range messages(b) {
			if left -= syscall.NLMSG_HDRLEN + len(m.body); left < 0 {
				t.Fatal("more messages than bytes")
			}
			if refusal(m.body) == nil {
				t.Fatal("a refusal without an error")
			}
			news, ok := parse(m)
			if !ok {
				continue
			}
			if news.kind != Link && !news.prefix.IsValid() {
				t.Fatalf("no valid prefix: %+v", news)
			}
			if news.kind == Route && news.prefix.Bits() > widest {
				t.Fatalf("not a wide route: %+v", news)
			}
			known.apply(news)
			if again := known.apply(news); again != 0 && !news.added && news.kind != Route {
				t.Fatalf("counts twice: %+v", news)
			}
		}
	})
}

// The kernel of this machine tells what there is, whoever asks.
func TestDump(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s, err := listen(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	polled, err := interfaces()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d facts by netlink, %d by polling", len(s.known), len(polled))
}
