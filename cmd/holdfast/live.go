package main

import (
	"log/slog"
	"os"

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
	if err := f.check(); err != nil {
		l.log.logf(node.SubsystemNode, slog.LevelError, "The settings stay as they are: %v", err)
		return
	}
	changed := l.settings.changed(now)
	l.settings = now
	if len(changed) == 0 {
		l.log.infof("Read the settings again: none has changed")
	}
	for _, name := range changed {
		if name == "debuglevel" {
			// Told before it holds: it may be off then.
			l.log.infof("debuglevel is %s from now on (%s)", f.log.levels, now.from(name))
			_ = l.log.setLevels(f.log.levels) // it was checked
		} else {
			l.log.logf(node.SubsystemNode, slog.LevelWarn, "%s has changed (%s): this takes effect at the next start", name, now.from(name))
		}
	}
}
