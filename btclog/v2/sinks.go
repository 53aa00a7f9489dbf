package btclog

import (
	"context"
	"fmt"

	"holdfast/btclog"
	"holdfast/btclog/internal/printer"
)

// lines writes to our own handler, without making a record.
type lines struct{ h *btclog.Handler }

func (s lines) Printf(level btclog.Level, format string, params []any) {
	_ = s.h.Logf(level, 2, format, params...)
}

func (s lines) Print(level btclog.Level, v []any) {
	if s.h.Level() <= level {
		_ = s.h.LogLists(level, 2, fmt.Sprint(v...))
	}
}

func (s lines) PrintS(ctx context.Context, level btclog.Level, msg string, err error, attrs []any) {
	if s.h.Level() <= level {
		_ = s.h.LogLists(level, 2, msg, fromCtx(ctx), errList(err), attrs)
	}
}

// records writes to a Handler that is not ours.
type records struct{ h Handler }

// background: the methods without a context have none to hand on.
var background = context.Background()

func (s records) on(ctx context.Context, level btclog.Level) bool {
	return s.h.Enabled(ctx, btclog.SlogLevel(level))
}

func (s records) Printf(level btclog.Level, format string, params []any) {
	if s.on(background, level) {
		printer.Handle(background, s.h, btclog.SlogLevel(level), fmt.Sprintf(format, params...))
	}
}

func (s records) Print(level btclog.Level, v []any) {
	if s.on(background, level) {
		printer.Handle(background, s.h, btclog.SlogLevel(level), fmt.Sprint(v...))
	}
}

func (s records) PrintS(ctx context.Context, level btclog.Level, msg string, err error, attrs []any) {
	if s.on(ctx, level) {
		printer.Handle(ctx, s.h, btclog.SlogLevel(level), msg, fromCtx(ctx), errList(err), attrs)
	}
}
