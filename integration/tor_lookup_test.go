package integration

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/btcsuite/btcd/chaincfg/v2"

	"holdfast/internal/tornet"
	"holdfast/node"
	"holdfast/socks"
	"holdfast/torctl"
)

// torLookups: what a node looks up through Tor, each of its seeds, has a circuit that no
// other seed has, and no peer. Without isolation all have one.
func torLookups(ctx context.Context, t *testing.T, n *tornet.Network) {
	other, _ := runNode(t, node.Config{Params: &chaincfg.RegressionNetParams, Listen: []string{"127.0.0.1:0"}, Seeds: []node.Seed{}, TargetOutbound: -1})
	_, port, _ := net.SplitHostPort(other.Listening()[0].String())
	peer := net.JoinHostPort("here.test", port)
	seeds := []string{"seed.test", "six.test", "gone.test"}
	for _, isolate := range []bool{true, false} {
		tor := n.Client(t, fmt.Sprintf("lookups-%v", isolate))
		if err := tor.WaitBootstrapped(ctx); err != nil {
			t.Fatal(err)
		}
		control, err := torctl.Dial(ctx, torctl.Options{Address: tor.Control})
		if err != nil {
			t.Fatal(err)
		}
		defer control.Close()
		if err := control.SetEvents(ctx, "STREAM"); err != nil {
			t.Fatal(err)
		}
		cfg := node.Config{
			Params: &chaincfg.RegressionNetParams, Seeds: []node.Seed{}, AddPeer: []string{peer}, Feelers: -1,
			Proxy: &socks.Dialer{Proxy: tor.Socks, Isolate: isolate},
		}
		for _, name := range seeds {
			cfg.Seeds = append(cfg.Seeds, node.Seed{Host: name})
		}
		runNode(t, cfg)
		used := circuitsOf(ctx, t, control, append(seeds, peer))
		distinct := slices.Compact(slices.Sorted(slices.Values(used)))
		if isolate && len(distinct) != len(used) || !isolate && len(distinct) != 1 {
			t.Errorf("isolated %v: %q and %s have the circuits %q", isolate, seeds, peer, used)
		}
	}
}

// circuitsOf waits until Tor has sent something for each of the targets by a circuit, and
// returns these circuits. A port belongs to a connection, a lookup has none.
func circuitsOf(ctx context.Context, t *testing.T, control *torctl.Conn, targets []string) []string {
	t.Helper()
	used := make([]string, len(targets))
	for slices.Contains(used, "") {
		select {
		case notice := <-control.Notices():
			// Number, status, circuit, target; see the control-spec, section 4.1.2.
			f := strings.Fields(notice.Text)
			if len(f) < 4 || f[1] != "SENTRESOLVE" && f[1] != "SENTCONNECT" {
				continue
			}
			target := f[3]
			if f[1] == "SENTRESOLVE" {
				target, _, _ = strings.Cut(target, ":")
			}
			if i := slices.Index(targets, target); i >= 0 && used[i] == "" {
				used[i] = f[2]
			}
		case <-ctx.Done():
			t.Fatalf("%q have the circuits %q: %v", targets, used, context.Cause(ctx))
		}
	}
	return used
}
