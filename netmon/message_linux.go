package netmon

import (
	"encoding/binary"
	"iter"
	"net/netip"
	"strings"
	"syscall"
)

// Numbers of linux/rtnetlink.h that the syscall package lacks.
const (
	nlmReplace = 0x100 // NLM_F_REPLACE
	rtaVia     = 18    // RTA_VIA: a gateway of the other family
	rtaNhID    = 30    // RTA_NH_ID: a nexthop object
)

// widest is the length of the longest prefix of a route that can stand for the
// default route. The Internet's own routes begin with /8 in IPv4, and with /16
// in IPv6 (2002::/16, RFC 3056).
const widest = 7

var native = binary.NativeEndian

// message is one netlink message (netlink(7), "struct nlmsghdr").
type message struct {
	typ, flags uint16
	body       []byte
}

// messages returns the messages in b. What is cut short ends them, after what
// there is of it: a big message about a link begins with all that matters.
func messages(b []byte) iter.Seq[message] {
	return func(yield func(message) bool) {
		for len(b) >= syscall.NLMSG_HDRLEN {
			size := int64(native.Uint32(b))
			if size < syscall.NLMSG_HDRLEN {
				return
			}
			m := message{typ: native.Uint16(b[4:]), flags: native.Uint16(b[6:])}
			m.body = b[syscall.NLMSG_HDRLEN:min(size, int64(len(b)))]
			if !yield(m) {
				return
			}
			b = b[min((size+3)&^3, int64(len(b))):]
		}
	}
}

// parse returns the news in a message; ok is false if there are none that could
// count. See rtnetlink(7).
func parse(m message) (n news, ok bool) {
	switch m.typ {
	case syscall.RTM_NEWLINK, syscall.RTM_DELLINK:
		n, ok = parseLink(m.body)
		n.gone = m.typ == syscall.RTM_DELLINK
	case syscall.RTM_NEWADDR, syscall.RTM_DELADDR:
		n, ok = parseAddress(m.body)
		n.gone = n.gone || m.typ == syscall.RTM_DELADDR
	case syscall.RTM_NEWROUTE, syscall.RTM_DELROUTE:
		n, ok = parseRoute(m.body)
		n.gone = m.typ == syscall.RTM_DELROUTE
		n.added = m.flags&nlmReplace == 0
	}
	return n, ok
}

// parseLink parses a struct ifinfomsg.
func parseLink(b []byte) (n news, ok bool) {
	// With another family the message is about the link's part in something: one
	// of AF_BRIDGE is "deleted" when the link leaves a bridge.
	if len(b) < syscall.SizeofIfInfomsg || b[0] != syscall.AF_UNSPEC {
		return n, false
	}
	flags := native.Uint32(b[8:])
	n.key = key{kind: Link, id: native.Uint32(b[4:])}
	n.value = linkState(flags&syscall.IFF_UP != 0, flags&syscall.IFF_RUNNING != 0)
	return n, flags&syscall.IFF_LOOPBACK == 0
}

// parseAddress parses a struct ifaddrmsg and its attributes.
func parseAddress(b []byte) (n news, ok bool) {
	if len(b) < syscall.SizeofIfAddrmsg {
		return n, false
	}
	bits, flags, id := int(b[1]), b[2], native.Uint32(b[4:])
	var address, local []byte
	for typ, value := range attributes(b[syscall.SizeofIfAddrmsg:]) {
		switch typ {
		case syscall.IFA_ADDRESS:
			address = value // of the other end, if there is a local one
		case syscall.IFA_LOCAL:
			local = value
		}
	}
	if local == nil {
		local = address
	}
	ip, _ := netip.AddrFromSlice(local)
	n.key = key{kind: Address, id: id, prefix: netip.PrefixFrom(ip, bits)}
	// As long as IPv6 looks for a duplicate (RFC 4862), the address cannot be
	// used, unless it is optimistic (RFC 4429). It is told again afterwards.
	n.gone = flags&syscall.IFA_F_DADFAILED != 0 ||
		flags&(syscall.IFA_F_TENTATIVE|syscall.IFA_F_OPTIMISTIC) == syscall.IFA_F_TENTATIVE
	return n, n.prefix.IsValid() && leadsAnywhere(ip)
}

// parseRoute parses a struct rtmsg and its attributes.
func parseRoute(b []byte) (n news, ok bool) {
	if len(b) < syscall.SizeofRtMsg || b[1] > widest {
		return n, false
	}
	family, bits, typ := b[0], int(b[1]), b[7]
	n.key = key{kind: Route, id: uint32(b[4])}
	var to netip.Addr
	switch family {
	case syscall.AF_INET:
		to = netip.IPv4Unspecified()
	case syscall.AF_INET6:
		to = netip.IPv6Unspecified()
	default:
		return n, false
	}
	// How the route leads there: its type and next hops. Not what is refreshed
	// by the next router advertisement, such as RTA_CACHEINFO.
	var how strings.Builder
	how.WriteByte(typ)
	for typ, value := range attributes(b[syscall.SizeofRtMsg:]) {
		switch typ {
		case syscall.RTA_DST:
			to, _ = netip.AddrFromSlice(value)
		case syscall.RTA_TABLE:
			if len(value) == 4 {
				n.id = native.Uint32(value)
			}
		case syscall.RTA_PRIORITY:
			if len(value) == 4 {
				n.metric = native.Uint32(value)
			}
		case syscall.RTA_GATEWAY, syscall.RTA_OIF, syscall.RTA_PREFSRC, syscall.RTA_MULTIPATH, rtaVia, rtaNhID:
			how.WriteByte(byte(typ))
			how.Write(value)
		}
	}
	n.prefix = netip.PrefixFrom(to, bits)
	n.value = how.String()
	return n, n.prefix.IsValid()
}

// attributes returns the types and values of route attributes (rtnetlink(7),
// "struct rtattr"). What is malformed ends them.
func attributes(b []byte) iter.Seq2[uint16, []byte] {
	return func(yield func(uint16, []byte) bool) {
		for len(b) >= syscall.SizeofRtAttr {
			size := int(native.Uint16(b))
			if size < syscall.SizeofRtAttr || size > len(b) {
				return
			}
			// The highest bits are flags.
			if !yield(native.Uint16(b[2:])&0x3fff, b[syscall.SizeofRtAttr:size]) {
				return
			}
			b = b[min((size+3)&^3, len(b)):]
		}
	}
}
