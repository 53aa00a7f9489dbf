package node

import (
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
		if start, _ := s.divide(0); start != (shares{s.TargetOutbound, int(s.inbound)}) {
			t.Errorf("%+v: at the start %+v, not %+v", tt, start, s)
		}
		got, ok := s.divide(tt.chosen)
		if got != tt.want || ok != tt.ok {
			t.Errorf("MaxPeers %d, target %d, %d chosen: %+v, %v, want %+v, %v", tt.max, tt.target, tt.chosen, got, ok, tt.want, tt.ok)
		}
		if all := got.target + got.inbound + tt.chosen + s.short; ok && all > tt.max {
			t.Errorf("MaxPeers %d: %d in all", tt.max, all)
		}
	}
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
