package banlist

import (
	"cmp"
	"slices"
)

// makeRoom sees to it that n more automatic bans are not too many. First those that
// are over go, then those that would end first: a sixteenth at once, so that a flood
// of bans costs a look at all of them only once in so many. An attacker thus can
// shorten the bans of others, which costs a ban each, but neither fill the memory
// nor keep others from being banned. l.mu must be held.
func (l *List) makeRoom(n int, now int64) {
	excess := func() int { return l.table.automatic + n - l.most }
	if excess() <= 0 {
		return
	}
	l.prune(now)
	if excess() <= 0 {
		return
	}
	all := l.table.records(func(b ban) bool { return b.origin.automatic() })
	slices.SortFunc(all, func(a, b record) int {
		return cmp.Or(cmp.Compare(a.until, b.until), cmp.Compare(a.since, b.since), a.subject.Compare(b.subject))
	})
	l.table.inBulk(func() {
		for _, r := range all[:min(max(excess(), l.most/16), len(all))] {
			l.table.remove(r.subject)
			l.note(r.subject)
		}
	})
}
