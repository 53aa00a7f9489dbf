package node

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/btcsuite/btcd/chaincfg/v2"
)

// TestDivide: the shares never exceed MaxPeers, and at the start they are what check has
// found.
func TestDivide(t *testing.T) {
	for _, tt := range []struct {
		max, target, chosen int
		want                shares
		ok                  bool
	}{
		{125, 8, 0, shares{8, 116}, true}, // one is for feelers
		{125, 8, 8, shares{8, 108}, true},
		{125, 8, 116, shares{8, 0}, true},
		{125, 8, 120, shares{4, 0}, true},
		{125, 8, 124, shares{0, 0}, true},
		{125, 8, 125, shares{}, false},
		{125, -1, 125, shares{0, 0}, true}, // no feelers
		{125, -1, 126, shares{}, false},
		{8, 8, 0, shares{7, 0}, true},
		{8, 8, 3, shares{4, 0}, true},
		{1, 8, 0, shares{1, 0}, true}, // no place for feelers
		{1, 8, 1, shares{0, 0}, true},
	} {
		s, err := Config{Params: &chaincfg.RegressionNetParams, MaxPeers: tt.max, TargetOutbound: tt.target}.check()
		must(t, err)
		if start, _ := s.budget().divide(0); start != (shares{s.TargetOutbound, int(s.inbound)}) {
			t.Errorf("%+v: at the start %+v, not %+v", tt, start, s)
		}
		got, ok := s.budget().divide(tt.chosen)
		if got != tt.want || ok != tt.ok {
			t.Errorf("MaxPeers %d, target %d, %d chosen: %+v, %v, want %+v, %v", tt.max, tt.target, tt.chosen, got, ok, tt.want, tt.ok)
		}
		if all := got.target + got.inbound + tt.chosen + s.short; ok && all > tt.max {
			t.Errorf("MaxPeers %d: %d in all", tt.max, all)
		}
	}
}

// TestSetPeerLimits changes the limits while the node runs, with more peers about than
// there is room for.
func TestSetPeerLimits(t *testing.T) {
	type limits = PeerLimits
	rounds := []struct {
		limits
		outbound, inbound int    // a minute later, of 4 fixed ones and as many others as may be
		refused           string // the field
	}{
		{limits{}, 8, 12, ""},
		{limits{MaxPeers: 15}, 8, 2, ""}, // one place is for feelers
		{limits{MaxPeers: 15, TargetOutbound: 3}, 3, 7, ""},
		{limits{MaxPeers: 15, TargetOutbound: 20}, 10, 0, ""},
		{limits{MaxPeers: 4}, 10, 0, "targetoutbound"}, // that would be none
		{limits{MaxPeers: 5}, 10, 0, "maxpeers"},       // no place for feelers
		{limits{MaxPeers: 3}, 10, 0, "maxpeers"},
		{limits{MaxPeers: -1}, 10, 0, "maxpeers"},
		{limits{TargetOutbound: -1}, 10, 0, "targetoutbound"},
		{limits{MaxPeers: 6}, 1, 0, ""},
		{limits{TargetOutbound: 12}, 12, 12, ""},
	}
	inBubble(t, func(t *testing.T) {
		fixed := []string{"11.0.0.1", "11.1.0.1", "11.2.0.1"}
		w := newWorld(t, Config{Seeds: fabricSeeds(40), AddPeer: fixed, Listen: []string{listenAt}}, honest(40)...)
		must(t, w.node.AddPeer("11.3.0.1"))
		guest := 0
		for i, r := range rounds {
			what := fmt.Sprintf("round %d (%+v)", i, r.limits)
			err := w.node.SetPeerLimits(r.limits)
			var wrong *ConfigError
			if errors.As(err, &wrong); (err != nil) != (r.refused != "") || err != nil && wrong.Field != r.refused {
				t.Errorf("%s: %v", what, err)
			}
			wait(time.Second)
			for ; w.node.Counts().Inbound < min(12, w.node.Info().MaxInbound); guest++ {
				w.dialIn(fmt.Sprintf("8.%d.0.1", guest)).shake()
				wait(time.Second)
			}
			wait(time.Minute)
			c, in := w.node.Counts(), w.node.Info()
			if c.Outbound != r.outbound || c.Inbound != r.inbound || c.Permanent != 4 {
				t.Errorf("%s: %v, want %d outbound, %d inbound", what, c, r.outbound, r.inbound)
			}
			if c.Outbound+c.Inbound+c.Permanent > in.MaxPeers || in.TargetOutbound != r.outbound {
				t.Errorf("%s: %v of %+v", what, c, in)
			}
		}
		w.stop()
		if err := w.node.SetPeerLimits(limits{}); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
}

// TestYounger: whom the operator trusts goes last, and of the others who came last goes
// first.
func TestYounger(t *testing.T) {
	now := time.Now()
	list := []evictable{
		{ID: 1, Since: now.Add(-time.Hour)},
		{ID: 2, Since: now, Exempt: true},
		{ID: 3, Since: now},
		{ID: 4, Since: now},
		{ID: 5, Since: now.Add(-time.Hour), Exempt: true},
	}
	var order []uint64
	for len(list) > 0 {
		id := slices.MaxFunc(list, younger).ID
		order = append(order, id)
		list = slices.DeleteFunc(list, func(e evictable) bool { return e.ID == id })
	}
	if !slices.Equal(order, []uint64{4, 3, 1, 2, 5}) {
		t.Errorf("%v", order)
	}
}
