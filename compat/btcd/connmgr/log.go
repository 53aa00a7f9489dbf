package connmgr

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"sync/atomic"
	"unicode"

	"github.com/btcsuite/btclog"
)

// current is the logger given to UseLogger; nil is silence. It is looked up anew
// for each record, so it may be changed at any time.
var current atomic.Pointer[btclog.Logger]

// log is for this package's own lines.
var log = slog.New(logHandler{})

// DisableLog ends all logging, which is also how it begins.
func DisableLog() { current.Store(nil) }

// UseLogger makes logger the log of this package and of every manager that was
// or will be made by New without a Config.Logger. Nil is the same as DisableLog.
// It is safe for concurrent use.
func UseLogger(logger btclog.Logger) {
	if logger == nil {
		DisableLog()
		return
	}
	current.Store(&logger)
}

// logHandler is a slog.Handler that writes to the current logger, which adds the
// time, the level and the name of the subsystem itself. Attributes follow the
// message as key=value.
type logHandler struct {
	attrs  string // those of WithAttrs, as they are printed
	prefix string // the names of the open groups, each with a dot
}

func (logHandler) Enabled(_ context.Context, level slog.Level) bool {
	l := current.Load()
	return l != nil && (*l).Level() <= btclogLevel(level)
}

func (h logHandler) Handle(_ context.Context, r slog.Record) error {
	l := current.Load()
	if l == nil {
		return nil
	}
	var b strings.Builder
	b.WriteString(oneLine(r.Message))
	b.WriteString(h.attrs)
	r.Attrs(func(a slog.Attr) bool {
		appendAttr(&b, h.prefix, a)
		return true
	})
	line := b.String()
	switch btclogLevel(r.Level) {
	case btclog.LevelTrace:
		(*l).Trace(line)
	case btclog.LevelDebug:
		(*l).Debug(line)
	case btclog.LevelInfo:
		(*l).Info(line)
	case btclog.LevelWarn:
		(*l).Warn(line)
	default:
		(*l).Error(line)
	}
	return nil
}

func (h logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	var b strings.Builder
	b.WriteString(h.attrs)
	for _, a := range attrs {
		appendAttr(&b, h.prefix, a)
	}
	h.attrs = b.String()
	return h
}

func (h logHandler) WithGroup(name string) slog.Handler {
	if name != "" {
		h.prefix += name + "."
	}
	return h
}

// btclogLevel returns the level of btclog that a level of slog falls into. What
// is below slog's debug is a trace.
func btclogLevel(l slog.Level) btclog.Level {
	switch {
	case l < slog.LevelDebug:
		return btclog.LevelTrace
	case l < slog.LevelInfo:
		return btclog.LevelDebug
	case l < slog.LevelWarn:
		return btclog.LevelInfo
	case l < slog.LevelError:
		return btclog.LevelWarn
	}
	return btclog.LevelError
}

// appendAttr adds " key=value" for an attribute, or for each one of a group.
func appendAttr(b *strings.Builder, prefix string, a slog.Attr) {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, member := range v.Group() {
			appendAttr(b, prefix, member)
		}
		return
	}
	if a.Equal(slog.Attr{}) {
		return
	}
	b.WriteByte(' ')
	b.WriteString(quoteIfNeeded(prefix + a.Key))
	b.WriteByte('=')
	b.WriteString(quoteIfNeeded(v.String()))
}

// A remote peer has a say in some texts, as in those of errors. It must not be
// able to forge a line of the log, or a value in one.

// oneLine escapes a message that would be more than one line.
func oneLine(s string) string {
	if strings.ContainsFunc(s, unicode.IsControl) {
		s = strconv.Quote(s)
		s = s[1 : len(s)-1]
	}
	return s
}

// quoteIfNeeded quotes a key or a value that cannot be told from what stands
// around it.
func quoteIfNeeded(s string) string {
	odd := func(r rune) bool {
		return r == ' ' || r == '=' || r == '"' || r == unicode.ReplacementChar || !unicode.IsPrint(r)
	}
	if s == "" || strings.ContainsFunc(s, odd) {
		return strconv.Quote(s)
	}
	return s
}
