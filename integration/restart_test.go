package integration

import (
	"testing"
	"time"

	"holdfast/connmgr"
	"holdfast/node"
)

// TestRestart: a real node that is killed is missed, dialed less and less often,
// and becomes a peer again by itself when it is back.
func TestRestart(t *testing.T) {
	ctx := begin(t)
	a := startBTCD(ctx, t, "regtest")
	n, ev := runNode(t, node.Config{Connect: []string{a.addr}})

	ready := ev.next(ctx, t, "ready", about(node.KindReady, a.addr))
	if !isBTCD(ready.Peer.UserAgent) || ready.Counts.Permanent != 1 {
		t.Errorf("ready: %s", ready)
	}
	checkListed(t, a.onlyPeer(ctx), peer{SubVer: agent, Version: protocol, Inbound: true})

	a.proc.kill()
	lost := ev.next(ctx, t, "lost", about(node.KindLost, a.addr))
	if !hungUp(lost.Why) || lost.Err == nil || lost.Counts.Permanent != 0 {
		t.Errorf("lost: %s (%v)", lost, lost.Why)
	}

	first := ev.next(ctx, t, "the first retry is planned", connection(connmgr.EventRetryAt, a.addr))
	if first.Reason != connmgr.ReasonDisconnected {
		t.Errorf("the first retry is for %v", first.Reason)
	}
	failed := ev.next(ctx, t, "the first retry fails", connection(connmgr.EventFailed, a.addr))
	if failed.Reason != connmgr.ReasonRefused {
		t.Errorf("the dial of a dead node failed for %v", failed.Reason)
	}
	second := ev.next(ctx, t, "the second retry is planned", connection(connmgr.EventRetryAt, a.addr))
	t.Logf("retries after %v and %v", wait(first), wait(second))
	if wait(first) <= 0 || wait(second) <= wait(first) {
		t.Errorf("retries after %v and %v: they do not grow", wait(first), wait(second))
	}

	was := a.addr
	a.start(ctx)
	if a.addr != was {
		t.Fatalf("btcd came back at %s, was at %s", a.addr, was)
	}
	ev.next(ctx, t, "ready again", about(node.KindReady, a.addr))
	checkListed(t, a.onlyPeer(ctx), peer{SubVer: agent, Version: protocol, Inbound: true})
	if s := n.Snapshot(); len(s.Peers) != 1 || s.Peers[0].State != node.StateReady || s.Counts.Permanent != 1 {
		t.Errorf("the snapshot has %+v, %s", s.Peers, s.Counts)
	}
}

// wait returns how long after the event the retry is that it tells.
func wait(e node.Event) time.Duration { return e.At.Sub(e.Time) }
