package node

import (
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/btcsuite/btcd/wire/v2"

	"holdfast/banlist"
	"holdfast/netaddr"
)

func TestSubscriber(t *testing.T) {
	cjdns, err := netaddr.FromBytes(netaddr.CJDNS, netip.MustParseAddr("fc01::1").AsSlice())
	if err != nil {
		t.Fatal(err)
	}
	parse := func(text string) netaddr.Host {
		h, err := netaddr.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	n := &Node{own: []netaddr.Addr{{Host: parse("2a01:9::9"), Port: 8333}, {Host: parse("9.9.9.9"), Port: 8333}}}
	for _, tt := range []struct {
		host       netaddr.Host
		who, first string
	}{
		{parse("8.8.8.8"), "8.8.8.8", "8.8.8.8"},
		{parse("9.9.9.8"), "9.9.9.8", "9.9.9.8"},
		{parse("::ffff:8.8.8.8"), "8.8.8.8", "8.8.8.8"},
		{parse("2a01:4f8:1:2:a:b:c:d"), "2a01:4f8:1:2::/64", "2a01:4f8:1:2::"},
		{parse("2a01:9:0:1::1"), "2a01:9:0:1::/64", "2a01:9:0:1::"},
		{parse("2a01:9::1"), "2a01:9::1", "2a01:9::1"},                                     // our own /64
		{parse("64:ff9b::808:808"), "64:ff9b::808:808", "64:ff9b::808:808"},                // NAT64
		{parse("2001:0:1:2:3:4:f7f7:1"), "2001:0:1:2:3:4:f7f7:1", "2001:0:1:2:3:4:f7f7:1"}, // Teredo
		{parse("2002:808:808:1::1"), "2002:808:808:1::/64", "2002:808:808:1::"},            // 6to4: the upper half is the host's
		{cjdns, "fc01::1", "fc01::1"},
		{netaddr.Host{}, "nobody", netaddr.Host{}.String()},
	} {
		if who, first := n.subscriber(tt.host); who.String() != tt.who || first.String() != tt.first {
			t.Errorf("%v: %v, %v, want %s, %s", tt.host, who, first, tt.who, tt.first)
		}
	}
}

// TestBannedSubscriber: who misbehaves from one IPv6 address is banned at all of his, once,
// and those who come from others of them go; but not who is trusted or chosen.
func TestBannedSubscriber(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := scripted(t, Config{
			Whitelist: []netip.Prefix{netip.MustParsePrefix("2a01:4f8:1:2::77/128")},
			AddPeer:   []string{"[2a01:4f8:1:2::99]:18444"},
		})
		l := w.listenFor("[2a01:4f8:1:2::99]:18444")
		l.accept().answer()
		for _, host := range []string{"2a01:4f8:1:2::77", "2a01:4f8:1:2::1", "2a01:4f8:1:3::1"} {
			w.dialIn(host).shake()
		}
		bad := w.dialIn("2a01:4f8:1:2::666")
		bad.shake()
		for range 10 {
			bad.send(wire.NewMsgVerAck())
		}
		wait(time.Second)
		list := w.node.Bans().List()
		if len(list) != 1 || list[0].Subject.String() != "2a01:4f8:1:2::/64" || list[0].Origin != banlist.Score {
			t.Fatalf("bans: %v", list)
		}
		if e := w.of(KindBanned); len(e) != 1 || !strings.HasPrefix(e[0].String(), "Banned 2a01:4f8:1:2::/64 for 24h: ") {
			t.Errorf("%v", e)
		}
		left := make(map[string]bool)
		for _, p := range w.peers() {
			left[hostOf(p.Addr)] = true
		}
		for host, stays := range map[string]bool{
			"2a01:4f8:1:2::77": true, "2a01:4f8:1:2::99": true, "2a01:4f8:1:3::1": true,
			"2a01:4f8:1:2::1": false, "2a01:4f8:1:2::666": false,
		} {
			if left[host] != stays {
				t.Errorf("%s stays: %v, want %v", host, left[host], stays)
			}
		}
		for host, comes := range map[string]bool{"2a01:4f8:1:2::78": false, "2a01:4f8:1:2::77": true, "2a01:4f8:1:4::1": true} {
			r := w.dialIn(host)
			r.send(version())
			if came := r.next() != nil; came != comes {
				t.Errorf("%s may come: %v, want %v", host, came, comes)
			}
		}
		// Nor is his neighbour taken from gossip; but who is trusted is.
		for host, want := range map[string]bool{"2a01:4f8:1:2::78": false, "2a01:4f8:1:2::77": true} {
			if got := w.node.wanted(netaddr.Addr{Host: netaddr.FromIP(netip.MustParseAddr(host)), Port: 18444}); got != want {
				t.Errorf("%s is wanted: %v, want %v", host, got, want)
			}
		}
		// What the operator bans is what he says, and he may mean those too.
		if err := w.node.Ban(subject("2a01:4f8::/32"), 0, "enough", banlist.Operator); err != nil {
			t.Fatal(err)
		}
		wait(time.Second)
		if ps := w.peers(); len(ps) != 0 {
			t.Errorf("%d are left", len(ps))
		}
	})
}

