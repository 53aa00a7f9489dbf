package banlist

import (
	"fmt"
	"iter"
	"math"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/gaissmai/bart"

	"holdfast/netaddr"
)

// DefaultMaxAutomatic is how many bans nobody asked for are kept: about 8 MB of
// memory, and 9 to 18 MB of disk. Peers cause those bans, so there must be a limit.
const DefaultMaxAutomatic = 100_000

// Options are the options of a List. The zero Options are fine.
type Options struct {
	// Now tells the time. Default: time.Now. It is called without a lock held, by
	// several goroutines at once.
	Now func() time.Time

	// MaxAutomatic is how many bans of origin Score and Protocol are kept. When there
	// are more, the sixteenth of them that would end first ends now. Bans of origin
	// Operator have no limit. Default: DefaultMaxAutomatic.
	MaxAutomatic int

	// What tests set: the least of journal.spare, and what is called before a step.
	spare int
	hook  func(step string) error
}

// List is a list of bans. Make it with Open or New, and Close it.
type List struct {
	now  func() time.Time
	most int // automatic bans
	journal

	mu      sync.RWMutex
	table   *table               // see there for what mu guards of it
	changed map[Subject]struct{} // what the file does not have yet
	all     bool                 // the file has to be written anew
	change  uint64               // the number of the last change
	closed  bool
}

// New returns an empty List that is in memory only.
func New(o Options) *List {
	l := &List{now: o.Now, most: o.MaxAutomatic, table: newTable(), changed: make(map[Subject]struct{})}
	if l.now == nil {
		l.now = time.Now
	}
	if l.most <= 0 {
		l.most = DefaultMaxAutomatic
	}
	l.journal.init(o)
	return l
}

// second returns the time in Unix seconds. Until is a whole second, so a ban is over
// at a time if and only if it is over at that time's second.
func (l *List) second() int64 { return l.now().Unix() }

// Banned reports whether a host is banned, by itself or by a range, and returns the
// ban: of several the narrowest that is in force.
func (l *List) Banned(h netaddr.Host) (Entry, bool) { return l.find(h, notAsked) }

// BannedAt reports whether a host is banned at a time. It is Banned for who has many hosts
// to ask about, and no use for the ban: to look at the clock takes as long as all else.
func (l *List) BannedAt(h netaddr.Host, now time.Time) bool {
	second := now.Unix()
	if h.Network() != netaddr.IPv4 || second < markOver || second >= markLast {
		_, banned := l.find(h, second)
		return banned
	}
	ip, _ := h.IP()
	key := ip.As16()
	if hash := l.table.hashIP(key); l.table.mayHave(hash) && l.table.marks.Load().has(hash, ipv4(key), second) {
		return true
	}
	if ranges := l.table.ranges.Load(); ranges.Contains(ip) {
		_, banned := l.covered(ranges, ip, second)
		return banned
	}
	return false
}

// notAsked stands for the time, in Unix seconds, if nobody has looked at the clock.
const notAsked = math.MinInt64

// find is Banned at a time.
func (l *List) find(h netaddr.Host, now int64) (Entry, bool) {
	if h.Network() == netaddr.CJDNS {
		h = canonical(h)
	}
	ip, ok := h.IP()
	if !ok {
		return l.named(h, now)
	}
	key := ip.As16()
	if hash := l.table.hashIP(key); l.table.mayHave(hash) {
		if e, ok := l.single(h, hash, key, now); ok {
			return e, true
		}
	}
	if ranges := l.table.ranges.Load(); ranges.Contains(ip) {
		return l.covered(ranges, ip, now)
	}
	return Entry{}, false
}

// named is find for a host that is no IP address.
func (l *List) named(h netaddr.Host, now int64) (Entry, bool) {
	hash := l.table.hashName(h)
	if !l.table.mayHave(hash) {
		return Entry{}, false
	}
	l.mu.RLock()
	b := l.table.names.get(hash, h)
	l.mu.RUnlock()
	if b.origin == 0 || !l.inForce(b, now) {
		return Entry{}, false
	}
	return b.entry(Subject{h, b.bits}), true
}

// single returns the ban of an IP address by itself.
func (l *List) single(h netaddr.Host, hash uint64, key [16]byte, now int64) (Entry, bool) {
	l.mu.RLock()
	b := l.table.ips.get(hash, key)
	l.mu.RUnlock()
	if b.origin == 0 || !l.inForce(b, now) {
		return Entry{}, false
	}
	return b.entry(Subject{h, b.bits}), true
}

// covered returns the ban of the narrowest range around an address.
func (l *List) covered(ranges *bart.Table[ban], ip netip.Addr, now int64) (Entry, bool) {
	b, ok := ranges.Lookup(ip)
	if ok && !l.inForce(b, now) {
		// What is over must not hide a wider range that is not.
		ok = false
		for _, b = range ranges.Supernets(netip.PrefixFrom(ip, ip.BitLen())) {
			if ok = l.inForce(b, now); ok {
				break
			}
		}
	}
	if !ok {
		return Entry{}, false
	}
	p, _ := ip.Prefix(int(b.bits))
	return b.entry(Subject{netaddr.FromIP(p.Addr()), b.bits}), true
}

// inForce reports whether a ban is. To ask for the time takes as long as all else, and
// is not needed for one that does not end.
func (l *List) inForce(b ban, now int64) bool {
	if b.until == forever {
		return true
	}
	if now == notAsked {
		now = l.second()
	}
	return b.live(now)
}

// BannedIP is Banned for an IP address.
func (l *List) BannedIP(ip netip.Addr) (Entry, bool) { return l.Banned(netaddr.FromIP(ip)) }

