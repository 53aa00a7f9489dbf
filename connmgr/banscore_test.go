package connmgr

import (
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// banEpoch has no monotonic reading, so its tests see the wall clock only.
var banEpoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func TestDefect18PersistentSaturates(t *testing.T) {
	var s DynamicBanScore
	if got := s.Increase(math.MaxUint32, 0); got != math.MaxUint32 {
		t.Fatalf("Increase(max, 0) = %d", got)
	}
	if got := s.Increase(1, 0); got != math.MaxUint32 {
		t.Errorf("max + 1 persistent = %d, want it to stay at the maximum", got)
	}
	if got := s.Int(); got != math.MaxUint32 {
		t.Errorf("Int = %d, want the maximum", got)
	}
}

func TestDefect18SumSaturates(t *testing.T) {
	var s DynamicBanScore
	if got := s.Increase(math.MaxUint32-50, 100); got != math.MaxUint32 {
		t.Errorf("(max-50) persistent + 100 decaying = %d, want the maximum", got)
	}
	if got := s.Int(); got != math.MaxUint32 {
		t.Errorf("Int = %d, want the maximum", got)
	}
}

func TestDefect18DecayingSaturates(t *testing.T) {
	var s DynamicBanScore
	for range 3 {
		s.increase(0, math.MaxUint32, banEpoch)
	}
	if got := s.score(banEpoch); got != math.MaxUint32 {
		t.Errorf("3 x max decaying = %d, want the maximum", got)
	}
	// What was cut off must be gone, not hidden: it would delay the decay.
	if got, want := s.score(banEpoch.Add(Halflife*time.Second)), uint32(math.MaxUint32/2); got != want {
		t.Errorf("one half-life later = %d, want %d", got, want)
	}
}

func TestDefect18ClockStepsBack(t *testing.T) {
	var s DynamicBanScore
	s.increase(7, 100, banEpoch)
	if got := s.score(banEpoch.Add(-time.Hour)); got != 107 {
		t.Errorf("after a step back of an hour = %d, want 107: the decaying part is hidden or grown", got)
	}
	if got := s.score(banEpoch.Add(-time.Hour + Halflife*time.Second)); got != 57 {
		t.Errorf("a half-life after the step = %d, want 57: decay must go on from the new time", got)
	}
	if got := s.score(banEpoch.Add(-2 * time.Hour)); got != 57 {
		t.Errorf("after a second step back = %d, want 57: what has decayed must not return", got)
	}
	if got := s.increase(0, 10, banEpoch.Add(-3*time.Hour)); got != 67 {
		t.Errorf("increase after a third step back = %d, want 67", got)
	}
}

func TestBanScoreDecay(t *testing.T) {
	type step struct {
		at                    time.Duration
		persistent, transient uint32 // both zero: only look
		want                  uint32
	}
	const s = time.Second
	tests := []struct {
		name  string
		steps []step
	}{
		{"nothing", []step{{0, 0, 0, 0}, {time.Hour, 0, 0, 0}}},
		{"persistent stays", []step{{0, 50, 0, 50}, {24 * time.Hour, 0, 0, 50}, {48 * time.Hour, 7, 0, 57}}},
		{"halves", []step{
			{0, 100, 50, 150},
			{60 * s, 0, 0, 125},
			{120 * s, 0, 0, 112},
			{180 * s, 0, 0, 106},
			{3600 * s, 0, 0, 100},
		}},
		{"one second", []step{{0, 0, 1000, 1000}, {1 * s, 0, 0, 988}, {2 * s, 0, 0, 977}}},
		{"whole seconds", []step{{0, 0, 1000, 1000}, {999 * time.Millisecond, 0, 0, 1000}, {1 * s, 0, 0, 988}}},
		{"lifetime", []step{{0, 0, math.MaxUint32, math.MaxUint32}, {1800 * s, 0, 0, 3}, {1801 * s, 0, 0, 0}}},
		{"lifetime is over whatever was looked at", []step{
			{0, 0, math.MaxUint32, math.MaxUint32},
			{900 * s, 0, 0, 131071},
			{1799 * s, 0, 0, 4},
			{1801 * s, 0, 0, 0},
		}},
		{"lifetime starts anew with an offence", []step{{0, 0, 64, 64}, {60 * s, 0, 32, 64}, {120 * s, 0, 0, 32}}},
		{"adding to the persistent part returns the decayed sum", []step{{0, 0, 100, 100}, {60 * s, 10, 0, 60}}},
		{"fractions add up", []step{
			// 1000 -> after 900 ms + 900 ms one whole second has passed.
			{0, 0, 999, 999},
			{900 * time.Millisecond, 0, 1, 1000},
			{1800 * time.Millisecond, 0, 0, 988},
		}},
		{"an old remainder does not shorten a new offence", []step{
			{0, 0, 1, 1},
			{1900 * time.Millisecond, 0, 1000, 1000},
			{2800 * time.Millisecond, 0, 0, 1000},
			{2900 * time.Millisecond, 0, 0, 989},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var score DynamicBanScore
			for i, st := range tt.steps {
				now := banEpoch.Add(st.at)
				got := score.score(now)
				if st.persistent != 0 || st.transient != 0 {
					got = score.increase(st.persistent, st.transient, now)
				}
				if got != st.want {
					t.Errorf("step %d at %v: score %d, want %d", i, st.at, got, st.want)
				}
			}
		})
	}
}

// A peer that offends faster than once a second must see decay all the same:
// the score settles where what is added equals what decays.
func TestBanScoreFastOffencesDecay(t *testing.T) {
	var s DynamicBanScore
	now := banEpoch
	for range 10_000 {
		s.increase(0, 1, now)
		now = now.Add(900 * time.Millisecond)
	}
	// 1 per 0.9 s against a decay of ln2/60 a second balances at about 96.
	if got := s.score(now); got < 90 || got > 100 {
		t.Errorf("10,000 offences of 1, one each 0.9 s: score %d, want about 96", got)
	}
}

func TestBanScoreVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s DynamicBanScore
		if got := s.Increase(100, 50); got != 150 {
			t.Fatalf("Increase = %d, want 150", got)
		}
		for i, want := range []uint32{125, 112, 106, 103, 101, 100} {
			time.Sleep(Halflife * time.Second)
			if got := s.Int(); got != want {
				t.Errorf("after %d half-lives: %d, want %d", i+1, got, want)
			}
		}
		s.Reset()
		if got := s.Int(); got != 0 {
			t.Errorf("after Reset: %d", got)
		}
		if got := s.Increase(0, 30); got != 30 {
			t.Errorf("first offence after Reset: %d, want 30", got)
		}
		time.Sleep((Lifetime + 1) * time.Second)
		if got := s.Int(); got != 0 {
			t.Errorf("after the lifetime: %d", got)
		}
	})
}

