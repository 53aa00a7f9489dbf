package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/btcsuite/btcd/chaincfg/v2"
	"github.com/btcsuite/btcd/wire/v2"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"holdfast/addrbook"
	"holdfast/banlist"
	"holdfast/internal/systemd"
	"holdfast/node"
)

// statusEvery is how often run logs its numbers.
const statusEvery = 10 * time.Minute

// runFlags are the flags of run.
type runFlags struct {
	network                  networkFlags
	connect, addPeer, listen []string
	seedNode, whitelist      []string
	asMap                    string
	banDuration              time.Duration
	banThreshold             uint32
	noBanning                bool
	noListen, noDNSSeed      bool
	maxPeers, targetOutbound int
	maxAddPeers              int
	services                 uint64
	dataDir                  string
	tor                      torFlags
	rpc                      rpcFlags
	dashboard                dashboardFlags
	log                      logFlags
	configFile               string
	dumpConfig               bool
}

func newRun() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Join a Bitcoin network and keep peers",
		Long: `Run joins a Bitcoin network, mainnet if no other is chosen, and keeps peers until
it gets SIGINT or SIGTERM. It then leaves within 10 seconds; a second signal ends
it at once.

By default it accepts connections from this machine only. To be reachable for
others, open it to the world: --listen 0.0.0.0 --listen [::].

Flags that may be given several times are marked with (*). A port that is not
given is the network's default.

Settings can also stand in the environment, as HOLDFAST_MAXPEERS=40, and in a
configuration file, as maxpeers=40, there also below a section for one network, as
[signet]. The command line outweighs the environment, and that the file. SIGHUP
opens the log file and that of --geodb again, and reads the settings again: of
those, debuglevel, maxpeers, targetoutbound, banduration, banthreshold, nobanning and
whitelist change at once, others with the next start.`,
		Example: `  holdfast run
  holdfast run --signet --listen 0.0.0.0
  holdfast run --regtest --connect 127.0.0.1:18444
  holdfast run --debuglevel info,PEER=debug`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := configure(cmd.Flags(), os.Environ())
			switch {
			case err != nil:
				return err
			case f.dumpConfig:
				_, err := f.check()
				return errors.Join(s.dump(cmd.OutOrStdout()), s.blame(err))
			}
			return s.blame(f.run(cmd.Context(), cmd.OutOrStdout(), s))
		},
	}
	f.add(cmd.Flags())
	return cmd
}

// add adds the flags.
func (f *runFlags) add(flags *pflag.FlagSet) {
	flags.SortFlags = false
	f.network = addNetworkFlags(flags)
	flags.StringArrayVar(&f.connect, "connect", nil, "connect to `host[:port]` and look for no other peers (*);\nwithout --listen nothing is accepted then")
	flags.StringArrayVar(&f.addPeer, "addpeer", nil, "keep `host[:port]` besides the peers that are found (*)")
	flags.IntVar(&f.maxAddPeers, "maxaddpeers", node.DefaultMaxAddPeers, "allow this `number` of --addpeer")
	flags.StringArrayVar(&f.listen, "listen", nil, "accept connections on `host[:port]` (*); :port means all\ninterfaces; if not given, 127.0.0.1 and [::1] only")
	flags.BoolVar(&f.noListen, "nolisten", false, "accept no connections")
	flags.IntVar(&f.maxPeers, "maxpeers", node.DefaultMaxPeers, "have at most this `number` of peers altogether")
	flags.IntVar(&f.targetOutbound, "targetoutbound", node.DefaultTargetOutbound, "find and keep this `number` of outbound peers")
	flags.Uint64Var(&f.services, "services", 0, "claim to serve these `bits`, as 0x9; holdfast serves nothing,\nbut btcd hangs up on who does not claim 0x9")
	flags.BoolVar(&f.noDNSSeed, "nodnsseed", false, "do not ask the seeds for addresses")
	flags.StringArrayVar(&f.seedNode, "seednode", nil, "ask `host[:port]` for addresses, and leave it (*)")
	flags.StringVar(&f.asMap, "asmap", "", "group addresses by autonomous system, as this `file` in\nBitcoin Core's format says")
	addDuration(flags, &f.banDuration, "banduration", 24*time.Hour, "ban who misbehaves for this `time`, as 90m, or in seconds")
	flags.Uint32Var(&f.banThreshold, "banthreshold", 100, "ban at this `score`")
	flags.BoolVar(&f.noBanning, "nobanning", false, "disconnect who misbehaves, but do not ban")
	flags.StringArrayVar(&f.whitelist, "whitelist", nil, "trust the hosts in `network`, as 192.0.2.0/24: they are never\nbanned, evicted, or limited by host (*)")
	flags.StringVar(&f.dataDir, "datadir", defaultDataDir(), "keep files in `path`, each network in a directory of its\nown")
	f.tor.add(flags)
	f.rpc.add(flags)
	f.dashboard.add(flags)
	f.log.add(flags)
	flags.StringVar(&f.configFile, confFlag, "", "read settings from `path` (default holdfast.conf in the data\ndirectory, if there is one)")
	flags.BoolVar(&f.dumpConfig, "dumpconfig", false, "print the settings that hold, and where they come from")
}

