package node

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// maxBans bounds the memory of bans to about 2 MB. When more hosts are banned,
// the ban that would end first ends now.
const maxBans = 10000

// turnedAwayEvery is how often a banned host that keeps knocking is told of.
const turnedAwayEvery = 30 * time.Second

// Ban is a host that is not talked to for a while.
type Ban struct {
	Host    netip.Addr
	Offence Offence // the last straw
	Score   uint32
	Since   time.Time
	Until   time.Time
}

// bans are the banned hosts, in memory. They are asked before a host is dialed,
// before its handshake, and before it enters the address book.
type bans struct {
	mu    sync.Mutex
	hosts map[netip.Addr]*banned
	max   int
}

type banned struct {
	Ban
	told time.Time // when its being turned away was last told
}

func newBans(most int) *bans {
	return &bans{hosts: make(map[netip.Addr]*banned), max: most}
}

// add bans a host, or makes its ban last longer. It reports whether it is new.
func (b *bans) add(ban Ban) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if old := b.hosts[ban.Host]; old != nil && ban.Since.Before(old.Until) {
		if ban.Until.After(old.Until) {
			old.Until = ban.Until
		}
		return false
	}
	if len(b.hosts) >= b.max {
		b.makeRoom(ban.Since)
	}
	b.hosts[ban.Host] = &banned{Ban: ban}
	return true
}

// makeRoom forgets the bans that are over, or if there are none the one that ends
// first. The lock must be held.
func (b *bans) makeRoom(now time.Time) {
	var first *banned
	for host, x := range b.hosts {
		if !x.Until.After(now) {
			delete(b.hosts, host)
		} else if first == nil || x.Until.Before(first.Until) {
			first = x
		}
	}
	if len(b.hosts) >= b.max {
		delete(b.hosts, first.Host)
	}
}

// has reports whether a host is banned.
func (b *bans) has(host netip.Addr, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.live(host, now) != nil
}

// turnAway is has, and reports too whether it is time to tell about it.
func (b *bans) turnAway(host netip.Addr, now time.Time) (isBanned, tell bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	x := b.live(host, now)
	if x == nil {
		return false, false
	}
	tell = now.Sub(x.told) >= turnedAwayEvery
	if tell {
		x.told = now
	}
	return true, tell
}

// live returns a ban that is not over. The lock must be held.
func (b *bans) live(host netip.Addr, now time.Time) *banned {
	x := b.hosts[host]
	if x != nil && !x.Until.After(now) {
		delete(b.hosts, host)
		return nil
	}
	return x
}

// count returns how many hosts are banned.
func (b *bans) count(now time.Time) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for _, x := range b.hosts {
		if x.Until.After(now) {
			n++
		}
	}
	return n
}

// list returns the bans in force, the oldest first.
func (b *bans) list(now time.Time) []Ban {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := make([]Ban, 0, len(b.hosts))
	for _, x := range b.hosts {
		if x.Until.After(now) {
			all = append(all, x.Ban)
		}
	}
	slices.SortFunc(all, func(x, y Ban) int {
		return cmp.Or(x.Since.Compare(y.Since), x.Host.Compare(y.Host))
	})
	return all
}

// ban bans a host and ends all its sessions.
func (n *Node) ban(host netip.Addr, o Offence, score uint32) {
	now := time.Now()
	b := Ban{Host: host, Offence: o, Score: score, Since: now, Until: now.Add(n.cfg.BanDuration)}
	if !n.bans.add(b) {
		return
	}
	n.publish(Event{Kind: KindBanned, Offence: o, Ban: &b})
	for _, s := range n.sessionsOf(host) {
		s.end(&ending{why: ReasonBanned, text: o.String()})
	}
}
