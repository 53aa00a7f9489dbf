package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/btcsuite/btcd/chaincfg/v2"

	"holdfast/dashboard"
	"holdfast/node"
	"holdfast/rpc"
	"holdfast/simnet"
	"holdfast/stream"
)

const (
	user     = "bench"
	password = "secret"
)

// world is a node on loopback with its peers, and the servers that are measured.
type world struct {
	ctx       context.Context // of all of it
	node      *node.Node
	server    *rpc.Server
	dashboard *dashboard.Server
	ids       map[uint64]bool // the peers that are to stay
	stranger  *simnet.Peer    // and one that comes and goes
	close     func() error
}

// newWorld waits until all peers are there.
func newWorld(peers int) (*world, error) {
	hub, meter := stream.NewHub(0), dashboard.NewMeter()
	n, err := node.New(node.Config{
		Params: &chaincfg.RegressionNetParams, Listen: []string{"127.0.0.1:0"}, AllowLoopback: true,
		TargetOutbound: -1, MaxPeers: peers + 10,
		OnEvent: func(e node.Event) {
			hub.Feed(e)
			meter.Feed(e)
		},
	})
	if err != nil {
		return nil, err
	}
	net, err := simnet.New(simnet.Config{Seed: 1, Peers: []simnet.Spec{{Count: peers + 1, Gossip: nobody}}})
	if err != nil {
		return nil, err
	}
	server, err := rpc.New(rpc.Config{Listen: []string{"127.0.0.1:0"}, User: user, Password: password, Node: n, Hub: hub})
	if err != nil {
		return nil, err
	}
	page, err := dashboard.New(dashboard.Config{Listen: []string{"127.0.0.1:0"}, Node: n, Hub: hub, Meter: meter})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 3)
	go func() { ended <- n.Run(ctx) }()
	go func() { ended <- server.Serve(ctx) }()
	go func() { ended <- page.Serve(ctx) }()
	w := &world{ctx: ctx, node: n, server: server, dashboard: page, close: func() error {
		net.Close()
		cancel()
		return errors.Join(<-ended, <-ended, <-ended)
	}}
	if err := net.Start(ctx); err != nil {
		return nil, errors.Join(err, w.close())
	}
	w.stranger = net.Peers()[peers]
	for _, p := range net.Peers()[:peers] {
		go func() { _ = p.Connect(ctx, n.Listening()[0]) }() // who does not get in is missed below
	}
	for began := time.Now(); len(w.ids) < peers; time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > 30*time.Second {
			return nil, errors.Join(fmt.Errorf("only %d of %d peers came", len(w.ids), peers), w.close())
		}
		w.ids = w.ready()
	}
	return w, nil
}

// ready returns who is there and has shaken hands.
func (w *world) ready() map[uint64]bool {
	ids := make(map[uint64]bool)
	for _, p := range w.node.Peers() {
		if p.State == node.StateReady {
			ids[p.ID] = true
		}
	}
	return ids
}

// peers are those of them that are to stay.
func (w *world) peers() map[uint64]bool {
	ids := w.ready()
	maps.DeleteFunc(ids, func(id uint64, _ bool) bool { return !w.ids[id] })
	return ids
}

// pingEvery is as often as the node can be asked to ping.
const pingEvery = time.Second

// pings has all peers that are to stay pinged every second for some time, and returns how long the answers
// took. One that is awaited counts with how long it is.
func (w *world) pings(d time.Duration) []time.Duration {
	var all []time.Duration
	for end := time.Now().Add(d); time.Now().Before(end); {
		w.node.Ping()
		time.Sleep(min(d, pingEvery))
		for _, p := range w.node.Peers() {
			if w.ids[p.ID] {
				all = append(all, max(p.Ping, p.PingWait))
			}
		}
	}
	return all
}
