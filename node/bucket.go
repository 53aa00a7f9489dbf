package node

import "time"

// bucket is a token bucket: it fills by rate tokens a second up to max. It has no
// lock.
type bucket struct {
	tokens, max, rate float64
	last              time.Time
}

// take takes up to n tokens and returns how many there were.
func (b *bucket) take(now time.Time, n int) int {
	if !b.last.IsZero() {
		b.tokens = min(b.max, b.tokens+b.rate*max(0, now.Sub(b.last).Seconds()))
	}
	b.last = now
	got := min(n, int(b.tokens))
	b.tokens -= float64(got)
	return got
}

// add puts n tokens in, up to the maximum.
func (b *bucket) add(n float64) { b.tokens = min(b.max, b.tokens+n) }

// The limit of messages. A peer that relays us no transactions sends a few
// messages a minute, and a dozen at once after the handshake. Bytes are counted
// with them, so that few big messages cost what many small ones do: one token
// a message and one for each 16 KiB.
const (
	messageBurst     = 200
	messageRate      = 5 // a second: at most 80 KiB/s over a long time
	bytesPerToken    = 16 << 10
	floodScoreAtMost = 25 // for one message, however large it is
)

func newMessageBucket() bucket {
	return bucket{tokens: messageBurst, max: messageBurst, rate: messageRate}
}

// charge takes what a message of this size costs, and returns the ban score that
// it earns: the tokens that were missing.
func charge(b *bucket, now time.Time, size uint32) uint32 {
	cost := 1 + int(size/bytesPerToken)
	return uint32(min(cost-b.take(now, cost), floodScoreAtMost))
}
