package addrbook

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// An index does what a map does, also for hashes that differ in their lower half only,
// which it does not keep, and around its end.
func TestIndex(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 1))
	hashes := make([]uint64, 300)
	for i := range hashes {
		switch i % 3 {
		case 0:
			hashes[i] = rng.Uint64()
		case 1:
			hashes[i] = hashes[i-1] ^ 1
		case 2:
			hashes[i] = ^uint64(0) - uint64(rng.IntN(1<<34)) // the last cells
		}
	}
	var x index
	model := make(map[int32]bool)
	for step := range 100_000 {
		id := int32(rng.IntN(len(hashes)))
		same := func(other int32) bool { return other == id }
		switch have := model[id]; rng.IntN(4) {
		case 0:
			if !have {
				x.add(id, hashes[id])
			}
			model[id] = true
		case 1:
			if x.claim(id, hashes[id], same) == have {
				t.Fatalf("step %d: %d is claimed twice, or never", step, id)
			}
			model[id] = true
		case 2:
			if have {
				x.remove(id, hashes[id])
			}
			delete(model, id)
		case 3:
			if step%100 == 0 {
				x.reserve(x.n + rng.IntN(200))
			}
		}
		if got := x.find(hashes[id], same); (got == id) != model[id] || x.n != len(model) {
			t.Fatalf("step %d: %d is found: %d, %v, %d of %d", step, id, got, model[id], x.n, len(model))
		}
	}
	var ids []int32
	for _, c := range x.cells {
		if c != 0 {
			ids = append(ids, number(c))
		}
	}
	slices.Sort(ids)
	if want := slices.Sorted(maps.Keys(model)); !slices.Equal(ids, want) {
		t.Errorf("%d left of %d", len(ids), len(want))
	}
}
