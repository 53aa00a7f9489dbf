package btclog

import (
	"context"
	"fmt"

	"holdfast/btclog"
	"holdfast/btclog/internal/printer"
)

// lines writes to our own handler, without making a record.
type lines struct{ *btclog.Handler }

func (s lines) On(_ context.Context, level btclog.Level) bool { return s.Level() <= level }

func (s lines) Printf(level btclog.Level, format string, params []any) {
	_ = s.Logf(level, 2, format, params...)
}

func (s lines) Print(level btclog.Level, v []any) {
	_ = s.LogLists(level, 2, fmt.Sprint(v...))
}

func (s lines) PrintS(ctx context.Context, level btclog.Level, msg string, err error, attrs []any) {
	_ = s.LogLists(level, 2, msg, fromCtx(ctx), errList(err), attrs)
}

// records writes to a Handler that is not ours.
type records struct{ Handler }

// background: the methods without a context have none to hand on.
var background = context.Background()

func (s records) On(ctx context.Context, level btclog.Level) bool {
	return s.Enabled(ctx, btclog.SlogLevel(level))
}

func (s records) Printf(level btclog.Level, format string, params []any) {
	printer.Handle(background, s.Handler, btclog.SlogLevel(level), fmt.Sprintf(format, params...))
}

func (s records) Print(level btclog.Level, v []any) {
	printer.Handle(background, s.Handler, btclog.SlogLevel(level), fmt.Sprint(v...))
}

func (s records) PrintS(ctx context.Context, level btclog.Level, msg string, err error, attrs []any) {
	printer.Handle(ctx, s.Handler, btclog.SlogLevel(level), msg, fromCtx(ctx), errList(err), attrs)
}
