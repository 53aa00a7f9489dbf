package main

import (
	"fmt"
	"io"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/btcsuite/btcd/addrmgr"
	"github.com/btcsuite/btcd/wire/v2"

	"holdfast/addrbook"
	"holdfast/addrbook/eclipse"
	"holdfast/netaddr"
)

// bubble is the time of a synctest bubble, in which btcd's time.Now is virtual.
type bubble struct{}

func (bubble) Now() time.Time        { return time.Now() }
func (bubble) Sleep(d time.Duration) { time.Sleep(d) }

// attacked is btcd's addrmgr as btcd's server uses it (newAddressFunc in server.go):
// without feelers, and without tests of tried entries.
type attacked struct{ *addrmgr.AddrManager }

func (m attacked) Add(source netaddr.Host, addrs []addrbook.Known) {
	from := toWire(netaddr.Addr{Host: source, Port: 8333})
	list := make([]*wire.NetAddressV2, len(addrs))
	for i, k := range addrs {
		list[i] = wire.NetAddressV2FromBytes(k.Seen, 1, k.Addr.Host.Bytes(), k.Addr.Port)
	}
	if !source.IsValid() {
		from = list[0] // btcd takes the seed's first address for the source
	}
	m.AddAddresses(list, from)
}

func (m attacked) Choose(fresh bool, ok func(netaddr.Addr) bool) (netaddr.Addr, bool) {
	if fresh {
		return netaddr.Addr{}, false
	}
	for tries := range 100 {
		known := m.GetAddress()
		if known == nil {
			break
		}
		w := known.NetAddress()
		h, err := netaddr.FromBytes(netaddr.IPv4, w.ToLegacy().IP.To4())
		if err != nil {
			continue
		}
		a := netaddr.Addr{Host: h, Port: w.Port}
		if !ok(a) || tries < 30 && time.Since(known.LastAttempt()) < 10*time.Minute {
			continue
		}
		return a, true
	}
	return netaddr.Addr{}, false
}

func (attacked) NextTest() (netaddr.Addr, bool) { return netaddr.Addr{}, false }
func (m attacked) Attempt(a netaddr.Addr)       { m.AddrManager.Attempt(toWire(a)) }
func (m attacked) Good(a netaddr.Addr)          { m.AddrManager.Good(toWire(a)) }
func (m attacked) Connected(a netaddr.Addr)     { m.AddrManager.Connected(toWire(a)) }

// attack runs the eclipse simulation with both books, and writes the table. dead is the
// share of what the attacker tells that is nobody's, in the groups of others.
func attack(t *testing.T, w io.Writer, seeds int, groups []int, dead float64) {
	fmt.Fprintf(w, "\n%.0f %% of what the attacker tells is dead addresses in groups of others:\n\n", 100*dead)
	fmt.Fprintf(w, "| attacker's groups | of all groups | of all that answer | ours: of our slots | last 10 days | btcd: of its slots | last 10 days | dials that failed: ours | btcd |\n")
	fmt.Fprintf(w, "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n")
	for _, k := range groups {
		var mine, his eclipse.Result
		cfg := eclipse.Default(0, k)
		cfg.Dead = dead
		for seed := range uint64(seeds) {
			cfg.Seed = seed + 1
			clock := eclipse.NewVirtual()
			b, err := eclipse.NewOurs(cfg.Seed, clock)
			if err != nil {
				t.Fatal(err)
			}
			sum(&mine, eclipse.Run(cfg, b, clock))
			synctest.Test(t, func(t *testing.T) {
				// Its randomness is the time of day.
				time.Sleep(time.Duration(seed) * time.Second)
				sum(&his, eclipse.Run(cfg, attacked{addrmgr.New(os.TempDir(), nil)}, bubble{}))
			})
		}
		n := float64(seeds)
		answering := float64(k) / (float64(k) + mine.Alive/n*float64(cfg.HonestGroups))
		fmt.Fprintf(w, "| %d | %.2f %% | %.2f %% | %.2f %% | %.2f %% | %.2f %% | %.2f %% | %.0f %% | %.0f %% |\n", k,
			100*cfg.Fair(), 100*answering, 100*mine.Share/n, 100*mine.Last/n, 100*his.Share/n, 100*his.Last/n,
			100*float64(mine.Failed)/float64(mine.Dials), 100*float64(his.Failed)/float64(his.Dials))
	}
}

func sum(into *eclipse.Result, r eclipse.Result) {
	into.Share += r.Share
	into.Last += r.Last
	into.Dials += r.Dials
	into.Failed += r.Failed
	into.Alive += r.Alive
}
