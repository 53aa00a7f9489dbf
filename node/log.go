package node

import (
	"context"
	"log/slog"
)

// log writes an event as one line.
func (n *Node) log(e Event) {
	ctx, level := context.Background(), e.Level()
	if n.cfg.Logger.Enabled(ctx, level) {
		n.cfg.Logger.LogAttrs(ctx, level, e.String(), slog.String(SubsystemKey, e.Subsystem()))
	}
}