func TestBanScoreString(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s DynamicBanScore
		if got, want := s.String(), "0 (0 persistent + 0 decaying)"; got != want {
			t.Errorf("zero value: %q, want %q", got, want)
		}
		s.Increase(100, 50)
		time.Sleep(Halflife * time.Second)
		if got, want := s.String(), "125 (100 persistent + 25 decaying)"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestBanScoreConcurrent(t *testing.T) {
	const workers, rounds = 8, 500
	var s DynamicBanScore
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			var last uint32
			for range rounds {
				got := s.Increase(1, 0)
				if got <= last {
					t.Errorf("the score went from %d to %d", last, got)
				}
				last = got
				_ = s.Int()
				_ = s.String()
			}
		})
	}
	wg.Wait()
	if got := s.Int(); got != workers*rounds {
		t.Errorf("score %d, want %d: increases were lost", got, workers*rounds)
	}
}

// A model check over any sequence of offences and any clock, also one that
// jumps about: the score is never below the persistent part and never above the
// exact sum of everything added, and between two offences it only falls.
func TestBanScoreProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s DynamicBanScore
		now := banEpoch
		var persistent, total uint64
		var last uint32
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.Int64Range(-int64(time.Hour), int64(time.Hour)).Draw(t, "elapsed")))
			if rapid.Bool().Draw(t, "look") {
				got := s.score(now)
				if got > last {
					t.Fatalf("the score grew from %d to %d without an offence", last, got)
				}
				last = got
			} else {
				p, tr := rapid.Uint32().Draw(t, "persistent"), rapid.Uint32().Draw(t, "transient")
				persistent += uint64(p)
				total += uint64(p) + uint64(tr)
				before := s.score(now)
				last = s.increase(p, tr, now)
				if last < before || last < p {
					t.Fatalf("increase(%d, %d): the score went from %d to %d", p, tr, before, last)
				}
			}
			if low := min(persistent, math.MaxUint32); uint64(last) < low {
				t.Fatalf("score %d is below the persistent part, %d", last, low)
			}
			if uint64(last) > total {
				t.Fatalf("score %d is above all that was ever added, %d", last, total)
			}
		}
	})
}
