package main

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gaissmai/bart"

	"holdfast/banlist"
	"holdfast/netaddr"
)

// Hosts are those that are asked about, in the form that each subject is given them:
// a node has an address as a value or as text, whatever its ban list wants.
type hosts struct {
	ours  []netaddr.Host
	ips   []netip.Addr
	texts []string // as btcd has them: with the port
}

func (h *hosts) add(ip netip.Addr) {
	h.ours = append(h.ours, netaddr.FromIP(ip))
	h.ips = append(h.ips, ip)
	h.texts = append(h.texts, net.JoinHostPort(ip.String(), "8333"))
}

// work is what the subjects get: bans, and hosts to ask about.
type work struct {
	bans              []netip.Prefix
	hits, miss, mixed hosts // in random order; of mixed, one in 8 is a hit
}

// newWork makes n bans of the given length, and 2^18 hosts of each kind. The IPv4
// addresses are spread over all of 2^32, which no processor's cache likes.
func newWork(n, length int) work {
	rnd := rand.New(rand.NewPCG(uint64(n), uint64(length)))
	anyone := func() netip.Addr {
		v := rnd.Uint32()
		return netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
	}
	w := work{}
	seen := make(map[netip.Prefix]bool, n)
	for len(w.bans) < n {
		if p := netip.PrefixFrom(anyone(), length).Masked(); !seen[p] {
			seen[p] = true
			w.bans = append(w.bans, p)
		}
	}
	const asked = 1 << 18
	for i := range asked {
		miss := anyone()
		for seen[netip.PrefixFrom(miss, length).Masked()] {
			miss = anyone()
		}
		hit := w.bans[rnd.IntN(n)].Addr()
		w.miss.add(miss)
		w.hits.add(hit)
		if i%8 == 0 {
			w.mixed.add(hit)
		} else {
			w.mixed.add(miss)
		}
	}
	return w
}

// An asker says whether one of hosts is banned.
type asker func(h *hosts, i int) bool

// A subject keeps bans.
type subject struct {
	name  string
	start func([]netip.Prefix, time.Time) asker
	most  int  // bans; 0: as many as there are
	hosts bool // it knows single hosts only
}

const reason = "flooding addresses"

var subjects = []subject{
	{name: "ours", start: func(bans []netip.Prefix, until time.Time) asker {
		l := ours(bans, until)
		return func(h *hosts, i int) bool {
			_, banned := l.Banned(h.ours[i])
			return banned
		}
	}},
	{name: "ours, yes or no at a time", start: func(bans []netip.Prefix, until time.Time) asker {
		l, now := ours(bans, until), time.Now()
		return func(h *hosts, i int) bool { return l.BannedAt(h.ours[i], now) }
	}},
	// btcd v0.26.2, server.go, handleAddPeerMsg: only one goroutine asks, so there is
	// no lock.
	{name: "btcd's map of strings", hosts: true, start: func(bans []netip.Prefix, until time.Time) asker {
		banned := make(map[string]time.Time)
		for _, p := range bans {
			banned[p.Addr().String()] = until
		}
		return func(h *hosts, i int) bool {
			host, _, err := net.SplitHostPort(h.texts[i])
			if err != nil {
				return false
			}
			end, ok := banned[host]
			return ok && time.Now().Before(end)
		}
	}},
	// Bitcoin Core, src/banman.cpp, BanMan::IsBanned.
	{name: "Core's loop over all", most: 10_000, start: func(bans []netip.Prefix, until time.Time) asker {
		type ban struct {
			subnet netip.Prefix
			until  int64
		}
		var all []ban
		for _, p := range bans {
			all = append(all, ban{p, until.Unix()})
		}
		var mu sync.Mutex
		return func(h *hosts, i int) bool {
			now := time.Now().Unix()
			mu.Lock()
			defer mu.Unlock()
			for _, b := range all {
				if now < b.until && b.subnet.Contains(h.ips[i]) {
					return true
				}
			}
			return false
		}
	}},
	{name: "bart, atomic pointer", start: func(bans []netip.Prefix, until time.Time) asker {
		var t atomic.Pointer[bart.Table[*entry]]
		t.Store(table(bans, until))
		return func(h *hosts, i int) bool {
			e, ok := t.Load().Lookup(h.ips[i])
			return ok && time.Now().Before(e.until)
		}
	}},
	{name: "bart, RWMutex", start: func(bans []netip.Prefix, until time.Time) asker {
		t := table(bans, until)
		var mu sync.RWMutex
		return func(h *hosts, i int) bool {
			mu.RLock()
			e, ok := t.Lookup(h.ips[i])
			mu.RUnlock()
			return ok && time.Now().Before(e.until)
		}
	}},
}

func ours(bans []netip.Prefix, until time.Time) *banlist.List {
	l := banlist.New(banlist.Options{})
	if _, err := l.ImportCore(coreList(bans, until)); err != nil {
		panic(err)
	}
	return l
}

// coreList returns a list of bans in Core's form. Long lists come from files.
func coreList(bans []netip.Prefix, until time.Time) io.Reader {
	var list bytes.Buffer
	list.WriteString(`{"banned_nets":[`)
	for i, p := range bans {
		if i > 0 {
			list.WriteByte(',')
		}
		fmt.Fprintf(&list, `{"version":1,"ban_created":1760000000,"banned_until":%d,"address":%q}`, until.Unix(), p)
	}
	list.WriteString("]}")
	return &list
}

type entry struct {
	reason       string
	since, until time.Time
}

func table(bans []netip.Prefix, until time.Time) *bart.Table[*entry] {
	t := new(bart.Table[*entry])
	for _, p := range bans {
		t.Insert(p, &entry{reason, time.Time{}, until})
	}
	return t
}
