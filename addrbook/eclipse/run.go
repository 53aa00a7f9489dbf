package eclipse

import (
	"time"

	"holdfast/addrbook"
	"holdfast/netaddr"
)

// Book is what our node asks of its address book.
type Book interface {
	// Add takes addresses that a peer told, or we ourselves if source is zero.
	Add(source netaddr.Host, addrs []addrbook.Known)

	// Choose returns an address to dial, or to test if fresh, for which ok is true.
	Choose(fresh bool, ok func(netaddr.Addr) bool) (netaddr.Addr, bool)

	// NextTest returns an address that has to be tested before others are.
	NextTest() (netaddr.Addr, bool)

	// Attempt says that it was dialed; Good then, that it answered; Connected that
	// its connection has ended.
	Attempt(netaddr.Addr)
	Good(netaddr.Addr)
	Connected(netaddr.Addr)
}

// Clock is the time that the Book goes by.
type Clock interface {
	Now() time.Time
	Sleep(time.Duration)
}

// Virtual is a Clock that is moved by its Sleep. It is for one goroutine.
type Virtual struct{ t time.Time }

// NewVirtual returns a clock that shows a time of no meaning.
func NewVirtual() *Virtual { return &Virtual{time.Unix(1_800_000_000, 0)} }

// Now returns the time.
func (v *Virtual) Now() time.Time { return v.t }

// Sleep moves the time.
func (v *Virtual) Sleep(d time.Duration) { v.t = v.t.Add(d) }

// Config is a world, and what happens in it. Default has one.
type Config struct {
	Seed         uint64
	Groups       int           // that the attacker has
	Honest       int           // nodes
	HonestGroups int           // that they are in, at least one in each
	Up, Down     time.Duration // how long they are, on average
	Slots        int           // outbound connections, each in a group of its own
	Session      time.Duration // how long a connection lasts on average, whoever it is to
	Step         time.Duration // between feelers
	Days         int           // that are simulated
	First        int           // honest addresses that we know at the start
	Burst        int           // addresses that the attacker tells in the first hour ...
	Flood        int           // ... and in each later one
	Dead         float64       // the share of them that is nobody's, in groups of honest nodes
	Real         float64       // the share that is of honest nodes
}

// Default returns a world of 10,000 honest nodes, of whom three in five are up, in
// 3,000 groups, and an attacker with so many groups, who fills the book in the first
// hour, before we know of most others.
func Default(seed uint64, groups int) Config {
	return Config{
		Seed: seed, Groups: groups, Honest: 10_000, HonestGroups: 3_000,
		Up: 72 * time.Hour, Down: 48 * time.Hour, Slots: 8, Session: 8 * time.Hour,
		Step: 2 * time.Minute, Days: 30, First: 500, Burst: 100_000, Flood: 2_000,
	}
}

// MaxFlood is how many addresses an hour a node takes at most from its inbound peers, if
// all are the attacker's: 116 (125 less 8 outbound ones and a feeler) at 0.1 a second.
const MaxFlood = 116 * 360

// Fair is the share that the attacker has of all groups.
func (c Config) Fair() float64 { return float64(c.Groups) / float64(c.Groups+c.HonestGroups) }

// Result is what came of it.
type Result struct {
	Share  float64 // of the time of our slots, what was the attacker's
	Last   float64 // the same in the last third of the days
	Filled float64 // of the time of our slots, when there was a connection
	Dials  int     // for slots, not for tests
	Failed int     // of them
	Alive  float64 // of the honest groups, those with a node that was up at the end
}

const (
	answer  = 1000 // addresses that a new peer tells us
	relayed = 10   // and each hour thereafter
	tries   = 50   // dials in one step at most
)

// slot is one of our outbound connections.
type slot struct {
	addr netaddr.Addr // zero if there is none
	end  time.Time
}

// Run runs a book in a world. It is the same each time, if the book is.
func Run(cfg Config, book Book, clock Clock) (res Result) {
	w := newWorld(cfg, clock.Now())
	slots := make([]slot, cfg.Slots)
	var first []addrbook.Known
	for _, k := range w.tell(4 * cfg.First) {
		if len(first) < cfg.First && !w.hostile(k.Addr) {
			first = append(first, k)
		}
	}
	book.Add(netaddr.Host{}, first)

	free := func(a netaddr.Addr) bool {
		for _, s := range slots {
			if s.addr.IsValid() && groupOf(s.addr) == groupOf(a) {
				return false
			}
		}
		return true
	}
	dial := func(a netaddr.Addr) (bool, time.Time) {
		up, until := w.reach(a)
		book.Attempt(a)
		if up {
			book.Good(a)
		}
		return up, until
	}
	steps := int(time.Duration(cfg.Days) * 24 * time.Hour / cfg.Step)
	hourly := int(time.Hour / cfg.Step)
	var total, hostile, last, lastAll int
	for step := range steps {
		w.now = clock.Now()
		if step%hourly == 0 {
			gossip(w, book, slots, step == 0)
		}
		for i := range slots {
			if s := &slots[i]; s.addr.IsValid() && !s.end.After(w.now) {
				book.Connected(s.addr)
				*s = slot{}
			}
		}
		left := tries
		for i := range slots {
			for !slots[i].addr.IsValid() && left > 0 {
				left--
				a, ok := book.Choose(false, free)
				if !ok {
					left = 0
					break
				}
				res.Dials++
				up, until := dial(a)
				if !up {
					res.Failed++
					continue
				}
				end := w.now.Add(time.Duration(w.rng.ExpFloat64() * float64(cfg.Session)))
				if until.Before(end) {
					end = until
				}
				slots[i] = slot{a, end}
				if w.hostile(a) {
					book.Add(a.Host, w.flood(answer))
				} else {
					book.Add(a.Host, w.tell(answer))
				}
			}
		}
		if a, ok := book.NextTest(); ok {
			dial(a)
		} else if a, ok := book.Choose(true, free); ok {
			dial(a)
		}
		for _, s := range slots {
			late := step >= steps*2/3
			if late {
				lastAll++
			}
			if !s.addr.IsValid() {
				continue
			}
			total++
			if w.hostile(s.addr) {
				hostile++
				if late {
					last++
				}
			}
		}
		clock.Sleep(cfg.Step)
	}
	alive := make(map[int]bool)
	for i := range w.honest {
		if n := w.at(i); n.up {
			alive[groupOf(n.addr)] = true
		}
	}
	res.Alive = float64(len(alive)) / float64(cfg.HonestGroups)
	all := float64(steps * cfg.Slots)
	res.Share, res.Last, res.Filled = float64(hostile)/all, float64(last)/float64(lastAll), float64(total)/all
	return res
}

// gossip is what we hear in an hour: a few addresses from each peer, and as many as
// the attacker likes, from all his groups in turn.
func gossip(w *world, book Book, slots []slot, first bool) {
	for _, s := range slots {
		if s.addr.IsValid() && !w.hostile(s.addr) {
			book.Add(s.addr.Host, w.tell(relayed))
		}
	}
	if w.cfg.Groups == 0 {
		return
	}
	n := w.cfg.Flood
	if first {
		n = w.cfg.Burst
	}
	each := max(n/w.cfg.Groups, 1)
	for ; n > 0; n -= each {
		book.Add(w.hostileAddr().Host, w.flood(min(each, n)))
	}
}
