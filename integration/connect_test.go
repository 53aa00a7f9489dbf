package integration

import (
	"testing"

	"holdfast/node"
)

// TestConnect: the program, told of two real nodes with --connect, becomes a peer
// of both, and leaves when it is asked to.
func TestConnect(t *testing.T) {
	ctx := begin(t)
	a, b := startBTCD(ctx, t, "regtest"), startBTCD(ctx, t, "regtest")
	hf := start(t, "holdfast", holdfastPath(t), "run", "--regtest", "--datadir", t.TempDir(),
		"--connect", a.addr, "--connect", b.addr)

	for _, btcd := range []*btcd{a, b} {
		line := hf.says(ctx, t, "PEER: Peer "+btcd.addr+" ready:", "/btcd:")
		t.Log(line)
		p := btcd.onlyPeer(ctx)
		t.Logf("%s lists %+v", btcd.name, p)
		checkListed(t, p, peer{SubVer: agent, Version: protocol, Inbound: true})
	}

	hf.stop(ctx, t)
	hf.says(ctx, t, "NODE: Stopped after")
	a.noPeer(ctx)
	b.noPeer(ctx)
}

// What a node is told of us.
const (
	agent    = "/holdfast:" + node.Version + "/"
	protocol = 70016
)

// checkListed compares an entry of getpeerinfo with what it should be; the
// address is not compared if none is wanted.
func checkListed(t *testing.T, got, want peer) {
	t.Helper()
	if want.Addr == "" {
		want.Addr = got.Addr
	}
	if want.Services == "" {
		want.Services = "00000000"
	}
	if got != want {
		t.Errorf("getpeerinfo lists %+v, want %+v", got, want)
	}
}
