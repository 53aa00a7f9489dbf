package node

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/btcsuite/btcd/wire/v2"
)

// TestPingRhythm: one ping at once, then one every two minutes while each is
// answered; the round trip is measured.
func TestPingRhythm(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := scripted(t, Config{})
		r := w.dialIn("8.8.8.8")
		r.send(version())
		r.until(wire.CmdVersion)
		r.send(wire.NewMsgVerAck())
		var last time.Time
		for i := range 5 {
			ping := r.until(wire.CmdPing).(*wire.MsgPing)
			now := time.Now()
			if i > 0 && now.Sub(last).Round(time.Second) != 2*time.Minute {
				t.Errorf("ping %d came after %v", i, now.Sub(last))
			}
			last = now
			time.Sleep(60 * time.Millisecond)
			r.send(wire.NewMsgPong(ping.Nonce+1), wire.NewMsgPong(ping.Nonce))
			wait(time.Second)
			// 20 ms each way, and the pause.
			if got := w.peers()[0].Ping; got != 100*time.Millisecond {
				t.Errorf("round trip %v, want 100ms", got)
			}
		}
		pongs := w.of(KindPong) // not those that answer no ping
		if len(pongs) != 5 || !strings.HasSuffix(pongs[4].String(), " answered a ping in 100ms") {
			t.Errorf("%d pongs were told: %v", len(pongs), pongs)
		}
	})
}

// TestLatePong: a pong that is later than the next ping would have been changes
// nothing of the rhythm.
func TestLatePong(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := scripted(t, Config{})
		r := w.dialIn("8.8.8.8")
		r.send(version())
		r.until(wire.CmdVersion)
		r.send(wire.NewMsgVerAck())
		ping := r.until(wire.CmdPing).(*wire.MsgPing)
		began := time.Now()
		time.Sleep(3 * time.Minute)
		r.send(wire.NewMsgPong(ping.Nonce))
		r.until(wire.CmdPing)
		if got := time.Since(began).Round(time.Second); got != 4*time.Minute {
			t.Errorf("the second ping came after %v", got)
		}
	})
}

// TestPingTimeout: a peer that talks, but does not answer pings, is lost when the
// first one is 20 minutes old, and no second one was sent.
func TestPingTimeout(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := scripted(t, Config{})
		r := w.dialIn("8.8.8.8")
		r.shake()
		began := time.Now()
		go func() {
			for range 25 {
				time.Sleep(time.Minute)
				r.send(wire.NewMsgPong(12345))
			}
		}()
		pings := 0
		for m := r.next(); m != nil; m = r.next() {
			if m.Command() == wire.CmdPing {
				pings++
			}
		}
		if lasted := time.Since(began).Round(time.Second); lasted != 20*time.Minute || pings != 0 {
			t.Errorf("lasted %v and got %d more pings", lasted, pings)
		}
		if e := w.endOf(r); e.Why != ReasonPingTimeout {
			t.Errorf("ended by %v", e.Why)
		}
		time.Sleep(10 * time.Minute)
	})
}

// TestShortPingTimeout: the time-out may be shorter than the interval.
func TestShortPingTimeout(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := scripted(t, Config{PingTimeout: 10 * time.Second})
		r := w.dialIn("8.8.8.8")
		r.shake()
		began := time.Now()
		e := w.endOf(r)
		if lasted := e.Time.Sub(began).Round(time.Second); e.Why != ReasonPingTimeout || lasted != 10*time.Second {
			t.Errorf("ended by %v after %v", e.Why, lasted)
		}
	})
}

// TestSlowMessage: a message that was begun must be finished within a minute.
func TestSlowMessage(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := scripted(t, Config{})
		r := w.dialIn("8.8.8.8")
		r.shake()
		began := time.Now()
		b := frame(wire.CmdAddr, make([]byte, 30000))
		go func() {
			for i := 0; i < len(b); i += 10 {
				if _, err := r.conn.Write(b[i:min(i+10, len(b))]); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}()
		e := w.endOf(r)
		if lasted := e.Time.Sub(began); e.Why != ReasonSlowMessage || lasted > messageTimeout+5*time.Second {
			t.Errorf("ended by %v after %v", e.Why, lasted)
		}
		wait(time.Minute)
	})
}

// TestDeafPeer: a peer that asks and never reads holds up itself only, and not for
// long: our side of the connection fills, and then a write times out.
func TestDeafPeer(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := scripted(t, Config{})
		r := w.dialIn("8.8.8.8")
		r.shake()
		began := time.Now()
		go func() {
			data := &wire.MsgGetData{InvList: inventory(wire.InvTypeBlock, maxNotFound)}
			for {
				if err := wire.WriteMessage(r.conn, data, wire.ProtocolVersion, magic); err != nil {
					return
				}
				time.Sleep(time.Second) // as fast as the limit of messages allows for long
			}
		}()
		wait(5 * time.Minute)
		lost := w.of(KindLost)
		if len(lost) != 1 || lost[0].Why != ReasonSendTimeout {
			t.Fatalf("lost: %v\n%s", lost, w.lines())
		}
		if lasted := lost[0].Time.Sub(began); lasted > 3*time.Minute {
			t.Errorf("it lasted %v", lasted)
		}
	})
}

// TestCutLine: when the line is dead, ours ends by itself.
func TestCutLine(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := scripted(t, Config{})
		r := w.dialIn("8.8.8.8")
		r.shake()
		w.fabric.Cut(true)
		wait(25 * time.Minute)
		if lost := w.of(KindLost); len(lost) != 1 || lost[0].Why != ReasonPingTimeout {
			t.Errorf("lost: %v", lost)
		}
		w.fabric.Cut(false)
	})
}

// TestReset: a broken connection is told apart from one that was closed.
func TestReset(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := scripted(t, Config{})
		r := w.dialIn("8.8.8.8")
		r.shake()
		w.fabric.Reset(nil)
		wait(time.Second)
		if lost := w.of(KindLost); len(lost) != 1 || lost[0].Why != ReasonReset {
			t.Errorf("lost: %v", lost)
		}
	})
}

// TestProbe: after our network changed, a peer that does not answer soon is gone,
// and one that does stays.
func TestProbe(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := scripted(t, Config{})
		silent, alive := w.dialIn("8.8.8.8"), w.dialIn("9.8.8.8")
		silent.shake()
		alive.send(version(), wire.NewMsgVerAck())
		go func() {
			for {
				switch m := alive.next().(type) {
				case nil:
					return
				case *wire.MsgPing:
					alive.send(wire.NewMsgPong(m.Nonce))
				}
			}
		}()
		wait(time.Minute)
		for _, s := range w.node.sessions() {
			s.test()
		}
		wait(probePatience - time.Second)
		if n := len(w.peers()); n != 2 {
			t.Errorf("%d peers before the time is up", n)
		}
		wait(2 * time.Second)
		if p := w.peers(); len(p) != 1 || p[0].Addr.(*net.TCPAddr).IP.String() != "9.8.8.8" {
			t.Errorf("left: %v", p)
		}
		if e := w.of(KindLost); len(e) != 1 || e[0].Why != ReasonPingTimeout {
			t.Errorf("%v", e)
		}
		wait(time.Hour)
		if n := len(w.peers()); n != 1 {
			t.Errorf("%d peers an hour later", n)
		}
	})
}
