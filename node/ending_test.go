package node

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestTroubleAtTheEnd: what cannot be saved at the end is told before Run returns, in
// order with all other events.
func TestTroubleAtTheEnd(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "data")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		w := newWorld(t, Config{DataDir: dir, Seeds: fabricSeeds(4)}, honest(4)...)
		wait(time.Minute)
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		before := len(w.of(KindBookTrouble))
		w.stop()
		told := w.of(KindBookTrouble)[before:]
		if len(told) != 2 { // the book and the anchors
			t.Fatalf("told are %v", told)
		}
		for i, e := range w.events[1:] {
			if e.Seq <= w.events[i].Seq || e.Time.Before(w.events[i].Time) {
				t.Errorf("%v (%d) comes after %v (%d)", e, e.Seq, w.events[i], w.events[i].Seq)
			}
		}
	})
}
