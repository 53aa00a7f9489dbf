package node

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/btcsuite/btcd/wire/v2"

	"holdfast/addrbook"
	"holdfast/netaddr"
)

// known is an address as it is told.
func known(t testing.TB, n netaddr.Network, host []byte, port uint16, services uint64, seen int64) addrbook.Known {
	t.Helper()
	h, err := netaddr.FromBytes(n, host)
	if err != nil {
		t.Fatal(err)
	}
	return addrbook.Known{Addr: netaddr.Addr{Host: h, Port: port}, Services: services, Seen: time.Unix(seen, 0)}
}

// readAddrs decodes the payload of a message.
func readAddrs(command string, payload []byte) (*toldAddrs, error) {
	m, err := decode(messages[command], bytes.NewBuffer(payload), wire.ProtocolVersion)
	if err != nil {
		return nil, err
	}
	return m.(interface{ told() *toldAddrs }).told(), nil
}

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestAddrVectors: three addresses in both forms. The bytes are those of Bitcoin Core's
// src/test/netbase_tests.cpp (stream_addrv1_hex, stream_addrv2_hex).
func TestAddrVectors(t *testing.T) {
	one := netip.IPv6Loopback().AsSlice()
	want := []addrbook.Known{
		known(t, netaddr.IPv6, one, 0, 0, 1231469665),
		known(t, netaddr.IPv6, one, 0xf1, 1, 0x83766279),
		known(t, netaddr.IPv6, one, 0xf1f2, 1<<3|1<<6|1<<10, 1<<32-1),
	}
	const ip = "00000000000000000000000000000001"
	for _, tt := range []struct{ command, payload string }{
		{wire.CmdAddr, "03" +
			"61bc6649 0000000000000000" + ip + "0000" +
			"79627683 0100000000000000" + ip + "00f1" +
			"ffffffff 4804000000000000" + ip + "f1f2"},
		{wire.CmdAddrV2, "03" +
			"61bc6649 00 02 10" + ip + "0000" +
			"79627683 01 02 10" + ip + "00f1" +
			"ffffffff fd4804 02 10" + ip + "f1f2"},
	} {
		payload := unhex(t, tt.payload)
		got, err := readAddrs(tt.command, payload)
		if err != nil || got.count != 3 || !reflect.DeepEqual(got.list, want) {
			t.Errorf("%s: %+v, %v", tt.command, got, err)
		}
		var m wire.Message = newAddrList(want)
		if tt.command == wire.CmdAddrV2 {
			m = newAddrV2List(want)
		}
		if p := payloadOf(t, m); m.Command() != tt.command || !bytes.Equal(p, payload) {
			t.Errorf("%s is written as %x", tt.command, p)
		}
	}
}

