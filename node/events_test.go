package node

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/btcsuite/btcd/wire/v2"

	"holdfast/banlist"
	"holdfast/connmgr"
)

func subject(text string) banlist.Subject {
	s, err := banlist.ParseSubject(text)
	if err != nil {
		panic(err)
	}
	return s
}

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
		{Event{Event: with(func(e *connmgr.Event) { e.Inbound = true }), Kind: KindReady, Peer: inbound, Counts: counts}, "PEER", slog.LevelDebug, "Peer 127.12.0.1:18555 ready: /x/ v70016, inbound, 1 in all"},
		{Event{Event: base, Kind: KindLost, Why: ReasonPingTimeout, Peer: peer, Counts: counts}, "PEER", slog.LevelInfo, "Lost peer 127.12.0.1:18555 after 1m30s: ping timeout; 3 of 8 outbound, 1 of 2 fixed, 1 inbound left"},
		{Event{Event: base, Kind: KindLost, Why: ReasonShutdown, Peer: peer}, "PEER", LevelTrace, "Lost peer 127.12.0.1:18555 after 1m30s: shutdown; 0 inbound left"},
		{Event{Event: with(func(e *connmgr.Event) { e.Err = &ending{why: ReasonOldProtocol, text: "it speaks version 1"} }), Kind: KindUnready, Why: ReasonOldProtocol, Peer: peer}, "PEER", slog.LevelDebug, "No peer at 127.12.0.1:18555: old protocol: it speaks version 1"},
		{Event{Event: base, Kind: KindOffence, Offence: OffenceAddrFlood, Peer: peer}, "BANS", slog.LevelDebug, "Misbehaving: 127.12.0.1:18555 is flooding addresses (score 30)"},
		{Event{Event: base, Kind: KindOffence, Offence: OffenceMalformed, Text: "ping: short", Peer: peer}, "BANS", slog.LevelDebug, "Misbehaving: 127.12.0.1:18555 is sending a message that cannot be read: ping: short (score 30)"},
		{Event{Event: base, Kind: KindBanned, Ban: &banlist.Entry{Subject: subject("127.30.0.1"), Reason: "flooding addresses (score 100)", Since: now, Until: now.Add(24 * time.Hour)}}, "BANS", slog.LevelInfo, "Banned 127.30.0.1 for 24h: flooding addresses (score 100)"},
		{Event{Event: base, Kind: KindTurnedAway}, "BANS", slog.LevelDebug, "Turned away 127.12.0.1:18555: its host is banned"},
		{Event{Event: base, Kind: KindAddresses, Told: 1000, New: 1, Ignored: 999}, "ADDR", slog.LevelDebug, "Peer 127.12.0.1:18555 told 1000 addresses, 1 new, 999 ignored (too many at once)"},
		{Event{Kind: KindSeed, Text: "seed.test", Told: 1, New: 1}, "SEED", slog.LevelInfo, "Seed seed.test told 1 address, 1 new"},
		{Event{Kind: KindSeed, Told: 3, New: 2}, "SEED", slog.LevelInfo, "Fixed seeds: 3 addresses, 2 new"},
		{Event{Event: connmgr.Event{Err: errors.New("no such host")}, Kind: KindSeedFailed, Text: "seed.test"}, "SEED", slog.LevelDebug, "Seed seed.test told nothing: no such host"},
		{Event{Event: connmgr.Event{Time: now, At: now.Add(4700 * time.Millisecond), Err: errors.New("no such host")}, Kind: KindNoSeed, Told: 1}, "SEED", slog.LevelWarn, "No addresses from any of 1 seed (no such host): asking again in 5s"},
		{Event{Event: with(func(e *connmgr.Event) {
			e.Type, e.Class, e.Reason = connmgr.EventRetryAt, ClassManual, connmgr.ReasonNetworkDown
		})}, "CMGR", slog.LevelDebug, "Waiting to connect to 127.12.0.1:18555: network down [manual]"},
		{Event{Event: with(func(e *connmgr.Event) {
			e.Type, e.Class, e.Reason = connmgr.EventFailed, ClassManual, connmgr.ReasonNoNetwork
			e.Err = &net.OpError{Op: "dial", Net: "tcp", Addr: addr, Err: os.NewSyscallError("connect", syscall.ENETUNREACH)}
		})}, "CMGR", slog.LevelDebug, "Cannot connect to 127.12.0.1:18555: connect: network is unreachable [manual]"},
		{Event{Event: with(func(e *connmgr.Event) {
			e.Type, e.Class, e.Reason, e.At = connmgr.EventRetryAt, ClassConnect, connmgr.ReasonRefused, now.Add(4321*time.Millisecond)
		})}, "CMGR", slog.LevelInfo, "Cannot connect to 127.12.0.1:18555 (refused): next try in 4.3s [connect]"},
		{Event{Event: with(func(e *connmgr.Event) {
			e.Type, e.Class, e.Reason, e.At = connmgr.EventRetryAt, ClassManual, connmgr.ReasonDisconnected, now.Add(5*time.Second)
		})}, "CMGR", slog.LevelInfo, "Connecting to 127.12.0.1:18555 again in 5s [manual]"},
		{Event{Event: with(func(e *connmgr.Event) {
			e.Type, e.Class, e.Reason = connmgr.EventFailed, connmgr.ClassOutbound, connmgr.ReasonTimedOut
		})}, "CMGR", slog.LevelDebug, "Cannot connect to 127.12.0.1:18555: timed out"},
		{Event{Kind: KindNetworkChanged, Text: "link, address"}, "NODE", slog.LevelDebug, "Our network changed (link, address): trying what waits"},
		{Event{Kind: KindUnwatched, Event: connmgr.Event{Err: io.EOF}}, "NODE", slog.LevelWarn, "Changes of our network are not noticed: EOF; after an outage peers may come back late"},
		{Event{Event: connmgr.Event{Type: connmgr.EventFailed, Reason: connmgr.ReasonNoAddress, Err: errNoAddress}}, "CMGR", LevelTrace, "No address to dial now: all that are known are in use, banned, or were tried lately"},
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

