package node

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"holdfast/connmgr"
)

// TestEventLines is what an operator reads.
func TestEventLines(t *testing.T) {
	now := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	addr := &net.TCPAddr{IP: net.IPv4(127, 12, 0, 1), Port: 18555}
	peer := &PeerInfo{Addr: addr, UserAgent: "/simnet:0.1/", Version: 70016, Since: now.Add(-90 * time.Second), BanScore: 30}
	fixed := &PeerInfo{Addr: addr, Permanent: true, Class: ClassConnect, Version: 70001, Since: now}
	inbound := &PeerInfo{Addr: addr, Inbound: true, UserAgent: "/x/", Version: 70016}
	counts := Counts{Outbound: 3, Target: 8, Inbound: 1, Permanent: 1, Wanted: 2, Addresses: 9}
	base := connmgr.Event{Time: now, Addr: addr}
	with := func(change func(*connmgr.Event)) connmgr.Event {
		e := base
		change(&e)
		return e
	}
	for _, tt := range []struct {
		e     Event
		sub   string
		level slog.Level
		want  string
	}{
		{Event{Event: base, Kind: KindReady, Peer: peer, Counts: counts}, "PEER", slog.LevelInfo, "Peer 127.12.0.1:18555 ready: /simnet:0.1/ v70016, outbound, 3 of 8"},
		{Event{Event: base, Kind: KindReady, Peer: fixed, Counts: counts}, "PEER", slog.LevelInfo, "Peer 127.12.0.1:18555 ready: no user agent v70001, connect, 1 of 2"},
		{Event{Event: base, Kind: KindReady, Peer: inbound, Counts: counts}, "PEER", slog.LevelInfo, "Peer 127.12.0.1:18555 ready: /x/ v70016, inbound, 1 in all"},
		{Event{Event: base, Kind: KindLost, Why: ReasonPingTimeout, Peer: peer, Counts: counts}, "PEER", slog.LevelInfo, "Lost peer 127.12.0.1:18555: ping timeout (after 1m30s; 3 of 8 outbound, 1 of 2 fixed, 1 inbound left)"},
		{Event{Event: base, Kind: KindLost, Why: ReasonShutdown, Peer: peer}, "PEER", slog.LevelDebug, "Lost peer 127.12.0.1:18555: shutdown (after 1m30s; 0 inbound left)"},
		{Event{Event: with(func(e *connmgr.Event) { e.Err = &ending{why: ReasonOldProtocol, text: "it speaks version 1"} }), Kind: KindUnready, Why: ReasonOldProtocol, Peer: peer}, "PEER", slog.LevelDebug, "No peer at 127.12.0.1:18555: old protocol: it speaks version 1"},
		{Event{Event: base, Kind: KindOffence, Offence: OffenceAddrFlood, Peer: peer}, "BANS", slog.LevelDebug, "Misbehaving: 127.12.0.1:18555 is flooding addresses (score 30)"},
		{Event{Event: base, Kind: KindOffence, Offence: OffenceMalformed, Text: "ping: short", Peer: peer}, "BANS", slog.LevelDebug, "Misbehaving: 127.12.0.1:18555 is sending a message that cannot be read: ping: short (score 30)"},
		{Event{Event: base, Kind: KindBanned, Ban: &Ban{Host: netip.MustParseAddr("127.30.0.1"), Offence: OffenceAddrFlood, Score: 100, Since: now, Until: now.Add(24 * time.Hour)}}, "BANS", slog.LevelInfo, "Banned 127.30.0.1 for 24h0m0s: flooding addresses (score 100)"},
		{Event{Event: base, Kind: KindTurnedAway}, "BANS", slog.LevelDebug, "Turned away 127.12.0.1:18555: its host is banned"},
		{Event{Event: base, Kind: KindAddresses, Told: 1000, New: 1, Ignored: 999}, "ADDR", slog.LevelDebug, "Peer 127.12.0.1:18555 told 1000 addresses, 1 new, 999 ignored (too many at once)"},
		{Event{Kind: KindSeed, Text: "seed.test", Told: 1, New: 1}, "SEED", slog.LevelInfo, "Seed seed.test told 1 address, 1 new"},
		{Event{Kind: KindSeed, Told: 3, New: 2}, "SEED", slog.LevelInfo, "Fixed seeds: 3 addresses, 2 new"},
		{Event{Event: connmgr.Event{Err: errors.New("no such host")}, Kind: KindSeedFailed, Text: "seed.test"}, "SEED", slog.LevelDebug, "Seed seed.test told nothing: no such host"},
		{Event{Event: connmgr.Event{Time: now, At: now.Add(4700 * time.Millisecond), Err: errors.New("no such host")}, Kind: KindNoSeed, Told: 1}, "SEED", slog.LevelWarn, "No addresses from any of 1 seed (no such host): asking again in 5s"},
		{Event{Event: with(func(e *connmgr.Event) {
			e.Type, e.Class, e.Reason = connmgr.EventRetryAt, ClassManual, connmgr.ReasonNetworkDown
		})}, "CMGR", slog.LevelDebug, "Waiting to connect to 127.12.0.1:18555: network down"},
		{Event{Event: with(func(e *connmgr.Event) {
			e.Type, e.Class, e.Reason = connmgr.EventFailed, ClassManual, connmgr.ReasonNoNetwork
			e.Err = &net.OpError{Op: "dial", Net: "tcp", Addr: addr, Err: os.NewSyscallError("connect", syscall.ENETUNREACH)}
		})}, "CMGR", slog.LevelDebug, "Cannot connect to 127.12.0.1:18555: connect: network is unreachable"},
		{Event{Event: with(func(e *connmgr.Event) {
			e.Type, e.Class, e.Reason, e.At = connmgr.EventRetryAt, ClassConnect, connmgr.ReasonRefused, now.Add(4321*time.Millisecond)
		})}, "CMGR", slog.LevelInfo, "Cannot connect to 127.12.0.1:18555 (refused): next try in 4.3s"},
		{Event{Event: with(func(e *connmgr.Event) {
			e.Type, e.Class, e.Reason, e.At = connmgr.EventRetryAt, ClassManual, connmgr.ReasonDisconnected, now.Add(5*time.Second)
		})}, "CMGR", slog.LevelInfo, "Connecting to 127.12.0.1:18555 again in 5s"},
		{Event{Event: with(func(e *connmgr.Event) {
			e.Type, e.Class, e.Reason = connmgr.EventFailed, connmgr.ClassOutbound, connmgr.ReasonTimedOut
		})}, "CMGR", slog.LevelDebug, "Cannot connect to 127.12.0.1:18555: timed out"},
		{Event{Event: connmgr.Event{Type: connmgr.EventFailed, Reason: connmgr.ReasonNoAddress}}, "CMGR", LevelTrace, "No address to dial now: all that are known are in use, banned, or were tried lately"},
		{Event{Event: with(func(e *connmgr.Event) {
			e.Type, e.Inbound, e.Reason = connmgr.EventRefused, true, connmgr.ReasonHostFull
		})}, "CMGR", slog.LevelDebug, "Refused 127.12.0.1:18555: its host has as many connections as one host may"},
		{Event{Event: with(func(e *connmgr.Event) { e.Type, e.Inbound = connmgr.EventListening, true })}, "CMGR", slog.LevelInfo, "Listening on 127.12.0.1:18555"},
	} {
		if got := tt.e.String(); got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
		if got := tt.e.Subsystem(); got != tt.sub {
			t.Errorf("%s: subsystem %s", tt.want, got)
		}
		if got := tt.e.Level(); got != tt.level {
			t.Errorf("%s: level %v", tt.want, got)
		}
	}
}

