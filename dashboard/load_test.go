package dashboard

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/btcsuite/btcd/chaincfg/v2"

	"holdfast/node"
	"holdfast/simnet"
	"holdfast/stream"
)

// crowd opens the live stream so many times; of these, stopped ones never read. They go
// when the test ends.
func crowd(t testing.TB, s *Server, readers, stopped int) {
	t.Helper()
	var wg sync.WaitGroup
	var conns []net.Conn
	for i := range readers + stopped {
		conn, err := net.Dial("tcp", s.Addrs()[0].String())
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
		if i >= readers {
			_ = conn.(*net.TCPConn).SetReadBuffer(4096)
		}
		if _, err := fmt.Fprintf(conn, "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		line := make([]byte, len("HTTP/1.1 200 OK"))
		if _, err := io.ReadFull(conn, line); err != nil || string(line) != "HTTP/1.1 200 OK" {
			t.Fatalf("page %d: %q, %v", i, line, err)
		}
		if i < readers {
			wg.Go(func() { _, _ = io.Copy(io.Discard, conn) }) // until the end
		}
	}
	t.Cleanup(func() {
		for _, c := range conns {
			_ = c.Close() // the test has ended
		}
		wg.Wait()
	})
}

// TestCrowd: with 200 pages, of which half do not read, a real node keeps its peers, and
// their pings are answered.
func TestCrowd(t *testing.T) {
	const peers = 5
	network, err := simnet.New(simnet.Config{
		Params: &chaincfg.SimNetParams, Transport: simnet.Loopback{}, Seed: 1, Height: 800000,
		Peers: []simnet.Spec{{Behaviour: simnet.Honest()}, {Behaviour: simnet.Honest()}, {Behaviour: simnet.Honest()}, {Behaviour: simnet.Honest()}, {Behaviour: simnet.Honest()}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := network.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	defer network.Close()
	hub, meter := stream.NewHub(0), NewMeter()
	cfg := node.Config{
		Params: &chaincfg.SimNetParams, Listen: []string{"127.0.0.1:0"}, TargetOutbound: peers,
		AllowLoopback: true, Filter: netip.Addr.IsLoopback, Seeds: []node.Seed{},
		PingInterval: time.Second,
		OnEvent: func(e node.Event) {
			hub.Feed(e)
			meter.Feed(e)
		},
	}
	for _, p := range network.Peers() {
		cfg.Seeds = append(cfg.Seeds, node.Seed{Host: p.Addr().String()})
	}
	n, err := node.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Config{Listen: []string{"127.0.0.1:0"}, Node: n, Hub: hub, Meter: meter})
	if err != nil {
		_ = n.Close()
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() { _ = s.Serve(ctx) }) // what it says at the end is tested elsewhere
	wg.Go(func() {
		if err := n.Run(ctx); err != nil {
			t.Errorf("the node: %v", err)
		}
	})
	crowd(t, s, 100, 100)

	sub := hub.Replay(stream.Filter{})
	limit, done := context.WithTimeout(t.Context(), time.Minute)
	defer done()
	for i := 0; n.Counts().Outbound < peers || i < 50; { // and until others came and went
		if _, _, err := sub.Next(limit); err != nil {
			t.Fatalf("%v: %v", n.Counts(), err)
		}
		for _, p := range network.Peers() {
			if err := p.Connect(limit, n.Listening()[0]); err == nil {
				i++
			}
		}
		n.Ping()
		for _, p := range n.Snapshot().Peers {
			if p.Inbound {
				n.Disconnect(p.ID)
			}
		}
	}
	lost := 0
	for _, e := range hub.Recent(stream.Filter{Kinds: []string{node.KindLost.String()}}) {
		if !e.Inbound {
			lost++
			t.Errorf("%v", e)
		}
	}
	for _, p := range n.Snapshot().Peers {
		if !p.Inbound {
			t.Logf("%v: ping %v, the least %v", p.Addr, p.Ping, p.MinPing)
		}
	}
}

// BenchmarkFeed is what an event costs the node: the time of Feed, of the history and of
// the counts, alone and with 200 pages, of which half do not read.
func BenchmarkFeed(b *testing.B) {
	for _, viewers := range []int{0, 200} {
		b.Run(fmt.Sprintf("viewers=%d", viewers), func(b *testing.B) {
			n, hub, meter := newFake(), stream.NewHub(0), NewMeter()
			s, err := New(Config{Listen: []string{"127.0.0.1:0"}, Node: n, Hub: hub, Meter: meter})
			if err != nil {
				b.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			ended := make(chan error, 1)
			go func() { ended <- s.Serve(ctx) }()
			b.Cleanup(func() {
				cancel()
				<-ended
			})
			crowd(b, s, viewers/2, viewers-viewers/2)
			var longest time.Duration
			seq := uint64(0)
			for b.Loop() {
				seq++
				e := event(seq)
				began := time.Now()
				hub.Feed(e)
				meter.Feed(e)
				longest = max(longest, time.Since(began))
			}
			b.ReportMetric(float64(longest.Microseconds()), "µs-longest")
		})
	}
}
