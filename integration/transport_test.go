package integration

import (
	"fmt"
	"net"
	"slices"
	"testing"

	"holdfast/node"
)

// TestEncrypted: a real node that speaks the encrypted transport (BIP324) falls
// back to the plain one that holdfast speaks, whoever dials.
func TestEncrypted(t *testing.T) {
	ctx := begin(t)
	b := startBTCD(ctx, t, "regtest", "--v2transport")
	n, ev := runNode(t, node.Config{
		Connect:  []string{b.addr},
		Listen:   []string{net.JoinHostPort(loopback(), "0")},
		Services: fullNode, // see TestInbound
	})
	here := n.Listening()[0].String()

	t.Log(ev.next(ctx, t, "ready", about(node.KindReady, b.addr)))
	checkListed(t, b.onlyPeer(ctx), peer{SubVer: agent, Version: protocol, Services: "00000009", Inbound: true})

	b.must(ctx, "node", nil, "connect", here, "perm")
	first := ev.next(ctx, t, "unready", inbound(node.KindUnready))
	t.Log(first)
	if first.Why != node.ReasonWrongNetwork {
		t.Errorf("its first, encrypted connection ended for %v", first.Why)
	}
	second := ev.next(ctx, t, "ready", inbound(node.KindReady))
	t.Log(second)
	if !isBTCD(second.Peer.UserAgent) {
		t.Errorf("ready: %s", second)
	}
	if bad := ev.all(blamed); len(bad) != 0 {
		t.Errorf("it is held against the peer: %v", bad)
	}

	eventually(ctx, t, b.name+" has not both as peers", func() error {
		all, err := b.peers(ctx)
		if err != nil {
			return err
		}
		in := slices.IndexFunc(all, func(p peer) bool { return p.Inbound && p.SubVer == agent && !p.V2 })
		out := slices.IndexFunc(all, func(p peer) bool { return p.Addr == here && !p.Inbound && p.SubVer == agent && !p.V2 })
		if len(all) != 2 || in < 0 || out < 0 {
			return fmt.Errorf("getpeerinfo lists %+v", all)
		}
		return nil
	})
}
