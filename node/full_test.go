package node

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/btcsuite/btcd/wire/v2"

	"holdfast/banlist"
	"holdfast/netaddr"
)

// inbound returns how many sessions came by themselves, and how many of them from
// hosts that begin with 66, which are the attacker's here.
func inbound(w *world) (all, attackers int) {
	for _, p := range w.peers() {
		if !p.Inbound {
			continue
		}
		all++
		if p.Addr.(*net.TCPAddr).IP.To4()[0] == 66 {
			attackers++
		}
	}
	return all, attackers
}

// TestFullHouse: who knocks at a full house gets the place of one who has the least
// claim to it. However many come from one network, those of others stay; and the
// limit is never exceeded.
func TestFullHouse(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := scripted(t, Config{MaxPeers: 42}) // 40 inbound, 1 outbound, 1 feeler
		for i := range byte(20) {
			w.dialIn(net.IPv4(20, i, 1, 1).String()).shake()
			wait(time.Second)
		}
		for i := range 200 {
			r, err := w.tryDialIn(net.IPv4(66, 6, byte(i), 1).String())
			if err != nil {
				t.Fatal(err)
			}
			r.shake()
			wait(10 * time.Millisecond)
			if all, _ := inbound(w); all > 40 {
				t.Fatalf("%d inbound", all)
			}
		}
		all, attackers := inbound(w)
		if all != 39 || attackers != 19 { // one place is kept for who knocks
			t.Errorf("%d inbound, %d of them the attacker's, want 39 and 19", all, attackers)
		}
		if n := len(w.of(KindEvicted)); n != 181 {
			t.Errorf("%d evicted, want 181", n)
		}
		// Who misbehaved costs nobody his place.
		h, err := netaddr.Parse("30.1.1.1")
		if err != nil {
			t.Fatal(err)
		}
		w.node.discouraged.Add(h)
		w.dialIn("30.1.1.1").send(version())
		wait(time.Second)
		evicted := w.of(KindEvicted)
		last := evicted[len(evicted)-1]
		if len(evicted) != 182 || hostOf(last.Addr) != "30.1.1.1" || last.Eviction.Rule != EvictedAsBad {
			t.Errorf("%d evicted, the last is %v", len(evicted), last)
		}
	})
}

// TestTrustedComeIn: where nobody can be evicted by the rules, who is trusted gets the
// place of the youngest who is not; where nobody is trusted, the last place is anybody's.
func TestTrustedComeIn(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := scripted(t, Config{MaxPeers: 12}) // 10 inbound
		come := func(host string, want ...string) {
			t.Helper()
			if r, err := w.tryDialIn(host); err == nil {
				r.send(version())
			}
			wait(time.Second)
			var got []string
			for _, p := range w.peers() {
				got = append(got, hostOf(p.Addr))
			}
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Fatalf("after %s there are %v, want %v", host, got, want)
			}
		}
		var in []string
		for i := range 10 {
			in = append(in, fmt.Sprintf("20.1.%d.1", i))
			come(in[i], in...)
		}
		come("30.1.1.1", in...) // the house is full
		if err := w.node.SetBanPolicy(BanPolicy{Whitelist: []netip.Prefix{netip.MustParsePrefix("30.0.0.0/8")}}); err != nil {
			t.Fatal(err)
		}
		in = in[:9] // the place that is kept
		come("20.1.99.1", in...)
		for i := range 9 {
			in = append(in[:8-i], append(in[9-i:], fmt.Sprintf("30.1.1.%d", i+1))...)
			come(in[8], in...)
		}
		come("20.1.99.1", in...)
		in = append(in, "40.1.1.1")
		for _, host := range []string{"40.1.1.1", "40.1.1.2"} { // all are trusted: the first is the last
			both := []netip.Prefix{netip.MustParsePrefix("30.0.0.0/8"), netip.MustParsePrefix("40.0.0.0/8")}
			if err := w.node.SetBanPolicy(BanPolicy{Whitelist: both}); err != nil {
				t.Fatal(err)
			}
			come(host, in...)
		}
		for _, e := range w.of(KindEvicted) {
			if e.Peer.Whitelisted || strings.HasPrefix(hostOf(e.Addr), "30.") || e.Eviction.Rule != EvictedAsLast {
				t.Errorf("%v", e)
			}
		}
	})
}