// TestLevels says of each kind of event how loud it is, and what keeps those whom we
// talk to from filling a log that shows information and worse.
func TestLevels(t *testing.T) {
	const (
		trace = LevelTrace
		debug = slog.LevelDebug
		info  = slog.LevelInfo
		warn  = slog.LevelWarn
	)
	const (
		quiet = "nobody sees it who did not ask for it"
		ours  = "it is about us: nobody else can cause it"
		pace  = "we dial, and the same address less and less often"
	)
	checked := make(map[Kind]bool)
	for _, tt := range []struct {
		kind                     Kind
		inbound, outbound, fixed slog.Level
		why                      string
	}{
		{KindStarted, info, info, info, ours},
		{KindReady, debug, info, info, pace},
		{KindUnready, debug, debug, info, "a fixed peer is retried every few minutes"},
		{KindLost, debug, info, info, pace},
		{KindOffence, debug, debug, debug, quiet},
		{KindBanned, info, info, info, "a host cannot be banned again before its ban is over"},
		{KindTurnedAway, debug, debug, debug, quiet},
		{KindAddresses, debug, debug, debug, quiet},
		{KindSeed, info, info, info, "seeds are asked with growing pauses"},
		{KindSeedFailed, debug, debug, debug, quiet},
		{KindNoSeed, warn, warn, warn, "seeds are asked with growing pauses"},
		{KindNetworkChanged, debug, debug, debug, quiet},
		{KindUnwatched, warn, warn, warn, ours},
		{KindProbed, debug, debug, debug, quiet},
		{KindEvicted, debug, debug, debug, quiet},
		{KindBookTrouble, warn, warn, warn, "at a save, or when an address that we dialed was reached"},
		{KindBansTrouble, warn, warn, warn, "at a ban, which a host cannot have again before it is over"},
		{KindOnion, info, info, info, ours},
		{KindOnionTrouble, warn, warn, warn, ours},
		{KindProxyLost, warn, warn, warn, "every ten minutes"},
		{KindProxyBack, info, info, info, "after a loss that was told"},
		{KindAdded, info, info, info, ours},
		{KindRemoved, info, info, info, ours},
		{KindNetworkActive, info, info, info, ours},
		{KindPong, trace, trace, trace, quiet},
	} {
		checked[tt.kind] = true
		for _, of := range []struct {
			inbound bool
			class   connmgr.Class
			want    slog.Level
		}{
			{true, "", tt.inbound},
			{false, connmgr.ClassOutbound, tt.outbound},
			{false, ClassFeeler, tt.outbound},
			{false, ClassSeed, tt.outbound},
			{false, ClassManual, tt.fixed},
			{false, ClassTry, tt.fixed},
			{false, ClassConnect, tt.fixed},
		} {
			for why := range numReasons {
				e := Event{Kind: tt.kind, Why: why, Event: connmgr.Event{Inbound: of.inbound, Class: of.class}}
				want := of.want
				switch ended := tt.kind == KindLost || tt.kind == KindUnready || tt.kind == KindReady; {
				case ended && (why == ReasonShutdown || why == ReasonNetworkOff):
					want = min(want, debug) // as many as there are, at once
				case tt.kind == KindUnready && why == ReasonSelf && want == info:
					want = warn // the operator's own mistake; it is not tried again
				}
				if got := e.Level(); got != want && !(got == trace && want == debug) {
					t.Errorf("%v of %q (inbound %v), %v: level %v, want %v: %s", tt.kind, of.class, of.inbound, why, got, want, tt.why)
				}
			}
		}
	}
	for k := range numKinds {
		if !checked[k] && k != KindConnection {
			t.Errorf("how loud is %v, and what bounds it?", k)
		}
	}
}

