package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/btcsuite/btcd/chaincfg/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"holdfast/banlist"
	"holdfast/node"
	"holdfast/simnet"
)

const (
	demoSeedName = "seed.demo.test"

	// The time limits of the demo: what takes minutes in a real network shall be
	// seen here.
	demoHandshake    = 5 * time.Second
	demoPingInterval = 5 * time.Second
	demoPingTimeout  = 8 * time.Second
	demoChurn        = 4 * time.Second
	demoKnockAfter   = 4 * time.Second
)

// box is the network that the demo joins: peers, and a DNS seed.
type box struct {
	net   *simnet.Network
	dns   *simnet.DNSServer
	specs []simnet.Spec
}

// badKinds are the peers that are not honest, in the order in which there is room
// for them: about every third peer is one.
func badKinds() []simnet.Behaviour {
	flood := func(kind simnet.FloodKind, every time.Duration) simnet.Behaviour {
		return simnet.Flooder(simnet.Flood{Kind: kind, Every: every})
	}
	return []simnet.Behaviour{
		simnet.Dead(),
		simnet.Dropper(),
		flood(simnet.FloodAddrs, 300*time.Millisecond),
		simnet.LateDropper(12 * time.Second),
		simnet.Silent(),
		simnet.Slow(time.Second),
		flood(simnet.FloodPings, 5*time.Millisecond),
		simnet.Garbage(),
		simnet.NoPong(),
		simnet.Dead(),
		simnet.OldVersion(),
		simnet.BadMagic(wire.MainNet),
	}
}

// demoSpecs says what n peers are like.
func demoSpecs(n int) []simnet.Spec {
	bad := badKinds()
	specs := make([]simnet.Spec, n)
	for i := range specs {
		specs[i].Behaviour = simnet.Honest()
		if i%3 == 2 {
			specs[i].Behaviour = bad[(i/3)%len(bad)]
		}
	}
	return specs
}

// startBox starts n peers and the seed on the loopback interface.
func startBox(n int, seed uint64, transport simnet.Loopback) (*box, error) {
	b := &box{specs: demoSpecs(n)}
	var err error
	b.net, err = simnet.New(simnet.Config{
		Params:    &chaincfg.SimNetParams,
		Transport: transport,
		Seed:      seed,
		Peers:     b.specs,
		Height:    800000,
		Churn:     simnet.Churn{Every: demoChurn},
	})
	if err != nil {
		return nil, err
	}
	if err := b.net.Start(context.Background()); err != nil {
		return nil, err
	}
	b.dns, err = simnet.ListenDNS(simnet.DNSConfig{
		Zones: []simnet.Zone{{Name: demoSeedName, Addrs: b.seeded}},
	})
	if err != nil {
		b.net.Close()
		return nil, err
	}
	return b, nil
}

// seeded is what the DNS seed tells: half of the peers. The others are found by
// asking peers.
func (b *box) seeded(services uint64) []netip.Addr {
	all := b.net.SeedAddrs(services)
	return all[:(len(all)+1)/2]
}

// close ends all of it.
func (b *box) close() {
	b.net.Close()
	_ = b.dns.Close() // it returns nothing of use here
}

// describe says who is there: "21 honest, 2 dead, ...".
func (b *box) describe() string {
	count := make(map[string]int)
	var names []string
	for _, s := range b.specs {
		name := s.Behaviour.Name
		if count[name] == 0 {
			names = append(names, name)
		}
		count[name]++
	}
	for i, name := range names {
		names[i] = fmt.Sprintf("%d %s", count[name], name)
	}
	return strings.Join(names, ", ")
}

// config is the node's configuration in this network.
func (b *box) config(seed uint64) node.Config {
	params := chaincfg.SimNetParams
	cfg := node.Config{
		Params:           &params,
		Listen:           []string{"127.0.0.1:0"},
		TargetOutbound:   node.DefaultTargetOutbound,
		AllowLoopback:    true,
		Filter:           netip.Addr.IsLoopback, // some peers tell addresses of the Internet
		Dial:             dialLoopback,
		Resolver:         b.dns.Resolver(),
		HandshakeTimeout: demoHandshake,
		PingInterval:     demoPingInterval,
		PingTimeout:      demoPingTimeout,
		Rand:             rand.NewPCG(seed, 1),
	}
	ports := make(map[string]bool) // how many there are
	for _, p := range b.net.Peers() {
		_, port, _ := net.SplitHostPort(p.Addr().String())
		ports[port] = true
		params.DefaultPort = port
	}
	if len(ports) == 1 {
		cfg.Seeds = []node.Seed{{Host: demoSeedName, HasFiltering: true}}
		return cfg
	}
	// All peers have the same address here, and different ports, which DNS cannot
	// tell.
	for _, p := range b.net.Peers() {
		cfg.Seeds = append(cfg.Seeds, node.Seed{Host: p.Addr().String()})
	}
	return cfg
}

// dialLoopback dials addresses of this machine only, whatever peers tell.
func dialLoopback(ctx context.Context, addr net.Addr) (net.Conn, error) {
	if tcp, ok := addr.(*net.TCPAddr); !ok || !tcp.IP.IsLoopback() {
		return nil, fmt.Errorf("the demo does not leave this machine: %v", addr)
	}
	var d net.Dialer
	return d.DialContext(ctx, "tcp", addr.String())
}

// visit lets some peers connect to the node: honest ones, and once a crowd from
// one host.
func (b *box) visit(ctx context.Context, at net.Addr) {
	rng := rand.New(rand.NewPCG(uint64(len(b.specs)), 2))
	honest := b.honest()
	for i := 0; len(honest) > 0; i++ {
		pause := 3*time.Second + time.Duration(i)*2*time.Second
		if !pauseFor(ctx, min(pause, 20*time.Second)) {
			return
		}
		p, times := honest[rng.IntN(len(honest))], 1
		if i == 3 {
			times = 7 // more than one host may have
		}
		for range times {
			_ = p.Connect(ctx, at) // the node's events tell how it went
		}
	}
}

func (b *box) honest() []*simnet.Peer {
	var honest []*simnet.Peer
	for _, p := range b.net.Peers() {
		if p.Behaviour().Name == simnet.Honest().Name {
			honest = append(honest, p)
		}
	}
	return honest
}

// knockAfter lets banned peers try to come in by themselves, a little later.
func (b *box) knockAfter(ctx context.Context, bans <-chan banlist.Entry, at net.Addr) {
	for {
		var ban banlist.Entry
		select {
		case ban = <-bans:
		case <-ctx.Done():
			return
		}
		if !pauseFor(ctx, demoKnockAfter) {
			return
		}
		for _, p := range b.net.Peers() {
			host, _, _ := net.SplitHostPort(p.Addr().String())
			if host == ban.Subject.String() {
				_ = p.Connect(ctx, at) // the node's events tell how it went
			}
		}
	}
}

// pauseFor waits, and reports whether it did to the end.
func pauseFor(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// plural says "1 peer" or "2 peers".
func plural(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + one + "s"
}
