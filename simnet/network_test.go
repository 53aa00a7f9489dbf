package simnet

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/btcsuite/btcd/wire/v2"
	"github.com/google/go-cmp/cmp"
)

func TestNewRejects(t *testing.T) {
	addr := tcp("11.0.0.1:1")
	tests := map[string][]Spec{
		"no peers":       nil,
		"too many":       {{Count: maxPeers + 1}},
		"shared address": {{Addr: addr, Count: 2}},
		"same address":   {{Addr: addr}, {Addr: tcp("11.0.0.1:1")}},
	}
	for name, peers := range tests {
		if _, err := New(Config{Peers: peers}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestAddresses(t *testing.T) {
	groups := make(map[string]bool)
	for i := range maxPeers {
		a, _ := netip.ParseAddrPort(fabricAddr(i, 8333).String())
		if p := a.Addr(); p.IsPrivate() || p.IsLoopback() || p.IsLinkLocalUnicast() {
			t.Fatalf("peer %d has %v", i, a)
		}
		prefix, _ := a.Addr().Prefix(16)
		if groups[prefix.String()] {
			t.Fatalf("peer %d shares a group: %v", i, a)
		}
		groups[prefix.String()] = true
	}
	for i, want := range map[int]string{0: "127.10.0.1:9", 1: "127.11.0.1:9", 239: "127.249.0.1:9", 240: "127.10.1.1:9"} {
		if got := loopbackAddr(i, 9).String(); got != want {
			t.Errorf("peer %d: %v, want %v", i, got, want)
		}
	}
}

func TestMix(t *testing.T) {
	kinds := make(map[string]int)
	for _, s := range Mix(72) {
		kinds[s.Behaviour.Name]++
	}
	if kinds["honest"] != 48 || len(kinds) != len(Behaviours()) {
		t.Errorf("mix of 72: %v", kinds)
	}
	if len(Mix(0)) != 0 || len(Mix(-1)) != 0 {
		t.Error("mix of none")
	}
	for _, b := range Behaviours() {
		if b.Name == "" || b.Expect == "" {
			t.Errorf("%+v says too little", b)
		}
	}
}

func TestNames(t *testing.T) {
	n, err := New(Config{Peers: []Spec{
		{}, {Behaviour: Behaviour{NoPong: true}}, {Behaviour: Behaviour{NoPong: true, Name: "mine"}}, {UserAgent: "/x/"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range n.Peers() {
		got = append(got, p.spec.UserAgent)
	}
	want := []string{"/simnet:1/honest/", "/simnet:1/custom/", "/simnet:1/mine/", "/x/"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for k := EventStarted; k <= EventClosed+1; k++ {
		if k.String() == "" {
			t.Errorf("event %d has no name", k)
		}
	}
}

func TestLifecycle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewFabric(FabricConfig{})
		spec := []Spec{{Count: 2}, {Addr: tcp("[2001:db8::1]:7")}}
		n, err := New(Config{Transport: f, Peers: spec})
		if err != nil {
			t.Fatal(err)
		}
		canceled, cancel := context.WithCancel(t.Context())
		cancel()
		if err := n.Start(canceled); !errors.Is(err, context.Canceled) {
			t.Errorf("Start with a canceled context: %v", err)
		}
		taken, err := f.Listen(tcp("[2001:db8::1]:7"))
		if err != nil {
			t.Fatal(err)
		}
		if err := n.Start(t.Context()); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("Start with an address taken: %v", err)
		}
		taken.Close()
		if err := n.Peers()[0].Start(); !errors.Is(err, ErrStopped) {
			t.Errorf("Peer.Start before Start: %v", err)
		}

		ctx, cancel := context.WithCancel(t.Context())
		if err := n.Start(ctx); err != nil {
			t.Fatal(err)
		}
		if err := n.Start(ctx); err == nil {
			t.Error("second Start: no error")
		}
		p := n.Peers()[2]
		if p.Addr().String() != "[2001:db8::1]:7" || p.Index() != 2 {
			t.Errorf("peer %d at %v", p.Index(), p.Addr())
		}
		dial := func() error {
			c, err := f.Dial(t.Context(), nil, p.Addr())
			if err == nil {
				c.Close()
			}
			return err
		}
		for range 2 {
			if err := dial(); err != nil || !p.Running() {
				t.Errorf("dial of a running peer: %v", err)
			}
			p.Stop()
			p.Stop()
			if err := dial(); !errors.Is(err, syscall.ECONNREFUSED) || p.Running() || p.Conns() != nil {
				t.Errorf("dial of a stopped peer: %v", err)
			}
			if err := errors.Join(p.Start(), p.Start()); err != nil {
				t.Fatal(err)
			}
		}

		cancel() // the end of the context ends all
		synctest.Wait()
		if p.Running() {
			t.Error("peer runs after the end of the context")
		}
		if err := p.Start(); !errors.Is(err, ErrStopped) || !errors.Is(err, net.ErrClosed) {
			t.Errorf("Peer.Start after the end: %v", err)
		}
		n.Close()
		n.Close()
		if err := n.Start(t.Context()); !errors.Is(err, ErrStopped) {
			t.Errorf("Start after Close: %v", err)
		}
	})
}

func TestCloseBeforeStart(t *testing.T) {
	n, err := New(Config{Peers: Mix(1)})
	if err != nil {
		t.Fatal(err)
	}
	n.Close()
	n.Close()
}

// Stop ends a Connect that waits.
func TestStopEndsConnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewFabric(FabricConfig{})
		n, err := New(Config{Transport: f, Peers: Mix(1)})
		if err != nil {
			t.Fatal(err)
		}
		if err := n.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer n.Close()
		f.BlackHole(tcp("12.0.0.1:1"), true)
		time.AfterFunc(time.Second, n.Peers()[0].Stop)
		if err := n.Peers()[0].Connect(t.Context(), tcp("12.0.0.1:1")); !errors.Is(err, ErrStopped) {
			t.Errorf("Connect: %v", err)
		}
	})
}

func TestSeedAddrs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, err := New(Config{Transport: NewFabric(FabricConfig{}), Peers: []Spec{
			{}, {Services: wire.SFNodeNetwork}, {Behaviour: Dead()},
		}})
		if err != nil {
			t.Fatal(err)
		}
		if err := n.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer n.Close()
		for services, want := range map[wire.ServiceFlag][]string{
			0:                  {"11.0.0.1", "11.1.0.1", "11.2.0.1"},
			wire.SFNodeWitness: {"11.0.0.1", "11.2.0.1"},
			wire.SFNodeCF:      nil,
		} {
			var got []string
			for _, a := range n.SeedAddrs(uint64(services)) {
				got = append(got, a.String())
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%v: %s", services, diff)
			}
		}
	})
}

