// Package printer has the twelve methods that write messages, once for all loggers of
// btclog and btclog/v2, over what each of them writes to.
package printer

import "github.com/btcsuite/btclog"

// Sink is what a logger writes to.
type Sink interface {
	// Printf writes a formatted message if the level is on. The program called the
	// function that called Printf.
	Printf(level btclog.Level, format string, params []any)

	// Print writes its operands as a message if the level is on, as Printf does.
	Print(level btclog.Level, v []any)
}

// Printer is a Logger of btclog over a Sink, but for Level and SetLevel: programs ask for
// the level to save time, so it is not to be behind one more interface.
type Printer struct {
	Sink Sink
}

// Tracef writes a formatted message at LevelTrace.
func (p *Printer) Tracef(format string, params ...any) {
	p.Sink.Printf(btclog.LevelTrace, format, params)
}

// Trace writes its operands at LevelTrace.
func (p *Printer) Trace(v ...any) {
	p.Sink.Print(btclog.LevelTrace, v)
}

// Debugf writes a formatted message at LevelDebug.
func (p *Printer) Debugf(format string, params ...any) {
	p.Sink.Printf(btclog.LevelDebug, format, params)
}

// Debug writes its operands at LevelDebug.
func (p *Printer) Debug(v ...any) {
	p.Sink.Print(btclog.LevelDebug, v)
}

// Infof writes a formatted message at LevelInfo.
func (p *Printer) Infof(format string, params ...any) {
	p.Sink.Printf(btclog.LevelInfo, format, params)
}

// Info writes its operands at LevelInfo.
func (p *Printer) Info(v ...any) {
	p.Sink.Print(btclog.LevelInfo, v)
}

// Warnf writes a formatted message at LevelWarn.
func (p *Printer) Warnf(format string, params ...any) {
	p.Sink.Printf(btclog.LevelWarn, format, params)
}

// Warn writes its operands at LevelWarn.
func (p *Printer) Warn(v ...any) {
	p.Sink.Print(btclog.LevelWarn, v)
}

// Errorf writes a formatted message at LevelError.
func (p *Printer) Errorf(format string, params ...any) {
	p.Sink.Printf(btclog.LevelError, format, params)
}

// Error writes its operands at LevelError.
func (p *Printer) Error(v ...any) {
	p.Sink.Print(btclog.LevelError, v)
}

// Criticalf writes a formatted message at LevelCritical.
func (p *Printer) Criticalf(format string, params ...any) {
	p.Sink.Printf(btclog.LevelCritical, format, params)
}

// Critical writes its operands at LevelCritical.
func (p *Printer) Critical(v ...any) {
	p.Sink.Print(btclog.LevelCritical, v)
}