// run is the command: it returns when the node has ended.
func (f *runFlags) run(ctx context.Context, out io.Writer, s *settings) (err error) {
	hangups := hangups() // one that comes while it starts is answered, too
	params, network, err := f.network.chosen()
	if err != nil {
		return err
	}
	if err := f.log.check(); err != nil {
		return err
	}
	log, err := newLogs(out, &f.log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.close()) }()
	cfg, err := f.config(params)
	if err != nil {
		return err
	}
	w := newWatchers()
	cfg.OnEvent = func(e node.Event) {
		log.event(e)
		w.event(e)
	}
	service, err := newService(log, &cfg, s)
	if err != nil {
		return err
	}
	if err := cfg.Check(); err != nil {
		return flagError(err)
	}
	if err := f.dashboard.readPlaces(); err != nil {
		return err
	}
	// From here on signals count: who sees the node listen may send one.
	ctx, stop := untilSignal(ctx)
	defer stop()
	dir, lock, err := openDataDir(f.dataDir, network)
	if err != nil {
		return err
	}
	defer lock.Release()
	cfg.DataDir = dir
	n, err := node.New(cfg)
	if err != nil {
		return err
	}
	defer n.Close() //nolint:errcheck // it returns none
	if err := log.addFile(&f.log, f.dataDir, network); err != nil {
		return err
	}
	log.begin()
	if log.file != nil {
		// Whoever reads standard output may go; the node and its file stay.
		signal.Ignore(syscall.SIGPIPE)
	}
	live := &live{settings: s, log: log, node: n}
	defer onHangup(hangups, func() {
		live.reload()
		f.dashboard.rereadPlaces(log)
	})()
	began := time.Now()
	log.infof("holdfast %s%s, data directory %s, %s", node.Version, revision(), dir, log.where())
	if err := checkRoom(dir); err != nil {
		log.logf(node.SubsystemNode, slog.LevelWarn, "Little room: %v", err)
	}
	for _, v := range s.unused {
		log.logf(node.SubsystemNode, slog.LevelWarn, "%s in the environment is no setting", v)
	}

	ctx, end := context.WithCancel(ctx)
	defer end()
	servers, err := f.openServers(n, w, log, params, dir, network, end)
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	servers.announce()
	wg.Go(func() { servers.run(ctx) })
	wg.Go(func() { logStatus(ctx, log, n, statusEvery) })
	wg.Go(func() { service.watch(ctx, func() { n.Snapshot() }) })
	context.AfterFunc(ctx, func() { service.tell(systemd.Stopping) })
	service.tell(systemd.Ready) // its listeners are open
	err = n.Run(ctx)
	end()
	wg.Wait()
	if err != nil {
		log.logf(node.SubsystemNode, slog.LevelError, "%v", err)
		return err
	}
	log.infof("Stopped after %v", time.Since(began).Round(time.Second))
	return nil
}

// check returns the node's configuration, and refuses flags that cannot be.
func (f *runFlags) check() (node.Config, error) {
	params, _, err := f.network.chosen()
	if err != nil {
		return node.Config{}, err
	}
	cfg, err := f.config(params)
	if err != nil {
		return cfg, err
	}
	if err := cfg.Check(); err != nil {
		return cfg, flagError(err)
	}
	return cfg, f.log.check()
}

