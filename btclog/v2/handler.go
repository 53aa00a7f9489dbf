package btclog

import (
	"context"
	"io"
	"log/slog"
	"time"

	"holdfast/btclog"
)

// DefaultSkipDepth is the depth at which the caller of a logger is, for
// WithCallSiteSkipDepth. The number is btclog v2's; only the difference from it
// counts.
const DefaultSkipDepth = 5

// Handler is a slog.Handler with a level, a subsystem and a prefix.
type Handler interface {
	slog.Handler

	// Level returns the current level.
	Level() btclog.Level

	// SetLevel changes the level.
	SetLevel(level btclog.Level)

	// SubSystem returns a handler with another tag and a level of its own.
	SubSystem(tag string) Handler

	// WithPrefix returns a handler that writes prefix before each message, instead of
	// the prefix that this one has. It shares the level with this one.
	WithPrefix(prefix string) Handler
}

// HandlerOption changes how a DefaultHandler works.
type HandlerOption func(*handlerOpts)

type handlerOpts struct {
	backend []btclog.BackendOption
}

// WithBackend sets options of the backend, such as btclog.WithJSON, that btclog v2
// does not have.
func WithBackend(options ...btclog.BackendOption) HandlerOption {
	return func(o *handlerOpts) { o.backend = append(o.backend, options...) }
}

// WithCallerFlags replaces the flags that LOGFLAGS gave.
func WithCallerFlags(flags uint32) HandlerOption {
	return WithBackend(btclog.WithFlags(flags))
}

// WithTimeSource has fn asked for the time of each line.
func WithTimeSource(fn func() time.Time) HandlerOption {
	return WithBackend(btclog.WithTimeSource(fn))
}

// WithCallSiteSkipDepth takes as the place of a line the caller that is
// depth - DefaultSkipDepth further up, for programs that wrap the logger in functions
// of their own. Handlers around the DefaultHandler do not count: records know their
// place.
func WithCallSiteSkipDepth(depth int) HandlerOption {
	return WithBackend(btclog.WithCallSiteSkip(depth - DefaultSkipDepth))
}

// WithStyledLevel has fn write the level, brackets and all. It is asked once for each
// level and subsystem.
func WithStyledLevel(fn func(btclog.Level) string) HandlerOption {
	return WithBackend(btclog.WithStyledLevel(fn))
}

// WithStyledCallSite has fn write the place of the call.
func WithStyledCallSite(fn func(file string, line int) string) HandlerOption {
	return WithBackend(btclog.WithStyledCallSite(fn))
}

// WithStyledKeys has fn write the keys of attributes, with the equals sign.
func WithStyledKeys(fn func(string) string) HandlerOption {
	return WithBackend(btclog.WithStyledKeys(fn))
}

// WithNoTimestamp leaves the time out.
func WithNoTimestamp() HandlerOption {
	return WithBackend(btclog.WithNoTimestamp())
}

// DefaultHandler is the Handler that writes btclog's lines. All handlers that come
// from one share its writer's mutex.
type DefaultHandler struct {
	h *btclog.Handler
}

var _ Handler = (*DefaultHandler)(nil)

// NewDefaultHandler returns a handler that writes to w, at LevelInfo. Where w is a
// btclog.Output, its mutex is shared with all others that write to it.
func NewDefaultHandler(w io.Writer, options ...HandlerOption) *DefaultHandler {
	var o handlerOpts
	for _, option := range options {
		option(&o)
	}
	return FromHandler(btclog.NewHandler(w, o.backend...))
}

// FromHandler returns h with this package's interface.
func FromHandler(h *btclog.Handler) *DefaultHandler {
	return &DefaultHandler{h: h}
}

// Enabled tells whether a record at this level is to be written.
func (d *DefaultHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return d.h.Enabled(ctx, level)
}

// Handle writes a record. It returns the error of the writer.
func (d *DefaultHandler) Handle(ctx context.Context, r slog.Record) error {
	return d.h.Handle(ctx, r)
}

// WithAttrs returns a handler that adds attributes to each line; it shares the level.
func (d *DefaultHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return FromHandler(d.h.WithAttrs(attrs).(*btclog.Handler))
}

// WithGroup returns a handler with the group added to its tag, as in btclog v2; it
// shares the level.
func (d *DefaultHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return d
	}
	if tag := d.h.Tag(); tag != "" {
		name = tag + "." + name
	}
	return FromHandler(d.h.WithTag(name))
}

// Level returns the level.
func (d *DefaultHandler) Level() btclog.Level { return d.h.Level() }

// SetLevel changes the level.
func (d *DefaultHandler) SetLevel(level btclog.Level) { d.h.SetLevel(level) }

// SubSystem returns a handler with another tag and a level of its own.
func (d *DefaultHandler) SubSystem(tag string) Handler {
	return FromHandler(d.h.SubSystem(tag))
}

// WithPrefix returns a handler that writes prefix before each message.
func (d *DefaultHandler) WithPrefix(prefix string) Handler {
	return FromHandler(d.h.WithPrefix(prefix))
}

// Logger returns a Logger of v1 that writes this handler's lines; it is for
// btclog.FromHandler, and as [btclog.Handler.Logger].
func (d *DefaultHandler) Logger(subsystemTag string) btclog.Logger {
	return d.h.Logger(subsystemTag)
}
