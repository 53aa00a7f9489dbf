package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"holdfast/node"
	"holdfast/simnet"
)

// TestSingleAddress: where only 127.0.0.1 exists, as on macOS, the demo has peers
// too, though none can be banned there.
func TestSingleAddress(t *testing.T) {
	b, err := startBox(12, 1, simnet.Loopback{SingleAddress: true})
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	cfg := b.config(1)
	cfg.TargetOutbound = 5
	cfg.OnEvent = func(e node.Event) {
		if e.Kind == node.KindReady && e.Counts.Outbound == 5 {
			cancel()
		}
	}
	n, err := node.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if ctx.Err() != context.Canceled {
		t.Error("no 5 peers in 20 s")
	}
}

// TestDialLoopback: the demo does not leave the machine, whatever it is told.
func TestDialLoopback(t *testing.T) {
	for _, text := range []string{"8.8.8.8:53", "10.0.0.1:1", "[2a01::1]:1"} {
		if c, err := dialLoopback(context.Background(), tcp(text)); err == nil || !strings.Contains(err.Error(), "does not leave this machine") {
			t.Errorf("%s: %v, %v", text, c, err)
		}
	}
}
