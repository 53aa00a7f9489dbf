package btclog

import (
	"io"
	"sync/atomic"
	"time"
)

// Backend writes the lines of any number of subsystems to one writer, in one
// format. Each line is put together and written, with one Write, before the call
// that logs it returns.
type Backend struct {
	out     *Output
	flags   uint32
	json    bool
	raw     bool
	noTime  bool
	color   bool
	skip    int
	now     func() time.Time
	ownTime bool // now is not time.Now

	styledLevel    func(Level) string
	styledCallSite func(file string, line int) string
	styledKey      func(string) string

	onError   func(err error, failed uint64)
	failed    atomic.Uint64
	reporting atomic.Bool

	clock clock
}

// BackendOption changes how a Backend works. It is for NewBackend only.
type BackendOption func(b *Backend)

// NewBackend returns a backend that writes to w. Where w is an [Output], its mutex
// is shared with all others that write to it; otherwise w gets one of its own.
// Callers' places are added as the environment variable LOGFLAGS asked for when the
// program began (the words longfile and shortfile, separated by commas), unless
// WithFlags says otherwise.
func NewBackend(w io.Writer, opts ...BackendOption) *Backend {
	b := &Backend{out: NewOutput(w), flags: defaultFlags, now: time.Now}
	for _, o := range opts {
		o(b)
	}
	if b.color && b.styledLevel == nil && colorWanted(b.out) {
		b.styledLevel = coloredLevel
	}
	return b
}

// WithFlags replaces the flags that LOGFLAGS gave: Llongfile, Lshortfile or 0.
func WithFlags(flags uint32) BackendOption {
	return func(b *Backend) { b.flags = flags }
}

// WithJSON writes a JSON object a line instead of text: the time (RFC 3339,
// milliseconds), level (in full, lower case), subsystem, source, msg, and the
// attributes; those of groups under keys joined by dots, as in the text.
func WithJSON() BackendOption {
	return func(b *Backend) { b.json = true }
}

// WithColor colours the level if the writer is a terminal, or has a method
// Unwrap() io.Writer that leads to one, the environment variable NO_COLOR is empty and
// TERM is not dumb.
func WithColor() BackendOption {
	return func(b *Backend) { b.color = true }
}

// WithRawText leaves control characters and invalid UTF-8 in messages as they are,
// for dumps of many lines. Whoever can have a message logged can then forge lines
// and speak to the terminal. Values of attributes and JSON are not concerned.
func WithRawText() BackendOption {
	return func(b *Backend) { b.raw = true }
}

// WithErrorHandler has fn called when a line could not be written, with the error
// and the number of lines that have failed so far, this one included. It is called
// by the goroutine that logged, under no lock: the mutex of the [Output] has been
// released. Lines that fail while it runs are counted only, so it may log, to the same
// Output too. What the writer itself calls while it writes may not: see [Output].
func WithErrorHandler(fn func(err error, failed uint64)) BackendOption {
	return func(b *Backend) { b.onError = fn }
}

// WithTimeSource has fn asked for the time of each line, also of those that come
// through log/slog with a time of their own. The time is written in the zone that
// it has; that of the default, time.Now, is local. A nil fn changes nothing.
func WithTimeSource(fn func() time.Time) BackendOption {
	return func(b *Backend) {
		if fn != nil {
			b.now, b.ownTime = fn, true
		}
	}
}

// WithNoTimestamp leaves the time out.
func WithNoTimestamp() BackendOption {
	return func(b *Backend) { b.noTime = true }
}

// WithCallSiteSkip takes as a line's place the caller that is n further up, for
// programs that wrap the logger in functions of their own. Records that come through
// log/slog know their place.
func WithCallSiteSkip(n int) BackendOption {
	return func(b *Backend) { b.skip = n }
}

// WithStyledLevel has fn write the level, brackets and all, in text. It is asked
// once for each level and subsystem. WithColor has no effect then.
func WithStyledLevel(fn func(Level) string) BackendOption {
	return func(b *Backend) { b.styledLevel = fn }
}

// WithStyledCallSite has fn write the place of the call, in text.
func WithStyledCallSite(fn func(file string, line int) string) BackendOption {
	return func(b *Backend) { b.styledCallSite = fn }
}

// WithStyledKeys has fn write the keys of attributes, in text. It is given the key
// with the equals sign.
func WithStyledKeys(fn func(key string) string) BackendOption {
	return func(b *Backend) { b.styledKey = fn }
}

// Errors returns the number of lines that could not be written, or not whole.
func (b *Backend) Errors() uint64 {
	return b.failed.Load()
}

// write writes a line.
func (b *Backend) write(p []byte) error {
	n, err := b.out.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	if err != nil {
		b.fail(err)
	}
	return err
}

func (b *Backend) fail(err error) {
	failed := b.failed.Add(1)
	if b.onError == nil || !b.reporting.CompareAndSwap(false, true) {
		return
	}
	defer b.reporting.Store(false)
	b.onError(err, failed)
}
