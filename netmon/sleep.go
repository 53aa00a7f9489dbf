package netmon

import "time"

// sleepSlack is how far the clocks may be apart, or a look at them be late,
// before it is taken for sleep. It is above what a busy machine or the small
// corrections of NTP do, and below any sleep that closes connections.
const sleepSlack = 10 * time.Second

// sleepWatch sees by the clocks that the machine has slept. Its methods are pure
// but for its own state.
type sleepWatch struct {
	every      time.Duration
	wall, mono time.Time // at the last look
	due        time.Time // of the next look, by mono
}

// look compares the clocks with those of the last look. mono has a monotonic
// clock reading, wall has none. Where the monotonic clock stops during sleep
// (Linux, macOS), the wall clock is ahead afterwards; where it does not (Windows,
// golang.org/issue/35482), the look is late by both.
func (s *sleepWatch) look(mono, wall time.Time) bool {
	ahead := wall.Sub(s.wall) - mono.Sub(s.mono)
	late := mono.Sub(s.due)
	s.wall, s.mono = wall, mono
	s.rest(mono)
	return ahead > sleepSlack || late > sleepSlack
}

// rest says that we did not look until now for a reason of our own.
func (s *sleepWatch) rest(mono time.Time) { s.due = mono.Add(s.every) }
