// Package printer has the twelve methods that write messages, once for all loggers of
// btclog and btclog/v2, over what each of them writes to.
package printer

import (
	"context"

	"github.com/btcsuite/btclog"
)

// Sink is what a logger writes to.
type Sink interface {
	// Level returns the logger's level.
	Level() btclog.Level

	// SetLevel changes it.
	SetLevel(level btclog.Level)

	// On tells whether a message at level is to be written.
	On(ctx context.Context, level btclog.Level) bool

	// Printf writes a message that is on. The program called the function that called
	// Printf.
	Printf(level btclog.Level, format string, params []any)

	// Print writes its operands as a message, as Printf does.
	Print(level btclog.Level, v []any)
}

// Printer is a Logger of btclog over a Sink. That the Sink is behind an interface costs a
// few nanoseconds a line, and one where the level is off.
type Printer struct {
	Sink Sink
}

// background: the methods have no context to hand on.
var background = context.Background()

// Level returns the level.
func (p *Printer) Level() btclog.Level { return p.Sink.Level() }

// SetLevel changes the level.
func (p *Printer) SetLevel(level btclog.Level) { p.Sink.SetLevel(level) }

// Tracef writes a formatted message at LevelTrace.
func (p *Printer) Tracef(format string, params ...any) {
	if p.Sink.On(background, btclog.LevelTrace) {
		p.Sink.Printf(btclog.LevelTrace, format, params)
	}
}

// Trace writes its operands at LevelTrace.
func (p *Printer) Trace(v ...any) {
	if p.Sink.On(background, btclog.LevelTrace) {
		p.Sink.Print(btclog.LevelTrace, v)
	}
}

// Debugf writes a formatted message at LevelDebug.
func (p *Printer) Debugf(format string, params ...any) {
	if p.Sink.On(background, btclog.LevelDebug) {
		p.Sink.Printf(btclog.LevelDebug, format, params)
	}
}

// Debug writes its operands at LevelDebug.
func (p *Printer) Debug(v ...any) {
	if p.Sink.On(background, btclog.LevelDebug) {
		p.Sink.Print(btclog.LevelDebug, v)
	}
}

// Infof writes a formatted message at LevelInfo.
func (p *Printer) Infof(format string, params ...any) {
	if p.Sink.On(background, btclog.LevelInfo) {
		p.Sink.Printf(btclog.LevelInfo, format, params)
	}
}

// Info writes its operands at LevelInfo.
func (p *Printer) Info(v ...any) {
	if p.Sink.On(background, btclog.LevelInfo) {
		p.Sink.Print(btclog.LevelInfo, v)
	}
}

// Warnf writes a formatted message at LevelWarn.
func (p *Printer) Warnf(format string, params ...any) {
	if p.Sink.On(background, btclog.LevelWarn) {
		p.Sink.Printf(btclog.LevelWarn, format, params)
	}
}

// Warn writes its operands at LevelWarn.
func (p *Printer) Warn(v ...any) {
	if p.Sink.On(background, btclog.LevelWarn) {
		p.Sink.Print(btclog.LevelWarn, v)
	}
}

// Errorf writes a formatted message at LevelError.
func (p *Printer) Errorf(format string, params ...any) {
	if p.Sink.On(background, btclog.LevelError) {
		p.Sink.Printf(btclog.LevelError, format, params)
	}
}

// Error writes its operands at LevelError.
func (p *Printer) Error(v ...any) {
	if p.Sink.On(background, btclog.LevelError) {
		p.Sink.Print(btclog.LevelError, v)
	}
}

// Criticalf writes a formatted message at LevelCritical.
func (p *Printer) Criticalf(format string, params ...any) {
	if p.Sink.On(background, btclog.LevelCritical) {
		p.Sink.Printf(btclog.LevelCritical, format, params)
	}
}

// Critical writes its operands at LevelCritical.
func (p *Printer) Critical(v ...any) {
	if p.Sink.On(background, btclog.LevelCritical) {
		p.Sink.Print(btclog.LevelCritical, v)
	}
}
