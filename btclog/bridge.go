package btclog

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"

	"holdfast/btclog/internal/printer"
)

// FromHandler returns a Logger that writes to any slog.Handler, at LevelInfo: the
// way from this interface to log/slog. (The other way is [Backend.Handler].)
//
// A handler that has a method Logger(subsystemTag string) Logger is asked for one:
// [Handler] is, and package v2's DefaultHandler, whose lines then have the tag, and for
// which only the Logger's level counts. For v2's other Handlers there is v2.NewSLogger,
// which returns a Logger too.
//
// To all others the tag, unless it is empty, is an attribute named subsystem. A message
// is formatted before such a handler sees it, but not if the handler does not take its
// level. The errors of the handler are the handler's to report.
func FromHandler(h slog.Handler, subsystemTag string) Logger {
	if own, ok := h.(interface{ Logger(string) Logger }); ok {
		return own.Logger(subsystemTag)
	}
	if subsystemTag != "" {
		h = h.WithAttrs([]slog.Attr{slog.String("subsystem", subsystemTag)})
	}
	b := &bridge{h: h}
	l := &logger{Printer: printer.Printer{Sink: b}, level: &b.level}
	l.SetLevel(LevelInfo)
	return l
}

// bridge is a slog.Handler as a Logger writes to it.
type bridge struct {
	level atomic.Uint32
	h     slog.Handler
}

// background: the methods of a Logger have no context to hand on.
var background = context.Background()

func (b *bridge) on(level Level) bool {
	return b.level.Load() <= uint32(level) && b.h.Enabled(background, SlogLevel(level))
}

func (b *bridge) Printf(level Level, format string, params []any) {
	if b.on(level) {
		printer.Handle(background, b.h, SlogLevel(level), fmt.Sprintf(format, params...))
	}
}

func (b *bridge) Print(level Level, v []any) {
	if b.on(level) {
		printer.Handle(background, b.h, SlogLevel(level), strings.TrimSuffix(fmt.Sprintln(v...), "\n"))
	}
}
