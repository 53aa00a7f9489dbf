package addrbook

import (
	"encoding/hex"
	"errors"
	"math/bits"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"holdfast/netaddr"
)

// The outputs of SipHash-2-4 for the key 00 01 ... 0f and the inputs "", 00, 00 01 ...
// of the reference implementation (vectors_sip64).
func TestSipHash(t *testing.T) {
	key := Key{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
	for n, want := range map[int]string{
		0: "310e0edd47db6f72", 1: "fd67dc93c539f874", 2: "5a4fa9d909806c0d", 7: "37d1018bf50002ab",
		8: "6224939a79f5f593", 15: "e545be4961ca29a1",
	} {
		in := make([]byte, n)
		for i := range in {
			in[i] = byte(i)
		}
		sum := key.sum(in)
		var p [8]byte
		for i := range p {
			p[i] = byte(sum >> (8 * i))
		}
		if got := hex.EncodeToString(p[:]); got != want {
			t.Errorf("%d bytes: %s, not %s", n, got, want)
		}
	}
}

func TestGroup(t *testing.T) {
	const onion = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion"
	for text, want := range map[string]string{
		"8.8.4.4":               "8.8.0.0/16",
		"2a01:4f8:1::1":         "2a01:4f8::/32",
		"2001:470:1f0b::1":      "2001:470:1000::/36",
		"2001:470:ff0b::1":      "2001:470:f000::/36",
		"2002:808:404::1":       "8.8.0.0/16", // 6to4
		"2001:0:1:2:3:4:f7f7:1": "8.8.0.0/16", // Teredo
		"64:ff9b::808:404":      "8.8.0.0/16", // NAT64
		"::ffff:0:8.8.4.4":      "8.8.0.0/16", // SIIT
		"127.0.0.1":             "local",
		"192.168.1.1":           "local",
		"2001:db8::1":           "local",
		onion:                   "onion-7",
		"ukeu3k5oycgaauneqgtnvselmt4yemvoilkln7jpvamvfx7dnkdq.b32.i2p": "i2p-10",
	} {
		var g Groups
		if got := g.Group(hostOf(text)).String(); got != want {
			t.Errorf("%s: %s, not %s", text, got, want)
		}
	}
	cjdns, err := netaddr.FromBytes(netaddr.CJDNS, []byte{0xfc, 0xa3, 15: 1})
	if err != nil {
		t.Fatal(err)
	}
	local := Groups{Local: true}
	if g := local.Group(cjdns).String(); g != "cjdns-10" {
		t.Error(g)
	}
	if g := local.Group(hostOf("127.3.0.1")).String(); g != "127.3.0.0/16" {
		t.Error(g)
	}
	if g := local.Group(netaddr.Host{}); g != 0 || g.String() != "ourselves" {
		t.Error(g)
	}
}

func TestRoutable(t *testing.T) {
	for text, want := range map[string]bool{
		"8.8.8.8": true, "2a01:4f8::1": true, "0.1.2.3": false, "10.0.0.1": false, "100.64.0.1": false,
		"127.0.0.1": false, "169.254.1.1": false, "192.0.2.1": false, "198.18.0.1": false, "198.51.100.7": false,
		"203.0.113.1": false, "224.0.0.1": false, "240.0.0.1": false, "255.255.255.255": false,
		"::": false, "::1": false, "fe80::1": false, "fc00::1": false, "ff02::1": false, "2001:db8::1": false,
		"2001:10::1": false, "2001:20::1": false, "100::1": false, "3fff::1": false, "fec0::1": false,
	} {
		if Routable(hostOf(text), false) != want {
			t.Errorf("%s: %v", text, !want)
		}
	}
	if !Routable(hostOf("127.0.0.1"), true) || !Routable(hostOf("fc00::1"), true) || Routable(hostOf("0.1.2.3"), true) || Routable(netaddr.Host{}, true) {
		t.Error("with local addresses")
	}
}

// What is not routable begins with a byte that is looked at closely.
func TestSpecial4(t *testing.T) {
	for _, p := range append([]netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("169.254.0.0/16"),
		netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"), netip.MustParsePrefix("224.0.0.0/4"),
	}, reserved4[:]...) {
		for i := range 256 {
			if p.Overlaps(netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(i)}), 8)) && !special4[i] {
				t.Errorf("%v, %d", p, i)
			}
		}
	}
}

// asWriter writes ASMaps, bit by bit.
type asWriter []byte // one bit each

func (w *asWriter) number(x uint32, c asCode) {
	x -= c.least
	for i, n := range c.bits {
		last := i == len(c.bits)-1
		if x < 1<<n || last {
			if !last {
				*w = append(*w, 0)
			}
			for k := int(n) - 1; k >= 0; k-- {
				*w = append(*w, byte(x>>k&1))
			}
			return
		}
		*w = append(*w, 1)
		x -= 1 << n
	}
}

func (w asWriter) pack() []byte {
	p := make([]byte, (len(w)+7)/8)
	for i, bit := range w {
		p[i/8] |= bit << (i % 8)
	}
	return p
}

// trie says of addresses to which AS they belong: a leaf, or two halves.
type trie struct {
	as   uint32
	half [2]*trie
}

func randomTrie(rng *rand.Rand, depth int) *trie {
	if depth == 0 || rng.IntN(3) == 0 {
		return &trie{as: 1 + rng.Uint32N(1<<rng.IntN(25))}
	}
	return &trie{half: [2]*trie{randomTrie(rng, depth-1), randomTrie(rng, depth-1)}}
}

func (x *trie) lookup(ip netip.Addr) uint32 {
	b := ip.As16()
	for i := 0; x.half[0] != nil; i++ {
		x = x.half[b[i/8]>>(7-i%8)&1]
	}
	return x.as
}

