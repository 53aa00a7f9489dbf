package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"holdfast/btclog"
	"holdfast/node"
	"holdfast/rotator"
)

// logs is the log of the program. A line goes to the file and to standard output
// before the call that logs it returns. What the node does is logged by rendering
// its events: see event. It is safe for concurrent use.
type logs struct {
	json bool
	out  *sink
	file *sink            // nil: none
	path string           // of the file
	roll *rotator.Rotator // what file writes to
	told atomic.Uint64    // lines that are missing in the file, as the log says
}

// sink is one place that lines go to.
type sink struct {
	backend  *btclog.Backend
	handlers map[string]*btclog.Handler // by subsystem
}

// newLogs returns a log that writes to out only.
func newLogs(out io.Writer, f *logFlags) (*logs, error) {
	l := &logs{json: f.format == "json"}
	l.out = l.newSink(out, btclog.WithColor(), btclog.WithErrorHandler(l.outFailed))
	if err := l.setLevels(f.levels); err != nil {
		return nil, usagef("--debuglevel %q: %w", f.levels, err)
	}
	return l, nil
}

// addFile has the lines from now on written to the file of a network too, unless
// the flags say otherwise. It is called before the log is used by others.
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
	l.file = l.newSink(l.roll)
	return l.setLevels(f.levels)
}

func (l *logs) newSink(w io.Writer, opts ...btclog.BackendOption) *sink {
	if l.json {
		opts = append(opts, btclog.WithJSON())
	}
	s := &sink{backend: btclog.NewBackend(w, opts...), handlers: make(map[string]*btclog.Handler)}
	for _, name := range subsystems() {
		s.handlers[name] = s.backend.Handler(name)
	}
	return s
}

// where says where the lines go besides standard output.
func (l *logs) where() string {
	if l.file == nil {
		return "no log file"
	}
	return "log file " + l.path
}

// close ends the file, when what is being compressed is.
func (l *logs) close() error {
	if l.file == nil {
		return nil
	}
	return l.roll.Close()
}

// reopen opens the file by its name again, for an external tool that has renamed
// it.
func (l *logs) reopen() {
	if l.file != nil && l.roll.Reopen() == nil { // fileFailed has told an error
		l.logf(subsystemLogs, slog.LevelInfo, "Opened the log file again")
	}
}

// setLevels changes what is logged from now on. An error changes nothing.
func (l *logs) setLevels(spec string) error {
	levels, err := parseLevels(spec)
	if err != nil {
		return err
	}
	for name, level := range levels {
		l.out.handlers[name].SetLevel(level)
		if l.file != nil {
			l.file.handlers[name].SetLevel(level)
		}
	}
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

func line(level slog.Level, format string, args ...any) slog.Record {
	return slog.NewRecord(time.Now(), level, fmt.Sprintf(format, args...), 0)
}

// enabled reports whether a line is to be written. Both sinks have the same levels.
func (l *logs) enabled(subsystem string, level slog.Level) bool {
	return l.out.handlers[subsystem].Enabled(context.Background(), level)
}

// write writes a line: to the file first, for nobody can hold that up with Ctrl-S.
func (l *logs) write(subsystem string, r slog.Record) {
	inFile := l.file != nil && l.file.write(subsystem, r)
	l.out.write(subsystem, r)
	if !inFile {
		return
	}
	// The file takes lines again: whoever reads it shall know what it has not.
	told, failed := l.told.Load(), l.file.backend.Errors()
	if failed > told && l.told.CompareAndSwap(told, failed) {
		l.logf(subsystemLogs, slog.LevelWarn, "The file has not the %d lines before the last one; they went to standard output only", failed-told)
	}
}

// write writes a line, and reports whether it could. The owner is told of errors by
// other ways.
func (s *sink) write(subsystem string, r slog.Record) bool {
	return s.handlers[subsystem].Handle(context.Background(), r) == nil
}

// fileFailed is told what goes wrong with the file, at most once a second for each
// operation. That lines cannot be written there is told on standard output.
func (l *logs) fileFailed(err error) {
	var failed *rotator.Error
	if errors.As(err, &failed) && failed.Op == rotator.OpWrite {
		if l.enabled(subsystemLogs, slog.LevelError) {
			l.out.write(subsystemLogs, line(slog.LevelError, "%v", err))
		}
		return
	}
	l.logf(subsystemLogs, slog.LevelError, "%v", err)
}

// outFailed is told that a line could not be written to standard output. The file
// hears of the first.
func (l *logs) outFailed(err error, failed uint64) {
	if failed == 1 && l.file != nil && l.enabled(subsystemLogs, slog.LevelError) {
		l.file.write(subsystemLogs, line(slog.LevelError, "Standard output takes no lines: %v; they are in this file only", err))
	}
}
