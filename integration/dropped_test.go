package integration

import (
	"testing"

	"holdfast/connmgr"
	"holdfast/node"
)

// TestDropped: a real node that hangs up on us right after each handshake, as a
// full one does, is dialed more and more slowly.
func TestDropped(t *testing.T) {
	ctx := begin(t)
	b := startBTCD(ctx, t, "regtest", "--agentblacklist=holdfast")
	_, ev := runNode(t, node.Config{Connect: []string{b.addr}})
	first := wait(ev.next(ctx, t, "a retry is planned", connection(connmgr.EventRetryAt, b.addr)))
	second := wait(ev.next(ctx, t, "a retry is planned", connection(connmgr.EventRetryAt, b.addr)))
	third := wait(ev.next(ctx, t, "a retry is planned", connection(connmgr.EventRetryAt, b.addr)))
	if third < 2*first || second <= first {
		t.Errorf("it is dialed again after %v, %v and %v", first, second, third)
	}
}
