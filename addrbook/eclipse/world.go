package eclipse

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"net/netip"
	"time"

	"holdfast/addrbook"
	"holdfast/netaddr"
)

const port = 8333

// node is an honest one. It is up and down in turns.
type node struct {
	addr  netaddr.Addr
	up    bool
	since time.Time // of what it is now
	until time.Time
}

// world is who is there, at one time.
type world struct {
	cfg    Config
	rng    *rand.Rand
	honest []node
	now    time.Time
}

func newWorld(cfg Config, now time.Time) *world {
	w := &world{cfg: cfg, rng: rand.New(rand.NewPCG(cfg.Seed, 1)), now: now}
	for i := range cfg.Honest {
		group := i
		if i >= cfg.HonestGroups {
			// The rest is where many are: half of it in an eighth of the groups.
			group = int(float64(cfg.HonestGroups) * math.Pow(w.rng.Float64(), 3))
		}
		n := node{addr: address(group, uint16(i)), up: w.rng.Float64() < float64(cfg.Up)/float64(cfg.Up+cfg.Down), since: now}
		n.since = now.Add(-time.Duration(w.rng.ExpFloat64() * float64(cfg.Down)))
		n.until = now.Add(w.length(n.up))
		w.honest = append(w.honest, n)
	}
	return w
}

func (w *world) length(up bool) time.Duration {
	mean := w.cfg.Down
	if up {
		mean = w.cfg.Up
	}
	return time.Duration(w.rng.ExpFloat64() * float64(mean))
}

// address returns an address in the group of that number: a /16 between 11.0 and
// 99.255. The honest groups come first, then the attacker's.
func address(group int, host uint16) netaddr.Addr {
	var b [4]byte
	binary.BigEndian.PutUint16(b[:], uint16(11<<8+group))
	binary.BigEndian.PutUint16(b[2:], host)
	return netaddr.FromAddrPort(netip.AddrPortFrom(netip.AddrFrom4(b), port))
}

// groupOf is the inverse of address.
func groupOf(a netaddr.Addr) int {
	ip, _ := a.Host.IP()
	b := ip.As4()
	return int(binary.BigEndian.Uint16(b[:])) - 11<<8
}

// hostile reports whether an address is the attacker's.
func (w *world) hostile(a netaddr.Addr) bool { return groupOf(a) >= w.cfg.HonestGroups }

// hostileAddr returns any address of the attacker.
func (w *world) hostileAddr() netaddr.Addr {
	return address(w.cfg.HonestGroups+w.rng.IntN(w.cfg.Groups), uint16(w.rng.Uint32()))
}

// at brings a node up to date.
func (w *world) at(i int) *node {
	n := &w.honest[i]
	for !n.until.After(w.now) {
		n.up, n.since = !n.up, n.until
		n.until = n.until.Add(w.length(n.up))
	}
	return n
}

// known reports whether an address in an honest group is a node's.
func (w *world) known(a netaddr.Addr) bool {
	ip, _ := a.Host.IP()
	b := ip.As4()
	i := int(binary.BigEndian.Uint16(b[2:]))
	return i < len(w.honest) && w.honest[i].addr == a
}

// reach dials an address: whether it answers, and for how long it will be there.
func (w *world) reach(a netaddr.Addr) (bool, time.Time) {
	if w.hostile(a) {
		return true, w.now.Add(365 * 24 * time.Hour)
	}
	ip, _ := a.Host.IP()
	b := ip.As4()
	if !w.known(a) {
		return false, w.now // it is nobody's
	}
	n := w.at(int(binary.BigEndian.Uint16(b[2:])))
	return n.up, n.until
}

// tell returns n addresses as an honest node knows them: among the honest ones those
// of the attacker, as many as his groups are among all. Who is up was seen within 5
// hours, who is down when he went down.
func (w *world) tell(n int) []addrbook.Known {
	told := make([]addrbook.Known, n)
	for i := range told {
		if w.rng.IntN(w.cfg.HonestGroups+w.cfg.Groups) >= w.cfg.HonestGroups {
			told[i] = addrbook.Known{Addr: w.hostileAddr(), Seen: w.now}
			continue
		}
		h := w.at(w.rng.IntN(len(w.honest)))
		seen := h.since
		if h.up {
			seen = w.now.Add(-time.Duration(w.rng.Int64N(int64(5 * time.Hour))))
		}
		told[i] = addrbook.Known{Addr: h.addr, Seen: seen}
	}
	return told
}

// flood returns n addresses as the attacker tells of them, all of them just seen: his
// own, and of others, as the Config says: dead ones in the groups of honest nodes keep us
// busy while his own always answer; what he is the first to tell of honest nodes might be
// taken for as little worth as the rest of what he tells.
func (w *world) flood(n int) []addrbook.Known {
	told := make([]addrbook.Known, n)
	for i := range told {
		told[i] = addrbook.Known{Addr: w.lie(), Seen: w.now}
	}
	return told
}

// lie returns one address that the attacker tells of.
func (w *world) lie() netaddr.Addr {
	if w.cfg.Dead+w.cfg.Real == 0 {
		return w.hostileAddr()
	}
	switch x := w.rng.Float64(); {
	case x < w.cfg.Dead:
		return w.deadAddr()
	case x < w.cfg.Dead+w.cfg.Real:
		return w.honest[w.rng.IntN(len(w.honest))].addr
	}
	return w.hostileAddr()
}

// deadAddr returns an address that is nobody's in a group of honest nodes.
func (w *world) deadAddr() netaddr.Addr {
	return address(w.rng.IntN(w.cfg.HonestGroups), uint16(len(w.honest)+w.rng.IntN(1<<16-len(w.honest))))
}
