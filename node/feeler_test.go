package node

import (
	"testing"
	"time"
)

// TestFeelers: addresses are tried one at a time, every 2 minutes on average, so that
// the book learns which are good; the peers are not disturbed.
func TestFeelers(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, Config{Seeds: fabricSeeds(60)}, honest(60)...)
		wait(time.Minute)
		peers := w.of(KindReady)
		wait(5 * time.Hour)
		if n := len(w.of(KindProbed)); n < 40 || n > 60 { // 52 are left to probe
			t.Errorf("%d probed", n)
		}
		s := w.node.book.Stats()
		if s.Total.Tried < 50 {
			t.Errorf("%+v", s.Total)
		}
		if n := len(w.of(KindReady)); n != len(peers) || len(w.of(KindLost)) != 0 {
			t.Errorf("%d peers came, %d went", n-len(peers), len(w.of(KindLost)))
		}
		for _, p := range w.peers() {
			if p.Class == ClassFeeler {
				t.Error("a feeler stayed")
			}
		}
	})
}

// TestPoisson has the mean that is asked for.
func TestPoisson(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, Config{Seeds: []Seed{}})
		var sum time.Duration
		for range 10000 {
			sum += w.node.poisson(time.Minute)
		}
		if mean := sum / 10000; mean < 55*time.Second || mean > 65*time.Second {
			t.Errorf("%v", mean)
		}
	})
}
