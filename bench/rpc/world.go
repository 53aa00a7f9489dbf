package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/btcsuite/btcd/chaincfg/v2"

	"holdfast/node"
	"holdfast/rpc"
	"holdfast/simnet"
	"holdfast/stream"
)

const (
	user     = "bench"
	password = "secret"
)

// world is a node on loopback with its peers, and the server that is measured.
type world struct {
	node   *node.Node
	server *rpc.Server
	close  func() error
}

// newWorld waits until all peers are there.
func newWorld(peers int) (*world, error) {
	hub := stream.NewHub(0)
	n, err := node.New(node.Config{
		Params: &chaincfg.RegressionNetParams, Listen: []string{"127.0.0.1:0"}, AllowLoopback: true,
		TargetOutbound: -1, MaxPeers: peers + 10, OnEvent: hub.Feed,
	})
	if err != nil {
		return nil, err
	}
	net, err := simnet.New(simnet.Config{Seed: 1, Peers: []simnet.Spec{{Count: peers, Gossip: nobody}}})
	if err != nil {
		return nil, err
	}
	server, err := rpc.New(rpc.Config{Listen: []string{"127.0.0.1:0"}, User: user, Password: password, Node: n, Hub: hub})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- n.Run(ctx) }()
	go func() { ended <- server.Serve(ctx) }()
	w := &world{n, server, func() error {
		net.Close()
		cancel()
		return errors.Join(<-ended, <-ended)
	}}
	if err := net.Start(ctx); err != nil {
		return nil, errors.Join(err, w.close())
	}
	for _, p := range net.Peers() {
		go func() { _ = p.Connect(ctx, n.Listening()[0]) }() // who does not get in is missed below
	}
	for began := time.Now(); n.Counts().Inbound < peers; time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > 30*time.Second {
			return nil, errors.Join(fmt.Errorf("only %d of %d peers came", n.Counts().Inbound, peers), w.close())
		}
	}
	return w, nil
}

// peers returns who is there and has shaken hands.
func (w *world) peers() map[uint64]bool {
	ids := make(map[uint64]bool)
	for _, p := range w.node.Peers() {
		if p.State == node.StateReady {
			ids[p.ID] = true
		}
	}
	return ids
}

// pingEvery is as often as the node can be asked to ping.
const pingEvery = time.Second

// pings has all peers pinged every second for some time, and returns how long the answers
// took. One that is awaited counts with how long it is.
func (w *world) pings(d time.Duration) []time.Duration {
	var all []time.Duration
	for end := time.Now().Add(d); time.Now().Before(end); {
		w.node.Ping()
		time.Sleep(min(d, pingEvery))
		for _, p := range w.node.Peers() {
			all = append(all, max(p.Ping, p.PingWait))
		}
	}
	return all
}
