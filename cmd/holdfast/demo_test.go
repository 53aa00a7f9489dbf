package main

import (
	"bytes"
	"context"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"holdfast/connmgr"
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

// TestNoFlood: a storm of failures is a few lines and a number.
func TestNoFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := newPrinter(&out, false)
		failed := node.Event{Event: connmgr.Event{Type: connmgr.EventFailed, Reason: connmgr.ReasonRefused, Addr: tcp("127.1.1.1:1")}}
		for range 500 {
			p.event(failed)
		}
		time.Sleep(burstTime + time.Second)
		p.event(failed)
		p.goodbye()
		lines := strings.Count(out.String(), "\n")
		if lines != burstOfLines+2+4 || !strings.Contains(out.String(), "and 488 more like these") || !strings.Contains(out.String(), "501 dials") {
			t.Errorf("%d lines:\n%s", lines, out.String())
		}
	})
}

// TestColours are asked for, and then there are some.
func TestColours(t *testing.T) {
	var out bytes.Buffer
	p := newPrinter(&out, true)
	p.event(node.Event{Kind: node.KindBanned, Ban: &node.Ban{Host: netip.MustParseAddr("127.1.1.1")}})
	if !strings.Contains(out.String(), "\x1b[31mbanned   \x1b[0m") {
		t.Errorf("%q", out.String())
	}
	if useColour(&out) {
		t.Error("a buffer is no terminal")
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