// TestNames: every reason, kind and subsystem has a name of its own.
func TestNames(t *testing.T) {
	seen := make(map[string]bool)
	check := func(name string) {
		if name == "" || seen[name] || strings.ContainsAny(name, " _") {
			t.Errorf("name %q", name)
		}
		seen[name] = true
	}
	for r := range numReasons {
		check(r.String())
	}
	clear(seen)
	for k := range numKinds {
		check(k.String())
		found := false
		for _, s := range Subsystems() {
			found = found || s == Event{Kind: k}.Subsystem()
		}
		if !found {
			t.Errorf("kind %v is of no known subsystem", k)
		}
	}
	check(Reason(99).String())
	check(Kind(99).String())
}

// TestEnding: the typed reason and the cause can be found in the error.
func TestEnding(t *testing.T) {
	err := error(&ending{why: ReasonReset, err: net.ErrClosed})
	if !errors.Is(err, ReasonReset) || !errors.Is(err, net.ErrClosed) || errors.Is(err, ReasonIdle) {
		t.Errorf("%v does not unwrap", err)
	}
}

// TestOneStream: connmgr's events and the node's have one order without gaps, and
// each is logged once.
func TestOneStream(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var log bytes.Buffer
		w := newWorld(t, Config{
			Seeds:  fabricSeeds(3),
			Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: LevelTrace})),
		}, honest(3)...)
		wait(time.Minute)
		w.stop()
		wait(0)
		for i, e := range w.events {
			if e.Seq != uint64(i+1) {
				t.Fatalf("event %d has number %d", i+1, e.Seq)
			}
			if e.Detail != nil {
				t.Errorf("event %v shows how it was carried", e)
			}
		}
		if lines := strings.Count(log.String(), "\n"); lines != len(w.events) {
			t.Errorf("%d log lines for %d events", lines, len(w.events))
		}
		if !strings.Contains(log.String(), "subsystem=PEER") {
			t.Errorf("log: %s", log.String())
		}
	})
}