// TestAddrNetworks reads one address of each sort, and what is none. The addresses are
// those of Core's src/test/net_tests.cpp, cnetaddr_unserialize_v2.
func TestAddrNetworks(t *testing.T) {
	const (
		key = "79bcc625184b05194975c28b66b66b0469f7f6556fb1ac3189a79b40dda32f1f"
		i2p = "a2894dabaec08c0051a481a6dac88b64f98232ae42d4b6fd2fa81952dfe36a87"
	)
	for _, tt := range []struct {
		name, entry string // the entry without time, services and port
		host        string // "": it is left out
		refused     bool   // the whole message is
	}{
		{name: "IPv4", entry: "01 04 01020304", host: "1.2.3.4"},
		{name: "IPv6", entry: "02 10 0102030405060708090a0b0c0d0e0f10", host: "102:304:506:708:90a:b0c:d0e:f10"},
		{name: "Tor v3", entry: "04 20" + key, host: "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion"},
		{name: "I2P", entry: "05 20" + i2p, host: "ukeu3k5oycgaauneqgtnvselmt4yemvoilkln7jpvamvfx7dnkdq.b32.i2p"},
		{name: "CJDNS", entry: "06 10 fc000001000200030004000500060007", host: "fc00:1:2:3:4:5:6:7"},

		{name: "IPv4 as IPv6", entry: "02 10 00000000000000000000ffff01020304"},
		{name: "Tor v2 as IPv6", entry: "02 10 fd87d87eeb430102030405060708090a"},
		{name: "Tor v2", entry: "03 0a f1f2f3f4f5f6f7f8f9fa"},
		{name: "CJDNS outside fc00::/8", entry: "06 10 aa000001000200030004000500060007"},
		{name: "Yggdrasil", entry: "07 10 02000000000000000000000000000001"},
		{name: "unknown", entry: "aa 04 01020304"},
		{name: "unknown, without address", entry: "aa 00"},
		{name: "unknown, of 512 bytes", entry: "aa fd0002" + strings.Repeat("ab", 512)},
		{name: "unknown, of 513 bytes", entry: "aa fd0102" + strings.Repeat("ab", 513), refused: true},

		{name: "IPv4 of 5 bytes", entry: "01 05 0102030405", refused: true},
		{name: "IPv6 of 4 bytes", entry: "02 04 01020304", refused: true},
		{name: "Tor v2 of 9 bytes", entry: "03 09 f1f2f3f4f5f6f7f8f9", refused: true},
		{name: "Tor v3 of 0 bytes", entry: "04 00", refused: true},
		{name: "I2P of 3 bytes", entry: "05 03 010203", refused: true},
		{name: "CJDNS of 1 byte", entry: "06 01 fc", refused: true},
		{name: "no shortest form of a length", entry: "01 fd0400 01020304", refused: true},
	} {
		const port = "0000" // as I2P must have it
		got, err := readAddrs(wire.CmdAddrV2, unhex(t, "02 00000065 09"+tt.entry+port+"00000065 09 01 04 08080808 208d"))
		switch {
		case tt.refused:
			if err == nil {
				t.Errorf("%s: read as %+v", tt.name, got)
			}
			continue
		case err != nil:
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		hosts := []string{"8.8.8.8:8333"}
		if tt.host != "" {
			hosts = []string{netaddr.Addr{Host: mustHost(t, tt.host)}.String(), "8.8.8.8:8333"}
		}
		var list []string
		for _, k := range got.list {
			list = append(list, k.Addr.String())
		}
		if got.count != 2 || !reflect.DeepEqual(list, hosts) {
			t.Errorf("%s: %v of %d, want %v", tt.name, list, got.count, hosts)
		}
	}
	if got, err := readAddrs(wire.CmdAddrV2, unhex(t, "01 00000065 09 05 20"+i2p+"208d")); err != nil || len(got.list) != 0 || got.count != 1 {
		t.Errorf("I2P with a port: %+v, %v", got, err)
	}
	if got, err := readAddrs(wire.CmdAddr, unhex(t, "01 00000065 0900000000000000 fd87d87eeb430102030405060708090a 208d")); err != nil || len(got.list) != 0 {
		t.Errorf("Tor v2 in addr: %+v, %v", got, err)
	}
}

// mustHost is netaddr.Parse, with fc00::/8 as CJDNS.
func mustHost(t testing.TB, text string) netaddr.Host {
	t.Helper()
	h, err := netaddr.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if ip, ok := h.IP(); ok && ip.Is6() && ip.As16()[0] == 0xfc {
		return known(t, netaddr.CJDNS, ip.AsSlice(), 0, 0, 0).Addr.Host
	}
	return h
}

// TestAddrLongest: the longest messages that may be are not too long.
func TestAddrLongest(t *testing.T) {
	for command, entry := range map[string][]byte{
		wire.CmdAddr:   make([]byte, addrEntry),
		wire.CmdAddrV2: unhex(t, "00000065 ffffffffffffffffff aa fd0002"+strings.Repeat("ab", 512)+"208d"),
	} {
		payload := append([]byte{0xfd, 0xe8, 0x03}, bytes.Repeat(entry, wire.MaxAddrPerMsg)...)
		if most := messages[command].limit(wire.ProtocolVersion); len(payload) > int(most) || len(payload) < int(most)-10 {
			t.Errorf("%s: %d bytes, at most %d", command, len(payload), most)
		}
		if got, err := readAddrs(command, payload); err != nil || got.count != wire.MaxAddrPerMsg {
			t.Errorf("%s: %v", command, err)
		}
		payload[1]++
		if _, err := readAddrs(command, append(payload, entry...)); err == nil {
			t.Errorf("%s: 1001 were read", command)
		}
	}
}

// TestAddrOverlays: what is told of I2P and CJDNS is kept and told on, and never dialed.
func TestAddrOverlays(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w, r := outboundTo(t, Config{Listen: []string{listenAt}})
		now := time.Now().Unix()
		list := []addrbook.Known{
			known(t, netaddr.I2P, bytes.Repeat([]byte{5}, 32), 0, 9, now),
			known(t, netaddr.CJDNS, netip.MustParseAddr("fc01::6").AsSlice(), 8333, 9, now),
		}
		r.send(newAddrV2List(list))
		for i := range byte(100) { // 23 % of what is known is told
			r.send(newAddrV2List([]addrbook.Known{known(t, netaddr.CJDNS, netip.AddrFrom16([16]byte{0: 0xfc, 15: i}).AsSlice(), 8333, 9, now)}))
		}
		wait(time.Minute)
		for _, k := range list {
			if e, ok := w.node.book.Lookup(k.Addr); !ok || e.Services != 9 {
				t.Errorf("%v is not kept", k.Addr)
			}
		}
		// Who asks is told of them in the new form.
		other := w.dialIn("8.8.8.8")
		other.shake()
		other.send(wire.NewMsgGetAddr())
		told := other.payload(wire.CmdAddrV2)
		got, err := readAddrs(wire.CmdAddrV2, told)
		overlays := slices.DeleteFunc(got.list, func(k addrbook.Known) bool { return k.Addr.Host.Network() != netaddr.CJDNS })
		if err != nil || len(overlays) < 10 {
			t.Errorf("told %+v, %v", got, err)
		}
		wait(time.Hour)
		for _, e := range w.of(KindConnection) {
			if a, ok := e.Addr.(netaddr.Addr); ok {
				t.Fatalf("dialed: %v %v", e, a)
			}
		}
	})
}

