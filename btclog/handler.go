package btclog

import (
	"context"
	"io"
	"log/slog"
	"sync/atomic"
	"time"
)

// Handler is a [slog.Handler] that writes a Backend's lines:
//
//	2006-01-02 15:04:05.000 [INF] CMGR: connected peer=192.0.2.1:8333 g.a=1
//
// Attributes in a group are written under keys joined by dots. Values that are not
// one word are quoted as Go quotes strings. Levels that are none of btclog's are
// written as the next lower one and the difference: [INF+2].
//
// All handlers that come from one, by whatever method, write to one Output.
type Handler struct {
	b      *Backend
	level  *atomic.Uint32
	tag    string
	head   heads
	prefix string
	group  string // of WithGroup; empty or ending in a dot
	attrs  []byte // of WithAttrs, as they are written; never appended to in place
}

// NewHandler returns the handler of a new backend that writes to w; it is
// NewBackend(w, opts...).Handler("").
func NewHandler(w io.Writer, opts ...BackendOption) *Handler {
	return NewBackend(w, opts...).Handler("")
}

// Handler returns a handler for a subsystem, at LevelInfo. Where the tag is empty
// lines have none.
func (b *Backend) Handler(subsystemTag string) *Handler {
	return b.handler(subsystemTag, false)
}

// handler returns one; v1 is as for heads.
func (b *Backend) handler(tag string, v1 bool) *Handler {
	h := &Handler{b: b, level: new(atomic.Uint32), tag: tag, head: b.heads(tag, v1)}
	h.SetLevel(LevelInfo)
	return h
}

// Backend returns the backend that the handler writes through.
func (h *Handler) Backend() *Backend { return h.b }

// Tag returns the tag of the subsystem.
func (h *Handler) Tag() string { return h.tag }

// Level returns the level.
func (h *Handler) Level() Level { return Level(h.level.Load()) }

// SetLevel changes the level of this handler and of all that share it: those made
// from it by any method but SubSystem, and those that it was made from so.
func (h *Handler) SetLevel(level Level) { h.level.Store(uint32(level)) }

// SubSystem returns a handler for a subsystem, with a level of its own, which is this
// one's at first.
func (h *Handler) SubSystem(tag string) *Handler {
	h2 := h.WithTag(tag)
	h2.level = new(atomic.Uint32)
	h2.SetLevel(h.Level())
	return h2
}

// WithTag returns a handler with another tag and the same level.
func (h *Handler) WithTag(tag string) *Handler {
	h2 := *h
	h2.tag = tag
	h2.head = h.b.heads(tag, false)
	return &h2
}

// WithPrefix returns a handler that writes prefix and a blank before each message,
// instead of the prefix that this one has.
func (h *Handler) WithPrefix(prefix string) *Handler {
	h2 := *h
	h2.prefix = prefix
	return &h2
}

// WithAttrs returns a handler that adds attributes to each line. They are formatted
// now. It is part of slog.Handler.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	h2 := *h
	all := append([]byte(nil), h.attrs...)
	h2.attrs = h.b.appendAttrs(all, h.group, attrs)
	return &h2
}

// WithGroup returns a handler that writes further attributes as name.key=value. It is
// part of slog.Handler.
func (h *Handler) WithGroup(name string) slog.Handler {
	h2 := *h
	if name != "" {
		h2.group += name + "."
	}
	return &h2
}

// Enabled tells whether a record at level l is to be written: all are at LevelTrace,
// however low their level (many programs trace at -8), and none at LevelOff. It is part
// of slog.Handler.
func (h *Handler) Enabled(_ context.Context, l slog.Level) bool {
	own := h.Level()
	return own == LevelTrace || own < LevelOff && l >= slogLevels[own]
}

