package integration

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/btcsuite/btcd/chaincfg/v2"

	"holdfast/addrbook"
	"holdfast/banlist"
	"holdfast/netaddr"
	"holdfast/node"
	"holdfast/simnet"
)

// The crash test. Its network has the addresses of the Internet that these are.
const (
	crashKills     = 200
	crashKillsRace = 60 // the daemon needs a second to start then
	crashKillsFew  = 10 // with -short

	crashPatience = 10 * time.Minute // a kill takes 0.2 to 0.5 s

	crashPeers     = 3000 // whom the daemon may find; of each four one misbehaves
	crashAttackers = 4    // come in each round
	crashTarget    = 12   // outbound peers of the daemon

	crashNode = "11.1.0.1:18444"
	crashHub  = "11.2.0.1:18444"

	// crashInside is set, to the path of the daemon, for the part of the test that
	// runs in the network of its own.
	crashInside = "HOLDFAST_CRASH_TEST_DAEMON"
)

// TestCrash kills the program at random moments, while it finds peers, is attacked
// and stops. What it has acknowledged it must know afterwards: a ban that it has told
// of, and an outbound peer that it has asked for addresses, which it does when the
// peer is in the book as a good one.
//
// The program treats loopback addresses as nobody's, so the test runs in a network
// namespace all of whose addresses are this machine's.
func TestCrash(t *testing.T) {
	if daemon := os.Getenv(crashInside); daemon != "" {
		newCrash(t, daemon).run()
		return
	}
	ctx := beginFor(t, crashPatience)
	l := newLAN(ctx, t)
	l.ip(ctx, "-n", l.hub, "link", "set", "lo", "up")
	for _, all := range []string{"11.0.0.0/8", "12.0.0.0/8"} {
		l.ip(ctx, "-n", l.hub, "route", "add", "local", all, "dev", "lo")
	}
	args := []string{"netns", "exec", l.hub, os.Args[0], "-test.run=^TestCrash$", "-test.v", "-test.timeout=" + crashPatience.String()}
	if testing.Short() {
		args = append(args, "-test.short")
	}
	cmd := exec.CommandContext(ctx, "ip", args...)
	cmd.Env = append(os.Environ(), crashInside+"="+holdfastPath(t))
	cmd.WaitDelay = time.Second
	bind(cmd)
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Errorf("in the network of its own: %v", err)
	}
}

// crash is the test, inside.
type crash struct {
	t      *testing.T
	daemon string
	dir    string
	rng    *rand.Rand
	hub    *simnet.Network // with the peers
	foes   *simnet.Network // the attackers

	mu    sync.Mutex           // of what follows, up to the next empty line
	tried map[netaddr.Addr]int // acknowledged as good, and in which round
	bans  map[string]string    // acknowledged, with the reason
	round int

	taken, torn, early, stopping int
}

func newCrash(t *testing.T, daemon string) *crash {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return &crash{
		t: t, daemon: daemon, dir: t.TempDir(), rng: rand.New(rand.NewPCG(seed, 0)),
		tried: make(map[netaddr.Addr]int), bans: make(map[string]string),
	}
}

func (c *crash) run() {
	kills := crashKills
	switch {
	case testing.Short():
		kills = crashKillsFew
	case raceDetector:
		kills = crashKillsRace
	}
	c.cast(kills)
	began := time.Now()
	for round := range kills {
		c.mu.Lock()
		c.round = round
		c.mu.Unlock()
		c.live()
		c.check()
		if c.t.Failed() {
			c.t.Fatalf("after %d kills", c.round+1)
		}
	}
	took := time.Since(began)
	files, _ := os.ReadDir(filepath.Join(c.dir, "regtest"))
	var strange []string
	c.t.Logf("%d kills in %.1f s, %d of them before the daemon accepted and %d while it stopped: %d bans and %d good addresses acknowledged, none lost; %d addresses had their place taken, %d times the last line was torn",
		kills, took.Seconds(), c.early, c.stopping, len(c.bans), len(c.tried), c.taken, c.torn)
	// Each life that is cut short leaves a journal, until one saves the book. All else
	// is the same few files.
	for _, f := range files {
		switch name := f.Name(); {
		case slices.Contains([]string{"addrbook.dat", "anchors.dat", "banlist", "holdfast.lock"}, name):
		case slices.Contains([]string{".cookie", ".dashboard", ".rpcaddress"}, strings.TrimSuffix(name, ".new")):
		case strings.HasPrefix(name, "addrbook-") && strings.HasSuffix(name, ".journal"):
		default:
			strange = append(strange, name)
		}
	}
	if len(strange) > 3 { // the last one may have been about to write one
		c.t.Errorf("left in the data directory: %q", strange)
	}
	if len(c.tried) < kills || len(c.bans) < kills {
		c.t.Error("too little happened")
	}
}

