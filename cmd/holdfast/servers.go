package main

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/btcsuite/btcd/chaincfg/v2"

	"holdfast/dashboard"
	"holdfast/node"
	"holdfast/rpc"
)

// servers are by what an operator sees and steers a node. Either may be nil.
type servers struct {
	log *logs
	dir string // with the files that say where they are
	rpc *rpc.Server
	web *dashboard.Server
}

// openServers opens those that the flags want. stop ends the program.
func (f *runFlags) openServers(n *node.Node, w *watchers, log *logs, params *chaincfg.Params, dir, network string, stop func()) (*servers, error) {
	s := &servers{log: log, dir: dir}
	f.rpc.elsewhere = !f.dashboard.off && beyondLoopback(f.dashboard.listen)
	var err error
	if s.rpc, err = f.rpc.serve(n, w.hub, log, params, dir, network, stop); err != nil {
		return nil, err
	}
	if s.web, err = f.dashboard.open(n, w, log, dir, network, s.rpc, f.rpc.hosts); err != nil {
		if s.rpc != nil {
			err = errors.Join(err, s.rpc.Close())
		}
		return nil, err
	}
	return s, nil
}

// announce tells where they are. It is called before the node runs, so that these lines
// come before the node's.
func (s *servers) announce() {
	if s.rpc != nil {
		s.log.logf(subsystemRPC, slog.LevelInfo, "Taking commands on %v", s.rpc.Addrs())
	}
	if s.web != nil {
		s.log.logf(subsystemWeb, slog.LevelInfo, "Web page on %v: holdfast dashboard prints its address", s.web.Addrs())
	}
}

// run serves until ctx ends.
func (s *servers) run(ctx context.Context) {
	defer forgetAddress(s.dir)
	defer forgetPage(s.dir)
	var wg sync.WaitGroup
	defer wg.Wait()
	if s.rpc != nil {
		wg.Go(func() {
			if err := s.rpc.Serve(ctx); err != nil {
				s.log.logf(subsystemRPC, slog.LevelError, "No more commands are taken: %v", err)
			}
		})
	}
	if s.web != nil {
		wg.Go(func() { serveDashboard(ctx, s.web, s.log) })
	}
}