// TestConnectionLevels is the same of connmgr's events.
func TestConnectionLevels(t *testing.T) {
	loud := map[connmgr.EventType]string{
		connmgr.EventAcceptFailed: "told every 30 s at most",
		connmgr.EventLimitReached: "told every 30 s at most, of each limit",
		connmgr.EventUnknownID:    "told every 30 s at most; it is a mistake of ours",
		connmgr.EventNetworkDown:  "our network has to come back first, which probes find out at their pace",
		connmgr.EventNetworkUp:    "our network has to go first",
		connmgr.EventListening:    "at the start",
		connmgr.EventLost:         "each stands for many that were not told",
	}
	now := time.Now()
	for typ := connmgr.EventType(1); !strings.HasPrefix(typ.String(), "event-"); typ++ {
		for _, inbound := range []bool{true, false} {
			for _, class := range []connmgr.Class{"", connmgr.ClassOutbound, ClassFeeler, ClassSeed, ClassManual, ClassConnect} {
				fixed := class == ClassManual || class == ClassConnect
				e := Event{Event: connmgr.Event{Type: typ, Inbound: inbound, Class: class, Time: now, At: now.Add(time.Minute)}}
				if typ == connmgr.EventRetryAt && fixed {
					continue // see TestEventLines
				}
				if isLoud := e.Level() >= slog.LevelInfo; isLoud != (loud[typ] != "") {
					t.Errorf("%v of %q (inbound %v): level %v", typ, class, inbound, e.Level())
				}
			}
		}
	}
}

// TestNobodyFillsTheLog: whatever those who dial us do, and however often, a log that
// shows information and worse has a line for each host that was banned, and a few of
// limits.
func TestNobodyFillsTheLog(t *testing.T) {
	for _, tt := range []struct {
		name string
		play func(*world, *remote)
		bans int
	}{
		{"shakes hands and goes", func(_ *world, r *remote) { r.shake() }, 0},
		{"says nothing", func(*world, *remote) {}, 0},
		{"speaks something else", func(_ *world, r *remote) { r.raw([]byte("GET / HTTP/1.1\r\n\r\n")) }, 0},
		{"is old", func(_ *world, r *remote) {
			m := version()
			m.ProtocolVersion = 1
			r.send(m)
		}, 0},
		{"offends mildly", func(_ *world, r *remote) {
			r.shake()
			r.send(wire.NewMsgMemPool(), wire.NewMsgFilterClear())
		}, 0},
		{"offends badly", func(_ *world, r *remote) {
			for range 12 {
				r.send(version())
			}
		}, 1},
		{"comes often at once", func(w *world, _ *remote) {
			for range 9 {
				if c, err := w.tryDialIn("8.8.8.8"); err == nil {
					defer c.conn.Close() //nolint:errcheck // it is over
				}
			}
			wait(time.Second)
		}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := scripted(t, Config{})
				wait(time.Minute)
				for range 300 {
					if r, err := w.tryDialIn("8.8.8.8"); err == nil {
						tt.play(w, r)
						_ = r.conn.Close()
					}
					wait(100 * time.Millisecond)
				}
				loud := make(map[string]int)
				w.mu.Lock()
				for _, e := range w.events {
					if e.Level() >= slog.LevelInfo && e.Time.After(w.events[0].Time) {
						loud[e.String()]++
					}
				}
				w.mu.Unlock()
				bans, others := 0, 0
				for line, n := range loud {
					if strings.HasPrefix(line, "Banned 8.8.8.8 ") {
						bans += n
					} else {
						others += n
					}
				}
				if bans != tt.bans || others > 15 {
					t.Errorf("%d bans, want %d: %v", bans, tt.bans, loud)
				}
			})
		})
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
// each has attributes.
func TestOneStream(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, Config{Seeds: fabricSeeds(3)}, honest(3)...)
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
			if attrs := e.Attrs(); attrs[0].Value.String() == "" || attrs[1].Value.Uint64() != e.Seq {
				t.Errorf("event %v: %v", e, attrs)
			}
		}
	})
}