// A day of churn: peers go and come, few are down at once, the dead stay dead, and
// what the owner stopped stays so. Equal seeds give equal days.
func TestChurn(t *testing.T) {
	day := func(seed uint64) (log []string) {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			down, most, closing := 0, 0, false
			start := time.Now()
			n, err := New(Config{
				Transport: NewFabric(FabricConfig{}), Seed: seed,
				Peers: []Spec{{Count: 9}, {Behaviour: Dead()}},
				Churn: Churn{Every: time.Hour},
				OnEvent: func(e Event) {
					mu.Lock()
					defer mu.Unlock()
					if closing || time.Since(start) == 0 {
						return
					}
					switch e.Kind {
					case EventStarted:
						down--
					case EventStopped:
						down++
					}
					most = max(most, down)
					log = append(log, time.Since(start).String()+e.Kind.String()+e.Peer.Addr().String())
					if e.Peer.Index() == 0 || e.Peer.Behaviour().NoListener {
						t.Errorf("churn touched peer %d", e.Peer.Index())
					}
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := n.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			n.Peers()[0].Stop()
			time.Sleep(24 * time.Hour)
			mu.Lock()
			closing = true
			mu.Unlock()
			n.Close()
			if len(log) < 12 || most != 2 {
				t.Errorf("%d changes, at most %d down", len(log), most)
			}
		})
		return log
	}
	a, again, b := day(1), day(1), day(2)
	if diff := cmp.Diff(a, again); diff != "" {
		t.Error(diff)
	}
	if slices.Equal(a, b) {
		t.Error("other seed, but equal day")
	}
}

// A real network on loopback: all kinds of peers, in both forms of addresses.
func TestLoopback(t *testing.T) {
	for name, transport := range map[string]Loopback{"groups": {}, "single address": {SingleAddress: true}} {
		t.Run(name, func(t *testing.T) {
			ctx := patient(t)
			events := make(chan Event, 1000)
			n, err := New(Config{
				Transport: transport, Seed: 3, Peers: append(Mix(40), Spec{Count: 2}),
				OnEvent: func(e Event) {
					if e.Kind != EventReceived {
						events <- e
					}
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := n.Start(ctx); err != nil {
				t.Fatal(err)
			}
			defer n.Close()
			wait := func(kind EventKind, p *Peer) {
				t.Helper()
				for {
					select {
					case e := <-events:
						if e.Kind == kind && e.Peer == p {
							return
						}
					case <-ctx.Done():
						t.Fatalf("no %v of peer %d", kind, p.Index())
					}
				}
			}

			addrs := make(map[string]bool)
			for _, p := range n.Peers() {
				addrs[p.Addr().String()] = true
				conn, err := transport.Dial(ctx, nil, p.Addr())
				if p.Behaviour().NoListener {
					if !errors.Is(err, syscall.ECONNREFUSED) {
						t.Errorf("dead peer: %v", err)
					}
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				if p.Behaviour().Name == "honest" {
					c := client{t, conn}
					c.shake()
					c.send(wire.NewMsgGetAddr())
					if m := c.expect(wire.CmdAddrV2).(*wire.MsgAddrV2); len(m.AddrList) != 42 {
						t.Errorf("%d addresses", len(m.AddrList))
					}
				}
				conn.Close()
				wait(EventClosed, p)
			}
			if len(addrs) != 42 {
				t.Errorf("%d addresses for 42 peers", len(addrs))
			}

			// One peer dials another, from its own address.
			a, b := n.Peers()[40], n.Peers()[41]
			if err := a.Connect(ctx, b.Addr()); err != nil {
				t.Fatal(err)
			}
			wait(EventReady, b)
			if cs := b.Conns(); len(cs) != 1 || host(cs[0].Remote) != host(a.Addr()) {
				t.Errorf("connections of b: %+v", cs)
			}

			// Kill and revive.
			b.Stop()
			if _, err := transport.Dial(ctx, nil, b.Addr()); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("dial of a stopped peer: %v", err)
			}
			if err := b.Start(); err != nil {
				t.Fatal(err)
			}
			conn, err := transport.Dial(ctx, nil, b.Addr())
			if err != nil {
				t.Fatal(err)
			}
			conn.Close()
		})
	}
}

// Two networks of one seed find different ports.
func TestLoopbackPortTaken(t *testing.T) {
	ctx := patient(t)
	var ports []int
	var hosts []string
	for range 2 {
		n, err := New(Config{Seed: 99, Peers: []Spec{{Count: 3}}})
		if err != nil {
			t.Fatal(err)
		}
		if err := n.Start(ctx); err != nil {
			t.Fatal(err)
		}
		defer n.Close()
		addr := n.Peers()[0].Addr()
		ports = append(ports, addr.(*net.TCPAddr).Port)
		hosts = append(hosts, host(addr))
	}
	if ports[0] == ports[1] {
		t.Errorf("both have port %d", ports[0])
	}
	if !slices.Contains(hosts, host(loopbackAddr(0, 0))) {
		t.Skip("only 127.0.0.1 here: a given port is not used")
	}
	n, err := New(Config{Peers: []Spec{{}}, Port: uint16(ports[0])})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if err := n.Start(ctx); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("given port taken: %v", err)
	}
}
