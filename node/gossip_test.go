package node

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/btcsuite/btcd/wire/v2"

	"holdfast/netaddr"
)

// addrMsg tells of n public addresses, each in its own /16.
func addrMsg(n int) *wire.MsgAddr {
	m := wire.NewMsgAddr()
	for i := range n {
		ip := net.IPv4(byte(20+i/250), byte(i%250), 1, 1)
		m.AddrList = append(m.AddrList, wire.NewNetAddressIPPort(ip, 18444, wire.SFNodeNetwork))
	}
	return m
}

// outboundTo starts a node that is seeded with one peer, which the test plays.
func outboundTo(t *testing.T, cfg Config) (*world, *remote) {
	t.Helper()
	w := newWorld(t, Config{Seeds: []Seed{}})
	w.stop()
	l := w.listenFor("8.8.4.4:18444")
	cfg.Seeds = []Seed{{Host: "8.8.4.4"}}
	w.start(cfg)
	r := l.accept()
	r.until(wire.CmdVersion)
	r.send(version(), wire.NewMsgSendAddrV2(), wire.NewMsgVerAck())
	r.until(wire.CmdVerAck)
	return w, r
}

// TestAsksForAddresses: an outbound peer is asked once, and its answer is taken in
// full.
func TestAsksForAddresses(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w, r := outboundTo(t, Config{})
		r.until(wire.CmdGetAddr)
		r.send(addrMsg(1000))
		wait(time.Second)
		// One who tells reaches 64 buckets of the book: some places are taken.
		got := w.node.Counts().Addresses
		if got < 800 || got > 1001 {
			t.Errorf("%d addresses known, want most of 1001", got)
		}
		e := w.of(KindAddresses)[0]
		if e.Told != 1000 || e.New != got-1 || e.Ignored != 0 {
			t.Errorf("event: %+v", e)
		}
		// They are dialed without waiting for anything else.
		if got := w.fabric.Stats().Dials; got < 8 {
			t.Errorf("%d dials after the answer", got)
		}
	})
}

// TestAddrLimit: who was not asked may tell one address in ten seconds.
func TestAddrLimit(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := scripted(t, Config{})
		r := w.dialIn("8.8.8.8")
		r.shake()
		r.send(addrMsg(40))
		wait(time.Second)
		e := w.of(KindAddresses)[0]
		if e.Told != 40 || e.New != 1 || e.Ignored != 39 {
			t.Errorf("told %d, new %d, ignored %d; want 40, 1, 39", e.Told, e.New, e.Ignored)
		}
		if p := w.peers()[0]; p.BanScore != 0 || p.AddrProcessed != 1 || p.AddrRateLimited != 39 {
			t.Errorf("score %d for a little too much; %d addresses, %d too many", p.BanScore, p.AddrProcessed, p.AddrRateLimited)
		}
		wait(100 * time.Second)
		m := addrMsg(80)
		m.AddrList = m.AddrList[60:]
		r.send(m)
		wait(time.Second)
		if e := w.of(KindAddresses)[1]; e.New != 10 {
			t.Errorf("%d new after 100 s, want 10", e.New)
		}
	})
}

// TestAddrLimitTrusted: who is trusted may tell as many as he likes.
func TestAddrLimitTrusted(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := scripted(t, Config{Whitelist: []netip.Prefix{netip.MustParsePrefix("8.8.8.0/24")}})
		r := w.dialIn("8.8.8.8")
		r.shake()
		for range 5 {
			r.send(addrMsg(500))
		}
		wait(time.Second)
		for _, e := range w.of(KindAddresses) {
			if e.Told != 500 || e.Ignored != 0 {
				t.Errorf("%v", e)
			}
		}
		p := w.peers()[0]
		if c := w.node.Counts(); c.Addresses < 400 || p.AddrProcessed != 2500 || p.AddrRateLimited != 0 || p.BanScore != 0 {
			t.Errorf("%v, %+v", c, p)
		}
	})
}

// TestUselessAddresses do not enter the book.
func TestUselessAddresses(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w, r := outboundTo(t, Config{Filter: func(ip netip.Addr) bool { return ip != netip.MustParseAddr("60.1.1.1") }})
		ban(t, w.node, "50.1.1.1")
		m := wire.NewMsgAddr()
		for _, text := range []string{
			"127.0.0.1", "10.0.0.1", "192.168.1.1", "172.16.0.1", "169.254.1.1", "0.0.0.0", "0.1.2.3", "224.0.0.1",
			"255.255.255.255", "100.64.0.1", "192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1", "240.0.0.1",
			"::", "::1", "fe80::1", "fc00::1", "2001:db8::1", "ff02::1", "fd87:d87e:eb43::1",
			"50.1.1.1", // banned
			"60.1.1.1", // filtered
		} {
			m.AddrList = append(m.AddrList, wire.NewNetAddressIPPort(net.ParseIP(text), 18444, 0))
		}
		m.AddrList = append(m.AddrList, wire.NewNetAddressIPPort(net.ParseIP("70.1.1.1"), 0, 0)) // no port
		r.send(m)
		wait(time.Second)
		if got := w.node.Counts().Addresses; got != 1 {
			t.Errorf("%d addresses known, want only the peer's", got)
		}
	})
}

