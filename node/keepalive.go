package node

import (
	"sync"
	"time"

	"github.com/btcsuite/btcd/wire/v2"
)

// keepalive knows the ping that was sent and not answered yet. There is one at
// most: a second one would tell nothing more.
type keepalive struct {
	interval, timeout time.Duration

	mu    sync.Mutex
	nonce uint64
	asked bool      // one is wanted before its time
	sent  time.Time // zero if no ping is under way
	last  time.Time // when the last one was sent
	limit time.Time // when the answer to the ping under way is due, if that is sooner
	rtt   time.Duration
	least time.Duration // the shortest so far
}

// askedEvery is how soon after a ping another one may be asked for. More of them, or of
// their answers, would be a flood of messages: see messageRate.
const askedEvery = time.Second

// due is asked by a clock. It returns when to ask again, and a ping if it is time
// for one; or that the last one was not answered in time.
func (k *keepalive) due(now time.Time, random func() uint64) (wait time.Duration, ping *wire.MsgPing, late bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	interval := k.interval
	if k.asked {
		interval = min(interval, askedEvery)
	}
	switch {
	case !k.sent.IsZero():
		left := k.timeout - now.Sub(k.sent)
		if !k.limit.IsZero() {
			left = min(left, k.limit.Sub(now))
		}
		return min(left, k.interval), nil, left <= 0
	case !k.last.IsZero() && now.Sub(k.last) < interval:
		return interval - now.Sub(k.last), nil, false
	}
	k.nonce, k.sent, k.last, k.asked = random(), now, now, false
	wait = min(k.interval, k.timeout)
	if !k.limit.IsZero() {
		wait = min(wait, k.limit.Sub(now))
	}
	return wait, wire.NewMsgPing(k.nonce), false
}

// hurry has a ping be due now, and its answer, or that to the one under way, in
// patience from now.
func (k *keepalive) hurry(now time.Time, patience time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.last, k.limit = time.Time{}, now.Add(patience)
}

// ask has a ping be due now, or askedEvery after the last one; not while one is under
// way.
func (k *keepalive) ask() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked = k.sent.IsZero()
}

// pong takes an answer. One that answers no ping of ours is ignored, as in Core; it
// reports whether this one did.
func (k *keepalive) pong(nonce uint64, now time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.sent.IsZero() || nonce != k.nonce {
		return false
	}
	// A clock too coarse to see it must not make it "not measured".
	k.rtt = max(now.Sub(k.sent), 1)
	if k.least == 0 || k.rtt < k.least {
		k.least = k.rtt
	}
	k.sent, k.limit = time.Time{}, time.Time{}
	return true
}

// roundTrip returns the last round trip; 0 if none was measured.
func (k *keepalive) roundTrip() time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.rtt
}

// waiting returns for how long the answer to a ping is awaited; 0 if none is.
func (k *keepalive) waiting(now time.Time) time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.sent.IsZero() {
		return 0
	}
	return now.Sub(k.sent)
}

// shortest returns the shortest round trip; 0 if none was measured.
func (k *keepalive) shortest() time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.least
}

// handlePing answers.
func (s *session) handlePing(msg wire.Message) {
	s.queue(wire.NewMsgPong(msg.(*wire.MsgPing).Nonce))
}

func (s *session) handlePong(msg wire.Message) {
	if s.keep.pong(msg.(*wire.MsgPong).Nonce, time.Now()) {
		s.n.publish(s.event(Event{Kind: KindPong}))
	}
}
