package connmgr

import (
	"fmt"
	"math"
	"sync"
	"time"
)

// How the decaying part of a DynamicBanScore fades, in seconds.
const (
	// Halflife is the time in which the decaying part halves.
	Halflife = 60

	// Lifetime is the age past which the decaying part counts as nothing. It is
	// 30 half-lives: of the highest score possible, less than 4 is left.
	Lifetime = 1800
)

// DynamicBanScore counts the misbehaviour of a peer. It has a persistent part,
// which only grows, for what an honest peer never does, and a decaying part,
// which halves every Halflife seconds, for what is bad only in quantity. The sum
// is the score. No sum wraps: it stops at math.MaxUint32. A clock that is set
// back stops the decay for as long; it neither hides the decaying part nor
// brings back what has decayed.
//
// The zero value is a score of zero, ready for use. All methods are safe for
// concurrent use. A DynamicBanScore must not be copied after its first use.
type DynamicBanScore struct {
	mu         sync.Mutex
	persistent uint32

	// The decaying part was base, at most math.MaxUint32, at an age of zero. It
	// is worked out anew from there each time, so that looking at it often
	// costs no precision.
	base float64
	age  time.Duration
	seen time.Time // when age was last brought up to date
}

// Int returns the score.
func (s *DynamicBanScore) Int() uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.score(time.Now())
}

// Increase adds to both parts and returns the new score.
func (s *DynamicBanScore) Increase(persistent, transient uint32) uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.increase(persistent, transient, time.Now())
}

// Reset sets the score to zero.
func (s *DynamicBanScore) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.persistent, s.base, s.age, s.seen = 0, 0, 0, time.Time{}
}

// String returns the score and its parts, as "125 (100 persistent + 25
// decaying)".
func (s *DynamicBanScore) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	return fmt.Sprintf("%d (%d persistent + %d decaying)",
		s.score(now), s.persistent, uint32(s.decaying(now)))
}

// score returns the score at now. It must be called with the lock held.
func (s *DynamicBanScore) score(now time.Time) uint32 {
	return addSaturated(s.persistent, uint32(s.decaying(now)))
}

// increase adds to both parts at now and returns the score. It must be called
// with the lock held.
func (s *DynamicBanScore) increase(persistent, transient uint32, now time.Time) uint32 {
	s.persistent = addSaturated(s.persistent, persistent)
	if transient > 0 {
		left := s.decaying(now)
		s.base = min(left+float64(transient), math.MaxUint32)
		if left < 1 {
			s.age = 0
		} else {
			// The part of a second that has not counted yet must not be lost:
			// a peer that offends every 0.9 s would never see any decay.
			s.age %= time.Second
		}
	}
	return s.score(now)
}

// decaying returns what is left of the decaying part at now. It counts whole
// seconds, so that an offence counts in full when the score is read right after
// it. It must be called with the lock held.
func (s *DynamicBanScore) decaying(now time.Time) float64 {
	if s.base == 0 {
		s.seen = now
		return 0
	}
	s.age += max(0, now.Sub(s.seen))
	s.seen = now
	if s.age > Lifetime*time.Second {
		s.base = 0
		return 0
	}
	return s.base * math.Exp2(-float64(s.age/time.Second)/Halflife)
}

// addSaturated returns a+b, or math.MaxUint32 if that is less.
func addSaturated(a, b uint32) uint32 {
	return uint32(min(uint64(a)+uint64(b), math.MaxUint32))
}
