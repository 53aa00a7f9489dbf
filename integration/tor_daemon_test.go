package integration

import (
	"context"
	"strings"
	"testing"

	"holdfast/internal/tornet"
	"holdfast/netaddr"
)

// torDaemons: what the daemon makes of its settings for Tor: one is reached as an onion
// service, by another that goes through a proxy. When it is started again it has the
// address that it had.
func torDaemons(ctx context.Context, t *testing.T, n *tornet.Network) {
	tor := n.Client(t, "daemons")
	if err := tor.WaitBootstrapped(ctx); err != nil {
		t.Fatal(err)
	}
	data := t.TempDir()
	daemon := func(name string, args ...string) *process {
		return start(t, name, append([]string{holdfastPath(t), "run", "--regtest", "--proxy", tor.Socks}, args...)...)
	}
	host := func() (*process, string) {
		p := daemon("host", "--datadir", data, "--listen", "127.0.0.1:0", "--listenonion", "--torcontrol", tor.Control, "--debuglevel", "info,PEER=debug")
		_, text, _ := strings.Cut(p.says(ctx, t, "Reached as ", ".onion:18444, by Tor"), "Reached as ")
		onion, _, _ := strings.Cut(text, ",")
		return p, onion
	}
	first, onion := host()
	if a, err := netaddr.ParseAddr(onion); err != nil || a.Host.Network() != netaddr.Onion {
		t.Fatalf("the host is reached as %q: %v", onion, err)
	}
	guest := daemon("guest", "--datadir", t.TempDir(), "--connect", onion)
	guest.says(ctx, t, onion, "ready")
	first.says(ctx, t, "onion-peer:", "ready")

	first.stop(ctx, t)
	guest.says(ctx, t, "Lost", onion)
	second, again := host()
	if again != onion {
		t.Errorf("reached as %s, and then as %s", onion, again)
	}
	second.says(ctx, t, "onion-peer:", "ready")
	guest.stop(ctx, t)
	second.stop(ctx, t)
}
