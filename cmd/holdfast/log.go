package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"holdfast/btclog"
	"holdfast/node"
	"holdfast/rotator"
)

// logs is the log of the program. A line goes to the file and to standard output
// before the call that logs it returns, to both in the same order. What the node does
// is logged by rendering its events: see event. It is safe for concurrent use.
type logs struct {
	json   bool
	stdout *patient
	out    *sink            // its handlers have the levels
	file   *sink            // nil: none
	path   string           // of the file
	roll   *rotator.Rotator // what file writes to

	// mu is held for a line and what is told after it. So a standard output that is
	// stuck holds up other lines, too, but once only, for stdoutPatience.
	mu     sync.Mutex
	sinks  []*sink                  // the file first
	toldOf map[rotator.Op]time.Time // when a trouble of this kind was told last

	troubles  chan error // of the file, to be told
	closing   chan struct{}
	tellsThem sync.WaitGroup
	ended     sync.Once
}

// newLogs returns a log that writes to out only. It is used after begin.
func newLogs(out io.Writer, f *logFlags) (*logs, error) {
	l := &logs{
		json:     f.format == "json",
		troubles: make(chan error, 16), toldOf: make(map[rotator.Op]time.Time), closing: make(chan struct{}),
	}
	l.stdout = newPatient(out, stdoutPatience)
	l.out = l.newSink("standard output", l.stdout, btclog.WithColor())
	l.out.missing = func() uint64 { return l.stdout.lost } // it knows what comes late
	l.out.alarm = "Standard output takes no lines: %v; they are in this file"
	l.sinks = []*sink{l.out}
	if err := l.setLevels(f.levels); err != nil {
		l.stdout.close()
		return nil, usagef("--debuglevel %q: %w", f.levels, err)
	}
	return l, nil
}

// begin is called when the sinks are complete.
func (l *logs) begin() { l.tellsThem.Go(l.tell) }

// addFile has the lines from now on written to the file of a network too, unless
// the flags say otherwise. It is called before begin.
func (l *logs) addFile(f *logFlags, dataDir, network string) error {
	if f.noFile {
		return nil
	}
	opts, err := f.options()
	if err != nil {
		return err
	}
	opts.OnError = l.fileFailed
	l.path = f.path(dataDir, network)
	if l.roll, err = rotator.Open(l.path, opts); err != nil {
		return fmt.Errorf("cannot log to a file: %w; choose another place with --logdir, or none with --nofilelogging", err)
	}
	l.file = l.newSink("the log file", l.roll)
	l.file.alarm = "The log file takes no lines: %v; they are on standard output"
	l.setSinks(l.file, l.out)
	return nil
}

func (l *logs) setSinks(sinks ...*sink) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sinks = sinks
}

// where says where the lines go besides standard output.
func (l *logs) where() string {
	if l.file == nil {
		return "no log file"
	}
	return "log file " + l.path
}

// close ends the log, when what is being compressed is. What is logged then is lost.
// Only the first call does something.
func (l *logs) close() (err error) {
	l.ended.Do(func() {
		close(l.closing)
		l.tellsThem.Wait()
		l.tellRest()
		if l.file != nil {
			err = l.roll.Close()
			l.setSinks(l.out)
			l.tellRest() // of the end itself
		}
		l.stdout.close()
	})
	return err
}

// reopen opens the file by its name again, for an external tool that has renamed
// it.
func (l *logs) reopen() {
	if l.file == nil {
		return
	}
	l.mu.Lock()
	clear(l.toldOf) // who asks is told
	l.mu.Unlock()
	if l.roll.Reopen() == nil { // fileFailed is told of an error
		l.logf(subsystemLogs, slog.LevelInfo, "Opened the log file again")
	}
}

// setLevels changes what is logged from now on. An error changes nothing.
func (l *logs) setLevels(spec string) error {
	levels, err := parseLevels(spec)
	if err != nil {
		return err
	}
	l.apply(levels)
	return nil
}

func (l *logs) apply(levels map[string]btclog.Level) {
	for name, level := range levels {
		l.out.handlers[name].SetLevel(level)
	}
}

// levels returns the level of each subsystem.
func (l *logs) levels() map[string]string {
	levels := make(map[string]string)
	for name, h := range l.out.handlers {
		levels[name] = levelWords[h.Level()]
	}
	return levels
}

// changeLevels is setLevels, but what is not named stays as it is: "debug" is for all,
// "PEER=debug" for one.
func (l *logs) changeLevels(spec string) error {
	levels, err := parseLevelChange(spec)
	if err != nil {
		return err
	}
	l.apply(levels)
	return nil
}

// event logs an event: its line, and for machines its attributes.
func (l *logs) event(e node.Event) {
	subsystem, level := e.Subsystem(), e.Level()
	if !l.enabled(subsystem, level) {
		return
	}
	r := slog.NewRecord(e.Time, level, e.String(), 0)
	if l.json {
		r.AddAttrs(e.Attrs()...)
	}
	l.write(subsystem, r)
}

// infof logs what the program itself does.
func (l *logs) infof(format string, args ...any) {
	l.logf(node.SubsystemNode, slog.LevelInfo, format, args...)
}

func (l *logs) logf(subsystem string, level slog.Level, format string, args ...any) {
	if l.enabled(subsystem, level) {
		l.write(subsystem, line(level, format, args...))
	}
}

// enabled reports whether a line is to be written.
func (l *logs) enabled(subsystem string, level slog.Level) bool {
	return l.out.handlers[subsystem].Enabled(context.Background(), level)
}
