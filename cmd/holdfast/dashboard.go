package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"holdfast/dashboard"
	"holdfast/geodb"
	"holdfast/node"
	"holdfast/rpc"
	"holdfast/stream"
)

// subsystemWeb is the subsystem of the dashboard.
const subsystemWeb = "DASH"

// watchers see the events of a node besides the log.
type watchers struct {
	hub   *stream.Hub
	meter *dashboard.Meter
}

func newWatchers() *watchers { return &watchers{stream.NewHub(0), dashboard.NewMeter()} }

func (w *watchers) event(e node.Event) {
	w.hub.Feed(e)
	w.meter.Feed(e)
}

// dashboardFlags say where the dashboard is.
type dashboardFlags struct {
	off    bool
	listen []string
	geoDB  string
	places places
}

func (f *dashboardFlags) add(flags *pflag.FlagSet) {
	flags.StringArrayVar(&f.listen, "dashboard", nil, "show what happens on a web page at `host[:port]`, with metrics for\nPrometheus (*) (default: 127.0.0.1 at port 8340 on mainnet);\nelsewhere than on loopback by TLS and with a password only")
	flags.StringVar(&f.geoDB, "geodb", "", "show on that page where in the world peers are, as this `file`\nin MaxMind's format says (.mmdb, of cities or countries)")
	flags.BoolVar(&f.off, "nodashboard", false, "have no such page")
}

// open opens the dashboard of a node; nil if it is not wanted. Logins and certificate are
// those of the RPC server, which may be nil.
func (f *dashboardFlags) open(n *node.Node, w *watchers, log *logs, dir, network string, server *rpc.Server, hosts []string) (*dashboard.Server, error) {
	forgetPage(dir) // of a run that did not end as it should
	if f.off {
		return nil, nil
	}
	cfg := dashboard.Config{Node: n, Hub: w.hub, Meter: w.meter, Hosts: hosts, Log: slog.New(log.handler(subsystemWeb))}
	if name, err := os.Hostname(); err == nil {
		cfg.Hosts = append(slices.Clone(hosts), name)
	}
	for _, text := range f.listen {
		cfg.Listen = append(cfg.Listen, withPort(text, ports[network].page))
	}
	if len(cfg.Listen) == 0 {
		cfg.Listen = []string{withPort("127.0.0.1", ports[network].page)}
	}
	if f.places.db.Load() != nil {
		cfg.Locate = f.places.lookup
		log.logf(subsystemWeb, slog.LevelInfo, "Places are those of %v (%s)", f.places.db.Load(), f.geoDB)
	}
	if server != nil {
		cfg.Login, cfg.TLS = server.Login, server.TLS()
	}
	d, err := dashboard.New(cfg)
	var wrong *node.ConfigError
	switch {
	case errors.As(err, &wrong):
		return nil, flagError(err)
	case err != nil:
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, pageName), []byte(d.URL()+"\n"), 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot write where the dashboard is: %w", err), d.Close())
	}
	return d, nil
}

// places are the database of --geodb, which can be replaced while it is asked.
type places struct{ db atomic.Pointer[geodb.DB] }

func (p *places) lookup(ip netip.Addr) (geodb.Place, bool) { return p.db.Load().Lookup(ip) }

// readPlaces reads the database, if one is wanted.
func (f *dashboardFlags) readPlaces() error {
	if f.geoDB == "" || f.off {
		return nil
	}
	db, err := geodb.Open(f.geoDB)
	if err != nil {
		return fmt.Errorf("--geodb: %w", err) // no mistake in the asking: it may be whole soon
	}
	f.places.db.Store(db)
	return nil
}

// rereadPlaces is for a database that has been replaced by a newer one. One that cannot
// be read changes nothing.
func (f *dashboardFlags) rereadPlaces(log *logs) {
	before := f.places.db.Load()
	if before == nil {
		return
	}
	db, err := geodb.Open(f.geoDB)
	if err != nil {
		log.logf(subsystemWeb, slog.LevelError, "Places stay those of %v: %v", before, err)
		return
	}
	f.places.db.Store(db)
	log.logf(subsystemWeb, slog.LevelInfo, "Places are those of %v from now on (%s)", db, f.geoDB)
}

// pageName is the file with the address of a run's dashboard, in a network's directory.
// Who can read it may give orders.
const pageName = ".dashboard"

// forgetPage removes that file.
func forgetPage(dir string) { _ = os.Remove(filepath.Join(dir, pageName)) } // then it leads nowhere

func newDashboard() *cobra.Command {
	cmd, f := control("dashboard", "Print the address of the daemon's web page",
		`Dashboard prints the address of the running daemon's web page. Whoever opens it may give
orders: the address has the token of this run in it.`)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		_, network, err := f.network.chosen()
		if err != nil {
			return err
		}
		path := filepath.Join(f.dataDir, network, pageName)
		text, err := os.ReadFile(path)
		if err != nil {
			return unreachableError{fmt.Errorf("no daemon with a dashboard runs on %s with the data directory %s: %w", network, f.dataDir, err)}
		}
		_, err = cmd.OutOrStdout().Write(text)
		return err
	}
	return cmd
}

// serveDashboard serves until ctx ends, and tells how it went.
func serveDashboard(ctx context.Context, d *dashboard.Server, log *logs) {
	if err := d.Serve(ctx); err != nil {
		log.logf(subsystemWeb, slog.LevelError, "The dashboard has ended: %v", err)
	}
}
