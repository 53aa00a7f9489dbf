package node

import (
	"bytes"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/wire/v2"
)

// inventory has n entries of a type.
func inventory(typ wire.InvType, n int) []*wire.InvVect {
	list := make([]*wire.InvVect, n)
	for i := range list {
		list[i] = wire.NewInvVect(typ, &chainhash.Hash{byte(i), byte(i >> 8)})
	}
	return list
}

// TestMessages sends each message to a ready peer and looks at the answer, the
// score and whether the session lives on. Every entry of the table must be here.
func TestMessages(t *testing.T) {
	type want struct {
		answer string // command of the answer
		score  uint32
		why    Reason // ReasonNone: the session lives on
	}
	quiet := want{}
	violation := want{why: ReasonViolation}
	tests := []struct {
		command string
		name    string // of the case; empty for a plain one
		payload []byte
		want    want
	}{
		{wire.CmdVersion, "again", payloadOf(t, version()), want{score: 10}},
		{wire.CmdVerAck, "again", nil, want{score: 10}},
		{wire.CmdSendAddrV2, "late", nil, violation},
		{wire.CmdWTxIdRelay, "late", nil, violation},
		{"sendtxrcncl", "", make([]byte, 12), quiet},
		{wire.CmdPing, "", payloadOf(t, wire.NewMsgPing(9)), want{answer: wire.CmdPong}},
		{wire.CmdPing, "too short", make([]byte, 7), want{score: 20}},
		{wire.CmdPing, "too long", make([]byte, 9), want{score: 20}},
		{wire.CmdPong, "unasked", payloadOf(t, wire.NewMsgPong(9)), quiet},
		{wire.CmdGetAddr, "", nil, quiet}, // the book is empty
		{wire.CmdGetAddr, "with a payload", []byte{1}, want{score: 20}},
		{wire.CmdAddr, "empty", []byte{0}, quiet},
		{wire.CmdAddr, "truncated", []byte{1, 2, 3}, want{score: 20}},
		{wire.CmdAddr, "1001", append([]byte{0xfd, 0xe9, 0x03}, make([]byte, 1001*30)...), want{score: 20}},
		{wire.CmdAddr, "says more than it has", []byte{0xfe, 0xff, 0xff, 0xff, 0xff}, want{score: 20}},
		{wire.CmdAddrV2, "empty", []byte{0}, quiet},
		{wire.CmdAddrV2, "1001", []byte{0xfd, 0xe9, 0x03}, want{score: 20}},
		{wire.CmdGetHeaders, "", payloadOf(t, wire.NewMsgGetHeaders()), want{answer: wire.CmdHeaders}},
		{wire.CmdGetData, "", payloadOf(t, &wire.MsgGetData{InvList: inventory(wire.InvTypeBlock, 3)}), want{answer: wire.CmdNotFound}},
		{wire.CmdGetData, "empty", []byte{0}, quiet},
		{wire.CmdGetBlocks, "", payloadOf(t, wire.NewMsgGetBlocks(&chainhash.Hash{})), quiet},
		{wire.CmdInv, "of a block", payloadOf(t, &wire.MsgInv{InvList: inventory(wire.InvTypeBlock, 1)}), quiet},
		{wire.CmdInv, "of transactions", payloadOf(t, &wire.MsgInv{InvList: inventory(wire.InvTypeTx, 500)}), want{score: 10}},
		{wire.CmdInv, "by wtxid", payloadOf(t, &wire.MsgInv{InvList: inventory(5, 1)}), want{score: 10}},
		{wire.CmdInv, "50001", append([]byte{0xfd, 0x51, 0xc3}, make([]byte, 50001*36)...), want{score: 20}},
		{wire.CmdTx, "", []byte("not even looked at"), want{score: 10}},
		{wire.CmdHeaders, "", []byte{0}, quiet},
		{wire.CmdBlock, "", make([]byte, 1000), quiet},
		{wire.CmdBlock, "of 4 MB", make([]byte, 4000000), want{score: 24}}, // 245 tokens of 200; 25 points at most, and some seconds old
		{wire.CmdMerkleBlock, "", make([]byte, 100), quiet},
		{wire.CmdNotFound, "", []byte{0}, quiet},
		{"cmpctblock", "", make([]byte, 100), quiet},
		{"getblocktxn", "", make([]byte, 33), quiet},
		{"blocktxn", "", make([]byte, 33), quiet},
		{wire.CmdSendHeaders, "", nil, quiet},
		{wire.CmdFeeFilter, "", make([]byte, 8), quiet},
		{wire.CmdFeeFilter, "too short", make([]byte, 7), want{score: 20}},
		{wire.CmdFeeFilter, "too long", make([]byte, 9), want{score: 20}},
		{"sendcmpct", "", make([]byte, 9), quiet},
		{wire.CmdReject, "", make([]byte, 20), quiet},
		{wire.CmdMemPool, "", nil, violation},
		{wire.CmdFilterLoad, "", make([]byte, 20), violation},
		{wire.CmdFilterAdd, "", make([]byte, 20), violation},
		{wire.CmdFilterClear, "", nil, violation},
		{wire.CmdGetCFilters, "", make([]byte, 37), violation},
		{wire.CmdGetCFHeaders, "", make([]byte, 37), violation},
		{wire.CmdGetCFCheckpt, "", make([]byte, 33), violation},
		{wire.CmdCFilter, "", make([]byte, 40), quiet},
		{wire.CmdCFHeaders, "", make([]byte, 66), quiet},
		{wire.CmdCFCheckpt, "", make([]byte, 34), quiet},
		{"unheardof", "", make([]byte, 100), quiet},
		{"", "no command", nil, quiet},
		{"\xff\xfe\x1b[2J", "binary command", nil, quiet},
	}
	tried := make(map[string]bool)
	for _, tt := range tests {
		tried[tt.command] = true
		t.Run(tt.command+" "+tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := scripted(t, Config{})
				r := w.dialIn("8.8.8.8")
				r.shake()
				r.raw(frame(tt.command, tt.payload))
				if tt.want.answer != "" {
					if got := r.next(); got == nil || got.Command() != tt.want.answer {
						t.Errorf("answer %v, want %s", got, tt.want.answer)
					}
				}
				if tt.want.why != ReasonNone {
					if e := w.endOf(r); e.Kind != KindLost || e.Why != tt.want.why {
						t.Errorf("ended as %v by %v", e.Kind, e.Why)
					}
					return
				}
				wait(time.Second)
				ps := w.peers()
				if len(ps) != 1 || ps[0].State != StateReady {
					t.Fatalf("the peer is gone:\n%s", w.lines())
				}
				if got := ps[0].BanScore; got != tt.want.score {
					t.Errorf("score %d, want %d\n%s", got, tt.want.score, w.lines())
				}
				// What was read over was read over to its end.
				r.send(wire.NewMsgPing(77))
				if p, ok := r.until(wire.CmdPong).(*wire.MsgPong); !ok || p.Nonce != 77 {
					t.Error("the stream is out of step")
				}
			})
		})
	}
	for command, m := range messages {
		if !tried[command] {
			t.Errorf("no test sends %q", command)
		}
		if m.limit == nil || m.handle != nil && m.empty == nil {
			t.Errorf("the entry of %q is not complete", command)
		}
		if m.handle == nil && m.because == "" && m.offence == OffenceNone {
			t.Errorf("%q is read over, and the table does not say why", command)
		}
	}
}