// TestAddrV2: onion services are kept and told on, but not dialed; what wire does
// not know is skipped.
func TestAddrV2(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w, r := outboundTo(t, Config{Listen: []string{listenAt}})
		key := make([]byte, 32)
		for i := range key {
			key[i] = byte(i)
		}
		m := wire.NewMsgAddrV2()
		m.AddrList = append(m.AddrList,
			wire.NetAddressV2FromBytes(time.Now(), wire.SFNodeNetwork, key, 18444),
			wire.NetAddressV2FromBytes(time.Now(), wire.SFNodeNetwork, net.ParseIP("2a01::1"), 18444),
			wire.NetAddressV2FromBytes(time.Now(), wire.SFNodeNetwork, net.IPv4(77, 1, 1, 1).To4(), 18444),
			wire.NetAddressV2FromBytes(time.Now(), wire.SFNodeNetwork, make([]byte, 10), 18444)) // Tor v2
		r.send(m)
		wait(time.Second)
		if got := w.node.Counts().Addresses; got != 4 {
			t.Fatalf("%d addresses known, want 4", got)
		}
		wait(time.Hour)
		if strings.Contains(w.lines(), "Dialing "+onionName(key)) {
			t.Error("an onion service was dialed")
		}
		a, err := netaddr.ParseAddr(onionName(key) + ":18444")
		if err != nil {
			t.Fatal(err)
		}
		e, known := w.node.book.Lookup(a)
		if !known || e.Known.Addr.Host.String() != onionName(key) {
			t.Errorf("the onion service is not told on: %+v", e)
		}
	})
}

func onionName(key []byte) string {
	a := wire.NetAddressV2FromBytes(time.Now(), 0, key, 1)
	return a.Addr.String()
}

// TestGetAddr: an inbound peer is answered once, with 23 of 100; an outbound one
// never.
func TestGetAddr(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w, out := outboundTo(t, Config{Listen: []string{listenAt}})
		out.until(wire.CmdGetAddr)
		m := addrMsg(199)
		out.send(m)
		wait(time.Second)
		out.send(wire.NewMsgGetAddr())

		in := w.dialIn("8.8.8.8")
		in.send(version(), wire.NewMsgVerAck())
		in.until(wire.CmdPing)
		in.send(wire.NewMsgGetAddr(), wire.NewMsgGetAddr(), wire.NewMsgPing(1))
		answer := in.until(wire.CmdAddr).(*wire.MsgAddr)
		if got := len(answer.AddrList); got < 40 || got > 46 {
			t.Errorf("told %d addresses of 200, want 23 %% of them", got)
		}
		if m := in.next(); m.Command() != wire.CmdPong {
			t.Errorf("a second getaddr was answered by %s", m.Command())
		}
		for {
			_ = out.conn.SetReadDeadline(time.Now().Add(time.Minute))
			_, m, _, err := wire.ReadMessageN(out.conn, wire.ProtocolVersion, magic)
			if err != nil {
				break
			}
			if a, ok := m.(*wire.MsgAddrV2); ok && len(a.AddrList) > 1 {
				t.Error("an outbound peer's getaddr was answered")
			}
		}
	})
}

// TestConnectOnlyIsQuiet: with Connect nobody is asked for addresses.
func TestConnectOnlyIsQuiet(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, Config{Connect: []string{"8.8.4.4"}})
		r := w.listenFor("8.8.4.4:18444").accept()
		r.answer()
		r.until(wire.CmdPing)
		r.send(addrMsg(3), wire.NewMsgPing(1))
		if m := r.next(); m.Command() != wire.CmdPong {
			t.Errorf("it said %s", m.Command())
		}
		if c := w.node.Counts(); c.Addresses != 0 || c.String() != "1 of 1 fixed, 0 inbound" {
			t.Errorf("counts: %v", c)
		}
	})
}

// TestOwnAddress: we tell where we are if others could come there.
func TestOwnAddress(t *testing.T) {
	for _, tt := range []struct{ listen, want string }{
		{listenAt, "9.9.9.9"},
		{"127.0.0.1:18444", ""},
		{"10.0.0.1:18444", ""},
	} {
		inBubble(t, func(t *testing.T) {
			_, r := outboundTo(t, Config{Listen: []string{tt.listen}})
			var got string
			for m := r.next(); m.Command() != wire.CmdGetAddr; m = r.next() {
				if a, ok := m.(*wire.MsgAddrV2); ok {
					got = a.AddrList[0].Addr.String()
				}
			}
			if got != tt.want {
				t.Errorf("listening on %s it told %q, want %q", tt.listen, got, tt.want)
			}
		})
	}
	l, err := net.Listen("tcp", "[::]:0")
	if err != nil {
		t.Skip("no IPv6 here:", err)
	}
	defer l.Close()
	own := ownEndpoints([]net.Listener{l}, true)
	if !slices.ContainsFunc(own, func(a netaddr.Addr) bool {
		ip, ok := a.Host.IP()
		return ok && ip.IsLoopback() && a.Port != 0
	}) {
		t.Errorf("a listener on all interfaces has %v", own)
	}
}
