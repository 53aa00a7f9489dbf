package btclog

import (
	"context"

	"holdfast/btclog"
	"holdfast/btclog/internal/printer"
)

// NewSLogger returns a Logger that writes to handler.
func NewSLogger(handler Handler) Logger {
	var s sink = records{handler}
	if d, ok := handler.(*DefaultHandler); ok {
		s = lines{d.h}
	}
	return &logger{Printer: printer.Printer{Sink: s}, sink: s, h: handler}
}

// sink is what a logger writes to.
type sink interface {
	printer.Sink

	// PrintS writes a message with the attributes of ctx, err unless it is nil, and
	// attrs, if the level is on, as Printf does.
	PrintS(ctx context.Context, level btclog.Level, msg string, err error, attrs []any)
}

// logger is every Logger but Disabled: v1's methods that write, and those that v2 adds.
type logger struct {
	printer.Printer
	sink sink
	h    Handler
}

func (l *logger) Level() btclog.Level             { return l.h.Level() }
func (l *logger) SetLevel(level btclog.Level)     { l.h.SetLevel(level) }
func (l *logger) SubSystem(tag string) Logger     { return NewSLogger(l.h.SubSystem(tag)) }
func (l *logger) WithPrefix(prefix string) Logger { return NewSLogger(l.h.WithPrefix(prefix)) }

func (l *logger) TraceS(ctx context.Context, msg string, attrs ...any) {
	l.sink.PrintS(ctx, LevelTrace, msg, nil, attrs)
}

func (l *logger) DebugS(ctx context.Context, msg string, attrs ...any) {
	l.sink.PrintS(ctx, LevelDebug, msg, nil, attrs)
}

func (l *logger) InfoS(ctx context.Context, msg string, attrs ...any) {
	l.sink.PrintS(ctx, LevelInfo, msg, nil, attrs)
}

func (l *logger) WarnS(ctx context.Context, msg string, err error, attrs ...any) {
	l.sink.PrintS(ctx, LevelWarn, msg, err, attrs)
}

func (l *logger) ErrorS(ctx context.Context, msg string, err error, attrs ...any) {
	l.sink.PrintS(ctx, LevelError, msg, err, attrs)
}

func (l *logger) CriticalS(ctx context.Context, msg string, err error, attrs ...any) {
	l.sink.PrintS(ctx, LevelCritical, msg, err, attrs)
}
