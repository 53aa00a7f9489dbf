package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"holdfast/node"
	"holdfast/simnet"
)

const (
	demoPeers    = 30
	maxDemoPeers = 1000

	// demoStatusEvery is how often the demo prints a line of numbers.
	demoStatusEvery = 10 * time.Second
)

type demoFlags struct {
	duration time.Duration
	seed     uint64
	peers    int
}

func newDemo() *cobra.Command {
	var f demoFlags
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Watch it work, in a network of simulated peers",
		Long: `Demo starts a small Bitcoin network on this machine's loopback interface, joins
it, and tells what happens: peers are found, connected, lost and replaced; the
abusive ones are banned. The peers speak the real protocol. Some are dead, slow,
hang up, or misbehave, and they come and go.

It needs no network and no set-up, and nothing leaves the machine. Ctrl-C ends it.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.run(cmd.Context(), cmd.OutOrStdout())
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.DurationVar(&f.duration, "duration", 0, "end after this `time`, as 30s or 2m; 0 means at Ctrl-C")
	flags.IntVar(&f.peers, "peers", demoPeers, "simulate this `number` of peers")
	flags.Uint64Var(&f.seed, "seed", 0, "draw all chance from this `number`; 0 means a new one")
	return cmd
}

func (f *demoFlags) run(ctx context.Context, out io.Writer) error {
	switch {
	case f.duration < 0:
		return usagef("--duration %v: it cannot be negative", f.duration)
	case f.peers < 1 || f.peers > maxDemoPeers:
		return usagef("--peers %d: from 1 to %d are possible", f.peers, maxDemoPeers)
	}
	if f.seed == 0 {
		f.seed = uint64(rand.Uint32())
	}
	ctx, stop := untilSignal(ctx)
	defer stop()
	if f.duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, f.duration)
		defer cancel()
	}

	box, err := startBox(f.peers, f.seed, simnet.Loopback{})
	if err != nil {
		return fmt.Errorf("the simulated network does not start: %w", err)
	}
	defer box.close()

	show := newPrinter(out, useColour(out))
	cfg := box.config(f.seed)
	bans := make(chan node.Ban, f.peers)
	cfg.OnEvent = func(e node.Event) {
		show.event(e)
		if e.Kind == node.KindBanned {
			select {
			case bans <- *e.Ban:
			default: // the demo goes on without this one's visit
			}
		}
	}
	n, err := node.New(cfg)
	if err != nil {
		return err
	}
	show.welcome(f.peers, box.describe(), f.seed)

	ctx, end := context.WithCancel(ctx)
	defer end()
	var wg sync.WaitGroup
	at := n.Listening()[0]
	wg.Go(func() { box.visit(ctx, at) })
	wg.Go(func() { box.knockAfter(ctx, bans, at) })
	wg.Go(func() { show.statusUntil(ctx, n) })
	wg.Go(func() { <-ctx.Done(); show.stopping() })
	err = n.Run(ctx)
	end()
	wg.Wait()
	if err != nil {
		return err
	}
	show.goodbye()
	return nil
}

// useColour reports whether out is a terminal that wants colours.
func useColour(out io.Writer) bool {
	f, ok := out.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
