package integration

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
)

// TestGossip: the program is told of one real node, learns of others from it, and
// connects to one. Where it can be reached itself, it tells.
//
// btcd tells 23 % of the addresses that it knows, rounded down: it must know five
// to tell one. It learns those of other nodes that dial it and that have a block
// of today. Simnet would not do: there btcd tells nothing.
func TestGossip(t *testing.T) {
	ctx := begin(t)
	lan := newLAN(ctx, t)
	known := lan.btcd(ctx, "11.10.0.1", "--miningaddr=bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080")
	var others []*btcd
	for i := range 5 {
		others = append(others, lan.btcd(ctx, fmt.Sprintf("11.%d.0.1", 20+i)))
	}
	shareBlock(ctx, t, known, others)
	for _, b := range others {
		b.must(ctx, "node", nil, "connect", known.addr, "perm")
	}
	eventually(ctx, t, "the known node does not get to know others", func() error {
		told, err := tells(ctx, known)
		if err == nil && len(told) == 0 {
			err = fmt.Errorf("it tells no address")
		}
		return err
	})

	const here = "11.100.0.1"
	hf := start(t, "holdfast", slices.Concat(lan.host(ctx, here), []string{
		holdfastPath(t), "run", "--regtest", "--datadir", t.TempDir(),
		"--nolisten", "--addpeer", "11.10.0.1", "--debuglevel", "info,ADDR=debug",
	})...)
	t.Log(hf.says(ctx, t, "PEER: Peer "+known.addr+" ready:", "/btcd:", "manual"))
	t.Log(hf.says(ctx, t, "ADDR: Peer "+known.addr+" told"))
	line := hf.says(ctx, t, "PEER: Peer ", "/btcd:", " outbound, 1 of 8")
	t.Log(line)

	i := slices.IndexFunc(others, func(b *btcd) bool { return strings.Contains(line, "Peer "+b.addr+" ready:") })
	if i < 0 {
		t.Fatalf("%q is about none of the other nodes", line)
	}
	for _, b := range []*btcd{known, others[i]} {
		p := b.peerFrom(ctx, here)
		t.Logf("%s lists %+v", b.name, p)
		checkListed(t, p, peer{SubVer: agent, Version: protocol, Inbound: true})
	}
	hf.stop(ctx, t)

	const reachable = "11.110.0.1"
	hf = start(t, "holdfast", slices.Concat(lan.host(ctx, reachable), []string{
		holdfastPath(t), "run", "--regtest", "--datadir", t.TempDir(),
		"--listen", reachable, "--addpeer", "11.10.0.1", "--targetoutbound", "1",
	})...)
	eventually(ctx, t, "the known node does not get to know holdfast", func() error {
		told, err := tells(ctx, known)
		if err == nil && !slices.Contains(told, reachable+":18444") {
			err = fmt.Errorf("it tells %q", told)
		}
		return err
	})
	hf.stop(ctx, t)
}

// shareBlock gives nodes the same new block, so that they take themselves for
// up to date.
func shareBlock(ctx context.Context, t *testing.T, miner *btcd, others []*btcd) {
	t.Helper()
	var hashes []string
	miner.must(ctx, "generate", &hashes, 1)
	if len(hashes) != 1 {
		t.Fatalf("%s made the blocks %q", miner.name, hashes)
	}
	var block string
	miner.must(ctx, "getblock", &block, hashes[0], 0)
	for _, b := range others {
		b.must(ctx, "submitblock", nil, block)
	}
}

// tells returns the addresses that a node would tell now: some of those that it
// knows, others each time.
func tells(ctx context.Context, b *btcd) ([]string, error) {
	var list []struct {
		Address string
		Port    uint16
	}
	err := b.call(ctx, "getnodeaddresses", &list, 1000)
	var addrs []string
	for _, a := range list {
		addrs = append(addrs, net.JoinHostPort(a.Address, fmt.Sprint(a.Port)))
	}
	return addrs, err
}

// peerFrom waits until the node has a peer that came from a host and has shaken
// hands, and returns it.
func (b *btcd) peerFrom(ctx context.Context, host string) peer {
	b.t.Helper()
	var found peer
	eventually(ctx, b.t, b.name+" has no peer from "+host, func() error {
		all, err := b.peers(ctx)
		if err != nil {
			return err
		}
		for _, p := range all {
			if from, _, err := net.SplitHostPort(p.Addr); err == nil && from == host && p.SubVer != "" {
				found = p
				return nil
			}
		}
		return fmt.Errorf("getpeerinfo lists %+v", all)
	})
	return found
}