// config makes the node's configuration of the flags.
func (f *runFlags) config(params *chaincfg.Params) (node.Config, error) {
	cfg := node.Config{
		Params:         params,
		Connect:        f.connect,
		AddPeer:        f.addPeer,
		Listen:         f.listen,
		MaxPeers:       f.maxPeers,
		MaxAddPeers:    f.maxAddPeers,
		TargetOutbound: f.targetOutbound,
		SeedNodes:      f.seedNode,
		BanDuration:    f.banDuration,
		BanThreshold:   f.banThreshold,
		NoBanning:      f.noBanning,
		Services:       wire.ServiceFlag(f.services),
		WatchNetwork:   true,
		Reachable:      new(reach).networks,
	}
	switch {
	case f.maxPeers < 1:
		return cfg, usagef("--maxpeers %d: at least one peer must be allowed", f.maxPeers)
	case f.maxAddPeers < 1:
		return cfg, usagef("--maxaddpeers %d: it must be 1 at least", f.maxAddPeers)
	case f.targetOutbound < 0:
		return cfg, usagef("--targetoutbound %d: it cannot be negative", f.targetOutbound)
	case f.banDuration <= 0:
		return cfg, usagef("--banduration %v: it must be longer than nothing; --nobanning bans nobody", f.banDuration)
	case f.banThreshold == 0:
		return cfg, usagef("--banthreshold 0: it must be 1 at least; --nobanning bans nobody")
	case f.targetOutbound == 0:
		cfg.TargetOutbound = -1 // the node's word for none
	}
	for _, text := range f.whitelist {
		p, err := parseNetwork(text)
		if err != nil {
			return cfg, usagef("--whitelist %q: %w", text, err)
		}
		cfg.Whitelist = append(cfg.Whitelist, p)
	}
	if f.asMap != "" {
		var err error
		if cfg.ASMap, err = addrbook.ReadASMap(f.asMap); err != nil {
			return cfg, usagef("--asmap: %w", err)
		}
	}
	if err := f.tor.apply(&cfg); err != nil {
		return cfg, err
	}
	switch {
	case f.noListen && len(f.listen) > 0:
		return cfg, usagef("--nolisten and --listen exclude each other")
	case len(f.connect) > 0 && len(f.seedNode) > 0:
		return cfg, usagef("--seednode and --connect exclude each other: with --connect nobody is asked for addresses")
	case len(f.connect) > 0 && len(f.addPeer) > 0:
		return cfg, usagef("--addpeer and --connect exclude each other: --connect has only its own peers")
	case !f.noListen && len(f.listen) == 0 && len(f.connect) == 0:
		cfg.Listen = loopback()
	}
	if f.noDNSSeed {
		cfg.Seeds = []node.Seed{}
	}
	return cfg, nil
}

// parseNetwork reads a network, or a single address.
func parseNetwork(text string) (netip.Prefix, error) {
	s, err := banlist.ParseSubject(text)
	switch {
	case errors.Is(err, banlist.ErrEverything):
		return netip.Prefix{}, errors.New("that is everybody: trust the hosts that you know; --nobanning bans nobody")
	case err != nil:
		return netip.Prefix{}, errors.New("it is neither an IP address nor a network like 192.0.2.0/24")
	}
	p, ok := s.Prefix()
	if !ok {
		return netip.Prefix{}, errors.New("only IP addresses and networks can be trusted")
	}
	return p, nil
}

// loopback returns the addresses that only this machine reaches. Where there is
// no IPv6, it is one.
func loopback() []string {
	hosts := []string{"127.0.0.1"}
	if l, err := net.Listen("tcp", "[::1]:0"); err == nil {
		_ = l.Close() // it was a try
		hosts = append(hosts, "::1")
	}
	return hosts
}

// flagError names the flag that a node does not accept.
func flagError(err error) error {
	var wrong *node.ConfigError
	if errors.As(err, &wrong) {
		return usagef("--%w", err)
	}
	return err
}

// logStatus logs the node's numbers now and then, until ctx ends.
func logStatus(ctx context.Context, log *logs, n *node.Node, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			log.infof("Stopping; a second signal ends it at once")
			return
		case <-tick.C:
			log.infof("%v", n.Counts())
		}
	}
}
