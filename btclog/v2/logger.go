package btclog

import (
	"context"

	"holdfast/btclog"
)

// Logger writes messages of one subsystem at six levels, plain or with attributes.
// It is a Logger of btclog v1 as well; other than there, Info and the like put blanks
// between operands only where neither is a string, as fmt.Sprint does.
//
// Attributes are given as to log/slog: keys with values, or slog.Attrs. A line has
// those of the handler, of the context (see [WithCtx]), the error as err, and those of
// the call, in this order. All methods may be called at the same time.
type Logger interface {
	// Tracef writes a formatted message at LevelTrace.
	Tracef(format string, params ...any)

	// Debugf writes a formatted message at LevelDebug.
	Debugf(format string, params ...any)

	// Infof writes a formatted message at LevelInfo.
	Infof(format string, params ...any)

	// Warnf writes a formatted message at LevelWarn.
	Warnf(format string, params ...any)

	// Errorf writes a formatted message at LevelError.
	Errorf(format string, params ...any)

	// Criticalf writes a formatted message at LevelCritical.
	Criticalf(format string, params ...any)

	// Trace writes its operands at LevelTrace.
	Trace(v ...any)

	// Debug writes its operands at LevelDebug.
	Debug(v ...any)

	// Info writes its operands at LevelInfo.
	Info(v ...any)

	// Warn writes its operands at LevelWarn.
	Warn(v ...any)

	// Error writes its operands at LevelError.
	Error(v ...any)

	// Critical writes its operands at LevelCritical.
	Critical(v ...any)

	// TraceS writes a message with attributes at LevelTrace.
	TraceS(ctx context.Context, msg string, attrs ...any)

	// DebugS writes a message with attributes at LevelDebug.
	DebugS(ctx context.Context, msg string, attrs ...any)

	// InfoS writes a message with attributes at LevelInfo.
	InfoS(ctx context.Context, msg string, attrs ...any)

	// WarnS writes a message with attributes, and err unless it is nil, at
	// LevelWarn.
	WarnS(ctx context.Context, msg string, err error, attrs ...any)

	// ErrorS is WarnS at LevelError.
	ErrorS(ctx context.Context, msg string, err error, attrs ...any)

	// CriticalS is WarnS at LevelCritical.
	CriticalS(ctx context.Context, msg string, err error, attrs ...any)

	// Level returns the current level.
	Level() btclog.Level

	// SetLevel changes the level, for messages from now on.
	SetLevel(level btclog.Level)

	// SubSystem returns a logger with another tag and a level of its own, which is
	// this one's at first.
	SubSystem(tag string) Logger

	// WithPrefix returns a logger that writes prefix before each message, instead of
	// the prefix that this one has. It shares the level with this one.
	WithPrefix(prefix string) Logger
}

// Disabled is a Logger that never writes anything. Its level is LevelOff and stays
// so: everybody shares it.
var Disabled Logger = disabled{btclog.Disabled}

type disabled struct{ btclog.Logger }

func (disabled) TraceS(context.Context, string, ...any)           {}
func (disabled) DebugS(context.Context, string, ...any)           {}
func (disabled) InfoS(context.Context, string, ...any)            {}
func (disabled) WarnS(context.Context, string, error, ...any)     {}
func (disabled) ErrorS(context.Context, string, error, ...any)    {}
func (disabled) CriticalS(context.Context, string, error, ...any) {}

func (d disabled) SubSystem(string) Logger  { return d }
func (d disabled) WithPrefix(string) Logger { return d }
