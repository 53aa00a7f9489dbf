package main

import (
	"log/slog"
	"os"
	"slices"

	"github.com/spf13/pflag"

	"holdfast/node"
)

// nodeSettings are what node.BanPolicy and node.PeerLimits are made of.
var nodeSettings = []string{"banduration", "banthreshold", "maxpeers", "nobanning", "targetoutbound", "whitelist"}

// live changes a running node as the configuration file says.
type live struct {
	settings *settings
	log      *logs
	node     *node.Node
}

// reload is what SIGHUP asks for: the log file is opened again, and the settings
// are read again. Settings that cannot be read change nothing.
func (l *live) reload() {
	l.log.reopen()
	if err := l.reread(); err != nil {
		l.log.logf(node.SubsystemNode, slog.LevelError, "The settings stay as they are: %v", err)
	}
}

// reread reads the settings again, and has those hold that can change while the node
// runs. An error changes nothing.
func (l *live) reread() error {
	var f runFlags
	flags := pflag.NewFlagSet("run", pflag.ContinueOnError)
	f.add(flags)
	now, err := l.settings.again(flags, os.Environ())
	if err != nil {
		return err
	}
	cfg, err := f.check()
	if err != nil {
		return now.blame(err)
	}
	err = l.node.SetPeerLimits(node.PeerLimits{MaxPeers: cfg.MaxPeers, TargetOutbound: cfg.TargetOutbound})
	if err != nil { // first, since it depends on the peers of this moment
		return now.blame(flagError(err))
	}
	err = l.node.SetBanPolicy(node.BanPolicy{
		Duration:  cfg.BanDuration,
		Threshold: cfg.BanThreshold,
		NoBanning: cfg.NoBanning,
		Whitelist: cfg.Whitelist,
	})
	if err != nil {
		return err // it was checked, with the rest
	}
	changed := l.settings.changed(now)
	l.settings = now
	if len(changed) == 0 {
		l.log.infof("Read the settings again: none has changed")
	}
	levels := false
	for _, name := range changed {
		switch {
		case name == "debuglevel":
			levels = true
		case slices.Contains(nodeSettings, name):
			l.log.infof("%s is %s from now on (%s)", name, now.text(name), now.from(name))
		default:
			l.log.logf(node.SubsystemNode, slog.LevelWarn, "%s has changed (%s): this takes effect at the next start", name, now.from(name))
		}
	}
	if levels { // last, and told before it holds: these lines may be off then
		l.log.infof("debuglevel is %s from now on (%s)", f.log.levels, now.from("debuglevel"))
		_ = l.log.setLevels(f.log.levels) // it was checked
	}
	return nil
}
