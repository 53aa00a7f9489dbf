package rpc

import (
	"testing"

	"holdfast/connmgr"
	"holdfast/node"
)

// TestExplainEviction: who was evicted is told why, for as long as that is kept, and not
// only that he is gone.
func TestExplainEviction(t *testing.T) {
	peer := &node.PeerInfo{Addr: mustAddr("7.7.7.1:1234"), Inbound: true}
	event := func(k node.Kind, id uint64) node.Event {
		return node.Event{Kind: k, Why: node.ReasonEvicted, Peer: peer, Event: connmgr.Event{ID: id, Addr: peer.Addr, Inbound: true}}
	}
	earlier, evicted, lost := event(node.KindEvicted, 6), event(node.KindEvicted, 7), event(node.KindLost, 7)
	evicted.Eviction = node.Eviction{Cause: node.EvictedForNewcomer, Rule: node.EvictedFromGroup}
	for _, tt := range []struct {
		events []node.Event
		want   node.Kind
	}{
		{[]node.Event{earlier, evicted, lost}, node.KindEvicted},
		{[]node.Event{earlier, lost}, node.KindLost},
		{[]node.Event{evicted}, node.KindEvicted},
	} {
		state, e, ok := facts{events: tt.events}.last()
		if !ok || state != "evicted" || e.Kind != tt.want || e.ID != 7 {
			t.Errorf("%d events: %s, %v", len(tt.events), state, e)
		}
	}
}
