package node

import (
	"bytes"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/btcsuite/btcd/wire/v2"

	"holdfast/simnet"
)

// TestHandshakeScripts plays the dialing side in all the wrong ways, and says how
// the session must end.
func TestHandshakeScripts(t *testing.T) {
	old := func(v int32) *wire.MsgVersion {
		m := version()
		m.ProtocolVersion = v
		return m
	}
	badChecksum := frame(wire.CmdVersion, make([]byte, 90))
	badChecksum[20] ^= 1
	tests := []struct {
		name    string
		play    func(r *remote)
		why     Reason
		offence Offence
		after   time.Duration
	}{
		{"nothing at all", func(*remote) {}, ReasonHandshakeTimeout, 0, 30 * time.Second},
		{"hangs up", func(r *remote) { _ = r.conn.Close() }, ReasonRemoteClosed, 0, 0},
		{"no verack", func(r *remote) { r.send(version()) }, ReasonHandshakeTimeout, 0, 30 * time.Second},
		{"verack first", func(r *remote) { r.send(wire.NewMsgVerAck()) }, ReasonViolation, OffenceBeforeVersion, 0},
		{"ping first", func(r *remote) { r.send(wire.NewMsgPing(1)) }, ReasonViolation, OffenceBeforeVersion, 0},
		{"unknown first", func(r *remote) { r.raw(frame("hello", nil)) }, ReasonViolation, OffenceBeforeVersion, 0},
		{"negative version", func(r *remote) { r.send(old(-1)) }, ReasonOldProtocol, 0, 0},
		{"old version", func(r *remote) { r.send(old(70000)) }, ReasonOldProtocol, 0, 0},
		{"HTTP", func(r *remote) { r.raw([]byte("GET / HTTP/1.1\r\n\r\n")) }, ReasonWrongNetwork, 0, 0},
		{"half a header, slowly", func(r *remote) { r.raw(frame(wire.CmdVersion, nil)[:10]) }, ReasonHandshakeTimeout, 0, 30 * time.Second},
		{"half a version, slowly", func(r *remote) { r.raw(frame(wire.CmdVersion, make([]byte, 90))[:60]) }, ReasonHandshakeTimeout, 0, 30 * time.Second},
		{"empty version", func(r *remote) { r.raw(frame(wire.CmdVersion, nil)) }, ReasonHandshakeTimeout, OffenceMalformed, 30 * time.Second},
		{"version with a wrong checksum", func(r *remote) { r.raw(badChecksum) }, ReasonHandshakeTimeout, OffenceChecksum, 30 * time.Second},
		{"4 GB version", func(r *remote) {
			b := frame(wire.CmdVersion, nil)
			copy(b[16:20], "\xff\xff\xff\xff")
			r.raw(b)
		}, ReasonViolation, OffenceOversize, 0},
		{"five versions", func(r *remote) {
			r.send(version(), version(), version(), version(), version())
		}, ReasonHandshakeTimeout, OffenceDuplicateVersion, 30 * time.Second},
		{"eleven versions", func(r *remote) {
			for range 11 {
				r.send(version())
			}
		}, ReasonMisbehaved, OffenceDuplicateVersion, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := scripted(t, Config{})
				r := w.dialIn("8.8.8.8")
				tt.play(r)
				e := w.endOf(r)
				if e.Kind != KindUnready || e.Why != tt.why {
					t.Errorf("ended as %v by %v, want unready by %v", e.Kind, e.Why, tt.why)
				}
				lasted := e.Time.Sub(e.Peer.Since)
				if lasted < tt.after || lasted > tt.after+time.Second {
					t.Errorf("lasted %v, want %v", lasted, tt.after)
				}
				var last Offence
				for _, o := range w.of(KindOffence) {
					last = o.Offence
				}
				if last != tt.offence {
					t.Errorf("offence %v, want %v", last, tt.offence)
				}
				if t.Failed() {
					t.Log(w.lines())
				}
			})
		})
	}
}

// TestHandshakeInbound looks at what the node says to who dials it.
func TestHandshakeInbound(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := scripted(t, Config{UserAgent: "/test:7/"})
		r := w.dialIn("8.8.8.8")
		wait(time.Second)
		r.send(version())
		v := r.next().(*wire.MsgVersion)
		if v.UserAgent != "/test:7/" || !v.DisableRelayTx || v.Services != 0 || v.LastBlock != 0 || v.ProtocolVersion != 70016 {
			t.Errorf("our version: %+v", v)
		}
		var order []string
		for range 2 {
			order = append(order, r.next().Command())
		}
		if got := strings.Join(order, " "); got != "sendaddrv2 verack" {
			t.Errorf("after our version: %s", got)
		}
		if ps := w.peers(); len(ps) != 1 || ps[0].State != StateHandshake {
			t.Errorf("before verack: %+v", ps)
		}
		r.send(wire.NewMsgVerAck())
		r.until(wire.CmdPing)
		p := w.peers()[0]
		if p.State != StateReady || !p.Inbound || p.UserAgent != "/remote:1/" || p.Version != 70016 || p.Height != 100 || p.AddrV2 {
			t.Errorf("after verack: %+v", p)
		}
		if c := w.node.Counts(); c.Inbound != 1 {
			t.Errorf("counts: %v", c)
		}
	})
}

