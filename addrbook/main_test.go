package addrbook

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"holdfast/netaddr"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(victimDir); dir != "" {
		victim(dir) // see crash_test.go
		return
	}
	goleak.VerifyTestMain(m)
}

// clock is a time that stands still.
type clock struct{ t time.Time }

func (c *clock) now() time.Time          { return c.t }
func (c *clock) advance(d time.Duration) { c.t = c.t.Add(d) }

func newClock() *clock { return &clock{time.Unix(1_800_000_000, 0)} }

// testConfig is a Config without chance.
func testConfig(c *clock) Config {
	return Config{Key: Key{7}, Now: c.now, Rand: rand.NewPCG(1, 2)}
}

func mustNew(t testing.TB, cfg Config) *Book {
	t.Helper()
	b, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func mustOpen(t testing.TB, dir string, cfg Config) *Book {
	t.Helper()
	b, warning, err := Open(dir, cfg)
	if warning != nil || err != nil {
		t.Fatal(warning, err)
	}
	return b
}

func addrOf(text string) netaddr.Addr {
	a, err := netaddr.ParseAddr(text)
	if err != nil {
		panic(err)
	}
	return a
}

func hostOf(text string) netaddr.Host {
	h, err := netaddr.Parse(text)
	if err != nil {
		panic(err)
	}
	return h
}

// ipv4 returns an address of a group and a number in it.
func ipv4(group, host int) netaddr.Addr {
	var b [4]byte
	binary.BigEndian.PutUint16(b[:], uint16(11<<8+group))
	binary.BigEndian.PutUint16(b[2:], uint16(host))
	return netaddr.FromAddrPort(netip.AddrPortFrom(netip.AddrFrom4(b), 8333))
}

// onNetwork returns an address on a network by number.
func onNetwork(n netaddr.Network, i int) netaddr.Addr {
	size := map[netaddr.Network]int{netaddr.IPv4: 4, netaddr.IPv6: 16, netaddr.Onion: 32, netaddr.I2P: 32, netaddr.CJDNS: 16}[n]
	p := make([]byte, size)
	rand.NewChaCha8([32]byte{byte(n), byte(i), byte(i >> 8), byte(i >> 16)}).Read(p)
	switch n {
	case netaddr.IPv4:
		p[0] = 11 + p[0]%80
	case netaddr.IPv6:
		p[0], p[1], p[2] = 0x2a, p[1]%16, p[2]%16
	case netaddr.CJDNS:
		p[0] = 0xfc
	}
	h, err := netaddr.FromBytes(n, p)
	if err != nil {
		panic(err)
	}
	return netaddr.Addr{Host: h, Port: 8333}
}

// check tells what is wrong inside a book.
func (b *Book) check() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	refs, tried := map[int32]int{}, map[int32]int32{}
	for s, c := range b.newSlots {
		if c != 0 {
			refs[c-1]++
			if e := b.entries.at(c - 1); int(b.position(e.addr, uint32(s/bucketSize), false)) != s {
				return fmt.Errorf("%v is at %d of new", e.addr, s)
			}
		}
	}
	for s, c := range b.triedSlots {
		if c != 0 {
			if _, twice := tried[c-1]; twice {
				return fmt.Errorf("entry %d is in tried twice", c-1)
			}
			tried[c-1] = int32(s)
			if e := b.entries.at(c - 1); b.triedSlot(e.addr, b.groups.Group(e.addr.Host)) != int32(s) {
				return fmt.Errorf("%v is at %d of tried", e.addr, s)
			}
		}
	}
	live := 0
	for id := range b.entries.used {
		e := b.entries.at(id)
		if !e.addr.IsValid() {
			continue
		}
		live++
		if b.find(e.addr) != id {
			return fmt.Errorf("%v is not in the index", e.addr)
		}
		if e.tried {
			if s, ok := tried[id]; !ok || s != e.slot || e.refs != 0 || refs[id] != 0 || e.lastSuccess == 0 {
				return fmt.Errorf("tried %v: slot %d, %d refs", e.addr, e.slot, e.refs)
			}
			continue
		}
		if _, ok := tried[id]; ok || e.refs == 0 || e.refs > maxRefs || int(e.refs) != refs[id] {
			return fmt.Errorf("new %v: %d refs, in %d slots", e.addr, e.refs, refs[id])
		}
		chain := 0
		for s := e.slot; s != none; s = b.newNext[s] {
			if b.newSlots[s] != id+1 || chain > maxRefs {
				return fmt.Errorf("%v: its chain is broken at %d", e.addr, s)
			}
			chain++
		}
		if chain != int(e.refs) {
			return fmt.Errorf("%v: a chain of %d, %d refs", e.addr, chain, e.refs)
		}
	}
	if live != b.entries.len() || live != b.index.n || live != len(tried)+len(refs) {
		return fmt.Errorf("%d entries, %d, %d in the index, %d and %d in slots", live, b.entries.len(), b.index.n, len(refs), len(tried))
	}
	for _, a := range b.collisions {
		if len(b.collisions) > maxCollisions || !a.IsValid() {
			return fmt.Errorf("collisions: %v", b.collisions)
		}
	}
	if err := b.sources.check(len(refs)); err != nil {
		return err
	}
	if err := b.fresh.check(len(refs), false); err != nil {
		return fmt.Errorf("new: %w", err)
	}
	if err := b.tried.check(len(tried), true); err != nil {
		return fmt.Errorf("tried: %w", err)
	}
	return nil
}

