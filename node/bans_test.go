package node

import (
	"net/netip"
	"testing"
	"time"

	"holdfast/banlist"
	"holdfast/netaddr"
)

// ban bans a host for an hour, as its score would.
func ban(t *testing.T, n *Node, host string) {
	t.Helper()
	h, err := netaddr.Parse(host)
	if err == nil {
		err = n.Ban(banlist.SubjectOf(h), time.Hour, "a test", banlist.Score)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestTurnAwayTells once in 30 s, however often who is banned knocks.
func TestTurnAwayTells(t *testing.T) {
	var turned turnedAway
	subject, err := banlist.ParseSubject("20.1.0.0/16")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	told := 0
	for i := range 600 {
		if turned.due(subject, now.Add(time.Duration(i)*100*time.Millisecond)) {
			told++
		}
	}
	if told != 2 {
		t.Errorf("told %d times in a minute, want 2", told)
	}
	for i := range 3 * maxTurnedAway {
		var b [4]byte
		b[0], b[2], b[3] = 30, byte(i>>8), byte(i)
		h, err := netaddr.FromBytes(netaddr.IPv4, b[:])
		if err != nil {
			t.Fatal(err)
		}
		turned.due(banlist.SubjectOf(h), now)
	}
	if len(turned.told) > maxTurnedAway {
		t.Errorf("%d are remembered", len(turned.told))
	}
}

// TestOperatorBans: a range is banned at once, for sessions, fixed peers, dials and
// gossip.
func TestOperatorBans(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, Config{AddPeer: []string{"11.0.0.1"}, Seeds: fabricSeeds(4)}, honest(4)...)
		wait(time.Minute)
		before := w.node.Counts()
		if before.Outbound != 3 || before.Permanent != 1 {
			t.Fatalf("%v", before)
		}
		subject, err := banlist.ParseSubject("11.0.0.0/15") // peers 0 and 1
		if err != nil {
			t.Fatal(err)
		}
		if err := w.node.Ban(subject, 0, "seen enough of it", banlist.Operator); err != nil {
			t.Fatal(err)
		}
		wait(time.Hour)
		if c := w.node.Counts(); c.Outbound != 2 || c.Permanent != 0 || c.Banned != 1 {
			t.Errorf("an hour later: %v", c)
		}
		e := w.of(KindBanned)
		if len(e) != 1 || e[0].String() != "Banned 11.0.0.0/15 for ever: seen enough of it" {
			t.Errorf("%v", e)
		}
		if _, err := w.node.Bans().Unban(subject); err != nil {
			t.Fatal(err)
		}
		wait(time.Hour)
		if c := w.node.Counts(); c != before {
			t.Errorf("after the ban: %v, before %v", c, before)
		}
	})
}

// TestOperatorBansNames: whom the operator bans is not reached by a name either, nor
// because it was banned for something else before.
func TestOperatorBansNames(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		dns := &fakeDNS{answer: func(string) ([]netip.Addr, error) { return []netip.Addr{netip.MustParseAddr("11.0.0.1")}, nil }}
		w := newWorld(t, Config{AddPeer: []string{"peer.test", "11.1.0.1"}, SeedNodes: []string{"seed.test"}, Resolver: dns, Seeds: []Seed{}}, honest(2)...)
		wait(time.Minute)
		if c := w.node.Counts(); c.Permanent != 2 {
			t.Fatalf("%v", c)
		}
		ban(t, w.node, "11.1.0.1") // for its score: the operator's choice stays
		wait(time.Minute)
		if c := w.node.Counts(); c.Permanent != 2 {
			t.Errorf("after a ban for the score: %v", c)
		}
		if err := w.node.Ban(subject("11.0.0.0/8"), 0, "enough", banlist.Operator); err != nil {
			t.Fatal(err)
		}
		before := w.fabric.Stats().Dials
		wait(time.Hour)
		if c := w.node.Counts(); c.Permanent != 0 || w.fabric.Stats().Dials != before {
			t.Errorf("an hour after the operator's ban: %v, %d dials", c, w.fabric.Stats().Dials-before)
		}
	})
}

// TestMayDialIsQuick: it does not look at all bans, of which there may be a million.
func TestMayDialIsQuick(t *testing.T) {
	n := &Node{bans: banlist.New(banlist.Options{})}
	n.policy.Store(&BanPolicy{})
	h := netaddr.FromIP(netip.MustParseAddr("20.0.0.1"))
	for i := range 2000 {
		s := subject(netip.AddrFrom4([4]byte{30, byte(i >> 8), byte(i), 0}).String() + "/24")
		if err := n.bans.Ban(s, time.Time{}, "", banlist.Operator); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.bans.BanFor(banlist.SubjectOf(h), time.Hour, "", banlist.Score); err != nil {
		t.Fatal(err)
	}
	if allocs := testing.AllocsPerRun(100, func() {
		if err := n.mayDial(h, true); err != nil {
			t.Fatal(err)
		}
	}); allocs > 4 {
		t.Errorf("%v allocations", allocs)
	}
}
