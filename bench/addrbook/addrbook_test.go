package main

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/btcsuite/btcd/addrmgr"

	"holdfast/addrbook/eclipse"
	"holdfast/netaddr"
)

// Both books do the work that is measured: what is added can be chosen, and is there
// after a restart.
func TestBooks(t *testing.T) {
	for name, m := range map[string]maker{"ours": makeOurs(1), "btcd": makeBtcd} {
		dir := t.TempDir()
		b, err := m(dir)
		if err != nil {
			t.Fatal(err)
		}
		s := newAddresses()
		for i := range 1000 {
			n := netaddr.IPv4
			if i%2 == 0 {
				n = netaddr.Onion
			}
			a := s.next(n)
			b.add(a, s.next(netaddr.IPv4).Host)
			if i%10 == 0 {
				b.good(a)
			}
		}
		before := b.len()
		if before < 950 || !b.choose(0) || !b.choose(netaddr.IPv4) {
			t.Errorf("%s: %d entries", name, before)
		}
		if err := b.save(); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(name, "btcd") {
			if err := age(dir); err != nil {
				t.Fatal(err)
			}
		}
		again, err := m(dir)
		if err != nil || again.len() != before {
			t.Errorf("%s: %d entries, then %d, %v", name, before, again.len(), err)
		}
		if err := again.save(); err != nil {
			t.Error(err)
		}
	}
}

// Both run in the simulation, with all slots filled.
func TestAttack(t *testing.T) {
	cfg := eclipse.Default(1, 8)
	cfg.Days, cfg.Burst, cfg.Flood = 1, 1000, 100
	clock := eclipse.NewVirtual()
	b, err := eclipse.NewOurs(1, clock)
	if err != nil {
		t.Fatal(err)
	}
	if r := eclipse.Run(cfg, b, clock); r.Filled < 0.95 {
		t.Errorf("ours: %+v", r)
	}
	synctest.Test(t, func(t *testing.T) {
		if r := eclipse.Run(cfg, attacked{addrmgr.New(t.TempDir(), nil)}, bubble{}); r.Filled < 0.95 {
			t.Errorf("btcd: %+v", r)
		}
	})
}
