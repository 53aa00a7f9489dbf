package integration

import (
	"net"
	"testing"
	"time"

	"holdfast/connmgr"
	"holdfast/node"
)

// TestWrongNetwork: real nodes of another network do not become peers. The node
// says why, dials them less and less often, and keeps its right peer meanwhile.
func TestWrongNetwork(t *testing.T) {
	ctx := begin(t)
	right := startBTCD(ctx, t, "regtest")
	plain := startBTCD(ctx, t, "simnet")
	encrypted := startBTCD(ctx, t, "simnet", "--v2transport")
	n, ev := runNode(t, node.Config{
		Connect: []string{right.addr, plain.addr, encrypted.addr},
		Listen:  []string{net.JoinHostPort(loopback(), "0")},
	})

	// The one that speaks plain hangs up without a word when it reads our first
	// message. The other answers in its own way.
	for _, b := range []*btcd{plain, encrypted} {
		ev.again()
		e := ev.next(ctx, t, "unready", about(node.KindUnready, b.addr))
		t.Log(e)
		if hungUp(e.Why) != (b == plain) || !hungUp(e.Why) && e.Why != node.ReasonWrongNetwork {
			t.Errorf("unready for %v", e.Why)
		}
		if e.Err == nil {
			t.Error("there is no cause")
		}
	}

	// The one that dials speaks first.
	plain.must(ctx, "node", nil, "connect", n.Listening()[0].String(), "temp")
	ev.again()
	e := ev.next(ctx, t, "unready", inbound(node.KindUnready))
	t.Log(e)
	if e.Why != node.ReasonWrongNetwork {
		t.Errorf("unready for %v", e.Why)
	}

	for _, b := range []*btcd{plain, encrypted} {
		ev.again()
		dialing := connection(connmgr.EventDialing, b.addr)
		first := ev.next(ctx, t, "the first dial", dialing)
		second := ev.next(ctx, t, "the second dial", dialing)
		third := ev.next(ctx, t, "the third dial", dialing)
		waits := [2]time.Duration{second.Time.Sub(first.Time), third.Time.Sub(second.Time)}
		t.Logf("%s was dialed again after %v and %v", b.addr, waits[0], waits[1])
		if waits[0] < time.Second || waits[1] <= waits[0] {
			t.Errorf("%s was dialed again after %v and %v", b.addr, waits[0], waits[1])
		}
	}

	s := n.Snapshot()
	if s.Counts.Permanent != 1 || s.Counts.Inbound != 0 || len(s.Bans) != 0 {
		t.Errorf("the snapshot has %s, %+v", s.Counts, s.Bans)
	}
	if lost := ev.all(about(node.KindLost, "")); len(lost) != 0 {
		t.Errorf("lost: %v", lost)
	}
	checkListed(t, right.onlyPeer(ctx), peer{SubVer: agent, Version: protocol, Inbound: true})
	plain.noPeer(ctx)
	encrypted.noPeer(ctx)
}
