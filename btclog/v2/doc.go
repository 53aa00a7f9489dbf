// Package btclog is the structured logger with the names and signatures of btclog v2:
// a program switches to it by changing the import path. Its lines are those of
// holdfast/btclog, which does the work and has the rest of the options
// ([WithBackend]).
//
//	logger := btclog.NewSLogger(btclog.NewDefaultHandler(os.Stdout)).SubSystem("CMGR")
//	logger.InfoS(ctx, "connected", "peer", addr, btclog.Hex6("id", id[:]))
//
// What differs from btclog v2 on purpose: all subsystems of a handler share one
// mutex, contexts do not share memory, values with line feeds are quoted, groups of
// values are written as g.a=1, levels of other programs keep a name, everything is
// written at LevelTrace and nothing at LevelOff, and Disabled stays so.
package btclog

// A logger's methods are in slogger.go and internal/printer; sinks.go has what they write
// to: our own handler, or anybody's by records.
