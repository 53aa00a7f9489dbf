package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/btcsuite/btcd/chaincfg/v2"

	"holdfast/connmgr"
	"holdfast/simnet"
)

// TestOrdersBeforeAndAfter: what is ordered before Run holds in it, and after it
// nothing is taken any more.
func TestOrdersBeforeAndAfter(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := simnet.NewFabric(simnet.FabricConfig{})
		defer f.Close()
		n, err := New(Config{Params: &chaincfg.RegressionNetParams, TargetOutbound: -1, Connect: []string{"11.9.0.1"}, Dial: f.Dialer(ourAddr)})
		must(t, err)
		must(t, n.AddPeer("11.0.0.1"))
		must(t, n.AddPeer("11.0.0.2"))
		must(t, n.RemovePeer("11.0.0.1"))
		must(t, n.RemovePeer("11.9.0.1"))
		if err := n.TryPeer("11.0.0.3"); !errors.Is(err, ErrNotRunning) {
			t.Errorf("try before Run: %v", err)
		}
		if p := n.AddedPeers(); len(p) != 1 || p[0].Addr != "11.0.0.2" || p[0].Reason != connmgr.ReasonNone {
			t.Errorf("%+v", p)
		}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error)
		go func() { ended <- n.Run(ctx) }()
		wait(time.Hour)
		if f.Dialed(endpointAddr("11.0.0.2:18444")) == 0 || f.Stats().Dials != f.Dialed(endpointAddr("11.0.0.2:18444")) {
			t.Errorf("%d dials, %d of them of the one that was added", f.Stats().Dials, f.Dialed(endpointAddr("11.0.0.2:18444")))
		}
		cancel()
		must(t, <-ended)
		for what, err := range map[string]error{
			"add": n.AddPeer("11.0.0.4"), "remove": n.RemovePeer("11.0.0.2"), "try": n.TryPeer("11.0.0.5"),
		} {
			if !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s after Run: %v", what, err)
			}
		}
	})
	n, err := New(Config{Params: &chaincfg.RegressionNetParams})
	must(t, err)
	must(t, n.Close())
	if err := n.AddPeer("11.0.0.4"); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// TestOrdersAtOnce: of many who add and remove the same peer at once each gets an answer
// that fits the others', while its sessions begin and end, and networking goes off and
// on, and the node ends.
func TestOrdersAtOnce(t *testing.T) {
	for _, ends := range []bool{false, true} {
		inBubble(t, func(t *testing.T) {
			w := newWorld(t, Config{TargetOutbound: 2, Seeds: fabricSeeds(4), Listen: []string{listenAt}}, honest(5)...)
			wait(time.Second)
			var balance atomic.Int64
			var wg sync.WaitGroup
			for i := range 8 {
				wg.Go(func() {
					for j := range 50 {
						time.Sleep(time.Duration(i*7+j%5) * time.Millisecond)
						if i%2 == 0 {
							if w.node.AddPeer("11.4.0.1") == nil {
								balance.Add(1)
							}
						} else if w.node.RemovePeer("11.4.0.1") == nil {
							balance.Add(-1)
						}
						_ = w.node.TryPeer("11.3.0.1")
						w.node.DisconnectAddr("11.3.0.1")
						if i < 2 {
							w.node.SetNetworkActive(j%2 == i)
						}
						_ = w.node.AddedPeers()
						w.node.Ping()
					}
				})
			}
			if ends {
				time.Sleep(100 * time.Millisecond)
				w.stop()
				wg.Wait()
				return
			}
			wg.Wait()
			if got := int64(len(w.node.AddedPeers())); got != balance.Load() {
				t.Errorf("%d are added, %d by the answers", got, balance.Load())
			}
			w.node.SetNetworkActive(true)
			_ = w.node.RemovePeer("11.4.0.1")
			w.node.DisconnectAddr("11.3.0.1")
			wait(time.Minute)
			w.nothingAdded()
			w.noUnknownID()
			if c := w.node.Counts(); c.Outbound != 2 {
				t.Errorf("%v", c)
			}
		})
	}
}

// TestThousandAdded peers leave nothing behind when they are removed.
func TestThousandAdded(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, Config{TargetOutbound: -1, MaxAddPeers: 1000, MaxPeers: 1010}, honest(100)...)
		for i := range 1000 {
			must(t, w.node.AddPeer(fmt.Sprintf("11.%d.%d.1", i%250, i/250)))
		}
		wait(time.Minute)
		if c := w.node.Counts(); c.Permanent != 100 || c.Wanted != 1000 {
			t.Errorf("%v", c)
		}
		for i := range 1000 {
			must(t, w.node.RemovePeer(fmt.Sprintf("11.%d.%d.1", i%250, i/250)))
		}
		wait(time.Second)
		w.nothingAdded()
		dials := w.fabric.Stats().Dials
		wait(time.Hour)
		if now := w.fabric.Stats().Dials; now != dials {
			t.Errorf("%d dials after all were removed", now-dials)
		}
		w.noUnknownID()
	})
}