// FuzzAddrs: what is read of either message can be written, and is read again the same;
// and what is kept of it goes with what has come.
func FuzzAddrs(f *testing.F) {
	for _, m := range spoken() {
		switch m.Command() {
		case wire.CmdAddr:
			f.Add(spokenPayload(m), false)
		case wire.CmdAddrV2:
			f.Add(spokenPayload(m), true)
		}
	}
	f.Add(unhex(f, "02 00000065 09 05 20"+strings.Repeat("05", 32)+"0000 00000065 fd4804 06 10 fc000001000200030004000500060007 208d"), true)
	f.Add(unhex(f, "03 00000065 00 aa 02 0102 0000 00000065 00 07 10"+strings.Repeat("02", 16)+"0000 00000065 00 01 05 0102030405 0000"), true)
	f.Add([]byte{0xfd, 0xe8, 3, 1, 2, 3}, true)
	f.Fuzz(func(t *testing.T, payload []byte, v2 bool) {
		command := wire.CmdAddr
		if v2 {
			command = wire.CmdAddrV2
		}
		got, err := readAddrs(command, payload)
		if err != nil {
			return
		}
		if len(got.list) > got.count || got.count > wire.MaxAddrPerMsg || got.count > len(payload)/9 {
			t.Fatalf("%d of %d in %d bytes", len(got.list), got.count, len(payload))
		}
		var m wire.Message = newAddrV2List(got.list)
		if !v2 {
			m = newAddrList(got.list)
		}
		again, err := readAddrs(command, spokenPayload(m))
		if err != nil || again.count != len(got.list) || !reflect.DeepEqual(again.list, got.list) {
			t.Fatalf("%+v is read again as %+v, %v", got, again, err)
		}
	})
}