// encode uses every instruction: a half that is a leaf is made the default, and the
// other one matched.
func (x *trie) encode(mayDefault bool) (w asWriter) {
	switch {
	case x.half[0] == nil:
		w.number(asReturn, asType)
		w.number(x.as, asNumber)
	case mayDefault && x.half[0].half[0] == nil && x.half[1].half[0] != nil:
		w.number(asDefault, asType)
		w.number(x.half[0].as, asNumber)
		w.number(asMatch, asType)
		w.number(3, asPattern) // one bit, 1
		w = append(w, x.half[1].encode(false)...)
	default:
		zero := x.half[0].encode(true)
		if len(zero) < 17 { // a jump is at least so far
			panic("too short")
		}
		w.number(asJump, asType)
		w.number(uint32(len(zero)), asDistance)
		w = append(append(w, zero...), x.half[1].encode(true)...)
	}
	return w
}

// A map says what the trie says that it was made from.
func TestASMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 3))
		x := randomTrie(rng, 12)
		m, err := ParseASMap(x.encode(true).pack())
		if err != nil {
			t.Fatal(err)
		}
		for range 200 {
			var b [16]byte
			for i := range b {
				b[i] = byte(rng.Uint32())
			}
			ip := netip.AddrFrom16(b)
			if got, want := m.Lookup(ip), x.lookup(ip); got != want {
				t.Fatalf("%v: AS%d, not AS%d", ip, got, want)
			}
		}
	})
}

// Long matches, and IPv4 addresses as they are mapped into IPv6.
func TestASMapIPv4(t *testing.T) {
	var w asWriter
	for range 10 { // 80 zeros
		w.number(asMatch, asType)
		w.number(1<<8, asPattern)
	}
	for range 2 {
		w.number(asMatch, asType)
		w.number(1<<8|0xff, asPattern)
	}
	w.number(asMatch, asType)
	w.number(1<<8|8, asPattern)
	w.number(asReturn, asType)
	w.number(64496, asNumber)
	name := filepath.Join(t.TempDir(), "ip_asn.map")
	if err := os.WriteFile(name, w.pack(), 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := ReadASMap(name)
	if err != nil {
		t.Fatal(err)
	}
	g := Groups{ASMap: m}
	for text, want := range map[string]string{
		"8.1.2.3": "AS64496", "9.1.2.3": "9.1.0.0/16", "2002:801:203::1": "AS64496", "2a01:4f8::1": "2a01:4f8::/32",
		"127.0.0.1": "local",
	} {
		if got := g.Group(hostOf(text)).String(); got != want {
			t.Errorf("%s: %s, not %s", text, got, want)
		}
	}
	if g.id() == (&Groups{}).id() || g.id() == (&Groups{ASMap: m, Local: true}).id() {
		t.Error("different groups, same id")
	}
	if m.Lookup(netip.Addr{}) != 0 {
		t.Error("no address is in an AS")
	}
}

func TestASMapRefused(t *testing.T) {
	leaf := func(as uint32) (w asWriter) {
		w.number(asReturn, asType)
		w.number(as, asNumber)
		return w
	}
	jump := func(by uint32, rest ...asWriter) (w asWriter) {
		w.number(asJump, asType)
		w.number(by, asDistance)
		for _, r := range rest {
			w = append(w, r...)
		}
		return w
	}
	match := func(patterns ...uint32) (w asWriter) {
		for _, p := range patterns {
			w.number(asMatch, asType)
			w.number(p, asPattern)
		}
		return w
	}
	var useless asWriter
	useless.number(asDefault, asType)
	useless.number(7, asNumber)
	n := uint32(len(leaf(1)))
	many := make([]uint32, 17)
	for i := range many {
		many[i] = 1 << 8
	}
	for name, data := range map[string][]byte{
		"empty":           nil,
		"too large":       make([]byte, MaxASMap+1),
		"padding":         append(leaf(1).pack(), 0),
		"padding not 0":   append(leaf(1), 0, 0, 0, 1).pack(),
		"no answer":       match(3).pack(),
		"jump out":        jump(200, leaf(1)).pack(),
		"jump inside":     jump(n-1, leaf(1), leaf(2)).pack(),
		"unreachable":     jump(n+n, leaf(1), leaf(2), leaf(3)).pack(),
		"crossing":        jump(50, jump(60, leaf(1), leaf(2), leaf(3), leaf(4))).pack(),
		"useless default": append(useless, leaf(1)...).pack(),
		"two defaults":    append(append(useless, useless...), match(3)...).pack(),
		"partial matches": append(match(2, 2), leaf(1)...).pack(),
		"too many bits":   append(match(many...), leaf(1)...).pack(),
		"cut number":      leaf(1)[:12].pack(),
		"random":          {0xff, 0xff, 0xff},
	} {
		if _, err := ParseASMap(data); !errors.Is(err, ErrASMap) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ReadASMap(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// What is accepted can be looked up: no instruction runs out of the map or the
// address, which Lookup would answer by 0 where it did not get to a RETURN.
func FuzzASMap(f *testing.F) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 5 {
		f.Add(randomTrie(rng, 6).encode(true).pack(), []byte("0123456789abcdef"))
	}
	f.Add([]byte{}, []byte{})
	f.Fuzz(func(t *testing.T, data, ip []byte) {
		m, err := ParseASMap(data)
		if err != nil {
			if !errors.Is(err, ErrASMap) {
				t.Error(err)
			}
			return
		}
		var b [16]byte
		copy(b[:], ip)
		if as := m.Lookup(netip.AddrFrom16(b)); bits.Len32(as) > 25 {
			t.Errorf("AS%d", as)
		}
	})
}
