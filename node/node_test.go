package node

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/btcsuite/btcd/chaincfg/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"holdfast/addrbook"
	"holdfast/connmgr"
	"holdfast/netaddr"
	"holdfast/simnet"
)

// honest returns n honest peers that tell of nobody.
func honest(n int) []simnet.Spec {
	return []simnet.Spec{{Count: n, Gossip: make([]simnetAddr, 0)}}
}

// TestRunTwice, and after Close.
func TestRunTwice(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := scripted(t, Config{})
		wait(time.Second)
		if err := w.node.Run(context.Background()); !errors.Is(err, ErrRunning) {
			t.Errorf("second Run: %v", err)
		}
		_ = w.node.Close()
		if w.dialIn("8.8.8.8"); w.node.Counts().Inbound != 0 {
			t.Error("counted before the handshake")
		}
	})
	n, err := New(Config{Params: &chaincfg.RegressionNetParams, Listen: []string{"127.0.0.1:0"}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = New(Config{Params: &chaincfg.RegressionNetParams, Listen: []string{n.Listening()[0].String()}})
	if !errors.Is(err, syscall.EADDRINUSE) || !strings.HasPrefix(err.Error(), "cannot listen on 127.0.0.1:") || strings.Contains(err.Error(), "\n") {
		t.Errorf("port in use: %v", err)
	}
	_ = n.Close()
	_ = n.Close()
	if err := n.Run(context.Background()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Run after Close: %v", err)
	}
	again, err := New(Config{Params: &chaincfg.RegressionNetParams, Listen: []string{n.Listening()[0].String()}})
	if err != nil {
		t.Fatalf("Close did not free the port: %v", err)
	}
	_ = again.Close()
}

// TestListenHalf: when one listener cannot be had, the others are closed.
func TestListenHalf(t *testing.T) {
	f := simnet.NewFabric(simnet.FabricConfig{})
	defer f.Close()
	if _, err := f.Listen(&net.TCPAddr{IP: net.IPv4(9, 9, 9, 9), Port: 2}); err != nil {
		t.Fatal(err)
	}
	cfg := Config{Params: &chaincfg.RegressionNetParams, NewListener: f.Listen, Listen: []string{"9.9.9.9:1", "9.9.9.9:2"}}
	if _, err := New(cfg); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("New: %v", err)
	}
	if _, err := f.Listen(&net.TCPAddr{IP: net.IPv4(9, 9, 9, 9), Port: 1}); err != nil {
		t.Errorf("the first listener is still there: %v", err)
	}
}

// TestEndIsQuick: with peers in all states the end takes no time, and says so of
// each.
func TestEndIsQuick(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		cfg := Config{Seeds: fabricSeeds(20), Listen: []string{listenAt}}
		w := newWorld(t, cfg, simnet.Mix(20)...)
		for _, host := range []string{"8.1.1.1", "8.2.1.1", "8.3.1.1"} {
			w.dialIn(host)
		}
		w.dialIn("8.4.1.1").shake()
		wait(5 * time.Second)
		live := len(w.peers())
		began := time.Now()
		w.stop()
		if took := time.Since(began); took > 0 {
			t.Errorf("the end took %v", took)
		}
		wait(2 * time.Minute) // some of the peers are slow to notice
		told := 0
		for _, e := range append(w.of(KindLost), w.of(KindUnready)...) {
			if e.Why == ReasonShutdown {
				told++
			}
		}
		if told != live || live < 10 {
			t.Errorf("%d ends told of %d sessions\n%s", told, live, w.lines())
		}
		if open := w.fabric.Stats().Open; open > 4 { // the tests' own ends
			t.Errorf("%d connections are open", open)
		}
	})
}

// TestGroupsAndBansBeforeDialing: no two automatic peers share a /16, and no
// banned host is dialed.
func TestGroupsAndBansBeforeDialing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var specs []simnet.Spec
		var seeds []Seed
		for i := range 20 {
			ip := net.IPv4(21, byte(i/4), byte(i), 1).To4()
			addr := &net.TCPAddr{IP: ip, Port: 18444}
			specs = append(specs, simnet.Spec{Addr: addr, Gossip: make([]simnetAddr, 0)})
			seeds = append(seeds, Seed{Host: addr.String()})
		}
		w := newWorld(t, Config{Seeds: []Seed{}}, specs...)
		w.stop()
		banned := netip.MustParseAddr("21.0.0.1")
		var dialed atomic.Int32
		dial := w.fabric.Dialer(ourAddr)
		cfg := Config{Seeds: seeds, Dial: func(ctx context.Context, a net.Addr) (net.Conn, error) {
			if ip, _ := ipOf(a); ip == banned {
				dialed.Add(1)
			}
			return dial(ctx, a)
		}}
		w.start(cfg)
		ban(t, w.node, banned.String())
		wait(30 * time.Minute)
		groups := make(map[string]bool)
		for _, p := range w.peers() {
			g := w.node.group(p.Addr)
			if groups[g] {
				t.Errorf("two peers of %s", g)
			}
			groups[g] = true
		}
		if len(groups) != 5 {
			t.Errorf("%d peers, want one of each of the 5 groups", len(groups))
		}
		if dialed.Load() != 0 {
			t.Error("a banned host was dialed")
		}
	})
}

