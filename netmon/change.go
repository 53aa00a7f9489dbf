package netmon

import "strings"

// Change says what may have changed. Bursts are told as one, so a Change can be
// several of the values below at once.
type Change uint8

const (
	// Link: an interface was added or removed, or went up or down.
	Link Change = 1 << iota

	// Address: one of our addresses became usable, or was removed.
	Address

	// Route: a default route was added, replaced or removed.
	Route

	// Slept: the machine slept, or this process was stopped, for over 10 s.
	// Connections from before are likely to be dead. A wall clock that was set
	// ahead looks the same.
	Slept

	// Lost: the system told more than was read in time, so anything may have
	// changed.
	Lost

	// Polled comes with Link or Address where they were found by asking, up to
	// Options.PollEvery late, and not told by the system.
	Polled
)

var changeNames = [...]string{"link", "address", "route", "slept", "lost", "polled"}

// Has reports whether c says any of what.
func (c Change) Has(what Change) bool { return c&what != 0 }

// String returns the names of what c says: "link, address". No change is "none".
func (c Change) String() string {
	var names []string
	for i, name := range changeNames {
		if c.Has(1 << i) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
