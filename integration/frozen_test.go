//go:build unix

package integration

import (
	"errors"
	"syscall"
	"testing"
	"time"

	"holdfast/node"
)

// TestFrozen: a real node that stands still without closing anything is missed
// when it answers no ping, and becomes a peer again when it goes on.
func TestFrozen(t *testing.T) {
	ctx := begin(t)
	b := startBTCD(ctx, t, "regtest")
	n, ev := runNode(t, node.Config{Connect: []string{b.addr}, PingInterval: 200 * time.Millisecond, PingTimeout: 3 * time.Second})
	ev.next(ctx, t, "ready", about(node.KindReady, b.addr))
	eventually(ctx, t, "no ping is answered", func() error {
		if s := n.Snapshot(); len(s.Peers) != 1 || s.Peers[0].Ping <= 0 {
			return errors.New("no round trip was measured")
		}
		return nil
	})

	signal(t, b, syscall.SIGSTOP)
	lost := ev.next(ctx, t, "lost", about(node.KindLost, b.addr))
	t.Log(lost)
	// It answers no ping and says nothing else either: both are seen at about the
	// same time.
	if lost.Why != node.ReasonPingTimeout && lost.Why != node.ReasonIdle {
		t.Errorf("lost for %v", lost.Why)
	}

	signal(t, b, syscall.SIGCONT)
	ev.next(ctx, t, "ready again", about(node.KindReady, b.addr))
	checkListed(t, b.onlyPeer(ctx), peer{SubVer: agent, Version: protocol, Inbound: true})
}

func signal(t *testing.T, b *btcd, s syscall.Signal) {
	t.Helper()
	if err := b.proc.cmd.Process.Signal(s); err != nil {
		t.Fatalf("%s: %v", b.name, err)
	}
}
