package dnsseed

import "time"

// Snapshot is all that Policy.Decide looks at. Times are durations since the start
// (of Run).
type Snapshot struct {
	Up      time.Duration // now
	Known   int           // addresses in the book
	Peers   int           // outbound peers
	Lonely  time.Duration // when Peers last fell below Policy.EnoughPeers; 0 if they never were enough
	Changed time.Duration // when our own network last changed; 0 for never
	Round   Round
	Nodes   Nodes
}

// Round is what came of the seeds in the current round. In a round each is asked
// once; it lasts until all have been, however long that takes.
type Round struct {
	Seeds   int // how many seeds there are
	Waiting int // how many have not been asked in this round; all of them only before the first
	Open    int // how many have been asked and not answered yet
	Told    int // how many addresses were told in this round

	Fresh bool          // nothing was known when the round began
	Began time.Duration // when the first seed was asked
	Ended time.Duration // when one last answered, or failed

	// Vain is how many rounds have ended since there were peers enough last.
	Vain int

	// Jitter is drawn for each round: from 0 to below 1.
	Jitter float64
}

// Nodes is what came of the seed nodes. In a pass each is asked once.
type Nodes struct {
	Count   int           // how many there are
	Waiting int           // how many have not been asked in this pass; all of them only before the first
	Last    time.Duration // when one was asked last
	Vain    int           // how many passes have ended since there were peers enough last
	Jitter  float64       // drawn for each pass: from 0 to below 1
}

// newSnapshot returns the snapshot at the start.
func newSnapshot(seeds, nodes int) Snapshot {
	return Snapshot{
		Round: Round{Seeds: seeds, Waiting: seeds},
		Nodes: Nodes{Count: nodes, Waiting: nodes},
	}
}

// see notes how things are now.
func (s *Snapshot) see(enough int, up time.Duration, known, peers int) {
	if peers >= enough {
		s.Round.Vain, s.Nodes.Vain = 0, 0
	} else if s.Peers >= enough {
		s.Lonely = up
	}
	s.Up, s.Known, s.Peers = up, known, peers
}

// ask notes that a seed is being asked, and reports whether a round begins with it.
func (s *Snapshot) ask(jitter float64) (begins bool) {
	r := &s.Round
	if begins = r.Waiting == 0 || r.Waiting == r.Seeds; begins {
		r.Waiting, r.Told, r.Jitter = r.Seeds, 0, jitter
		r.Began, r.Ended, r.Fresh = s.Up, s.Up, s.Known == 0
	}
	r.Waiting--
	r.Open++
	return begins
}

// end notes that a seed answered with so many addresses, or failed; and reports
// whether the round ends with it.
func (s *Snapshot) end(told int) (ends bool) {
	r := &s.Round
	r.Open--
	r.Told += told
	r.Ended = s.Up
	if ends = r.Waiting == 0 && r.Open == 0; ends {
		r.Vain++
	}
	return ends
}

// fetch notes that a seed node is being asked, and reports whether a pass begins
// with it.
func (s *Snapshot) fetch(jitter float64) (begins bool) {
	n := &s.Nodes
	if begins = n.Waiting == 0 || n.Waiting == n.Count; begins {
		n.Waiting, n.Jitter = n.Count, jitter
	}
	n.Waiting--
	n.Last = s.Up
	if n.Waiting == 0 {
		n.Vain++
	}
	return begins
}
