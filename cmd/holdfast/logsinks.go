package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"holdfast/btclog"
	"holdfast/rotator"
)

// tellEvery is the time after which what still goes wrong is told again.
const tellEvery = time.Minute

// sink is one place that lines go to. Its fields that change are guarded by logs.mu.
type sink struct {
	name     string
	alarm    string                     // what the others are told when it takes no lines
	handlers map[string]*btclog.Handler // by subsystem
	missing  func() uint64              // how many lines it has not got so far

	err     error     // of the last line
	counted uint64    // of the missing lines, those that it was told of
	alarmed time.Time // when the others were told last; zero if all is well
}

func (l *logs) newSink(name string, w io.Writer, opts ...btclog.BackendOption) *sink {
	opts = append(opts, btclog.WithFlags(0)) // LOGFLAGS asks for places in code; events have none
	if l.json {
		opts = append(opts, btclog.WithJSON())
	}
	backend := btclog.NewBackend(w, opts...)
	s := &sink{name: name, handlers: make(map[string]*btclog.Handler), missing: backend.Errors}
	for _, subsystem := range subsystems() {
		s.handlers[subsystem] = backend.Handler(subsystem)
	}
	return s
}

// write writes a line, whatever its level.
func (s *sink) write(subsystem string, r slog.Record) {
	s.err = s.handlers[subsystem].Handle(context.Background(), r)
}

// write writes a line to all sinks, and then what there is to tell of them.
func (l *logs) write(subsystem string, r slog.Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.sinks {
		s.write(subsystem, r)
	}
	for _, s := range l.sinks {
		l.account(s)
	}
}

// account tells the other sinks that one takes no lines, and all of them what it has
// not when it takes lines again. If telling that fails too, the next line comes here.
func (l *logs) account(s *sink) {
	missing := s.missing()
	switch {
	case missing == s.counted:
	case s.err == nil:
		l.notice(slog.LevelWarn, nil, "%d lines before this could not be written to %s", missing-s.counted, s.name)
		if s.missing() == missing {
			s.counted, s.alarmed = missing, time.Time{}
		}
	case time.Since(s.alarmed) >= tellEvery:
		s.alarmed = time.Now()
		l.notice(slog.LevelError, s, s.alarm, cause(s.err))
	}
}

// cause returns what is behind an error of the file, without the file's name.
func cause(err error) error {
	var failed *rotator.Error
	if errors.As(err, &failed) {
		return failed.Err
	}
	return err
}

// notice writes a line of the log itself to all sinks but one.
func (l *logs) notice(level slog.Level, except *sink, format string, args ...any) {
	if !l.enabled(subsystemLogs, level) {
		return
	}
	r := line(level, format, args...)
	for _, s := range l.sinks {
		if s != except {
			s.write(subsystemLogs, r)
		}
	}
}

// fileFailed is the rotator's OnError. It is mostly called in the middle of a line,
// under locks, so what went wrong is told a little later, by tell. It never waits: when
// much is to be told already, this is not. Of lines that are not in the file account
// tells.
func (l *logs) fileFailed(err error) {
	var failed *rotator.Error
	if errors.As(err, &failed) && failed.Op == rotator.OpWrite {
		return
	}
	select {
	case l.troubles <- err:
	default:
	}
}

// tell tells what went wrong with the file, until close.
func (l *logs) tell() {
	for {
		select {
		case err := <-l.troubles:
			l.tellOne(err)
		case <-l.closing:
			return
		}
	}
}

// tellRest is for close, when tell has ended.
func (l *logs) tellRest() {
	for len(l.troubles) > 0 {
		l.tellOne(<-l.troubles)
	}
}

// tellOne tells of an error, unless one of its kind was told in the last minute.
func (l *logs) tellOne(err error) {
	var op rotator.Op
	var failed *rotator.Error
	if errors.As(err, &failed) {
		op = failed.Op
	}
	l.mu.Lock()
	due := time.Since(l.toldOf[op]) >= tellEvery
	if due {
		l.toldOf[op] = time.Now()
	}
	l.mu.Unlock()
	if due {
		l.logf(subsystemLogs, slog.LevelError, "%v", err)
	}
}

func line(level slog.Level, format string, args ...any) slog.Record {
	return slog.NewRecord(time.Now(), level, fmt.Sprintf(format, args...), 0)
}
