package node

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/btcsuite/btcd/wire/v2"

	"holdfast/simnet"
)

// TestBehaviours lets the node live for two hours with one honest peer and one of
// each other kind. The honest one must notice nothing.
func TestBehaviours(t *testing.T) {
	const kept = ReasonNone
	flood := func(k simnet.FloodKind) simnet.Behaviour {
		return simnet.Flooder(simnet.Flood{Kind: k, Count: 1000})
	}
	tests := []struct {
		name     string
		b        simnet.Behaviour
		ready    bool   // the handshake succeeds
		ends     Reason // why the first session ends; kept means that it does not
		after    time.Duration
		banned   Offence // OffenceNone means no ban
		maxDials uint64  // in two hours
	}{
		{"honest", simnet.Honest(), true, kept, 0, OffenceNone, 1},
		{"slow", simnet.Slow(3 * time.Second), true, kept, 0, OffenceNone, 1},
		{"silent", simnet.Silent(), false, ReasonHandshakeTimeout, 30 * time.Second, OffenceNone, 8},
		{"staller", simnet.Staller(), false, ReasonHandshakeTimeout, 30 * time.Second, OffenceNone, 8},
		{"dropper", simnet.Dropper(), false, ReasonRemoteClosed, 0, OffenceNone, 8},
		{"late dropper", simnet.LateDropper(10 * time.Second), true, ReasonRemoteClosed, 10 * time.Second, OffenceNone, 8},
		{"no pong", simnet.NoPong(), true, ReasonPingTimeout, 20 * time.Minute, OffenceNone, 7},
		{"garbage", simnet.Garbage(), false, ReasonWrongNetwork, 0, OffenceNone, 8},
		{"bad magic", simnet.BadMagic(wire.MainNet), false, ReasonWrongNetwork, 0, OffenceNone, 8},
		{"old version", simnet.OldVersion(), false, ReasonOldProtocol, 0, OffenceNone, 8},
		{"self echo", simnet.SelfEcho(), false, ReasonMirror, 0, OffenceNone, 1},
		{"flood of pings", flood(simnet.FloodPings), true, ReasonMisbehaved, 0, OffenceMessageFlood, 1},
		{"flood of addresses", flood(simnet.FloodAddrs), true, ReasonMisbehaved, 0, OffenceAddrFlood, 1},
		{"flood of too many addresses", flood(simnet.FloodOversize), true, ReasonMisbehaved, 0, OffenceAddrCount, 1},
		{"flood of inv", flood(simnet.FloodInv), true, ReasonMisbehaved, 0, OffenceTransactions, 1},
		{"flood of unknown", flood(simnet.FloodUnknown), true, ReasonMisbehaved, 0, OffenceMessageFlood, 1},
		{"flood of versions", flood(simnet.FloodVersion), true, ReasonMisbehaved, 0, OffenceDuplicateVersion, 1},
		{"dead", simnet.Dead(), false, kept, 0, OffenceNone, 9},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				specs := []simnet.Spec{{}, {Behaviour: tt.b}}
				for i := range specs {
					specs[i].Gossip = make([]simnetAddr, 0) // tells of nobody
				}
				w := newWorld(t, Config{Seeds: fabricSeeds(2), TargetOutbound: 2}, specs...)
				bad := w.net.Peers()[1].Addr()
				wait(2 * time.Hour)

				var ready bool
				var end *Event
				w.mu.Lock()
				for _, e := range w.events {
					if e.Addr == nil || e.Addr.String() != bad.String() {
						if e.Kind == KindLost || e.Kind == KindUnready {
							t.Errorf("the honest peer suffered: %v", e)
						}
						continue
					}
					ready = ready || e.Kind == KindReady
					if end == nil && (e.Kind == KindLost || e.Kind == KindUnready) {
						end = &e
					}
				}
				w.mu.Unlock()

				if ready != tt.ready {
					t.Errorf("ready = %v, want %v", ready, tt.ready)
				}
				switch {
				case tt.ends == kept:
					if end != nil {
						t.Errorf("ended: %v", end)
					}
				case end == nil:
					t.Error("did not end")
				default:
					if end.Why != tt.ends || !errors.Is(end.Err, tt.ends) {
						t.Errorf("ended by %v (%v), want %v", end.Why, end.Err, tt.ends)
					}
					lasted := end.Time.Sub(end.Peer.Since)
					if slack := time.Second; lasted < tt.after-slack || lasted > tt.after+slack+tt.b.Delay {
						t.Errorf("ended after %v, want %v", lasted, tt.after)
					}
				}
				bans := w.node.Snapshot().Bans
				if tt.banned == OffenceNone {
					if len(bans) > 0 {
						t.Errorf("banned: %v", bans)
					}
				} else if len(bans) != 1 || !strings.HasPrefix(bans[0].Reason, tt.banned.String()) {
					t.Errorf("bans = %v, want one for %v", bans, tt.banned)
				}
				if dials := w.fabric.Dialed(bad); dials > tt.maxDials || dials == 0 {
					t.Errorf("%d dials, want 1 to %d", dials, tt.maxDials)
				}
				if t.Failed() {
					t.Log(w.lines())
				}
			})
		})
	}
}

// TestDeadIsLeftAlone: an address that never answers is dialed less and less.
func TestDeadIsLeftAlone(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, Config{Seeds: fabricSeeds(3), TargetOutbound: 3}, simnet.Spec{Gossip: make([]simnetAddr, 0)},
			simnet.Spec{Behaviour: simnet.Dead()}, simnet.Spec{Gossip: make([]simnetAddr, 0)})
		wait(12 * time.Hour)
		if got := w.fabric.Dialed(w.net.Peers()[1].Addr()); got < 8 || got > 14 { // 8 in the first 2 hours, then one each
			t.Errorf("%d dials", got)
		}
	})
}

// TestMix lets the node join a network of all kinds.
func TestMix(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, Config{Seeds: fabricSeeds(60)[:5]}, simnet.Mix(60)...)
		wait(2 * time.Minute)
		if c := w.node.Counts(); c.Outbound < 7 || c.Addresses < 50 { // one may just have gone
			t.Errorf("after two minutes: %v", c)
		}
		wait(2 * time.Hour)
		c := w.node.Counts()
		if c.Outbound != 8 {
			t.Errorf("after two hours: %v", c)
		}
		for _, p := range w.node.Snapshot().Peers {
			if p.State != StateReady && time.Since(p.Since) < defaultHandshakeTimeout {
				continue // on its way
			}
			if p.State != StateReady || !strings.Contains(p.UserAgent, "honest") && !strings.Contains(p.UserAgent, "slow") && time.Since(p.Since) > 25*time.Minute {
				t.Errorf("kept %v %q for %v", p.Addr, p.UserAgent, time.Since(p.Since))
			}
			if p.State == StateReady && p.Ping <= 0 {
				t.Errorf("no round trip measured of %v", p.Addr)
			}
		}
	})
}