// TestWrongChecksum: one is no more than a few points, in a row they ban.
func TestWrongChecksum(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := scripted(t, Config{})
		r := w.dialIn("8.8.8.8")
		r.shake()
		for _, command := range []string{wire.CmdPing, wire.CmdBlock, wire.CmdPing, wire.CmdPing, wire.CmdFeeFilter} {
			b := frame(command, make([]byte, 8))
			b[21] ^= 0xff
			r.raw(b)
		}
		if e := w.endOf(r); e.Why != ReasonMisbehaved {
			t.Errorf("ended by %v", e.Why)
		}
	})
}

// TestBeforeVerack: what comes between version and verack is read over, known or
// not, except for what belongs there.
func TestBeforeVerack(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := scripted(t, Config{})
		r := w.dialIn("8.8.8.8")
		r.send(version(), wire.NewMsgPing(5))
		r.raw(frame(wire.CmdWTxIdRelay, nil))
		r.raw(frame("novelty", []byte("payload")))
		r.send(wire.NewMsgGetAddr(), wire.NewMsgSendAddrV2(), wire.NewMsgVerAck())
		r.until(wire.CmdVerAck)
		if m := r.next(); m.Command() != wire.CmdPing {
			t.Errorf("%s came, but nothing had been asked after verack", m.Command())
		}
		p := w.peers()[0]
		if !p.AddrV2 || p.BanScore != 0 {
			t.Errorf("peer: %+v", p)
		}
	})
}

// TestEntriesThatAreNotThere: a list that says more than it has is refused before
// memory is reserved for it.
func TestEntriesThatAreNotThere(t *testing.T) {
	for _, command := range []string{wire.CmdInv, wire.CmdGetData, wire.CmdAddr, wire.CmdAddrV2} {
		for _, payload := range [][]byte{{}, {1}, {0xfd, 0xe8, 3}, {0xfd, 0x50, 0xc3, 1, 2, 3}, {0xff, 255, 255, 255, 255, 255, 255, 255, 255}} {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := decode(messages[command], bytes.NewBuffer(payload), wire.ProtocolVersion)
			runtime.ReadMemStats(&after)
			if taken := after.TotalAlloc - before.TotalAlloc; err == nil || taken > 8<<10 {
				t.Errorf("%s %x: %v, %d bytes", command, payload, err, taken)
			}
		}
	}
}

