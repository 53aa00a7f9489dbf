package btclog

import (
	"cmp"
	"sync/atomic"

	"holdfast/btclog/internal/printer"
)

// logger is every Logger but Disabled: methods that write, and a level.
type logger struct {
	printer.Printer
	level *atomic.Uint32 // which the sink asks
}

func (l *logger) Level() Level         { return Level(l.level.Load()) }
func (l *logger) SetLevel(level Level) { l.level.Store(uint32(level)) }

// Logger returns a logger for a subsystem, at LevelInfo. The tag stands in each of
// its lines.
func (b *Backend) Logger(subsystemTag string) Logger {
	return b.handler(subsystemTag, true).logger()
}

// Logger returns a logger that writes this handler's lines, with its prefix and
// attributes, at LevelInfo, whatever the handler's own level. An empty tag stands for
// the handler's.
func (h *Handler) Logger(subsystemTag string) Logger {
	sub := h.SubSystem(cmp.Or(subsystemTag, h.tag))
	sub.SetLevel(LevelInfo)
	return sub.logger()
}

// logger returns a logger that shares the level.
func (h *Handler) logger() Logger {
	return &logger{Printer: printer.Printer{Sink: direct{h}}, level: h.level}
}

// direct is a Handler as a Logger writes to it.
type direct struct{ h *Handler }

func (d direct) Printf(level Level, format string, params []any) {
	if d.h.on(level) {
		_ = d.h.message(level, 2, appendFormat, format, params)
	}
}

func (d direct) Print(level Level, v []any) {
	if d.h.on(level) {
		_ = d.h.message(level, 2, appendOperands, "", v)
	}
}