// cast makes the peers and the attackers.
func (c *crash) cast(rounds int) {
	flooder := simnet.Flooder(simnet.Flood{Kind: simnet.FloodVersion})
	at := func(a, b, c, d int) *net.TCPAddr {
		return &net.TCPAddr{IP: net.IPv4(byte(a), byte(b), byte(c), byte(d)).To4(), Port: 18444}
	}
	var told []netip.AddrPort
	var peers, foes []simnet.Spec
	for i := range crashPeers {
		s := simnet.Spec{Addr: at(11, 10+i%200, i/200, 1), Gossip: []netip.AddrPort{}}
		if i%4 == 3 {
			s.Behaviour = flooder
		}
		peers = append(peers, s)
		told = append(told, s.Addr.(*net.TCPAddr).AddrPort())
	}
	hub := net.TCPAddrFromAddrPort(netip.MustParseAddrPort(crashHub))
	peers = append(peers, simnet.Spec{Addr: hub, Gossip: told})
	flooder.NoListener = true
	for i := range rounds * crashAttackers {
		foes = append(foes, simnet.Spec{Addr: at(12, i/250, i%250, 1), Behaviour: flooder})
	}
	c.hub = c.network(simnet.Config{Peers: peers, OnEvent: c.heard})
	c.foes = c.network(simnet.Config{Peers: foes})
}

func (c *crash) network(cfg simnet.Config) *simnet.Network {
	cfg.Transport = anyAddress{}
	n, err := simnet.New(cfg)
	if err == nil {
		err = n.Start(c.t.Context())
	}
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(n.Close)
	return n
}

// anyAddress is a transport where all addresses are this machine's.
type anyAddress struct{ simnet.Loopback }

func (anyAddress) Dial(ctx context.Context, local, remote net.Addr) (net.Conn, error) {
	return (&net.Dialer{LocalAddr: local}).DialContext(ctx, "tcp", remote.String())
}

// heard is told what happens at the peers.
func (c *crash) heard(e simnet.Event) {
	if e.Kind != simnet.EventReceived || e.Command != "getaddr" || e.Peer.Addr().String() == crashHub {
		return
	}
	a := netaddr.FromAddrPort(e.Peer.Addr().(*net.TCPAddr).AddrPort())
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tried[a] = c.round
}

// live is one life of the daemon, up to its death.
func (c *crash) live() {
	cmd := exec.Command(c.daemon, "run", "--regtest", "--datadir", c.dir, "--nofilelogging", "--nodnsseed",
		"--listen", crashNode, "--addpeer", crashHub, "--targetoutbound", fmt.Sprint(crashTarget))
	cmd.Env = append(environ(), "HOME="+c.dir)
	bind(cmd)
	out, err := cmd.StdoutPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	var read sync.WaitGroup
	listening := make(chan struct{})
	read.Go(func() {
		began := sync.OnceFunc(func() { close(listening) }) // before it says anything
		for in := bufio.NewScanner(out); in.Scan(); c.said(in.Text()) {
			began()
		}
	})
	ctx, cancel := context.WithCancel(c.t.Context())
	var attack sync.WaitGroup
	for i, foe := range c.foes.Peers()[c.round*crashAttackers:][:crashAttackers] {
		pause := time.Duration(i) * c.upTo(60*time.Millisecond)
		attack.Go(func() {
			select {
			case <-listening:
			case <-ctx.Done():
				return
			}
			to, _ := net.ResolveTCPAddr("tcp", crashNode)
			time.Sleep(pause)
			_ = foe.Connect(ctx, to) // the daemon may be dead
		})
	}
	// One in eight dies at once, and one in four when it is about to end by itself.
	switch die := c.rng.IntN(8); {
	case die == 0:
		time.Sleep(c.upTo(40 * time.Millisecond))
		c.early++
	default:
		select {
		case <-listening:
			time.Sleep(c.upTo(400 * time.Millisecond))
		case <-time.After(20 * time.Second):
			c.t.Error("the daemon does not start")
		}
		if die <= 2 {
			c.stopping++
			_ = cmd.Process.Signal(syscall.SIGTERM)
			time.Sleep(c.upTo(15 * time.Millisecond))
		}
	}
	_ = cmd.Process.Kill() // it may have ended already
	read.Wait()
	cancel()
	attack.Wait()
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && (!errors.As(err, &exit) || exit.Exited()) {
		c.t.Errorf("the daemon ended by itself: %v", err)
	}
	// What the peers were sent is on its way still; they must not take it for the
	// next life's.
	for _, p := range c.hub.Peers() {
		for len(p.Conns()) > 0 {
			time.Sleep(time.Millisecond)
		}
	}
}

