// Package btclog writes the log lines of a program with many subsystems, each with a
// level of its own:
//
//	2006-01-02 15:04:05.000 [INF] CMGR: message
//
// Its names, signatures and lines are those of btcsuite's btclog v1, so a program
// switches by changing the import path, and a [Logger] of one package is a Logger of
// the other. Package holdfast/btclog/v2 has those of btclog v2.
//
// # Promises
//
// A message is formatted, and its line written with one Write, before the call that
// logs it returns. There is no goroutine, no buffer, no sampling and no limit on the
// rate: what was logged before a crash is with the operating system. Values may be
// changed as soon as the call has returned.
//
// A line is one line. Control characters and invalid UTF-8 in messages are escaped;
// remote peers choose much of what a node logs. The exception is a format that itself
// ends in line feeds.
//
// A line that could not be written is counted ([Backend.Errors]) and reported
// ([WithErrorHandler]). A process cannot do more about it. The report may log; a callback
// of the writer, such as rotator's OnError, may not log to the writer (see [Output]).
//
// # Cost
//
// The arguments of a call are boxed before the logger sees them, also when the level
// is off. Where that matters, ask first:
//
//	if log.Level() <= btclog.LevelDebug {
//		log.Debugf("%v sent %v", peer, msg)
//	}
//
// # With log/slog
//
// [Backend.Handler] and [NewHandler] return a [slog.Handler]; [FromHandler] returns a
// Logger that writes to any slog.Handler.
package btclog

// How the package is laid out, one mechanism a file:
//
//	logger.go    the Logger interface, Disabled
//	level.go     Level, and its numbers in log/slog
//	backend.go   Backend, its options, what becomes of errors
//	output.go    a writer and its mutex
//	handler.go   Handler, for log/slog and package v2
//	print.go     a Logger over a Handler
//	bridge.go    a Logger over any slog.Handler
//	internal/printer   the methods of all Loggers, v2's too
//	line.go      how a line is put together
//	format.go    fmt's work, for what is plain
//	clock.go     times; callsite.go places of calls
//	attr.go      attributes; quote.go quotes around them
//	escape.go    what may not stand in a line; json.go the same for JSON
//	buffer.go    memory for a line
//	color.go     colour; terminal_*.go what a terminal is
//
// There is one lock, Output.mu, held across one Write.
