package main

import (
	"context"
	"math/rand/v2"
	"net"

	btcd "github.com/btcsuite/btcd/connmgr"
	ours "holdfast/connmgr"
)

// setup is what a measurement asks of a connection manager. Both managers get
// the same, but for the last three fields, which btcd's has no counterpart of.
type setup struct {
	target     uint32
	newAddress func() (net.Addr, error)
	dial       func(net.Addr) (net.Conn, error)
	connected  func() // OnConnection; nil sets none

	dialContext func(context.Context, net.Addr) (net.Conn, error) // instead of dial
	maxPending  int
	seed        uint64 // of the jitter; 0 means a random one
}

// manager is a connection manager made from a setup.
type manager struct {
	start, stop, wait func()

	// cycle connects to an address by a new one-shot request and removes it.
	cycle func(net.Addr)

	// networkChanged says that the network is back. Btcd's has no such thing.
	networkChanged func()
}

// subject is one of the managers that are compared.
type subject struct {
	name string
	make func(setup) manager
}

var (
	oursSubject = subject{"ours", makeOurs}
	btcdSubject = subject{"btcd", makeBtcd}
	subjects    = []subject{oursSubject, btcdSubject}
)

func makeOurs(s setup) manager {
	cfg := ours.Config{
		TargetOutbound: s.target,
		GetNewAddress:  s.newAddress,
		Dial:           s.dial,
		DialContext:    s.dialContext,
		MaxPending:     s.maxPending,
	}
	if s.seed != 0 {
		cfg.Rand = rand.NewPCG(s.seed, 0)
	}
	if s.connected != nil {
		cfg.OnConnection = func(*ours.ConnReq, net.Conn) { s.connected() }
	}
	cm, err := ours.New(&cfg)
	if err != nil {
		panic(err)
	}
	return manager{
		start: cm.Start,
		stop:  cm.Stop,
		wait:  cm.Wait,
		cycle: func(addr net.Addr) {
			c := &ours.ConnReq{Addr: addr}
			cm.Connect(c)
			cm.Remove(c.ID())
		},
		networkChanged: cm.NetworkChanged,
	}
}

func makeBtcd(s setup) manager {
	cfg := btcd.Config{
		TargetOutbound: s.target,
		GetNewAddress:  s.newAddress,
		Dial:           s.dial,
	}
	if s.connected != nil {
		cfg.OnConnection = func(*btcd.ConnReq, net.Conn) { s.connected() }
	}
	cm, err := btcd.New(&cfg)
	if err != nil {
		panic(err)
	}
	return manager{
		start: cm.Start,
		stop:  cm.Stop,
		wait:  cm.Wait,
		cycle: func(addr net.Addr) {
			c := &btcd.ConnReq{Addr: addr}
			cm.Connect(c)
			cm.Remove(c.ID())
		},
		networkChanged: func() {},
	}
}