// TestInboundLimits: five of one host, and MaxPeers in all.
func TestInboundLimits(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := scripted(t, Config{MaxPeers: 15, TargetOutbound: 8})
		for range 8 {
			w.dialIn("8.8.8.8").send(version())
		}
		wait(time.Second)
		if got := len(w.peers()); got != 5 {
			t.Errorf("%d of one host, want 5", got)
		}
		for i := range 10 {
			w.dialIn(net.IPv4(8, 8, 9, byte(i)).String()).send(version())
		}
		wait(time.Second)
		if got := len(w.peers()); got != 6 {
			t.Errorf("%d inbound, want 15-8-1", got)
		}
		wait(time.Minute) // none finished its handshake
		if got := len(w.peers()); got != 0 {
			t.Errorf("%d are left", got)
		}
		w.dialIn("8.8.8.8").shake()
	})
}

// TestInboundExempt: of hosts that the operator trusts any number may come, and of this
// machine, behind which there may be a proxy; but not of a loopback address that stands
// for a host.
func TestInboundExempt(t *testing.T) {
	for _, tt := range []struct {
		host  string
		local bool // Config.AllowLoopback
		want  int
	}{
		{"8.8.8.8", false, maxInboundPerHost},
		{"20.1.1.1", false, 12}, // on the whitelist
		{"2a01:20::1", false, 12},
		{"2a01:21::1", false, maxInboundPerHost},
		{"127.0.0.1", false, 12},
		{"::1", false, 12},
		{"127.7.0.1", false, 12},
		{"127.0.0.1", true, 12},
		{"127.7.0.1", true, maxInboundPerHost},
	} {
		inBubble(t, func(t *testing.T) {
			w := scripted(t, Config{
				AllowLoopback: tt.local,
				Whitelist:     []netip.Prefix{netip.MustParsePrefix("20.0.0.0/8"), netip.MustParsePrefix("2a01:20::/32")},
			})
			for range 12 {
				w.dialIn(tt.host).send(version())
			}
			wait(time.Second)
			if got := len(w.peers()); got != tt.want {
				t.Errorf("%d of %s, with AllowLoopback %v, want %d", got, tt.host, tt.local, tt.want)
			}
		})
	}
}

// TestConnectByName: the name is resolved at each dial, and a dead resolver holds
// up neither the start nor the end.
func TestConnectByName(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		ip := netip.MustParseAddr("11.0.0.1")
		dns := &fakeDNS{delay: time.Hour}
		dns.answer = func(string) ([]netip.Addr, error) { return []netip.Addr{netip.MustParseAddr("11.9.9.9"), ip}, nil }
		w := newWorld(t, Config{Connect: []string{"node.test"}, Resolver: dns}, honest(2)...)
		wait(2 * time.Minute)
		if n := dns.count(); n < 3 {
			t.Errorf("%d questions in two minutes", n)
		}
		if !strings.Contains(w.lines(), "Cannot connect to node.test:18444") {
			t.Errorf("nothing is told:\n%s", w.lines())
		}
		dns.mu.Lock()
		dns.delay = 0
		dns.mu.Unlock()
		wait(5 * time.Minute)
		if c := w.node.Counts(); c.Permanent != 1 {
			t.Fatalf("counts: %v\n%s", c, w.lines())
		}
		// The name moves.
		dns.mu.Lock()
		ip = netip.MustParseAddr("11.1.0.1")
		dns.mu.Unlock()
		w.net.Peers()[0].Stop()
		wait(time.Minute)
		if got := len(w.net.Peers()[1].Conns()); got != 1 {
			t.Errorf("the node did not follow the name:\n%s", w.lines())
		}
	})
}

// TestPermanentPeer is connected anew when it comes back, with growing waits, and
// soon after it proved itself.
func TestPermanentPeer(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, Config{Connect: []string{"11.0.0.1"}}, honest(1)...)
		peer := w.net.Peers()[0]
		wait(10 * time.Minute)
		peer.Stop()
		wait(time.Hour)
		if n := w.fabric.Dialed(peer.Addr()); n < 12 || n > 25 {
			t.Errorf("%d dials in an hour without the peer", n)
		}
		if err := peer.Start(); err != nil {
			t.Fatal(err)
		}
		wait(6 * time.Minute)
		if c := w.node.Counts(); c.Permanent != 1 {
			t.Errorf("counts: %v", c)
		}
		w.fabric.Reset(peer.Addr())
		wait(6 * time.Second)
		if c := w.node.Counts(); c.Permanent != 1 {
			t.Errorf("6 s after a reset: %v", c)
		}
		before := strings.Count(w.lines(), " again in ")
		w.stop()
		wait(time.Second)
		if strings.Count(w.lines(), " again in ") != before {
			t.Error("the node says that it reconnects while it stops")
		}
	})
}

