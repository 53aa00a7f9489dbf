package integration

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"holdfast/connmgr"
	"holdfast/internal/tornet"
	"holdfast/socks"
	"holdfast/torctl"
)

// torHosts are the names that the exits of the tests' Tor network can resolve.
var torHosts = map[string][]netip.Addr{
	"seed.test": {netip.MustParseAddr("127.0.0.11"), netip.MustParseAddr("127.0.0.12")},
	"six.test":  {netip.MustParseAddr("2001:db8::6")},
	"here.test": {netip.MustParseAddr("127.0.0.1")},
}

// TestTor: what goes through real Tor. All tests share one network, which takes a
// while to start.
func TestTor(t *testing.T) {
	t.Parallel()
	n := tornet.Start(t, tornet.Options{Hosts: torHosts})
	for name, test := range map[string]func(context.Context, *testing.T, *tornet.Network){
		"Resolve":   torResolve,
		"Isolation": torIsolation,
		"Peers":     torPeers,
		"Lookups":   torLookups,
		"Onion":     torOnion,
		"Hosting":   torHosting,
		"Daemons":   torDaemons,
	} {
		t.Run(name, func(t *testing.T) { test(beginTor(t), t, n) })
	}
}

// torResolve: an exit looks a name up and gives one address, of IPv4 or IPv6. A name
// that is not there is an error that says so.
func torResolve(ctx context.Context, t *testing.T, n *tornet.Network) {
	d := &socks.Dialer{Proxy: n.Socks()}
	for name, want := range torHosts {
		if got, err := d.Resolve(ctx, name); err != nil || !slices.Contains(want, got) {
			t.Errorf("socks: %s is %v, %v; want one of %v", name, got, err, want)
		}
		ips, err := connmgr.TorLookupIPContext(ctx, name, n.Socks())
		if err != nil || len(ips) != 1 {
			t.Errorf("connmgr: %s is %v, %v; want one of %v", name, ips, err, want)
			continue
		}
		if got, _ := netip.AddrFromSlice(ips[0]); !slices.Contains(want, got.Unmap()) {
			t.Errorf("connmgr: %s is %v, want one of %v", name, got, want)
		}
		if asked := n.DNSQueries(); !slices.Contains(asked, "A "+name) {
			t.Errorf("the exits asked for %q, not for %s", asked, name)
		}
	}
	if got, err := d.LookupNetIP(ctx, "ip", "gone.test"); !isNotFound(err) {
		t.Errorf("socks: a name that is not there is %v, %v", got, err)
	}
	if got, err := connmgr.TorLookupIPContext(ctx, "gone.test", n.Socks()); err == nil {
		t.Errorf("connmgr: a name that is not there is %v", got)
	}
}

func isNotFound(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns) && dns.IsNotFound
}

// torIsolation: of connections that are isolated no two have the same circuit, unless
// they have the same token; without isolation all have.
func torIsolation(ctx context.Context, t *testing.T, n *tornet.Network) {
	control, err := torctl.Dial(ctx, torctl.Options{Address: n.Control()})
	if err != nil {
		t.Fatal(err)
	}
	defer control.Close()
	same := socks.WithToken(ctx, "same")
	const conns = 4
	for _, c := range []struct {
		name     string
		ctx      context.Context
		isolate  bool
		circuits int
	}{
		{"isolated", ctx, true, conns},
		{"isolated, with one token", same, true, 1},
		{"not isolated", ctx, false, 1},
		{"not isolated, with a token", same, false, 1},
	} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		d := &socks.Dialer{Proxy: n.Socks(), Isolate: c.isolate}
		for range conns {
			conn, err := d.DialContext(c.ctx, "tcp", ln.Addr().String())
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			defer conn.Close() // they stay open: a circuit without a stream is nobody's
		}
		used := circuitsTo(ctx, t, control, ln.Addr().String())
		if distinct := slices.Compact(slices.Sorted(slices.Values(used))); len(used) != conns || len(distinct) != c.circuits {
			t.Errorf("%s: %d connections have the circuits %q, want %d", c.name, conns, used, c.circuits)
		}
	}
}

// circuitsTo returns the circuit of each connection to target, as Tor knows them.
func circuitsTo(ctx context.Context, t *testing.T, control *torctl.Conn, target string) []string {
	t.Helper()
	status, err := control.GetInfo(ctx, "stream-status")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for line := range strings.Lines(status) {
		// Number, status, circuit, target; see the control-spec, section 3.9.
		if f := strings.Fields(line); len(f) >= 4 && f[1] == "SUCCEEDED" && f[3] == target {
			all = append(all, f[2])
		}
	}
	return all
}
