package node

import (
	"errors"
	"testing"
	"time"

	"holdfast/connmgr"
)

// TestTryPeer: one dial, told aloud if it fails; who is connected by it is a peer of the
// operator's choice until it goes.
func TestTryPeer(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, Config{TargetOutbound: -1, MaxAddPeers: 2}, honest(2)...)
		w.net.Peers()[1].Stop()
		wait(time.Second)
		must(t, w.node.TryPeer("11.0.0.1"))
		must(t, w.node.TryPeer("11.1.0.1"))
		if err := w.node.TryPeer("11.2.0.1"); !errors.Is(err, ErrTooManyAdded) {
			t.Errorf("the third of two: %v", err)
		}
		wait(10 * time.Minute)
		if err := w.node.TryPeer("11.0.0.1"); !errors.Is(err, connmgr.ReasonDuplicate) {
			t.Errorf("the same again: %v", err)
		}
		if n := w.fabric.Dialed(endpointAddr("11.1.0.1:18444")); n != 1 {
			t.Errorf("%d dials of the one that is away", n)
		}
		if c := w.node.Counts(); c.Permanent != 1 || c.Wanted != 1 || c.Outbound != 0 || len(w.node.AddedPeers()) != 0 {
			t.Errorf("%v", c)
		}
		if p := w.peers()[0]; p.Class != ClassTry || !p.Permanent {
			t.Errorf("%+v", p)
		}
		loud := 0
		for _, e := range w.of(KindConnection) {
			if e.Type == connmgr.EventFailed && e.Level() >= 0 {
				loud++
			}
		}
		if loud != 1 {
			t.Errorf("%d failures are told aloud", loud)
		}
		w.fabric.Reset(w.net.Peers()[0].Addr())
		wait(time.Hour)
		if n := w.fabric.Dialed(endpointAddr(addedAt)); n != 1 {
			t.Errorf("%d dials of the one that was lost", n)
		}
		w.nothingAdded()
	})
}

// TestTryAdded: a kept peer that waits for its next try is dialed at once, and is kept as
// before; one that is connected or being dialed is not.
func TestTryAdded(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := scripted(t, Config{TargetOutbound: -1})
		must(t, w.node.AddPeer("11.0.0.1"))
		wait(time.Hour)
		if p := w.node.AddedPeers()[0]; time.Until(p.NextTry) <= time.Second {
			t.Fatalf("it does not wait: %+v", p)
		}
		before := w.fabric.Dialed(endpointAddr(addedAt))
		w.serve(true)
		must(t, w.node.TryPeer("11.0.0.1"))
		wait(time.Second)
		p := w.node.AddedPeers()
		if n := w.fabric.Dialed(endpointAddr(addedAt)) - before; n != 1 || len(p) != 1 || p[0].Peer == nil || p[0].Addr != "11.0.0.1" {
			t.Errorf("%d dials, %+v\n%s", n, p, w.lines())
		}
		if c := w.node.Counts(); c.Permanent != 1 || c.Wanted != 1 {
			t.Errorf("%+v", c)
		}
		if err := w.node.TryPeer("11.0.0.1"); !errors.Is(err, connmgr.ReasonDuplicate) {
			t.Errorf("connected: %v", err)
		}
		if !w.node.Disconnect(p[0].Peer.ID) {
			t.Error("it cannot be disconnected")
		}
		wait(time.Hour)
		if p := w.node.AddedPeers(); len(p) != 1 || p[0].Peer == nil {
			t.Errorf("it is not kept any more: %+v", p)
		}
		must(t, w.node.RemovePeer("11.0.0.1"))
		wait(time.Second)
		w.nothingAdded()
		w.noUnknownID()
	})
}