// TestDiscouragedSubscriber: nor does another address help who is discouraged.
func TestDiscouragedSubscriber(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := scripted(t, Config{})
		r := w.dialIn("2a01:4f8:1:2::1")
		r.shake()
		r.send(wire.NewMsgMemPool()) // ends the connection
		wait(time.Second)
		w.dialIn("2a01:4f8:1:2::2").shake()
		w.dialIn("2a01:4f8:1:3::2").shake()
		got := make(map[string]bool)
		for _, s := range w.node.sessions() {
			got[s.host.String()] = s.evictable().Discouraged
		}
		if len(got) != 2 || !got["2a01:4f8:1:2::2"] || got["2a01:4f8:1:3::2"] {
			t.Errorf("%v", got)
		}
	})
}

// TestSubscriberLimit: as many as of one host may come from all of a /64.
func TestSubscriberLimit(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := scripted(t, Config{})
		for i := range 2 * maxInboundPerHost {
			w.dialIn(fmt.Sprintf("2a01:4f8:1:2::%d", i+1)).send(version())
			w.dialIn(fmt.Sprintf("2a01:4f8:1:%d::1", i+10)).send(version())
		}
		wait(time.Second)
		if got := len(w.peers()); got != 3*maxInboundPerHost {
			t.Errorf("%d, want %d of one /64 and %d of others", got, maxInboundPerHost, 2*maxInboundPerHost)
		}
	})
}

// TestBanLines: a flood of bans is no flood of lines, and a line says how many had none.
// What the operator bans always has one.
func TestBanLines(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := scripted(t, Config{})
		for i := range 600 { // two minutes
			ban(t, w.node, fmt.Sprintf("20.1.%d.%d", i/250, 1+i%250))
			wait(200 * time.Millisecond)
		}
		lines, told := 0, 0
		all := w.of(KindBanned)
		for _, e := range all {
			if e.Level() >= slog.LevelInfo {
				lines, told = lines+1, told+1+e.Ignored
			} else if e.Ignored != 0 {
				t.Errorf("it is no line, and counts: %v", e)
			}
		}
		if len(all) != 600 || lines != banLinesAtOnce+2*banLinesAtOnce-1 {
			t.Errorf("%d events, %d lines in two minutes", len(all), lines)
		}
		if told < 600-30 || told > 600 { // those since the last line, 6 s
			t.Errorf("the lines tell of %d of 600", told)
		}
		if err := w.node.Ban(subject("30.0.0.0/8"), 0, "enough", banlist.Operator); err != nil {
			t.Fatal(err)
		}
		wait(time.Second)
		if e := w.of(KindBanned); e[len(e)-1].Level() != slog.LevelInfo {
			t.Error("the operator's ban has no line")
		}
		wait(time.Hour)
		ban(t, w.node, "20.9.9.9")
		wait(time.Second)
		e := w.of(KindBanned)
		if last := e[len(e)-1]; last.Level() != slog.LevelInfo || !strings.Contains(last.String(), "; before it ") {
			t.Errorf("later: %v", last)
		}
	})
}
