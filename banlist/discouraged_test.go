package banlist

import (
	"net/netip"
	"sync"
	"testing"
	"time"

	"holdfast/netaddr"
)

func TestDiscouraged(t *testing.T) {
	var c clock
	d := NewDiscouraged(DiscouragedOptions{Now: c.now, Max: 8, For: time.Hour})
	a, b := host("192.0.2.1"), host(onion)
	d.Add(a)
	d.Add(netaddr.Host{})
	if !d.Has(a) || d.Has(b) || d.Has(netaddr.Host{}) {
		t.Error("not the one")
	}
	c.advance(30 * time.Minute)
	d.Add(b)
	c.advance(30 * time.Minute)
	if d.Has(a) || !d.Has(b) {
		t.Error("an hour is over for one")
	}
	d.Add(a)
	c.advance(59 * time.Minute)
	d.Add(a) // begins anew
	c.advance(59 * time.Minute)
	if !d.Has(a) {
		t.Error("not renewed")
	}
	d.Remove(a)
	if d.Has(a) {
		t.Error("not removed")
	}
	d.Add(b)
	d.Clear()
	if d.Has(b) {
		t.Error("not cleared")
	}
}

// The newest half is always there, and never more than all.
func TestDiscouragedBounded(t *testing.T) {
	var c clock
	for _, limit := range []int{1, 2, 8, 9, 1000} {
		d := NewDiscouraged(DiscouragedOptions{Now: c.now, Max: limit})
		ip := netip.MustParseAddr("10.0.0.0")
		var all []netaddr.Host
		for range 3 * limit {
			ip = ip.Next()
			h := netaddr.FromIP(ip)
			all = append(all, h)
			d.Add(h)
			if rest := all[max(0, len(all)-max(limit/2, 1)):]; !d.Has(rest[0]) || !d.Has(h) {
				t.Fatalf("%d: %v is lost after %d", limit, rest[0], len(all))
			}
		}
		n := 0
		for _, h := range all {
			if d.Has(h) {
				n++
			}
		}
		if n > max(limit, 2) || n != len(d.young)+len(d.old) {
			t.Errorf("%d of %d", n, limit)
		}
	}
	d := NewDiscouraged(DiscouragedOptions{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 100 {
				d.Add(host("192.0.2.1"))
				d.Has(host("192.0.2.1"))
				d.Remove(host("192.0.2.1"))
			}
		})
	}
	wg.Wait()
	d.Add(host("192.0.2.1"))
	if !d.Has(host("192.0.2.1")) {
		t.Error("the defaults keep nobody")
	}
}