// TestVerackBeforePing: nothing overtakes our verack, however fast the other side
// is.
func TestVerackBeforePing(t *testing.T) {
	for range 50 {
		inBubble(t, func(t *testing.T) {
			w := scripted(t, Config{})
			r := w.dialIn("8.8.8.8")
			r.send(version(), wire.NewMsgSendAddrV2(), wire.NewMsgVerAck())
			var order []string
			for range 4 {
				order = append(order, r.next().Command())
			}
			if got := strings.Join(order, " "); got != "version sendaddrv2 verack ping" {
				t.Errorf("order: %s", got)
			}
		})
	}
}

// TestOldPeerGetsNoAddrV2: sendaddrv2 is for those who know it, and the version
// may have more behind it than we know.
func TestOldPeerGetsNoAddrV2(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := scripted(t, Config{})
		r := w.dialIn("8.8.8.8")
		m := version()
		m.ProtocolVersion = 70001
		r.raw(frame(wire.CmdVersion, append(payloadOf(t, m), 1)))
		r.until(wire.CmdVersion)
		if got := r.next().Command(); got != wire.CmdVerAck {
			t.Errorf("after version: %s, want verack", got)
		}
	})
}

// TestServices: automatic peers must serve the chain; others need not.
func TestServices(t *testing.T) {
	for _, tt := range []struct {
		name     string
		services wire.ServiceFlag
		auto, ok bool
	}{
		{"full", wire.SFNodeNetwork | wire.SFNodeWitness, true, true},
		{"pruned", wire.SFNodeNetworkLimited | wire.SFNodeWitness, true, true},
		{"no witness", wire.SFNodeNetwork, true, false},
		{"nothing", 0, true, false},
		{"nothing, but wanted by name", 0, false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				cfg := Config{Seeds: []Seed{{Host: "8.8.4.4"}}}
				if !tt.auto {
					cfg = Config{Connect: []string{"8.8.4.4"}}
				}
				w := newWorld(t, Config{Seeds: []Seed{}, Listen: []string{listenAt}})
				w.stop()
				l := w.listenFor("8.8.4.4:18444")
				w.start(cfg)
				r := l.accept()
				r.until(wire.CmdVersion)
				m := version()
				m.Services = tt.services
				r.send(m, wire.NewMsgVerAck())
				wait(time.Second)
				if ready := len(w.of(KindReady)) == 1; ready != tt.ok {
					t.Errorf("ready = %v\n%s", ready, w.lines())
				}
				if !tt.ok && w.of(KindUnready)[0].Why != ReasonNoServices {
					t.Errorf("ended by %v", w.of(KindUnready)[0].Why)
				}
			})
		})
	}
}

// TestSelfConnection: a node that dials itself notices on both ends, and does not
// do it again, whether by chance or by order.
func TestSelfConnection(t *testing.T) {
	for _, cfg := range []Config{
		{Seeds: []Seed{{Host: listenAt}}},
		{Connect: []string{listenAt}, Seeds: []Seed{}},
	} {
		inBubble(t, func(t *testing.T) {
			cfg.Listen = []string{listenAt}
			cfg.TargetOutbound = 1
			w := newWorld(t, cfg)
			wait(3 * time.Hour)
			ended := w.of(KindUnready)
			if len(ended) != 2 || ended[0].Why != ReasonSelf || ended[1].Why != ReasonSelf {
				t.Errorf("want two ends of one connection to itself:\n%s", w.lines())
			}
			if len(w.of(KindReady)) > 0 || w.node.Counts().Addresses > 0 {
				t.Error("the node took itself for a peer")
			}
			if cfg.Connect != nil && !strings.Contains(w.lines(), "it will not be tried again") {
				t.Error("the operator is not told that --connect is in vain")
			}
			var warned bool
			for _, e := range ended {
				warned = warned || e.Level() >= 4
			}
			if warned != (cfg.Connect != nil) {
				t.Errorf("warned = %v", warned)
			}
		})
	}
}

// TestMirror: a fixed peer that sends back our version once, or somebody on the way to
// it, does not make us give it up.
func TestMirror(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, Config{AddPeer: []string{"11.0.0.1"}, Seeds: []Seed{}}, simnet.Spec{Behaviour: simnet.SelfEcho()})
		wait(time.Hour)
		ended := w.of(KindUnready)
		if len(ended) < 5 || ended[0].Why != ReasonMirror {
			t.Errorf("%d tries in an hour: %v", len(ended), ended)
		}
	})
}

