package node

import (
	"context"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/btcsuite/btcd/chaincfg/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"holdfast/addrbook"
	"holdfast/banlist"
	"holdfast/connmgr"
	"holdfast/simnet"
)

// The soak has three days with an outage at the end of each. With the race detector
// days are shorter and peers fewer, so that it takes a minute or so like that without.
// In full it would take an hour there, and find little more: a race needs two things to
// happen at once, and all things that happen in three days do in one; what needs the
// time is what grows, and that is counted here without the detector, whose own memory
// would hide it. HOLDFAST_SOAK=full asks for all of it there, too.
const (
	soakPeers     = 2000
	soakPeersRace = 600
	soakDays      = 3
	soakDay       = 24 * time.Hour
	soakDayRace   = 6 * time.Hour

	soakMax     = 125 // peers of the node
	soakTarget  = 8
	soakInbound = soakMax - soakTarget - 2 - 1 // two are fixed, one place is the feeler's

	// soakOutage ends each day: what is left then should always be the same.
	soakOutage = 10 * time.Minute

	// soakBusy is the least share of the time in which all automatic places are to
	// be taken, outages left out.
	soakBusy = 0.9

	// soakSlack is how many more goroutines the end of the last day may have than
	// that of the first: a dial or two may be under way.
	soakSlack = 3
)

// soak is a node among peers of all sorts, and what is known of it from its events
// and from its dials.
type soak struct {
	t     *testing.T
	w     *world
	rng   *rand.Rand // of the visitors' goroutine
	began time.Time
	fixed map[string]bool

	mu     sync.Mutex
	seq    uint64
	ready  map[uint64]PeerInfo      // by session
	conns  map[uint64]connmgr.Event // by request: what connmgr says is connected
	open   map[string]int           // sockets to an address
	kinds  [numKinds]int
	types  map[connmgr.EventType]int
	faults int

	samples, atTarget, most int
}

// TestSoak: whatever 2000 peers of all sorts do to it in three days, a node keeps to
// its limits, talks to nobody twice or whom it has banned, and grows no larger.
func TestSoak(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a minute")
	}
	peers, day := soakPeers, soakDay
	if raceDetector && os.Getenv("HOLDFAST_SOAK") != "full" {
		peers, day = soakPeersRace, soakDayRace
	}
	took := realTime()
	inBubble(t, func(t *testing.T) { runSoak(t, peers, day) })
	t.Logf("%d peers, %v of virtual time: %.1f s", peers, soakDays*day, took().Seconds())
}

// realTime is called outside of a bubble, and returns what tells the time since.
func realTime() func() time.Duration {
	began := time.Now()
	return func() time.Duration { return time.Since(began) }
}

func runSoak(t *testing.T, peers int, day time.Duration) {
	s := &soak{
		t: t, rng: rand.New(rand.NewPCG(7, uint64(peers))), began: time.Now(),
		fixed: map[string]bool{"98.1.0.1:18444": true, "98.2.0.1:18444": true},
		ready: make(map[uint64]PeerInfo), conns: make(map[uint64]connmgr.Event),
		open: make(map[string]int), types: make(map[connmgr.EventType]int),
	}
	s.w = &world{t: t, fabric: simnet.NewFabric(simnet.FabricConfig{
		Latency: 30 * time.Millisecond, Jitter: 50 * time.Millisecond, Seed: 1,
	})}
	t.Cleanup(func() { _ = s.w.fabric.Close() })
	var err error
	s.w.net, err = simnet.New(simnet.Config{
		Transport: s.w.fabric, Peers: s.cast(peers), Seed: 1, Params: &chaincfg.RegressionNetParams,
		Churn: simnet.Churn{Every: time.Minute},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.w.net.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.w.net.Close)

	var seeds []Seed
	for i, p := range s.w.net.Peers() {
		if i < 40 {
			seeds = append(seeds, Seed{Host: p.Addr().String()})
		}
		if i%100 == 7 {
			s.w.fabric.BlackHole(p.Addr(), true)
		}
	}
	dir := t.TempDir()
	s.w.start(Config{
		MaxPeers: soakMax, TargetOutbound: soakTarget, Listen: []string{listenAt}, Seeds: seeds,
		AddPeer: []string{"98.1.0.1", "98.2.0.1"}, DataDir: dir, Dial: s.dial, OnEvent: s.onEvent,
	})
	var left [soakDays]leftOver
	for i := range soakDays {
		left[i] = s.day(i, day)
	}
	s.w.stop()
	wait(5 * time.Second)
	s.checkEnd(dir, left)
}

// cast returns the peers. Four share a group, except for a tenth that are all in one.
func (s *soak) cast(n int) []simnet.Spec {
	specs := simnet.Mix(n)
	for i := range specs {
		ip := [4]byte{byte(11 + i/4/256), byte(i / 4), byte(i % 4), 1}
		if i%10 == 9 {
			ip = [4]byte{97, 0, byte(i / 10), 1}
		}
		specs[i].Addr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.AddrFrom4(ip), 18444))
		switch b := &specs[i].Behaviour; {
		case b.Name == "flooder":
			*b = simnet.Flooder(soakFloods[i/3/12%len(soakFloods)])
		case b.Name == "late-dropper" && i%2 == 0:
			*b = simnet.LateDropper(20 * time.Minute)
		case b.Name == "slow" && i%2 == 0:
			*b = simnet.Slow(25 * time.Second) // too slow to shake hands in time
		case b.Name == "honest" && i%13 == 0:
			specs[i].Gossip = s.lies(i)
		case b.Name == "honest" && i%29 == 0:
			specs[i].Services = wire.SFNodeBloom
		}
	}
	for i := range s.fixed {
		specs = append(specs, simnet.Spec{Addr: net.TCPAddrFromAddrPort(netip.MustParseAddrPort(i))})
	}
	return specs
}

