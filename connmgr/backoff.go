package connmgr

import (
	"math"
	"time"
)

// defaultJitter spreads a thousand retries that were due at once over a fifth
// of their wait. It only ever shortens a wait, so no retry is later than
// without it, and never to zero.
const defaultJitter = 0.2

// Backoff says how long a request waits before it is retried, by the number of
// failures since it last proved itself. New fills in the defaults. Its methods are
// pure.
type Backoff struct {
	// Min is the wait before the first retry. 0 means RetryDuration.
	Min time.Duration

	// Max caps the wait. 0 means 5 min.
	Max time.Duration

	// Factor is by how much each wait is longer than the one before. 0 means
	// that the waits grow linearly: Min, 2·Min, 3·Min, ... Values from 0 to 1
	// mean that they do not grow.
	Factor float64

	// Jitter is the share of the wait that is left to chance: the wait is
	// between (1-Jitter) and 1 of its full length. 0 means 0.2; a negative
	// value means none; at most 0.9.
	Jitter float64

	// Stable is how long a connection must last to prove itself; see
	// Config.CreditOnGood. 0 means RetryDuration.
	Stable time.Duration
}

func (b Backoff) withDefaults(retry time.Duration) Backoff {
	if b.Min <= 0 {
		b.Min = retry
	}
	if b.Max <= 0 {
		b.Max = maxRetryDuration
	}
	if b.Jitter == 0 || math.IsNaN(b.Jitter) {
		b.Jitter = defaultJitter
	}
	b.Jitter = min(max(b.Jitter, 0), 0.9)
	if b.Stable <= 0 {
		b.Stable = retry
	}
	return b
}

// Wait returns the wait before the n-th retry in a row, n counting from 1.
// chance is a random number from [0,1), which the jitter uses.
func (b Backoff) Wait(n uint32, chance float64) time.Duration {
	n = max(n, 1)
	full := float64(b.Min)
	switch {
	case b.Factor == 0:
		full *= float64(n)
	case b.Factor > 1:
		full *= math.Pow(b.Factor, float64(n-1))
	}
	if full >= float64(b.Max) { // also where Pow is infinite
		full = float64(b.Max)
	}
	// Rounded up, the longest Max would not fit.
	return min(b.Max, time.Duration(min(full*(1-b.Jitter*chance), math.MaxInt64-1<<10)))
}

// proven reports whether a connection that lasted for up pays for the n
// failures before it. A connection must last longer than the wait that it took
// to make it, or a peer that drops us after a moment would be dialed at the
// quickest pace for ever.
func (b Backoff) proven(n uint32, up time.Duration) bool {
	need := b.Stable
	if n > 0 {
		need = max(need, b.Wait(n, 0))
	}
	return up >= need
}
