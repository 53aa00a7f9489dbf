package integration

import (
	"net"
	"testing"

	"github.com/btcsuite/btcd/wire/v2"

	"holdfast/node"
)

// fullNode is what a node serves that other nodes dial.
const fullNode = wire.SFNodeNetwork | wire.SFNodeWitness

// TestInbound: real nodes that are told to connect to holdfast become its peers.
//
// btcd keeps no outbound connection to a node that does not say that it serves
// the chain, not even one that its operator asked for. Holdfast serves nothing,
// so here it claims to, as "holdfast run --services 0x9" does.
func TestInbound(t *testing.T) {
	ctx := begin(t)
	n, ev := runNode(t, node.Config{
		Listen:         []string{net.JoinHostPort(loopback(), "0")},
		Services:       fullNode,
		TargetOutbound: -1,
	})
	here := n.Listening()[0].String()
	byTool, byCall := startBTCD(ctx, t, "regtest"), startBTCD(ctx, t, "regtest")

	if out, err := byTool.btcctl(ctx, "node", "connect", here, "perm"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	byCall.must(ctx, "addnode", nil, here, "add")

	for i := range 2 {
		ready := ev.next(ctx, t, "ready", inbound(node.KindReady))
		t.Log(ready)
		if !isBTCD(ready.Peer.UserAgent) || ready.Counts.Inbound != i+1 {
			t.Errorf("ready: %s", ready)
		}
	}
	for _, b := range []*btcd{byTool, byCall} {
		p := b.onlyPeer(ctx)
		t.Logf("%s lists %+v", b.name, p)
		checkListed(t, p, peer{Addr: here, SubVer: agent, Version: protocol, Services: "00000009"})
	}
	s := n.Snapshot()
	if len(s.Peers) != 2 || s.Counts.Inbound != 2 {
		t.Fatalf("the snapshot has %+v, %s", s.Peers, s.Counts)
	}
	for _, p := range s.Peers {
		if !p.Inbound || p.State != node.StateReady || !isBTCD(p.UserAgent) || p.Version != protocol || !p.AddrV2 {
			t.Errorf("the snapshot has %+v", p)
		}
	}

	byTool.proc.kill()
	if lost := ev.next(ctx, t, "lost", inbound(node.KindLost)); !hungUp(lost.Why) || lost.Counts.Inbound != 1 {
		t.Errorf("lost: %s (%v)", lost, lost.Why)
	}
}

// TestInboundUnserved: as holdfast is, serving nothing, a real btcd that is told to
// connect to it hangs up in the middle of the handshake. That is told, is held
// against nobody, and leaves nothing behind.
func TestInboundUnserved(t *testing.T) {
	ctx := begin(t)
	n, ev := runNode(t, node.Config{Listen: []string{net.JoinHostPort(loopback(), "0")}, TargetOutbound: -1})
	b := startBTCD(ctx, t, "regtest")
	b.must(ctx, "node", nil, "connect", n.Listening()[0].String(), "temp")

	e := ev.next(ctx, t, "unready", inbound(node.KindUnready))
	t.Log(e)
	if !hungUp(e.Why) {
		t.Errorf("unready for %v", e.Why)
	}
	b.proc.says(ctx, t, "Rejecting peer", "due to not providing desired services")
	b.noPeer(ctx)
	if s := n.Snapshot(); len(s.Peers) != 0 || len(s.Bans) != 0 {
		t.Errorf("the snapshot has %+v, %+v", s.Peers, s.Bans)
	}
	if bad := ev.all(blamed); len(bad) != 0 {
		t.Errorf("it is held against the peer: %v", bad)
	}
}