// soakFloods are what flooders send. The paces of the last two are within the limits.
var soakFloods = []simnet.Flood{
	{Kind: simnet.FloodPings},
	{Kind: simnet.FloodAddrs, Every: time.Second},
	{Kind: simnet.FloodOversize, Count: 20, Every: time.Minute},
	{Kind: simnet.FloodInv, Every: 10 * time.Second},
	{Kind: simnet.FloodUnknown, Every: 10 * time.Millisecond},
	{Kind: simnet.FloodVersion, Every: time.Second},
	{Kind: simnet.FloodAddrs, Every: time.Minute, Size: 6, Count: 10_000},
	{Kind: simnet.FloodPings, Every: time.Minute, Count: 10_000},
}

// lies is what a liar tells: nobody is there.
func (s *soak) lies(i int) []simnetAddr {
	lies := make([]simnetAddr, 0, 1000)
	for j := range 1000 {
		var ip [4]byte
		switch i / 13 % 4 {
		case 0: // nowhere at all
			ip = [4]byte{[]byte{10, 127, 0, 192, 240}[j%5], 168, byte(j >> 8), byte(j)}
		case 1: // one network
			ip = [4]byte{96, byte(i), byte(j >> 8), byte(j)}
		case 2: // anywhere
			ip = [4]byte{byte(11 + s.rng.IntN(80)), byte(s.rng.Uint32()), byte(j >> 8), byte(j)}
		case 3: // where honest peers are, with other ports
			ip = [4]byte{11, byte(j / 4), byte(j % 4), 1}
		}
		lies = append(lies, netip.AddrPortFrom(netip.AddrFrom4(ip), uint16(18000+i)))
	}
	return lies
}

// leftOver is what there is at the end of a day, when no connection is.
type leftOver struct {
	goroutines int
	heap       uint64
	book       addrbook.Count
	bans       int
}

// day is one day of this length, from midnight to midnight.
func (s *soak) day(day int, length time.Duration) leftOver {
	midnight := s.began.Add(time.Duration(day+1) * length)
	ctx, cancel := context.WithDeadline(s.t.Context(), midnight.Add(-soakOutage))
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() { s.visits(ctx) })
	wg.Go(func() { s.storms(ctx) })
	wg.Go(func() { s.breaks(ctx) })
	for minute := 1; ctx.Err() == nil; minute++ {
		wait(time.Minute)
		if day == 0 && minute < 5 {
			continue // it has only begun
		}
		s.check()
		if minute%(2*60) == 0 {
			s.operatorBan()
		}
	}
	wg.Wait()

	// Our network is lost, and comes back in the end.
	s.w.fabric.SetUp(false)
	s.w.fabric.Reset(nil)
	time.Sleep(time.Until(midnight))
	synctest.Wait()
	if live := len(s.w.node.sessions()); live > 0 {
		s.fault("%d sessions without a network", live)
	}
	l := s.leftOver()
	s.t.Logf("day %d: at target %.2f %% of the time, at most %d connections; without any: %d goroutines beside the peers', heap %.1f MB, book %+v, %d bans",
		day+1, 100*float64(s.atTarget)/float64(s.samples), s.most, l.goroutines, float64(l.heap)/1e6, l.book, l.bans)
	s.w.fabric.SetUp(true)
	return l
}

func (s *soak) leftOver() leftOver {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	l := leftOver{
		goroutines: runtime.NumGoroutine(), heap: m.HeapAlloc,
		book: s.w.node.book.Stats().Total, bans: s.w.node.bans.Len(),
	}
	for _, p := range s.w.net.Peers() {
		if p.Running() && !p.Behaviour().NoListener {
			l.goroutines-- // it accepts
		}
		l.goroutines -= len(p.Conns())
	}
	return l
}