// BannedBy is Banned for the bans of one origin: the others are passed over, narrower
// ones too.
func (l *List) BannedBy(h netaddr.Host, o Origin) (Entry, bool) {
	if e, ok := l.Lookup(SubjectOf(h)); ok && e.Origin == o {
		return e, true
	}
	ip, ok := canonical(h).IP()
	if !ok {
		return Entry{}, false
	}
	now := l.second()
	for p, b := range l.table.ranges.Load().Supernets(netip.PrefixFrom(ip, ip.BitLen())) {
		if b.origin == o && b.live(now) {
			return b.entry(Subject{netaddr.FromIP(p.Addr()), b.bits}), true
		}
	}
	return Entry{}, false
}

// Lookup returns the ban of exactly this Subject, if it is in force. A range around
// it does not count.
func (l *List) Lookup(s Subject) (Entry, bool) {
	now := l.second()
	l.mu.RLock()
	b := l.table.get(s)
	l.mu.RUnlock()
	if !b.live(now) {
		return Entry{}, false
	}
	return b.entry(s), true
}

// Ban bans a Subject until a time, for ever if that is the zero Time, from now on.
//
// What an operator says replaces the ban that there is. Any other ban never makes an
// earlier one shorter: if the Subject is banned as long or longer, that stays.
//
// It fails with ErrSubject, ErrOrigin, ErrOver or ErrClosed, and then nothing has
// changed, or with a *SaveError. If it does not fail the ban is on disk.
func (l *List) Ban(s Subject, until time.Time, reason string, o Origin) error {
	return l.ban(s, l.now(), until, reason, o)
}

// BanFor is Ban for a duration, which must be above zero.
func (l *List) BanFor(s Subject, d time.Duration, reason string, o Origin) error {
	now := l.now()
	return l.ban(s, now, now.Add(d), reason, o)
}

func (l *List) ban(s Subject, since, until time.Time, reason string, o Origin) error {
	r, err := newBan(s, reason, o, since, until)
	if err != nil {
		return err
	}
	change, err := l.do(func() {
		old := l.table.get(s)
		if o.automatic() && old.live(since.Unix()) && old.until >= r.until {
			return
		}
		if o.automatic() && !old.origin.automatic() {
			l.makeRoom(1, since.Unix())
		}
		l.table.put(r)
		l.note(s)
	})
	if err != nil {
		return err
	}
	return l.save(change)
}

// Unban ends the ban of exactly this Subject, and reports whether there was one in
// force. A range around it still bans it; Banned tells. It fails with ErrClosed or a
// *SaveError.
func (l *List) Unban(s Subject) (bool, error) {
	now := l.second()
	was := false
	change, err := l.do(func() {
		if b := l.table.get(s); b.origin != 0 {
			was = b.live(now)
			l.table.remove(s)
			l.note(s)
		}
	})
	if err != nil {
		return false, err
	}
	return was, l.save(change)
}

// Clear ends all bans. It fails with ErrClosed or a *SaveError.
func (l *List) Clear() error {
	change, err := l.do(func() {
		l.table.clear()
		l.noteAll()
	})
	if err != nil {
		return err
	}
	return l.save(change)
}

// Prune removes the bans that are over from memory, and returns how many there were.
// They have no effect in any case, and go when the file is written anew; a program
// that bans little may call Prune every hour or so.
func (l *List) Prune() int {
	now := l.second()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.prune(now)
}

// prune is Prune. What it removes from memory may stay in the file, where it is over
// too. l.mu must be held.
func (l *List) prune(now int64) int {
	over := l.table.records(func(b ban) bool { return !b.live(now) })
	if len(over) > 0 {
		l.table.inBulk(func() {
			for _, r := range over {
				l.table.remove(r.subject)
			}
		})
	}
	return len(over)
}

// All returns the bans that were in force when the loop began, sorted as
// Subject.Compare says. No lock is held meanwhile.
func (l *List) All() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for _, r := range l.sorted() {
			if !yield(r.entry(r.subject)) {
				return
			}
		}
	}
}

// List returns all bans in force, sorted as Subject.Compare says.
func (l *List) List() []Entry { return slices.Collect(l.All()) }

// live returns the bans in force, in no order.
func (l *List) live(now int64) []record {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.table.records(func(b ban) bool { return b.live(now) })
}

// sorted returns the bans in force, sorted.
func (l *List) sorted() []record {
	all := l.live(l.second())
	slices.SortFunc(all, func(a, b record) int { return a.subject.Compare(b.subject) })
	return all
}

// Len returns how many bans there are in memory, with those that are over and were
// not removed yet.
func (l *List) Len() int {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.table.len()
}

// Close saves what could not be saved before, and fails with a *SaveError if it
// still cannot. After it the list can be asked, but not changed. It may be called
// again, and then tries again.
func (l *List) Close() error {
	l.mu.Lock()
	l.closed = true
	change := l.change
	l.mu.Unlock()
	return l.save(change)
}

// do makes changes with l.mu held, and returns the number of the last change. To
// save that one is to save all before.
func (l *List) do(change func()) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return 0, ErrClosed
	}
	change()
	return l.change, nil
}

// note notes that a Subject changed. l.mu must be held.
func (l *List) note(s Subject) {
	l.change++
	if l.path != "" {
		l.changed[s] = struct{}{}
	}
}

// noteAll notes that so much changed that the file is to be written anew: all of it
// gets there, or nothing. l.mu must be held.
func (l *List) noteAll() {
	l.change++
	l.all = l.path != ""
}

// String is for logs and debuggers.
func (l *List) String() string { return fmt.Sprintf("%d bans", l.Len()) }
