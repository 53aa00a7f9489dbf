package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	"holdfast/internal/systemd"
	"holdfast/node"
)

// service is the node as the service manager sees it.
type service struct {
	manager systemd.Manager
	log     *logs
}

// newService finds the service manager, if there is one, and takes over the sockets
// that it has opened, in place of those of --listen. They are its errand or the
// operator's, not both.
func newService(log *logs, cfg *node.Config, s *settings) (*service, error) {
	m, err := systemd.New(os.Getenv, os.Getpid())
	if err != nil {
		return nil, err
	}
	sockets, err := m.Listeners()
	if err != nil {
		return nil, err
	}
	if len(sockets) > 0 {
		for _, name := range []string{"listen", "nolisten"} {
			if s.origin[name] != "" {
				return nil, usagef("--%s: the service manager has opened sockets to listen on: leave this out, or disable its .socket unit", name)
			}
		}
		if err := takeSockets(sockets, cfg); err != nil {
			return nil, err
		}
	}
	return &service{m, log}, nil
}

// takeSockets has the node listen for peers on sockets that are open already. Where else
// it listens, for its onion service, it does so itself.
func takeSockets(sockets []net.Listener, cfg *node.Config) error {
	open := make(map[string]net.Listener)
	cfg.Listen = nil
	for _, l := range sockets {
		if _, ok := l.Addr().(*net.TCPAddr); !ok {
			return fmt.Errorf("the service manager has opened %v: a node listens on TCP", l.Addr())
		}
		cfg.Listen = append(cfg.Listen, l.Addr().String())
		open[l.Addr().String()] = l
	}
	cfg.NewListener = func(addr net.Addr) (net.Listener, error) {
		if l := open[addr.String()]; l != nil {
			return l, nil
		}
		return net.Listen(addr.Network(), addr.String())
	}
	return nil
}

// tell tells the manager a state.
func (s *service) tell(state string) {
	if err := s.manager.Notify(state); err != nil {
		s.log.logf(node.SubsystemNode, slog.LevelWarn, "The service manager does not hear: %v", err)
	}
}

// watch tells the manager that the node is alive, twice as often as it wants to
// hear it, until ctx ends. A node that is stuck does not answer alive.
func (s *service) watch(ctx context.Context, alive func()) {
	every := s.manager.WatchdogInterval() / 2
	if every <= 0 {
		return
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			alive()
			s.tell(systemd.Watchdog)
		}
	}
}
