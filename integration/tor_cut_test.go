//go:build unix

package integration

import (
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/btcsuite/btcd/chaincfg/v2"

	"holdfast/connmgr"
	"holdfast/internal/tornet"
	"holdfast/node"
)

// TestTorWithoutNetwork: a Tor that runs and has lost its network takes all requests, and
// says nothing of it. That is held against no peer, and when the network is back all are.
func TestTorWithoutNetwork(t *testing.T) {
	ctx := beginTor(t)
	n := tornet.Start(t, tornet.Options{Hosts: torHosts})
	tor := n.Client(t, "cut")
	if err := tor.WaitBootstrapped(ctx); err != nil {
		t.Fatal(err)
	}
	var connect []string
	for _, host := range []string{"127.0.0.1", "127.0.0.1", "here.test"} {
		other, _ := runNode(t, node.Config{Params: &chaincfg.RegressionNetParams, Listen: []string{"127.0.0.1:0"}, Seeds: []node.Seed{}, TargetOutbound: -1})
		_, port, _ := net.SplitHostPort(other.Listening()[0].String())
		connect = append(connect, net.JoinHostPort(host, port))
	}
	_, ev := torNode(t, tor, node.Config{Connect: connect, PingInterval: time.Second, PingTimeout: 5 * time.Second})
	// all waits until something has happened to all so many times.
	all := func(what string, times int, fits func(addr string) func(node.Event) bool) {
		t.Helper()
		began := time.Now()
		eventually(ctx, t, "all are "+what, func() error {
			for _, addr := range connect {
				if got := len(ev.all(fits(addr))); got < times {
					return fmt.Errorf("%s: %d of %d times", addr, got, times)
				}
			}
			return nil
		})
		t.Logf("%s: %.1f s", what, time.Since(began).Seconds())
	}
	ready := func(addr string) func(node.Event) bool { return about(node.KindReady, addr) }
	lost := func(addr string) func(node.Event) bool { return about(node.KindLost, addr) }
	failed := func(addr string) func(node.Event) bool {
		return func(e node.Event) bool {
			return e.Kind == node.KindConnection && e.Type == connmgr.EventFailed && e.Addr.String() == addr
		}
	}
	all("ready", 1, ready)
	n.Cut()
	all("lost", 1, lost)
	all("dialed in vain", 1, failed)
	for _, addr := range connect {
		for _, e := range ev.all(failed(addr)) {
			if t.Log(e); e.Reason != connmgr.ReasonProxy {
				t.Errorf("without a network: %v", e.Reason)
			}
		}
	}
	n.Mend()
	all("ready again", 2, ready)
	var back []time.Time
	for _, addr := range connect {
		back = append(back, ev.all(ready(addr))[1].Time)
	}
	slices.SortFunc(back, time.Time.Compare)
	t.Logf("from the first to the last: %.1f s", back[len(back)-1].Sub(back[0]).Seconds())
}
