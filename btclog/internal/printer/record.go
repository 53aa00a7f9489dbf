package printer

import (
	"context"
	"log/slog"
	"runtime"
	"time"
)

// Handle hands a message to h as a record, for sinks over handlers that are not ours.
// It is for a Sink's methods to call: the place of the record is two functions further up.
func Handle(ctx context.Context, h slog.Handler, level slog.Level, msg string, lists ...[]any) {
	now := time.Now() // as early as can be
	var pcs [1]uintptr
	runtime.Callers(4, pcs[:]) // Callers, Handle, the sink's method, the logger's
	r := slog.NewRecord(now, level, msg, pcs[0])
	for _, list := range lists {
		r.Add(list...)
	}
	_ = h.Handle(ctx, r) // its errors are its own to report
}