// TestAttrs: what a machine reads is what the line says, piece by piece.
func TestAttrs(t *testing.T) {
	addr := tcpAddr(netip.MustParseAddr("192.0.2.1"), 8333)
	at := time.Unix(1800000000, 0)
	for _, tt := range []struct {
		e    Event
		want string
	}{
		{
			Event{Event: connmgr.Event{Seq: 1, Type: connmgr.EventRetryAt, ID: 7, Addr: addr, Class: ClassManual, Reason: connmgr.ReasonRefused, Time: at, At: at.Add(1500 * time.Millisecond), Count: 2}},
			`event=retry-at seq=1 addr=192.0.2.1:8333 id=7 class=manual reason=refused retry_at=2027-01-15T08:00:01.500Z count=2`,
		},
		{
			Event{Event: connmgr.Event{Seq: 2, Addr: addr, Inbound: true, Err: io.EOF}, Kind: KindLost, Why: ReasonRemoteClosed, Peer: &PeerInfo{ID: 3, UserAgent: "/x/", Version: 70016}},
			`event=lost seq=2 addr=192.0.2.1:8333 inbound=true reason=closed-by-peer error=EOF peer=3 agent=/x/ version=70016 score=0 outbound_peers=0 fixed_peers=0 inbound_peers=0`,
		},
		{
			Event{Event: connmgr.Event{Seq: 3}, Kind: KindBanned, Ban: &banlist.Entry{Subject: subject("192.0.2.1"), Reason: "flooding", Origin: banlist.Score, Until: at}},
			`event=banned seq=3 subject=192.0.2.1 origin=score why=flooding until=2027-01-15T08:00:00.000Z`,
		},
		{
			Event{Event: connmgr.Event{Seq: 4}, Kind: KindAddresses, Told: 5, New: 2},
			`event=addresses seq=4 told=5 new=2 ignored=0`,
		},
		{
			Event{Event: connmgr.Event{Seq: 5, Type: connmgr.EventNetworkDown, Network: "ip"}},
			`event=network-down seq=5 network=ip`,
		},
		{
			Event{Event: connmgr.Event{Seq: 6, Inbound: true}, Kind: KindEvicted, Why: ReasonEvicted, Eviction: Eviction{EvictedForOnion, EvictedAsBad}},
			`event=evicted seq=6 inbound=true reason=evicted cause=onion-full rule=misbehaved`,
		},
	} {
		var got []string
		for _, a := range tt.e.Attrs() {
			text := a.Value.String()
			if a.Value.Kind() == slog.KindTime {
				text = a.Value.Time().UTC().Format("2006-01-02T15:04:05.000Z07:00")
			}
			got = append(got, a.Key+"="+text)
		}
		if s := strings.Join(got, " "); s != tt.want {
			t.Errorf("%v\n got %s\nwant %s", tt.e, s, tt.want)
		}
	}
}

// TestOneIDAConnection: connmgr's events of a connection and the node's can be
// joined, whoever dialed.
func TestOneIDAConnection(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, Config{Listen: []string{listenAt}, Seeds: fabricSeeds(1)}, honest(1)...)
		w.dialIn("8.8.8.8").shake()
		wait(time.Minute)
		ids := make(map[string]map[uint64]bool)
		for _, e := range w.events {
			if e.Addr == nil || e.Kind == KindConnection && e.Type == connmgr.EventListening {
				continue
			}
			if ids[e.Addr.String()] == nil {
				ids[e.Addr.String()] = make(map[uint64]bool)
			}
			ids[e.Addr.String()][e.ID] = true
		}
		for addr, of := range ids {
			if len(of) != 1 || of[0] {
				t.Errorf("%s has the ids %v", addr, of)
			}
		}
	})
}
