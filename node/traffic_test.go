package node

import (
	"fmt"
	"testing"
	"time"

	"github.com/btcsuite/btcd/wire/v2"
)

// TestTraffic: bytes by message, of live sessions and ended ones; whatever commands a
// peer makes up are one line.
func TestTraffic(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := scripted(t, Config{})
		r := w.dialIn("8.8.8.8")
		r.shake()
		sizes := make(map[string]uint64)
		for i := range 20 {
			b := frame(fmt.Sprintf("made-up-%d", i), make([]byte, i))
			r.raw(b)
			sizes[OtherMessages] += uint64(len(b))
		}
		b := frame("*other*", nil) // that too is made up
		r.raw(b)
		sizes[OtherMessages] += uint64(len(b))
		b = frame("ping", make([]byte, 8))
		r.raw(b)
		sizes["ping"] = uint64(len(b))
		r.until(wire.CmdPong)
		wait(time.Second)

		p := w.peers()[0]
		for _, by := range []map[string]uint64{p.ReceivedBy, w.node.Traffic().ReceivedBy} {
			for c, want := range sizes {
				if by[c] != want {
					t.Errorf("%s: %d bytes, want %d", c, by[c], want)
				}
			}
			if by["version"] == 0 || by["verack"] != wire.MessageHeaderSize || len(by) != 5 { // and sendaddrv2
				t.Errorf("%v", by)
			}
		}
		if p.SentBy["pong"] != 32 || p.SentBy["ping"] != 32 || p.SentBy["inv"] != 0 {
			t.Errorf("sent %v", p.SentBy)
		}
		live := w.node.Traffic()
		if live.Sent != p.BytesOut || live.Received != p.BytesIn || sum(live.SentBy) != live.Sent || sum(live.ReceivedBy) != live.Received {
			t.Errorf("%+v of %+v", live, p)
		}

		r.raw(frame("ping", make([]byte, 8))[:30]) // half of one
		wait(time.Second)
		_ = r.conn.Close()
		wait(time.Second)
		after := w.node.Traffic()
		if len(w.peers()) != 0 || after.Received != live.Received+30 || sum(after.ReceivedBy) != live.Received {
			t.Errorf("after its end: %+v, before %+v", after, live)
		}
		after.SentBy["pong"], after.ReceivedBy["new"] = 7, 7 // it is a copy
		w.dialIn("8.8.8.8").shake()
		wait(time.Second)
		if again := w.node.Traffic(); again.SentBy["pong"] != 32 || again.ReceivedBy["verack"] != 48 || again.ReceivedBy["new"] != 0 {
			t.Errorf("%+v", again)
		}
	})
}

func sum(by map[string]uint64) (total uint64) {
	for _, n := range by {
		total += n
	}
	return total
}

// TestTrafficNeverFalls, whoever comes and goes.
func TestTrafficNeverFalls(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, Config{Seeds: fabricSeeds(8), Feelers: 5 * time.Second}, honest(8)...)
		var last Traffic
		for i := range 2000 {
			wait(300 * time.Millisecond)
			if i%100 == 99 {
				w.fabric.Reset(nil)
			}
			now := w.node.Traffic()
			if now.Sent < last.Sent || now.Received < last.Received || sum(now.SentBy) < sum(last.SentBy) || sum(now.SentBy) > now.Sent {
				t.Fatalf("%+v after %+v", now, last)
			}
			last = now
		}
		if len(w.of(KindLost)) < 15 || last.Received == 0 {
			t.Errorf("%d ended, %+v", len(w.of(KindLost)), last)
		}
	})
}

// TestMeterCostsNothing: no memory by message, known or not.
func TestMeterCostsNothing(t *testing.T) {
	m := newMeter()
	if n := testing.AllocsPerRun(100, func() {
		m.add("ping", 32)
		m.add("made up", 32)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	for c := range messages {
		m.add(c, 1)
	}
	if got := m.byCommand(); len(got) != len(messages)+1 || len(m) != len(messages)+1 {
		t.Errorf("%d counts of %d commands and all others", len(got), len(messages))
	}
}

func BenchmarkMeter(b *testing.B) {
	m := newMeter()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			m.add("addrv2", 61)
		}
	})
}
