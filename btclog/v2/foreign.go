package btclog

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"holdfast/btclog"
)

// foreign writes to a Handler that is not ours, by records.
type foreign struct {
	h Handler
}

// background: the methods without a context have none to hand on.
var background = context.Background()

func (l *foreign) on(ctx context.Context, level btclog.Level) bool {
	return l.h.Enabled(ctx, btclog.SlogLevel(level))
}

// handle is called by a function that is called by the logger's method.
func (l *foreign) handle(ctx context.Context, level btclog.Level, msg string, lists ...[]any) {
	var pcs [1]uintptr
	runtime.Callers(4, pcs[:]) // Callers, handle, its caller, the method
	r := slog.NewRecord(time.Now(), btclog.SlogLevel(level), msg, pcs[0])
	for _, list := range lists {
		r.Add(list...)
	}
	_ = l.h.Handle(ctx, r)
}

func (l *foreign) printf(level btclog.Level, format string, params []any) {
	l.handle(background, level, fmt.Sprintf(format, params...))
}

func (l *foreign) print(level btclog.Level, v []any) {
	l.handle(background, level, fmt.Sprint(v...))
}

func (l *foreign) lists(ctx context.Context, level btclog.Level, msg string, attrs []any) {
	l.handle(ctx, level, msg, fromCtx(ctx), attrs)
}

func (l *foreign) fail(ctx context.Context, level btclog.Level, msg string, err error, attrs []any) {
	l.handle(ctx, level, msg, fromCtx(ctx), errList(err), attrs)
}

func (l *foreign) Level() btclog.Level             { return l.h.Level() }
func (l *foreign) SetLevel(level btclog.Level)     { l.h.SetLevel(level) }
func (l *foreign) SubSystem(tag string) Logger     { return NewSLogger(l.h.SubSystem(tag)) }
func (l *foreign) WithPrefix(prefix string) Logger { return NewSLogger(l.h.WithPrefix(prefix)) }

func (l *foreign) Tracef(format string, params ...any) {
	if l.on(background, LevelTrace) {
		l.printf(LevelTrace, format, params)
	}
}

func (l *foreign) Trace(v ...any) {
	if l.on(background, LevelTrace) {
		l.print(LevelTrace, v)
	}
}

func (l *foreign) TraceS(ctx context.Context, msg string, attrs ...any) {
	if l.on(ctx, LevelTrace) {
		l.lists(ctx, LevelTrace, msg, attrs)
	}
}

func (l *foreign) Debugf(format string, params ...any) {
	if l.on(background, LevelDebug) {
		l.printf(LevelDebug, format, params)
	}
}

func (l *foreign) Debug(v ...any) {
	if l.on(background, LevelDebug) {
		l.print(LevelDebug, v)
	}
}

func (l *foreign) DebugS(ctx context.Context, msg string, attrs ...any) {
	if l.on(ctx, LevelDebug) {
		l.lists(ctx, LevelDebug, msg, attrs)
	}
}

func (l *foreign) Infof(format string, params ...any) {
	if l.on(background, LevelInfo) {
		l.printf(LevelInfo, format, params)
	}
}

func (l *foreign) Info(v ...any) {
	if l.on(background, LevelInfo) {
		l.print(LevelInfo, v)
	}
}

func (l *foreign) InfoS(ctx context.Context, msg string, attrs ...any) {
	if l.on(ctx, LevelInfo) {
		l.lists(ctx, LevelInfo, msg, attrs)
	}
}

func (l *foreign) Warnf(format string, params ...any) {
	if l.on(background, LevelWarn) {
		l.printf(LevelWarn, format, params)
	}
}

func (l *foreign) Warn(v ...any) {
	if l.on(background, LevelWarn) {
		l.print(LevelWarn, v)
	}
}

func (l *foreign) WarnS(ctx context.Context, msg string, err error, attrs ...any) {
	if l.on(ctx, LevelWarn) {
		l.fail(ctx, LevelWarn, msg, err, attrs)
	}
}

func (l *foreign) Errorf(format string, params ...any) {
	if l.on(background, LevelError) {
		l.printf(LevelError, format, params)
	}
}

func (l *foreign) Error(v ...any) {
	if l.on(background, LevelError) {
		l.print(LevelError, v)
	}
}

func (l *foreign) ErrorS(ctx context.Context, msg string, err error, attrs ...any) {
	if l.on(ctx, LevelError) {
		l.fail(ctx, LevelError, msg, err, attrs)
	}
}

func (l *foreign) Criticalf(format string, params ...any) {
	if l.on(background, LevelCritical) {
		l.printf(LevelCritical, format, params)
	}
}

func (l *foreign) Critical(v ...any) {
	if l.on(background, LevelCritical) {
		l.print(LevelCritical, v)
	}
}

func (l *foreign) CriticalS(ctx context.Context, msg string, err error, attrs ...any) {
	if l.on(ctx, LevelCritical) {
		l.fail(ctx, LevelCritical, msg, err, attrs)
	}
}
