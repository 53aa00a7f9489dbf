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

	// banLinesAtOnce is how many bans that nobody asked for have a line in the log each
	// when they come at once, and how many a minute after that. Who has many networks can
	// cause hundreds a second.
	banLinesAtOnce = 10
)

// banLines says which bans have a line in the log. It is safe for concurrent use.
type banLines struct {
	mu     sync.Mutex
	bucket bucket
	others int // since the last line
}

// next reports whether the next ban is to have none, and if it has one, how many before
// it had none.
func (l *banLines) next(now time.Time) (quiet bool, others int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.bucket.max == 0 {
		l.bucket = bucket{tokens: banLinesAtOnce, max: banLinesAtOnce, rate: banLinesAtOnce / 60.0}
	}
	if l.bucket.take(now, 1) == 0 {
		l.others++
		return true, 0
	}
	others, l.others = l.others, 0
	return false, others
}

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
// fixed peers and of whitelisted hosts only if it is the operator who bans them. What is
// whitelisted may come back at once: as in Bitcoin Core, trust wins over a ban when a
// connection is accepted. Its errors are those of banlist's Ban; after a
// *banlist.SaveError the ban holds.
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
		e := Event{Kind: KindBanned, Ban: &ban}
		if o != banlist.Operator {
			e.Quiet, e.Ignored = n.banLines.next(time.Now())
		}
		n.publish(e)
	}
	for _, x := range n.sessions() {
		if n.mayDial(x.host, x.permanent) != nil {
			x.end(&ending{why: ReasonBanned, text: reason})
		}
	}
	return err
}

// ban bans who is behind a session for its score.
func (s *session) ban(d time.Duration, o Offence, score uint32) {
	who, _ := s.n.subscriber(s.host)
	err := s.n.Ban(who, d, fmt.Sprintf("%s (score %d)", o, score), banlist.Score)
	if err != nil {
		s.n.trouble(KindBansTrouble, err)
	}
}

// mayDial returns nil if an address that connmgr wants to dial may be: see banOf.
func (n *Node) mayDial(h netaddr.Host, chosen bool) error {
	if ban, banned := n.banOf(h, chosen); banned {
		return &ending{why: ReasonBanned, text: ban.Reason}
	}
	return nil
}

// banOf returns the ban that holds for a host. One that nobody asked for holds neither
// for whom the operator has chosen nor for whom he trusts, though it be of a range that
// they are in; his own may stand behind it.
func (n *Node) banOf(h netaddr.Host, chosen bool) (banlist.Entry, bool) {
	ban, banned := n.bans.Banned(h)
	if banned && ban.Origin != banlist.Operator && (chosen || n.whitelisted(h)) {
		return n.bans.BannedBy(h, banlist.Operator)
	}
	return ban, banned
}