// visits has peers of all sorts dial the node, one every ten seconds or so, until ctx
// ends.
func (s *soak) visits(ctx context.Context) {
	to, _ := net.ResolveTCPAddr("tcp", listenAt)
	all := s.w.net.Peers()
	for sleep(ctx, time.Duration(s.rng.ExpFloat64()*float64(10*time.Second))) {
		_ = all[s.rng.IntN(len(all))].Connect(ctx, to) // it may be down, or turned away
	}
}

// storms has crowds come that say nothing, every three hours or so: half of them from
// one network, half from a few hosts.
func (s *soak) storms(ctx context.Context) {
	rng := rand.New(rand.NewPCG(8, uint64(s.began.Unix())))
	to, _ := net.ResolveTCPAddr("tcp", listenAt)
	var wg sync.WaitGroup
	defer wg.Wait()
	for sleep(ctx, time.Duration(rng.ExpFloat64()*float64(3*time.Hour))) {
		for i := range 300 {
			from := net.IPv4(66, 6, byte(rng.Uint32()), byte(rng.Uint32()))
			if i%2 == 0 {
				from = net.IPv4(67, 7, 7, byte(i%8))
			}
			conn, err := s.w.fabric.Dial(ctx, &net.TCPAddr{IP: from}, to)
			if err != nil {
				break // the day ends
			}
			wg.Go(func() {
				defer conn.Close() //nolint:errcheck // it is over
				_ = conn.SetReadDeadline(time.Now().Add(5 * time.Minute))
				for b := make([]byte, 1024); ; {
					if _, err := conn.Read(b); err != nil {
						return
					}
				}
			})
		}
	}
}

// breaks has the node lose an automatic peer every five minutes or so, by a reset or
// without a word, and all that it has about twice a day.
func (s *soak) breaks(ctx context.Context) {
	rng := rand.New(rand.NewPCG(9, uint64(s.began.Unix())))
	for sleep(ctx, time.Duration(rng.ExpFloat64()*float64(5*time.Minute))) {
		peers := slices.DeleteFunc(s.w.peers(), func(p PeerInfo) bool { return p.Class != connmgr.ClassOutbound })
		switch what := rng.IntN(150); {
		case what == 0:
			s.w.fabric.Reset(nil)
		case len(peers) == 0:
		case what < 20:
			addr := peers[rng.IntN(len(peers))].Addr
			s.w.fabric.Cut(true, addr)
			time.AfterFunc(time.Hour, func() { s.w.fabric.Cut(false, addr) })
		default:
			s.w.fabric.Reset(peers[rng.IntN(len(peers))].Addr)
		}
	}
}

// operatorBan bans the network of an automatic peer for an hour.
func (s *soak) operatorBan() {
	for _, p := range s.w.peers() {
		if p.Class != connmgr.ClassOutbound {
			continue
		}
		ip, _ := ipOf(p.Addr)
		prefix, _ := ip.Prefix(24)
		subject, err := banlist.SubjectOfPrefix(prefix)
		if err == nil {
			err = s.w.node.Ban(subject, time.Hour, "soak", banlist.Operator)
		}
		if err != nil {
			s.fault("ban: %v", err)
		}
		return
	}
}

// checkEnd compares the days, and says how it was.
func (s *soak) checkEnd(dir string, left [soakDays]leftOver) {
	first, last := left[0], left[soakDays-1]
	if last.goroutines > first.goroutines+soakSlack {
		s.fault("%d goroutines after the first day, %d after the last", first.goroutines, last.goroutines)
	}
	if last.heap > 2*first.heap+16<<20 {
		s.fault("the heap had %d bytes after the first day, %d after the last", first.heap, last.heap)
	}
	busy := float64(s.atTarget) / float64(s.samples)
	if busy < soakBusy {
		s.fault("all automatic places were taken %.1f %% of the time", 100*busy)
	}
	if s.kinds[KindBanned] == 0 || s.kinds[KindEvicted] == 0 || s.kinds[KindTurnedAway] == 0 || s.kinds[KindProbed] == 0 {
		s.fault("nothing happened: %v", s.kinds)
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	if len(files) > 6 {
		s.fault("%d files: %q", len(files), files)
	}
	stats := s.w.fabric.Stats()
	s.t.Logf("%d peers, %d connections made (%d in, %d out), %d peers ready, %d bans, %d evictions, %d turned away, %d offences, %d probed, %d dials in all, %d events, %.2f %% of the time at target",
		len(s.w.net.Peers()), s.types[connmgr.EventConnected]+s.types[connmgr.EventAccepted], s.types[connmgr.EventAccepted],
		s.types[connmgr.EventConnected], s.kinds[KindReady], s.kinds[KindBanned], s.kinds[KindEvicted], s.kinds[KindTurnedAway],
		s.kinds[KindOffence], s.kinds[KindProbed], stats.Dials, s.seq, 100*busy)
}
