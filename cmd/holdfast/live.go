package main

import (
	"log/slog"
	"os"
	"slices"

	"github.com/spf13/pflag"

	"holdfast/node"
)

// live changes a running node as the configuration file says.
type live struct {
	settings *settings
	log      *logs
}

// reload is what SIGHUP asks for: the log file is opened again, and the settings
// are read again. Settings that cannot be read change nothing.
func (l *live) reload() {
	l.log.reopen()
	var f runFlags
	flags := pflag.NewFlagSet("run", pflag.ContinueOnError)
	f.add(flags)
	now, err := l.settings.again(flags, os.Environ())
	if err != nil {
		l.log.logf(node.SubsystemNode, slog.LevelError, "The settings stay as they are: %v", err)
		return
	}
	changed := l.settings.changed(now)
	if slices.Contains(changed, "debuglevel") {
		if err := l.log.setLevels(f.log.levels); err != nil {
			l.log.logf(node.SubsystemNode, slog.LevelError, "debuglevel stays as it is: %v", err)
			return
		}
		l.log.infof("debuglevel is %s now (%s)", f.log.levels, now.from("debuglevel"))
	}
	for _, name := range changed {
		if name != "debuglevel" {
			l.log.logf(node.SubsystemNode, slog.LevelWarn, "%s is another now (%s): it takes effect with the next start", name, now.from(name))
		}
	}
	l.settings = now
}
