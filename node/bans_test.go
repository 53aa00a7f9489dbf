package node

import (
	"net/netip"
	"testing"
	"time"
)

func TestBansBounds(t *testing.T) {
	b := newBans(3)
	now := time.Now()
	host := func(i byte) netip.Addr { return netip.AddrFrom4([4]byte{20, 0, 0, i}) }
	for i := byte(1); i <= 3; i++ {
		if !b.add(Ban{Host: host(i), Since: now, Until: now.Add(time.Duration(i) * time.Hour)}) {
			t.Errorf("ban %d is not new", i)
		}
	}
	if b.add(Ban{Host: host(2), Since: now, Until: now.Add(9 * time.Hour)}) {
		t.Error("a second ban is new")
	}
	b.add(Ban{Host: host(4), Since: now, Until: now.Add(time.Hour)})
	if b.has(host(1), now) || !b.has(host(4), now) || b.count(now) != 3 {
		t.Errorf("the first to end was not forgotten: %v", b.list(now))
	}
	if !b.has(host(2), now.Add(8*time.Hour)) {
		t.Error("the second ban did not make the first one last longer")
	}
	if b.has(host(3), now.Add(3*time.Hour)) || len(b.hosts) != 2 {
		t.Error("a ban did not end")
	}
	later := now.Add(24 * time.Hour)
	b.add(Ban{Host: host(5), Since: later, Until: later.Add(time.Hour)})
	b.add(Ban{Host: host(6), Since: later, Until: later.Add(time.Hour)})
	if got := b.list(later); len(got) != 2 || len(b.hosts) > 3 {
		t.Errorf("after a day: %v", got)
	}
}

// TestTurnAwayTells once in 30 s, however often the host knocks.
func TestTurnAwayTells(t *testing.T) {
	b := newBans(3)
	host := netip.MustParseAddr("20.1.1.1")
	now := time.Now()
	b.add(Ban{Host: host, Since: now, Until: now.Add(time.Hour)})
	told := 0
	for i := range 600 {
		isBanned, tell := b.turnAway(host, now.Add(time.Duration(i)*100*time.Millisecond))
		if !isBanned {
			t.Fatal("not banned")
		}
		if tell {
			told++
		}
	}
	if told != 2 {
		t.Errorf("told %d times in a minute, want 2", told)
	}
	if isBanned, _ := b.turnAway(netip.MustParseAddr("20.1.1.2"), now); isBanned {
		t.Error("another host is banned")
	}
}