// Handle writes a record, whatever its level. It returns the error of the writer,
// which is also counted and reported as the backend does. It is part of slog.Handler.
func (h *Handler) Handle(_ context.Context, r slog.Record) error {
	t := r.Time
	if h.b.ownTime {
		t = h.b.now()
	}
	level := LevelFromSlog(r.Level)
	head := h.head[level]
	if above := r.Level - slogLevels[level]; above != 0 {
		head = h.b.head(level, above, h.tag, false)
	}
	buf := getBuffer()
	p := h.begin(buf.b, t, head, r.PC, r.Message)
	r.Attrs(func(a slog.Attr) bool {
		p = h.b.appendAttr(p, h.group, a.Key, a.Value)
		return true
	})
	return h.finish(buf, p)
}

// LogAttrs writes a line if the level is on. It is the cheapest way to write
// attributes: no record is made. It returns the error of the writer, as Handle does.
func (h *Handler) LogAttrs(level Level, msg string, attrs ...slog.Attr) error {
	if !h.on(level) {
		return nil
	}
	now := h.b.now()
	buf := getBuffer()
	p := h.begin(buf.b, now, h.head[level], h.caller(0), msg)
	return h.finish(buf, h.b.appendAttrs(p, h.group, attrs))
}

// LogLists writes a line if the level is on, with the attributes of all lists in
// turn, each made up as for slog.Logger.Log. skip is the number of functions between
// the one that logs and the one that calls LogLists: 0 if it is the same. It is for
// those who build a logger of their own on a Handler, as package v2 does.
func (h *Handler) LogLists(level Level, skip int, msg string, lists ...[]any) error {
	if !h.on(level) {
		return nil
	}
	now := h.b.now()
	buf := getBuffer()
	p := h.begin(buf.b, now, h.head[level], h.caller(skip), msg)
	for _, list := range lists {
		p = h.b.appendList(p, h.group, list)
	}
	return h.finish(buf, p)
}

// Logf writes a line with a formatted message if the level is on; skip is as for
// LogLists.
func (h *Handler) Logf(level Level, skip int, format string, params ...any) error {
	if !h.on(level) {
		return nil
	}
	return h.message(level, skip+1, appendFormat, format, params)
}

// message writes a line with the message that appendText makes of format and operands,
// if the level is on or not; skip is as for LogLists.
func (h *Handler) message(level Level, skip int, appendText func(p []byte, format string, operands []any) []byte, format string, operands []any) error {
	b := h.b
	now := b.now() // as early as can be
	buf := getBuffer()
	p := b.begin(buf.b, now, h.head[level], h.caller(skip))
	start := len(p)
	p = h.appendPrefix(p, true)
	message := len(p)
	p = appendText(p, format, operands)
	if len(p) == message && h.prefix != "" {
		p = p[:message-1] // no blank before nothing
	}
	p = b.endMessage(p, start, ownFeeds(format, p[min(message, len(p)):]))
	p = append(p, h.attrs...)
	return h.finish(buf, p)
}

func (h *Handler) on(level Level) bool {
	return h.Level() <= level && level < LevelOff
}

// caller is for the exported methods to call: it returns where they were called, or
// skip functions further up.
func (h *Handler) caller(skip int) uintptr {
	if !h.b.places() {
		return 0
	}
	return caller(2 + skip + h.b.skip)
}

// begin appends all that comes before the attributes of the call.
func (h *Handler) begin(p []byte, t time.Time, head string, pc uintptr, msg string) []byte {
	p = h.b.begin(p, t, head, pc)
	start := len(p)
	p = h.appendPrefix(p, msg != "")
	p = h.b.endMessage(append(p, msg...), start, 0)
	return append(p, h.attrs...)
}

// appendPrefix appends the prefix of messages.
func (h *Handler) appendPrefix(p []byte, more bool) []byte {
	if h.prefix == "" {
		return p
	}
	p = append(p, h.prefix...)
	if more {
		p = append(p, ' ')
	}
	return p
}

func (h *Handler) finish(buf *buffer, p []byte) error {
	buf.b = h.b.end(p)
	err := h.b.write(buf.b)
	buf.put()
	return err
}
