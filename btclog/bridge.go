package btclog

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync/atomic"
	"time"
)

// FromHandler returns a Logger that writes to any slog.Handler, at LevelInfo: the
// way from this interface to log/slog. (The other way is [Backend.Handler].) A
// message is formatted before the handler sees it. What the handler itself does not
// take at a level is not formatted. If it is a [Handler], only the Logger's level
// counts. The tag, unless it is empty, becomes that of a Handler's lines, and an
// attribute named subsystem of all others. The errors of the handler are the handler's
// to report.
func FromHandler(h slog.Handler, subsystemTag string) Logger {
	if own, ok := h.(*Handler); ok {
		sub := own.SubSystem(cmp.Or(subsystemTag, own.Tag()))
		sub.SetLevel(LevelTrace) // the Logger has the level
		h = sub
	} else if subsystemTag != "" {
		h = h.WithAttrs([]slog.Attr{slog.String("subsystem", subsystemTag)})
	}
	l := &bridge{h: h}
	l.SetLevel(LevelInfo)
	return l
}

// bridge is the Logger of a slog.Handler.
type bridge struct {
	level atomic.Uint32
	h     slog.Handler
}

// background: the methods of Logger have no context to hand on.
var background = context.Background()

func (l *bridge) on(level Level) bool {
	return l.level.Load() <= uint32(level) && l.h.Enabled(background, SlogLevel(level))
}

func (l *bridge) handle(level Level, msg string) {
	now := time.Now()
	var pcs [1]uintptr
	runtime.Callers(3, pcs[:]) // Callers, handle, the method
	_ = l.h.Handle(background, slog.NewRecord(now, SlogLevel(level), msg, pcs[0]))
}

func sprintln(v []any) string {
	return strings.TrimSuffix(fmt.Sprintln(v...), "\n")
}

func (l *bridge) Level() Level         { return Level(l.level.Load()) }
func (l *bridge) SetLevel(level Level) { l.level.Store(uint32(level)) }

func (l *bridge) Tracef(format string, params ...interface{}) {
	if l.on(LevelTrace) {
		l.handle(LevelTrace, fmt.Sprintf(format, params...))
	}
}

func (l *bridge) Trace(v ...interface{}) {
	if l.on(LevelTrace) {
		l.handle(LevelTrace, sprintln(v))
	}
}

func (l *bridge) Debugf(format string, params ...interface{}) {
	if l.on(LevelDebug) {
		l.handle(LevelDebug, fmt.Sprintf(format, params...))
	}
}

func (l *bridge) Debug(v ...interface{}) {
	if l.on(LevelDebug) {
		l.handle(LevelDebug, sprintln(v))
	}
}

func (l *bridge) Infof(format string, params ...interface{}) {
	if l.on(LevelInfo) {
		l.handle(LevelInfo, fmt.Sprintf(format, params...))
	}
}

func (l *bridge) Info(v ...interface{}) {
	if l.on(LevelInfo) {
		l.handle(LevelInfo, sprintln(v))
	}
}

func (l *bridge) Warnf(format string, params ...interface{}) {
	if l.on(LevelWarn) {
		l.handle(LevelWarn, fmt.Sprintf(format, params...))
	}
}

func (l *bridge) Warn(v ...interface{}) {
	if l.on(LevelWarn) {
		l.handle(LevelWarn, sprintln(v))
	}
}

func (l *bridge) Errorf(format string, params ...interface{}) {
	if l.on(LevelError) {
		l.handle(LevelError, fmt.Sprintf(format, params...))
	}
}

func (l *bridge) Error(v ...interface{}) {
	if l.on(LevelError) {
		l.handle(LevelError, sprintln(v))
	}
}

func (l *bridge) Criticalf(format string, params ...interface{}) {
	if l.on(LevelCritical) {
		l.handle(LevelCritical, fmt.Sprintf(format, params...))
	}
}

func (l *bridge) Critical(v ...interface{}) {
	if l.on(LevelCritical) {
		l.handle(LevelCritical, sprintln(v))
	}
}