// TestThousandConnectsASecond is btcd's issue 577: under a storm of connections the
// limit holds, and nobody is dialed more often for it.
func TestThousandConnectsASecond(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, Config{MaxPeers: 60, Listen: []string{listenAt}, Seeds: fabricSeeds(12)}, honest(12)...)
		wait(time.Minute)
		before := w.fabric.Stats().Dials
		most := 0
		for i := range 5000 {
			if r, err := w.tryDialIn(net.IPv4(66, byte(i>>8), byte(i), 1).String()); err == nil {
				go func() {
					for r.next() != nil { // it says nothing, and reads
					}
				}()
			}
			wait(time.Millisecond)
			s := w.node.Snapshot()
			if len(s.Peers) > 60 {
				t.Fatalf("%d peers after %d connections", len(s.Peers), i+1)
			}
			most = max(most, len(s.Peers))
		}
		c := w.node.Counts()
		if c.Outbound != 8 || most < 55 {
			t.Errorf("%v, at most %d peers", c, most)
		}
		if dials := w.fabric.Stats().Dials - before - 5000; dials > 10 {
			t.Errorf("%d dials of ours in 5 s", dials)
		}
	})
}

// TestNobodyIsEvictedTwice: many who come at once cost as many their places.
func TestNobodyIsEvictedTwice(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := scripted(t, Config{MaxPeers: 42})
		for i := range byte(39) {
			w.dialIn(net.IPv4(20, i, 1, 1).String()).shake()
		}
		for i := range byte(50) {
			go func() {
				if r, err := w.tryDialIn(net.IPv4(66, i, 1, 1).String()); err == nil {
					for r.next() != nil { // it says nothing, and reads
					}
				}
			}()
		}
		wait(5 * time.Second)
		evicted := make(map[uint64]bool)
		for _, e := range w.of(KindEvicted) {
			if evicted[e.Peer.ID] {
				t.Errorf("session %d was evicted twice", e.Peer.ID)
			}
			evicted[e.Peer.ID] = true
		}
		if len(evicted) == 0 {
			t.Error("nobody was evicted")
		}
		w.stop()
	})
}

// TestFeelersHaveAPlace: they do not come on top of MaxPeers.
func TestFeelersHaveAPlace(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, Config{MaxPeers: 8, Seeds: fabricSeeds(60)}, honest(60)...)
		for range 3600 {
			wait(time.Second)
			if n := len(w.peers()); n > 8 {
				t.Fatalf("%d sessions", n)
			}
		}
		if len(w.of(KindProbed)) == 0 {
			t.Error("nobody was probed")
		}
	})
}

// TestWhatCountsForEviction: the facts of a session reach the decision.
func TestWhatCountsForEviction(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := scripted(t, Config{Whitelist: []netip.Prefix{netip.MustParsePrefix("30.0.0.0/8")}})
		bad, err := netaddr.Parse("40.1.1.1")
		if err != nil {
			t.Fatal(err)
		}
		w.node.discouraged.Add(bad)
		for _, host := range []string{"30.1.1.1", "40.1.1.1", "40.1.2.2"} {
			r := w.dialIn(host)
			r.send(version(), wire.NewMsgVerAck())
			go func() {
				for m := r.next(); m != nil; m = r.next() {
					if ping, ok := m.(*wire.MsgPing); ok {
						r.send(wire.NewMsgPong(ping.Nonce))
					}
				}
			}()
		}
		wait(time.Minute)
		of := make(map[string]evictable)
		for _, s := range w.node.sessions() {
			of[s.host.String()] = s.evictable()
		}
		trusted, worse, plain := of["30.1.1.1"], of["40.1.1.1"], of["40.1.2.2"]
		if !trusted.Exempt || worse.Exempt || plain.Exempt {
			t.Error("exempt is who is on the whitelist")
		}
		if !worse.Discouraged || trusted.Discouraged || plain.Discouraged {
			t.Error("discouraged is who misbehaved")
		}
		if worse.Group != plain.Group || worse.Group == trusted.Group || worse.Group == 0 {
			t.Errorf("groups %x, %x and %x", trusted.Group, worse.Group, plain.Group)
		}
		if plain.MinPing <= 0 || plain.Since.IsZero() || plain.Network != netaddr.IPv4 || plain.Local {
			t.Errorf("%+v", plain)
		}
	})
}

// TestBannedAreNotTold: who was banned after he was known is not passed on.
func TestBannedAreNotTold(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, Config{Listen: []string{listenAt}, Seeds: fabricSeeds(60)}, honest(60)...)
		wait(time.Minute)
		if err := w.node.Ban(subject("11.0.0.0/8"), 0, "all of them", banlist.Operator); err != nil {
			t.Fatal(err)
		}
		r := w.dialIn("8.8.8.8")
		r.shake()
		r.send(wire.NewMsgGetAddr(), wire.NewMsgPing(1))
		if m := r.next(); m == nil || m.Command() != wire.CmdPong {
			t.Errorf("told of banned ones: %v", m)
		}
	})
}
