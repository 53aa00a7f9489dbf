package btclog

import (
	"holdfast/btclog"
)

// The levels, from the least important to the most, and the level at which nothing is
// written. Their type is btclog.Level.
const (
	LevelTrace    = btclog.LevelTrace
	LevelDebug    = btclog.LevelDebug
	LevelInfo     = btclog.LevelInfo
	LevelWarn     = btclog.LevelWarn
	LevelError    = btclog.LevelError
	LevelCritical = btclog.LevelCritical
	LevelOff      = btclog.LevelOff
)

// Flags for WithCallerFlags.
const (
	// Llongfile adds the full path and line of the call.
	Llongfile = btclog.Llongfile

	// Lshortfile adds the name and line of the file. It wins over Llongfile.
	Lshortfile = btclog.Lshortfile
)

// LevelFromString reads a level from its name or its short form; for any other text it
// returns LevelInfo and false.
func LevelFromString(s string) (l btclog.Level, ok bool) {
	return btclog.LevelFromString(s)
}
