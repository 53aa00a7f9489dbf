package btclog

import (
	"cmp"
	"context"

	"holdfast/btclog/internal/printer"
)

// direct is a Handler as a Logger writes to it.
type direct struct{ *Handler }

// Logger returns a logger for a subsystem, at LevelInfo. The tag stands in each of
// its lines.
func (b *Backend) Logger(subsystemTag string) Logger {
	return &printer.Printer{Sink: direct{b.handler(subsystemTag, true)}}
}

// Logger returns a logger that writes this handler's lines, with its prefix and
// attributes, at LevelInfo, whatever the handler's own level. An empty tag stands for
// the handler's.
func (h *Handler) Logger(subsystemTag string) Logger {
	sub := h.SubSystem(cmp.Or(subsystemTag, h.tag))
	sub.SetLevel(LevelInfo)
	return &printer.Printer{Sink: direct{sub}}
}

func (d direct) On(_ context.Context, level Level) bool { return d.on(level) }

func (d direct) Printf(level Level, format string, params []any) {
	_ = d.message(level, 2, appendFormat, format, params)
}

func (d direct) Print(level Level, v []any) {
	_ = d.message(level, 2, appendOperands, "", v)
}
