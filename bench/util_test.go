package main

import "testing"

func TestQuantile(t *testing.T) {
	xs := []float64{5, 1, 4, 2, 3}
	for _, c := range []struct{ q, want float64 }{{0, 1}, {0.2, 1}, {0.21, 2}, {0.5, 3}, {0.9, 5}, {1, 5}} {
		if got := quantile(xs, c.q); got != c.want {
			t.Errorf("quantile %v: %v, want %v", c.q, got, c.want)
		}
	}
}

func TestThousands(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -100: "-100", -1000: "-1,000"} {
		if got := thousands(n); got != want {
			t.Errorf("thousands(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestInterleave(t *testing.T) {
	var order []int
	results := interleave(2, 3, func(i int) int {
		order = append(order, i)
		return i
	})
	want := []int{2, 1, 0, 0, 1, 2, 2, 1, 0} // the first three only warm up
	for i := range want {
		if len(order) != len(want) || order[i] != want[i] {
			t.Fatalf("order %v, want %v", order, want)
		}
	}
	for i, r := range results {
		if len(r) != 2 || r[0] != i || r[1] != i {
			t.Errorf("results of %d: %v", i, r)
		}
	}
}
