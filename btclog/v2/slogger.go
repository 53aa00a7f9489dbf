package btclog

import (
	"context"
	"fmt"

	"holdfast/btclog"
)

// NewSLogger returns a Logger that writes to handler.
func NewSLogger(handler Handler) Logger {
	if d, ok := handler.(*DefaultHandler); ok {
		return &logger{h: d.h}
	}
	return &foreign{h: handler}
}

// logger writes to our own handler, without making a record.
type logger struct {
	h *btclog.Handler
}

func (l *logger) print(level btclog.Level, v []any) {
	if l.h.Level() <= level {
		_ = l.h.LogLists(level, 2, fmt.Sprint(v...))
	}
}

func (l *logger) lists(ctx context.Context, level btclog.Level, msg string, attrs []any) {
	_ = l.h.LogLists(level, 2, msg, fromCtx(ctx), attrs)
}

func (l *logger) fail(ctx context.Context, level btclog.Level, msg string, err error, attrs []any) {
	_ = l.h.LogLists(level, 2, msg, fromCtx(ctx), errList(err), attrs)
}

func (l *logger) Level() btclog.Level             { return l.h.Level() }
func (l *logger) SetLevel(level btclog.Level)     { l.h.SetLevel(level) }
func (l *logger) SubSystem(tag string) Logger     { return &logger{h: l.h.SubSystem(tag)} }
func (l *logger) WithPrefix(prefix string) Logger { return &logger{h: l.h.WithPrefix(prefix)} }

func (l *logger) Tracef(format string, params ...any) {
	if l.h.Level() <= LevelTrace {
		_ = l.h.Logf(LevelTrace, 1, format, params...)
	}
}

func (l *logger) Trace(v ...any) {
	if l.h.Level() <= LevelTrace {
		l.print(LevelTrace, v)
	}
}

func (l *logger) TraceS(ctx context.Context, msg string, attrs ...any) {
	if l.h.Level() <= LevelTrace {
		l.lists(ctx, LevelTrace, msg, attrs)
	}
}

func (l *logger) Debugf(format string, params ...any) {
	if l.h.Level() <= LevelDebug {
		_ = l.h.Logf(LevelDebug, 1, format, params...)
	}
}

func (l *logger) Debug(v ...any) {
	if l.h.Level() <= LevelDebug {
		l.print(LevelDebug, v)
	}
}

func (l *logger) DebugS(ctx context.Context, msg string, attrs ...any) {
	if l.h.Level() <= LevelDebug {
		l.lists(ctx, LevelDebug, msg, attrs)
	}
}

func (l *logger) Infof(format string, params ...any) {
	if l.h.Level() <= LevelInfo {
		_ = l.h.Logf(LevelInfo, 1, format, params...)
	}
}

func (l *logger) Info(v ...any) {
	if l.h.Level() <= LevelInfo {
		l.print(LevelInfo, v)
	}
}

func (l *logger) InfoS(ctx context.Context, msg string, attrs ...any) {
	if l.h.Level() <= LevelInfo {
		l.lists(ctx, LevelInfo, msg, attrs)
	}
}

func (l *logger) Warnf(format string, params ...any) {
	if l.h.Level() <= LevelWarn {
		_ = l.h.Logf(LevelWarn, 1, format, params...)
	}
}

func (l *logger) Warn(v ...any) {
	if l.h.Level() <= LevelWarn {
		l.print(LevelWarn, v)
	}
}

func (l *logger) WarnS(ctx context.Context, msg string, err error, attrs ...any) {
	if l.h.Level() <= LevelWarn {
		l.fail(ctx, LevelWarn, msg, err, attrs)
	}
}

func (l *logger) Errorf(format string, params ...any) {
	if l.h.Level() <= LevelError {
		_ = l.h.Logf(LevelError, 1, format, params...)
	}
}

func (l *logger) Error(v ...any) {
	if l.h.Level() <= LevelError {
		l.print(LevelError, v)
	}
}

func (l *logger) ErrorS(ctx context.Context, msg string, err error, attrs ...any) {
	if l.h.Level() <= LevelError {
		l.fail(ctx, LevelError, msg, err, attrs)
	}
}

func (l *logger) Criticalf(format string, params ...any) {
	if l.h.Level() <= LevelCritical {
		_ = l.h.Logf(LevelCritical, 1, format, params...)
	}
}

func (l *logger) Critical(v ...any) {
	if l.h.Level() <= LevelCritical {
		l.print(LevelCritical, v)
	}
}

func (l *logger) CriticalS(ctx context.Context, msg string, err error, attrs ...any) {
	if l.h.Level() <= LevelCritical {
		l.fail(ctx, LevelCritical, msg, err, attrs)
	}
}