func (p *pool) check(want int, tried bool) error {
	members, groups := 0, 0
	for n, list := range p.lists {
		ofNetwork := 0
		for at, i := range list {
			g := p.groups[i]
			groups++
			if int(g.at) != at || int(g.network) != n || len(g.members) == 0 || p.find(g.network, g.group) != i ||
				g.twin != p.other.find(g.network, g.group) || g.pair != p.find(otherIP(g.network), g.group) {
				return fmt.Errorf("group %v is %+v", g.group, g)
			}
			for place, id := range g.members {
				e := p.book.entries.at(id)
				if e.group != i || int(e.place) != place || e.tried != tried ||
					e.addr.Host.Network() != g.network || p.book.groups.Group(e.addr.Host) != g.group {
					return fmt.Errorf("%v is a member of %v", e.addr, g.group)
				}
			}
			ofNetwork += len(g.members)
		}
		if ofNetwork != int(p.counts[n]) {
			return fmt.Errorf("network %d: %d, counted %d", n, ofNetwork, p.counts[n])
		}
		members += ofNetwork
	}
	if members != want || groups != p.index.n || groups != len(p.groups)-len(p.free) {
		return fmt.Errorf("%d entries, not %d; %d groups, %d in the index", members, want, groups, p.index.n)
	}
	return nil
}

// check counts all again. Of the entries of new, some are our own.
func (s *sources) check(fresh int) error {
	counts := map[int32]int32{}
	ours := 0
	for id := range s.book.entries.used {
		e := s.book.entries.at(id)
		switch {
		case !e.addr.IsValid():
		case e.tried && e.from != none, e.source == netaddr.Host{} && e.from != none:
			return fmt.Errorf("%v, told by %v, counts for %d", e.addr, e.source, e.from)
		case e.from != none:
			counts[e.from]++
		case !e.tried:
			ours++
		}
	}
	total := int32(0)
	for i, n := range counts {
		if s.list[i].count != n || s.find(s.list[i].group) != i {
			return fmt.Errorf("%v has told of %d, counted %d", s.list[i].group, n, s.list[i].count)
		}
		total += n
	}
	if int(total)+ours != fresh || len(counts) != s.index.n || len(counts) != len(s.list)-len(s.free) {
		return fmt.Errorf("%d sources of %d entries of %d; %d in the index", len(counts), total, fresh, s.index.n)
	}
	return nil
}
