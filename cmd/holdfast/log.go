package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
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
	json   bool
	stdout *patient
	out    *sink
	file   *sink            // nil: none
	path   string           // of the file
	roll   *rotator.Rotator // what file writes to

	// What goes wrong with a sink is met in the middle of a line, under the lock of
	// that sink. It is told by a goroutine of its own, a little later.
	troubles chan trouble
	closing  chan struct{}
	told     sync.WaitGroup
	ended    sync.Once
}

// sink is one place that lines go to.
type sink struct {
	name     string
	backend  *btclog.Backend
	handlers map[string]*btclog.Handler // by subsystem
	missing  atomic.Uint64              // lines that it has not, as was told
}

// trouble is what went wrong with a sink, and where that can be told.
type trouble struct {
	text         string
	file, stdout bool
}

// newLogs returns a log that writes to out only. It is used after begin.
func newLogs(out io.Writer, f *logFlags) (*logs, error) {
	l := &logs{json: f.format == "json", troubles: make(chan trouble, 16), closing: make(chan struct{})}
	l.stdout = newPatient(out, stdoutPatience)
	l.out = l.newSink("standard output", l.stdout, btclog.WithColor(), btclog.WithErrorHandler(l.outFailed))
	if err := l.setLevels(f.levels); err != nil {
		l.stdout.close()
		return nil, usagef("--debuglevel %q: %w", f.levels, err)
	}
	return l, nil
}

// begin is called when the sinks are complete.
func (l *logs) begin() { l.told.Go(l.tell) }

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
	return l.setLevels(f.levels)
}

func (l *logs) newSink(name string, w io.Writer, opts ...btclog.BackendOption) *sink {
	opts = append(opts, btclog.WithFlags(0)) // LOGFLAGS asks for places in code; events have none
	if l.json {
		opts = append(opts, btclog.WithJSON())
	}
	s := &sink{name: name, backend: btclog.NewBackend(w, opts...), handlers: make(map[string]*btclog.Handler)}
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

// close ends the log, when what is being compressed is. What is logged then is lost.
// Only the first call does something.
func (l *logs) close() (err error) {
	l.ended.Do(func() {
		close(l.closing)
		l.told.Wait()
		if l.file != nil {
			err = l.roll.Close()
		}
		for len(l.troubles) > 0 { // of the end itself
			t := <-l.troubles
			t.file = false
			l.tellOne(t)
		}
		l.stdout.close()
	})
	return err
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
	l.apply(levels)
	return nil
}

func (l *logs) apply(levels map[string]btclog.Level) {
	for _, s := range l.sinks() {
		for name, level := range levels {
			s.handlers[name].SetLevel(level)
		}
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

// sinks returns the places that lines go to: the file first, which nobody holds up.
func (l *logs) sinks() []*sink {
	if l.file == nil {
		return []*sink{l.out}
	}
	return []*sink{l.file, l.out}
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

// enabled reports whether a line is to be written. All sinks have the same levels.
func (l *logs) enabled(subsystem string, level slog.Level) bool {
	return l.out.handlers[subsystem].Enabled(context.Background(), level)
}

func (l *logs) write(subsystem string, r slog.Record) {
	for _, s := range l.sinks() {
		if !s.write(subsystem, r) {
			continue // it has told why
		}
		// It takes lines again: whoever reads it shall know what it has not.
		told, failed := s.missing.Load(), s.backend.Errors()
		if failed > told && s.missing.CompareAndSwap(told, failed) {
			l.logf(subsystemLogs, slog.LevelWarn, "%d lines before this could not be written to %s", failed-told, s.name)
		}
	}
}

// write writes a line, and reports whether it could.
func (s *sink) write(subsystem string, r slog.Record) bool {
	return s.handlers[subsystem].Handle(context.Background(), r) == nil
}

// fileFailed is the rotator's OnError: it is told what goes wrong with the file, at
// most once a second for each operation. That a line is not in the file is told on
// standard output.
func (l *logs) fileFailed(err error) {
	var failed *rotator.Error
	isWrite := errors.As(err, &failed) && failed.Op == rotator.OpWrite
	l.trouble(trouble{text: err.Error(), file: !isWrite, stdout: true})
}

// outFailed is told that a line could not be written to standard output. The file
// hears of the first of several.
func (l *logs) outFailed(err error, failed uint64) {
	if failed == l.out.missing.Load()+1 {
		l.trouble(trouble{text: fmt.Sprintf("Standard output takes no lines: %v; they are in this file", err), file: true})
	}
}

// trouble has something told. It never waits: when much is to be told already, this
// is not.
func (l *logs) trouble(t trouble) {
	select {
	case l.troubles <- t:
	default:
	}
}

// tell tells what went wrong, until close.
func (l *logs) tell() {
	for {
		select {
		case t := <-l.troubles:
			l.tellOne(t)
		case <-l.closing:
			for len(l.troubles) > 0 {
				l.tellOne(<-l.troubles)
			}
			return
		}
	}
}

func (l *logs) tellOne(t trouble) {
	if !l.enabled(subsystemLogs, slog.LevelError) {
		return
	}
	r := line(slog.LevelError, "%s", t.text)
	if t.file && l.file != nil {
		l.file.write(subsystemLogs, r)
	}
	if t.stdout {
		l.out.write(subsystemLogs, r)
	}
}