// TestStopIsNoReconnect: a session that ends with the node leaves its request to
// the connection manager, even where that is told to stop a little later.
func TestStopIsNoReconnect(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, Config{Seeds: []Seed{}}, honest(1)...)
		n, err := New(Config{Params: &chaincfg.RegressionNetParams, Connect: []string{"11.0.0.1"}, Dial: w.fabric.Dialer(ourAddr)})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		n.ctx = ctx
		n.cm.Start()
		n.cm.Connect(n.added[0].req)
		wait(time.Second)
		if c := n.Counts(); c.Permanent != 1 {
			t.Errorf("counts: %v", c)
		}
		cancel()
		wait(time.Second)
		if state := n.added[0].req.State(); state != connmgr.ConnEstablished || n.Counts().Permanent != 0 {
			t.Errorf("the request is %v, %v", state, n.Counts())
		}
		n.cm.Stop()
		n.cm.Wait()
	})
}

// TestFixedIsNotPicked: who is to be connected for ever does not get an automatic
// place, which would refuse that for ever.
func TestFixedIsNotPicked(t *testing.T) {
	n, err := New(Config{Params: &chaincfg.RegressionNetParams, AddPeer: []string{"11.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	add := func(text string) {
		a := netaddr.FromAddrPort(netip.MustParseAddrPort(text))
		n.book.Add(netaddr.Host{}, 0, addrbook.Known{Addr: a, Seen: time.Now()})
	}
	add("11.0.0.1:18444")
	if addr, err := n.newAddress(); err == nil {
		t.Errorf("picked %v", addr)
	}
	add("11.1.0.1:18444")
	if addr, err := n.newAddress(); err != nil || addr.String() != "11.1.0.1:18444" {
		t.Errorf("picked %v, %v", addr, err)
	}
}

// TestAddPeerIsAdditional to the automatic ones, and counted in their groups.
func TestAddPeerIsAdditional(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, Config{AddPeer: []string{"11.0.0.1", "11.1.0.1"}, Seeds: fabricSeeds(12)}, honest(12)...)
		wait(time.Minute)
		c := w.node.Counts()
		if c.Outbound != 8 || c.Permanent != 2 || len(w.of(KindReady)) != 10 {
			t.Errorf("counts: %v", c)
		}
		for _, p := range w.net.Peers() {
			if got := len(p.Conns()); got > 1 {
				t.Errorf("%d connections to %v", got, p.Addr())
			}
		}
	})
}

// TestNetworkDown: nothing is held against addresses while our network is away,
// and the peers are back soon after it is.
func TestNetworkDown(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, Config{Seeds: fabricSeeds(10)}, honest(10)...)
		wait(time.Minute)
		down := time.Now()
		w.fabric.SetUp(false)
		w.fabric.Reset(nil)
		wait(2 * time.Hour)
		if c := w.node.Counts(); c.Addresses != 10 || c.Outbound != 0 {
			t.Errorf("while down: %v", c)
		}
		for e := range w.node.book.All() {
			if e.Attempts != 0 || e.LastTry.After(down) {
				t.Errorf("%v has failed %d times, last tried %v after the network went", e.Addr, e.Attempts, e.LastTry.Sub(down))
			}
		}
		w.fabric.SetUp(true)
		wait(5 * time.Minute)
		if c := w.node.Counts(); c.Outbound != 8 {
			t.Errorf("back for five minutes: %v\n%s", c, w.lines()[max(0, len(w.lines())-3000):])
		}
	})
}

// TestSnapshot shows peers of all sorts.
func TestSnapshot(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, Config{
			Seeds: fabricSeeds(4), AddPeer: []string{"11.0.0.1"}, Listen: []string{listenAt},
		}, honest(4)...)
		in := w.dialIn("8.8.8.8")
		in.shake()
		in.send(wire.NewMsgPing(1))
		wait(time.Minute)
		s := w.node.Snapshot()
		if s.Network != "regtest" || len(s.Listening) != 1 || s.Outbound.Connected != 3 || len(s.Peers) != 5 {
			t.Errorf("snapshot: %+v", s)
		}
		if got := s.Counts.String(); got != "3 of 8 outbound, 1 of 1 fixed, 1 inbound, 4 addresses known" {
			t.Errorf("counts: %s", got)
		}
		for i, p := range s.Peers {
			if i > 0 && p.ID <= s.Peers[i-1].ID {
				t.Error("peers are not in order")
			}
			if p.BytesIn == 0 || p.BytesOut == 0 || p.State.String() != "ready" || p.Since.IsZero() {
				t.Errorf("peer: %+v", p)
			}
			if p.ReqID == 0 || p.Inbound != (p.Class == "") {
				t.Errorf("peer: %+v", p)
			}
		}
	})
}
