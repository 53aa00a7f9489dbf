package integration

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/btcsuite/btcd/chaincfg/v2"

	"holdfast/connmgr"
	"holdfast/internal/tornet"
	"holdfast/netaddr"
	"holdfast/node"
	"holdfast/socks"
	"holdfast/torctl"
)

// torPatience bounds a test with a node over Tor: circuits take their time, the
// descriptor of an onion service too.
const torPatience = 5 * time.Minute

// beginTor is begin for tests over Tor.
func beginTor(t *testing.T) context.Context { return beginFor(t, torPatience) }

// torNode is a node that does everything through a tor.
func torNode(t *testing.T, tor *tornet.Tor, cfg node.Config) (*node.Node, *events) {
	t.Helper()
	cfg.Params = &chaincfg.RegressionNetParams
	cfg.Seeds = []node.Seed{}
	cfg.Proxy = &socks.Dialer{Proxy: tor.Socks, Isolate: true}
	cfg.Dial = func(_ context.Context, addr net.Addr) (net.Conn, error) {
		t.Errorf("%v was dialed around Tor", addr)
		return nil, net.ErrClosed
	}
	return runNode(t, cfg)
}

// torPeers: a node has peers behind the exits, a real btcd by its address and others by a
// name, which an exit looks up. No two have the same circuit.
func torPeers(ctx context.Context, t *testing.T, n *tornet.Network) {
	b := startBTCD(ctx, t, "regtest")
	connect := []string{b.addr}
	for range 2 {
		other, _ := runNode(t, node.Config{Params: &chaincfg.RegressionNetParams, Listen: []string{"127.0.0.1:0"}, Seeds: []node.Seed{}, TargetOutbound: -1})
		_, port, _ := net.SplitHostPort(other.Listening()[0].String())
		connect = append(connect, net.JoinHostPort("here.test", port))
	}
	tor := n.Client(t, "peers")
	if err := tor.WaitBootstrapped(ctx); err != nil {
		t.Fatal(err)
	}
	_, ev := torNode(t, tor, node.Config{Connect: connect, Services: 9})
	for _, addr := range connect {
		ev.again()
		ev.next(ctx, t, addr+" ready", about(node.KindReady, addr))
	}
	if p := b.onlyPeer(ctx); !p.Inbound {
		t.Errorf("btcd's peer: %+v", p)
	}
	control, err := torctl.Dial(ctx, torctl.Options{Address: tor.Control})
	if err != nil {
		t.Fatal(err)
	}
	defer control.Close()
	var used []string
	for _, addr := range connect {
		// Tor knows by now what the exit has found the name to stand for.
		used = append(used, circuitsTo(ctx, t, control, strings.Replace(addr, "here.test", "127.0.0.1", 1))...)
	}
	if len(used) != len(connect) || len(slices.Compact(slices.Sorted(slices.Values(used)))) != len(connect) {
		t.Errorf("%d peers have the circuits %q", len(connect), used)
	}
}

// torOnion: a node is reached as an onion service, by another that knows nothing but its
// address. When the tor of either is killed it comes back, and so does the connection;
// the address stays.
func torOnion(ctx context.Context, t *testing.T, n *tornet.Network) {
	hostTor, guestTor := n.Client(t, "host"), n.Client(t, "guest")
	for _, tor := range []*tornet.Tor{hostTor, guestTor} {
		if err := tor.WaitBootstrapped(ctx); err != nil {
			t.Fatal(err)
		}
	}
	_, hostEvents := torNode(t, hostTor, node.Config{
		DataDir: t.TempDir(), Connect: []string{"127.0.0.1:1"}, // nobody
		Onion: &node.OnionService{Control: torctl.Options{Address: hostTor.Control}},
	})
	published := func() string {
		return hostEvents.next(ctx, t, "published", func(e node.Event) bool { return e.Kind == node.KindOnion }).Addr.String()
	}
	visited := func() {
		e := hostEvents.next(ctx, t, "a peer by the onion service", inbound(node.KindReady))
		if e.Peer.Network != netaddr.Onion {
			t.Errorf("who came by the onion service is on %v: %v", e.Peer.Network, e)
		}
	}
	onion := published()
	_, guestEvents := torNode(t, guestTor, node.Config{Connect: []string{onion}})
	reached := func(what string) {
		began := time.Now()
		guestEvents.next(ctx, t, what, about(node.KindReady, onion))
		visited()
		t.Logf("%s: %.1f s", what, time.Since(began).Seconds())
	}
	reached("first")

	hostTor.Kill()
	guestEvents.next(ctx, t, "lost with the host's tor", about(node.KindLost, onion))
	hostTor.Start()
	if again := published(); again != onion {
		t.Errorf("published as %s, and then as %s", onion, again)
	}
	reached("after the host's tor was killed")

	guestTor.Kill()
	guestEvents.next(ctx, t, "lost with the guest's tor", about(node.KindLost, onion))
	guestEvents.next(ctx, t, "the proxy is gone", func(e node.Event) bool {
		return e.Kind == node.KindConnection && e.Type == connmgr.EventFailed && e.Reason == connmgr.ReasonProxy
	})
	guestTor.Start()
	reached("after the guest's tor was killed")
}

// torHosting: who comes by the onion service is not from this machine: more may come than
// from one host.
func torHosting(ctx context.Context, t *testing.T, n *tornet.Network) {
	tor := n.Client(t, "hosting")
	if err := tor.WaitBootstrapped(ctx); err != nil {
		t.Fatal(err)
	}
	host, hostEvents := torNode(t, tor, node.Config{
		DataDir: t.TempDir(), Connect: []string{"127.0.0.1:1"},
		Onion: &node.OnionService{Control: torctl.Options{Address: tor.Control}},
	})
	onion := hostEvents.next(ctx, t, "published", func(e node.Event) bool { return e.Kind == node.KindOnion }).Addr.String()
	const guests = 7 // one host may have five
	for range guests {
		_, ev := torNode(t, tor, node.Config{Connect: []string{onion}})
		ev.next(ctx, t, "ready", about(node.KindReady, onion))
	}
	eventually(ctx, t, "all are peers", func() error {
		if c := host.Counts(); c.Inbound != guests {
			return fmt.Errorf("%v", c)
		}
		return nil
	})
}
