package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"holdfast/banlist"
	"holdfast/connmgr"
	"holdfast/dashboard"
	"holdfast/node"
	"holdfast/simnet"
)

const (
	demoPeers    = 30
	maxDemoPeers = 1000

	// demoStatusEvery is how often the demo logs its numbers.
	demoStatusEvery = 10 * time.Second
)

type demoFlags struct {
	duration time.Duration
	seed     uint64
	peers    int
	page     string
	log      logFlags
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
	addDuration(flags, &f.duration, "duration", 0, "end after this `time`, as 30s or 2m; 0 means at Ctrl-C")
	flags.IntVar(&f.peers, "peers", demoPeers, "simulate this `number` of peers")
	flags.Uint64Var(&f.seed, "seed", 0, "draw all chance from this `number`; 0 means a new one")
	flags.StringVar(&f.page, "dashboard", "", "show it on a web page at `host:port` (default 127.0.0.1:8340, or\nanother port if that is taken)")
	f.log.addLevels(flags, "info,PEER=debug,BANS=debug")
	return cmd
}

func (f *demoFlags) run(ctx context.Context, out io.Writer) error {
	switch {
	case f.duration < 0:
		return usagef("--duration %v: it cannot be negative", f.duration)
	case f.peers < 1 || f.peers > maxDemoPeers:
		return usagef("--peers %d: from 1 to %d are possible", f.peers, maxDemoPeers)
	}
	log, err := newLogs(out, &f.log)
	if err != nil {
		return err
	}
	defer log.close() //nolint:errcheck // there is no file
	log.begin()
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

	cfg := box.config(f.seed)
	bans := make(chan banlist.Entry, f.peers)
	var sum summary
	w := newWatchers()
	cfg.OnEvent = func(e node.Event) {
		log.event(e)
		w.event(e)
		sum.count(e)
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
	page, err := f.openPage(n, w, log)
	if err != nil {
		return errors.Join(err, n.Close())
	}
	fmt.Fprintf(out, `A Bitcoin network in a box, and a holdfast node in it.
%s on the loopback interface: %s.
They come and go. Nothing leaves this machine. Ctrl-C ends it; --seed %d gives the same peers again.

See and steer it at %s

`, plural(f.peers, "simulated peer"), box.describe(), f.seed, page.URL())

	ctx, end := context.WithCancel(ctx)
	defer end()
	var wg sync.WaitGroup
	at := n.Listening()[0]
	began := time.Now()
	wg.Go(func() { serveDashboard(ctx, page, log) })
	wg.Go(func() { box.visit(ctx, at) })
	wg.Go(func() { box.knockAfter(ctx, bans, at) })
	wg.Go(func() { logStatus(ctx, log, n, demoStatusEvery) })
	err = n.Run(ctx)
	end()
	wg.Wait()
	if err != nil {
		return err
	}
	log.infof("Stopped after %v: %v", time.Since(began).Round(100*time.Millisecond), &sum)
	return nil
}

// openPage opens the dashboard, at its usual port if no other is asked for and that is
// free.
func (f *demoFlags) openPage(n *node.Node, w *watchers, log *logs) (*dashboard.Server, error) {
	cfg := dashboard.Config{Node: n, Hub: w.hub, Meter: w.meter, Log: slog.New(log.handler(subsystemWeb))}
	if f.page != "" {
		cfg.Listen = []string{f.page}
		d, err := dashboard.New(cfg)
		return d, flagError(err)
	}
	d, err := dashboard.New(cfg)
	if err != nil {
		cfg.Listen = []string{"127.0.0.1:0"}
		d, err = dashboard.New(cfg)
	}
	return d, err
}

// summary counts what the demo tells at its end. Events come one at a time, and
// all of them before the node's Run returns.
type summary struct {
	ready, lost, failed, banned, refused int
}

func (s *summary) count(e node.Event) {
	switch {
	case e.Kind == node.KindReady:
		s.ready++
	case e.Kind == node.KindLost && e.Why != node.ReasonShutdown:
		s.lost++
	case e.Kind == node.KindUnready && e.Why != node.ReasonShutdown:
		s.failed++
	case e.Kind == node.KindBanned:
		s.banned++
	case e.Kind == node.KindTurnedAway:
		s.refused++
	case e.Kind == node.KindConnection && e.Type == connmgr.EventFailed && e.Addr != nil:
		s.failed++
	case e.Kind == node.KindConnection && e.Type == connmgr.EventRefused && e.Inbound:
		s.refused++
	}
}

func (s *summary) String() string {
	return fmt.Sprintf("%s connected, %d lost; %s and handshakes failed; %s banned; %s refused",
		plural(s.ready, "peer"), s.lost, plural(s.failed, "dial"), plural(s.banned, "host"), plural(s.refused, "connection"))
}