// TestMirrorIsNobody: an address that leads to a mirror is forgotten, and is not learned
// again; but not that of a fixed peer, which may be another one tomorrow.
func TestMirrorIsNobody(t *testing.T) {
	for _, fixed := range []bool{false, true} {
		inBubble(t, func(t *testing.T) {
			cfg := Config{Seeds: fabricSeeds(1), Listen: []string{listenAt}, Feelers: -1}
			if fixed {
				cfg.Seeds, cfg.AddPeer = []Seed{}, []string{"11.0.0.1"}
			}
			w := newWorld(t, cfg, simnet.Spec{Behaviour: simnet.SelfEcho()})
			wait(time.Minute)
			for _, e := range append(w.of(KindUnready), w.of(KindLost)...) {
				if e.Why != ReasonMirror || !errors.Is(e.Err, ReasonMirror) {
					t.Errorf("ended: %v", e)
				}
			}
			if n := len(w.of(KindUnready)); !fixed && n != 1 || n == 0 {
				t.Errorf("%d tries", n)
			}
			r := w.dialIn("8.8.8.8")
			r.shake()
			m := wire.NewMsgAddr()
			m.AddrList = append(m.AddrList, wire.NewNetAddressIPPort(net.IPv4(11, 0, 0, 1), 18444, wantedServices))
			r.send(m)
			wait(time.Second)
			want := 0
			if fixed {
				want = 1 // it is an address like others
			}
			if got := w.node.book.Len(); got != want {
				t.Errorf("fixed %v: %d addresses known, want %d", fixed, got, want)
			}
		})
	}
}

// TestSelfIsBothEnds: of a connection to ourselves both ends go, with that reason; and
// nobody else's.
func TestSelfIsBothEnds(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, Config{Seeds: []Seed{}})
		w.stop()
		l, other := w.listenFor("8.8.4.4:18444"), w.listenFor("8.9.4.4:18444")
		w.start(Config{Seeds: []Seed{{Host: "8.8.4.4"}, {Host: "8.9.4.4"}}, Listen: []string{listenAt}, TargetOutbound: 2, Feelers: -1})
		out, stays := l.accept(), other.accept()
		stays.until(wire.CmdVersion)
		nonce := out.until(wire.CmdVersion).(*wire.MsgVersion).Nonce
		in := w.dialIn("9.9.9.9")
		m := version()
		m.Nonce = nonce
		in.send(m)
		if got := in.next(); got != nil {
			t.Errorf("got %s", got.Command())
		}
		if got := out.next(); got != nil {
			t.Errorf("got %s", got.Command())
		}
		wait(time.Second)
		ended := w.of(KindUnready)
		if len(ended) != 2 || ended[0].Why != ReasonSelf || ended[1].Why != ReasonSelf {
			t.Errorf("ended: %v", ended)
		}
		if w.node.wanted(endpoint("8.8.4.4:18444")) {
			t.Error("it may be dialed again")
		}
		if !w.node.wanted(endpoint("8.9.4.4:18444")) || len(w.peers()) != 1 {
			t.Errorf("somebody else suffers: %v", w.peers())
		}
	})
}

// TestNonceIsForgotten: when a handshake is done its nonce cannot be used to make
// another one fail.
func TestNonceIsForgotten(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := scripted(t, Config{})
		r := w.dialIn("8.8.8.8")
		r.send(version())
		ours := r.until(wire.CmdVersion).(*wire.MsgVersion)
		r.send(wire.NewMsgVerAck())
		r.until(wire.CmdPing)
		again := w.dialIn("8.8.8.8")
		m := version()
		m.Nonce = ours.Nonce
		again.send(m)
		again.until(wire.CmdVerAck)
		if len(w.of(KindUnready)) != 0 {
			t.Errorf("a nonce that is done with was held against somebody:\n%s", w.lines())
		}
	})
}

// TestPrintable: a user agent cannot reach the terminal.
func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"/Satoshi:27.0.0/":       "/Satoshi:27.0.0/",
		"":                       "",
		"a\x1b[2Jb\nc\x00":       "a?[2Jb?c?",
		"naïve":                  "na??ve",
		strings.Repeat("x", 256): strings.Repeat("x", 97) + "...",
		strings.Repeat("é", 120): strings.Repeat("?", 97) + "...",
		"\u202e/evil/":           "???/evil/",
	} {
		if got := printable(in); got != want {
			t.Errorf("printable(%q) = %q, want %q", in, got, want)
		}
	}
	if bytes.ContainsFunc([]byte(printable("\x7f\x80\xff")), func(r rune) bool { return r != '?' }) {
		t.Error("control bytes came through")
	}
}
