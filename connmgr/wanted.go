package connmgr

import "math"

// autoState is what decides how many automatic dials to begin.
type autoState struct {
	target     int // connections wanted
	connected  int
	waiting    int // requests that keep a slot while they wait for a reconnect
	pausing    int // slots that pause after a failure
	inFlight   int // being chosen or dialed
	slow       int // of these, not answered in time
	maxPending int
	rate       float64
	failing    bool // too many failures in a row
}

// wanted returns how many more automatic dials to begin. It is pure.
//
// Without MaxPending, or while dials keep failing, there is one dial for each
// free slot. With it, a slow dial does not count, and the fewer dials are
// answered the more are made at once; but never more than two for each free
// slot within one DialStagger, so that where dials are answered within it at most
// one connection is opened in vain for each one kept.
func (s autoState) wanted() int {
	free := s.target - s.connected - s.waiting - s.pausing
	if free <= 0 {
		return 0
	}
	if s.maxPending <= 0 {
		return max(0, free-s.inFlight)
	}
	room := s.maxPending - s.inFlight
	if s.failing {
		return max(0, min(free-s.inFlight, room))
	}
	return max(0, min(s.width(free)-(s.inFlight-s.slow), room))
}

// width returns how many dials that are not slow there should be for the free
// slots, when there may be more than one each.
func (s autoState) width(free int) int {
	if s.rate <= 0.5 {
		return 2 * free
	}
	return int(math.Ceil(float64(free) / s.rate))
}

// crowded reports whether more dials are wanted, but slow ones fill MaxPending.
func (s autoState) crowded() bool {
	free := s.target - s.connected - s.waiting - s.pausing
	return free > 0 && s.maxPending > 0 && !s.failing &&
		s.inFlight >= s.maxPending && s.width(free) > s.inFlight-s.slow
}

func (cm *ConnManager) autoState() autoState {
	a := &cm.auto
	return autoState{
		target:     int(min(cm.lim.TargetOutbound, math.MaxInt32)),
		connected:  a.count[posConnected],
		waiting:    a.count[posWaiting],
		pausing:    len(a.pauses),
		inFlight:   a.choosing + a.count[posDialing] + a.count[posSlow],
		slow:       a.count[posSlow],
		maxPending: cm.lim.MaxPending,
		rate:       a.rate,
		failing:    cm.failing(),
	}
}

// room returns how many more connections there is need of, whoever is on the
// way to them.
func (s autoState) room() int { return s.target - s.connected - s.waiting }