func (c *crash) upTo(d time.Duration) time.Duration { return time.Duration(c.rng.Int64N(int64(d))) }

// said is told each line of the daemon's.
func (c *crash) said(line string) {
	if strings.Contains(line, "Address book:") || strings.Contains(line, "Ban list:") && strings.Contains(line, "set aside") ||
		strings.Contains(line, "panic") || strings.Contains(line, "DATA RACE") || strings.Contains(line, "[ERR]") {
		c.t.Errorf("kill %d: the daemon said %q", c.round, line)
	}
	_, ban, ok := strings.Cut(line, "BANS: Banned ")
	who, rest, ok2 := strings.Cut(ban, " for ")
	_, reason, ok3 := strings.Cut(rest, ": ")
	if ok && ok2 && ok3 {
		c.mu.Lock()
		c.bans[who] = reason
		c.mu.Unlock()
	}
}

// check opens a copy of what the dead daemon has left, as its next life will.
func (c *crash) check() {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	dir := filepath.Join(c.t.TempDir(), "copy")
	left := filepath.Join(c.dir, "regtest")
	if _, err := os.Stat(left); errors.Is(err, os.ErrNotExist) {
		return // it died before it could make one
	}
	if err := os.CopyFS(dir, os.DirFS(left)); err != nil {
		c.t.Fatal(err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // it is a temporary directory
	c.checkBans(dir)
	c.checkBook(dir)
	n, err := node.New(node.Config{Params: &chaincfg.RegressionNetParams, DataDir: dir})
	if err != nil {
		c.t.Errorf("kill %d: %v", c.round, err)
		return
	}
	defer n.Close() //nolint:errcheck // it is not run
	s := n.Snapshot()
	if len(s.Bans) < len(c.bans) || s.Counts.Addresses < len(c.tried)-c.taken {
		c.t.Errorf("kill %d: the next node has %d bans and %d addresses, acknowledged were %d and %d",
			c.round, len(s.Bans), s.Counts.Addresses, len(c.bans), len(c.tried))
	}
}

func (c *crash) checkBans(dir string) {
	list, damage, err := banlist.Open(filepath.Join(dir, "banlist"), banlist.Options{})
	if err != nil {
		c.t.Errorf("kill %d: %v", c.round, err)
		return
	}
	defer list.Close() //nolint:errcheck // it is not changed
	if damage != nil {
		c.torn++
		if !errors.Is(damage, banlist.ErrTorn) || damage.SetAside != "" {
			c.t.Errorf("kill %d: %v", c.round, damage)
		}
	}
	for who, reason := range c.bans {
		subject, err := banlist.ParseSubject(who)
		if err != nil {
			c.t.Fatal(err)
		}
		if e, ok := list.Lookup(subject); !ok || e.Reason != reason || e.Origin != banlist.Score || time.Until(e.Until) < 23*time.Hour {
			c.t.Errorf("kill %d: the ban of %s was acknowledged, and is %+v, %v", c.round, who, e, ok)
		}
	}
}

// checkBook looks for all that was acknowledged. Who is not in tried may have his
// place taken there, by who was there before, or by who replaced him after a test.
// So if he can be put there again, the place is free: then he was lost.
func (c *crash) checkBook(dir string) {
	book, warning, err := addrbook.Open(dir, addrbook.Config{})
	if warning != nil || err != nil {
		c.t.Errorf("kill %d: %v, %v", c.round, warning, err)
		return
	}
	var missing []netaddr.Addr
	for a := range c.tried {
		if e, ok := book.Lookup(a); !ok || !e.Tried || e.LastSuccess.IsZero() {
			missing = append(missing, a)
		}
	}
	c.taken = len(missing)
	for _, a := range missing {
		before, _ := book.Lookup(a)
		book.Add(a.Host, 0, addrbook.Known{Addr: a, Services: 9, Seen: time.Now()})
		if err := book.Good(a, 9); err != nil {
			c.t.Error(err)
		}
		if e, _ := book.Lookup(a); e.Tried {
			c.t.Errorf("kill %d: %v was acknowledged as good in round %d, and is %+v", c.round, a, c.tried[a], before)
		}
	}
	if c.taken > 10+len(c.tried)/5 {
		c.t.Errorf("kill %d: %d of %d addresses have no place: that is no chance", c.round, c.taken, len(c.tried))
	}
}
