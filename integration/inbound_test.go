package integration

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
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
// so here it says that it does.
func TestInbound(t *testing.T) {
	ctx := begin(t)
	n, ev := runNode(t, node.Config{
		Listen:         []string{net.JoinHostPort(loopback(), "0")},
		NewListener:    listenAs(fullNode),
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

// listenAs returns a Config.NewListener that makes a node claim to serve
// something.
func listenAs(services wire.ServiceFlag) func(net.Addr) (net.Listener, error) {
	return func(addr net.Addr) (net.Listener, error) {
		l, err := net.Listen("tcp", addr.String())
		return claimingListener{l, services}, err
	}
}

type claimingListener struct {
	net.Listener
	services wire.ServiceFlag
}

func (l claimingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return claimingConn{conn, l.services}, nil
}

// claimingConn changes what the version message that is sent says of services. A
// message is written with one Write.
type claimingConn struct {
	net.Conn
	services wire.ServiceFlag
}

func (c claimingConn) Write(b []byte) (int, error) {
	const header, afterVersion = wire.MessageHeaderSize, 4
	if len(b) < header+afterVersion+8 || string(b[4:12]) != "version\x00" {
		return c.Conn.Write(b)
	}
	if length := binary.LittleEndian.Uint32(b[16:20]); int(length) != len(b)-header {
		return 0, fmt.Errorf("a version message of %d bytes was written in part: %d", length, len(b)-header)
	}
	b = append([]byte(nil), b...)
	payload := b[header:]
	binary.LittleEndian.PutUint64(payload[afterVersion:], uint64(c.services))
	sum := sha256.Sum256(payload)
	sum = sha256.Sum256(sum[:])
	copy(b[20:24], sum[:])
	return c.Conn.Write(b)
}
