package node

import (
	"fmt"
	"sync"
	"time"

	"holdfast/banlist"
	"holdfast/netaddr"
)

const (
	bansFile = "banlist"

	// turnedAwayEvery is how often a banned host that keeps knocking is told of.
	turnedAwayEvery = 30 * time.Second

	// maxTurnedAway bounds the memory of that.
	maxTurnedAway = 1000
)

// turnedAway remembers when the turning away of whom was last told. It is safe for
// concurrent use.
type turnedAway struct {
	mu   sync.Mutex
	told map[banlist.Subject]time.Time
}

// due reports whether it is time to tell again.
func (t *turnedAway) due(s banlist.Subject, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now.Sub(t.told[s]) < turnedAwayEvery {
		return false
	}
	if t.told == nil || len(t.told) >= maxTurnedAway {
		t.told = make(map[banlist.Subject]time.Time) // some are told once more
	}
	t.told[s] = now
	return true
}

// Bans is the list of who is not talked to. To end the sessions of those that are
// banned too, use Ban.
func (n *Node) Bans() *banlist.List { return n.bans }

// Ban bans hosts for some time, for ever if that is 0, and ends their sessions; those of
// fixed peers only if it is the operator who bans them. It ends the sessions of
// whitelisted hosts too, but these may come back at once: as in Bitcoin Core, trust wins
// over a ban when a connection is accepted. Its errors are those of banlist's Ban; after
// a *banlist.SaveError the ban holds.
func (n *Node) Ban(s banlist.Subject, d time.Duration, reason string, o banlist.Origin) error {
	var until time.Time
	if d != 0 {
		until = time.Now().Add(d)
	}
	return n.BanUntil(s, until, reason, o)
}

// BanUntil is Ban with the moment of its end, rounded up to a second; for ever if that is
// zero.
func (n *Node) BanUntil(s banlist.Subject, until time.Time, reason string, o banlist.Origin) error {
	err := n.bans.Ban(s, until, reason, o)
	if ban, ok := n.bans.Lookup(s); ok {
		n.publish(Event{Kind: KindBanned, Ban: &ban})
	}
	for _, x := range n.sessions() {
		if n.mayDial(x.host, x.permanent) != nil {
			x.end(&ending{why: ReasonBanned, text: reason})
		}
	}
	return err
}

// ban bans the host of a session for its score.
func (s *session) ban(d time.Duration, o Offence, score uint32) {
	err := s.n.Ban(banlist.SubjectOf(s.host), d, fmt.Sprintf("%s (score %d)", o, score), banlist.Score)
	if err != nil {
		s.n.trouble(KindBansTrouble, err)
	}
}

// mayDial returns nil if an address that connmgr wants to dial may be: one that was
// banned for the score may if it is the operator's choice, one that the operator bans
// may not.
func (n *Node) mayDial(h netaddr.Host, chosen bool) error {
	ban, banned := n.bans.Banned(h)
	if chosen && banned && ban.Origin != banlist.Operator {
		ban, banned = n.operatorBan(h) // maybe a wider one
	}
	if !banned {
		return nil
	}
	return &ending{why: ReasonBanned, text: ban.Reason}
}

// operatorBan looks for a ban by the operator behind a narrower one that is not his.
func (n *Node) operatorBan(h netaddr.Host) (banlist.Entry, bool) {
	for e := range n.bans.All() {
		if e.Origin == banlist.Operator && e.Subject.Contains(h) {
			return e, true
		}
	}
	return banlist.Entry{}, false
}