// TestNotFoundIsBounded: an answer is never much larger than it may be.
func TestNotFoundIsBounded(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := scripted(t, Config{})
		r := w.dialIn("8.8.8.8")
		r.shake()
		r.send(&wire.MsgGetData{InvList: inventory(wire.InvTypeBlock, 20000)})
		m := r.until(wire.CmdNotFound).(*wire.MsgNotFound)
		if len(m.InvList) != maxNotFound {
			t.Errorf("%d entries", len(m.InvList))
		}
	})
}

// TestOffences: the table is complete.
func TestOffences(t *testing.T) {
	var slugs []string
	for o := range numOffences {
		r := rules[o]
		if r.name == "" || r.slug == "" || o != OffenceNone && r.enforces == "" {
			t.Errorf("offence %d: %+v", o, r)
		}
		if slices.Contains(slugs, r.slug) {
			t.Errorf("%q names two offences", r.slug)
		}
		slugs = append(slugs, r.slug)
		amounts := o == OffenceAddrFlood || o == OffenceMessageFlood || o == OffenceNone
		if !amounts && r.persistent+r.transient == 0 && !r.ends {
			t.Errorf("%v costs nothing", o)
		}
		if o.String() != r.name || o.Slug() != r.slug || o.Enforces() != r.enforces {
			t.Errorf("methods of offence %d", o)
		}
	}
	if s := Offence(200).String() + Offence(200).Slug(); s != "offence 200offence-200" {
		t.Errorf("unknown offence: %q", s)
	}
}

// TestBanAt100 walks up to the limit: 99 points are endured, one more is not.
func TestBanAt100(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := scripted(t, Config{})
		r := w.dialIn("8.8.8.8")
		other := w.dialIn("8.8.8.8")
		r.shake()
		other.shake()
		for range 9 {
			r.send(wire.NewMsgVerAck())
		}
		wait(time.Second)
		if got := w.peers()[0].BanScore; got != 90 {
			t.Fatalf("score %d, want 90", got)
		}
		if len(w.node.Snapshot().Bans) != 0 {
			t.Fatal("banned at 90")
		}
		r.send(wire.NewMsgVerAck())
		wait(time.Second)
		bans := w.node.Snapshot().Bans
		if len(bans) != 1 || bans[0].Subject.String() != "8.8.8.8" || bans[0].Until.Sub(bans[0].Since).Round(time.Minute) != 24*time.Hour {
			t.Fatalf("bans: %+v", bans)
		}
		// The host's other session goes too.
		if got := w.of(KindLost); len(got) != 2 || got[0].Why != ReasonMisbehaved && got[1].Why != ReasonMisbehaved {
			t.Errorf("lost: %v", got)
		}
		if len(w.peers()) != 0 {
			t.Error("a session of a banned host lives")
		}
		// It is turned away now, without a word.
		again := w.dialIn("8.8.8.8")
		again.send(version())
		if m := again.next(); m != nil {
			t.Errorf("a banned host got %s", m.Command())
		}
		wait(time.Second)
		if got := len(w.of(KindTurnedAway)); got != 1 {
			t.Errorf("%d events of turning away, want 1", got)
		}
		// A day later it may try again.
		wait(26 * time.Hour)
		w.dialIn("8.8.8.8").shake()
		if c := w.node.Counts(); c.Banned != 0 || c.Inbound != 1 {
			t.Errorf("after the ban: %v", c)
		}
	})
}

// TestLocalIsNotBanned: behind a local address may be a proxy. AllowLoopback
// makes them ordinary, except for the one that everybody has.
func TestLocalIsNotBanned(t *testing.T) {
	for _, tt := range []struct {
		host  string
		allow bool
		bans  int
	}{
		{"127.0.0.5", false, 0},
		{"10.1.2.3", false, 0},
		{"127.0.0.5", true, 1},
		{"10.1.2.3", true, 1},
		{"127.0.0.1", true, 0},
	} {
		inBubble(t, func(t *testing.T) {
			w := scripted(t, Config{AllowLoopback: tt.allow})
			r := w.dialIn(tt.host)
			r.shake()
			for range 10 {
				r.send(wire.NewMsgVerAck())
			}
			if e := w.endOf(r); e.Why != ReasonMisbehaved {
				t.Errorf("%s: ended by %v", tt.host, e.Why)
			}
			if got := w.node.Counts().Banned; got != tt.bans {
				t.Errorf("%s, AllowLoopback %v: %d bans, want %d", tt.host, tt.allow, got, tt.bans)
			}
		})
	}
}

// TestManualIsNotBanned: who the operator chose is dropped, and tried again.
func TestManualIsNotBanned(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, Config{Connect: []string{"8.8.4.4"}})
		l := w.listenFor("8.8.4.4:18444")
		r := l.accept()
		r.answer()
		for range 10 {
			r.send(wire.NewMsgVerAck())
		}
		for r.next() != nil {
		}
		wait(time.Second)
		if c := w.node.Counts(); c.Banned != 0 {
			t.Error("banned")
		}
		l.accept().answer()
		wait(time.Second)
		if c := w.node.Counts(); c.Permanent != 1 {
			t.Errorf("counts: %v\n%s", c, w.lines())
		}
	})
}
