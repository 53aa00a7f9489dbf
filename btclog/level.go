package btclog

import (
	"log/slog"
	"strings"

	"github.com/btcsuite/btclog"
)

// Level is how important a message is, and the least that a logger writes. It is
// btcsuite's own type, so that a [Logger] of one package is a Logger of the other.
type Level = btclog.Level

// The levels, from the least important to the most. A logger at LevelTrace writes
// everything, records of log/slog at whatever lower level too; at LevelOff it writes
// nothing.
const (
	LevelTrace    = btclog.LevelTrace
	LevelDebug    = btclog.LevelDebug
	LevelInfo     = btclog.LevelInfo
	LevelWarn     = btclog.LevelWarn
	LevelError    = btclog.LevelError
	LevelCritical = btclog.LevelCritical
	LevelOff      = btclog.LevelOff
)

// LevelFromString reads a level from its name (trace, debug, info, warn, error,
// critical, off) or from its short form in a line (trc, dbg, inf, wrn, err, crt),
// in upper or lower case. For any other text it returns LevelInfo and false.
func LevelFromString(s string) (l Level, ok bool) {
	s = strings.ToLower(s)
	for l, name := range levelNames {
		if s == name || s == strings.ToLower(Level(l).String()) {
			return Level(l), true
		}
	}
	return LevelInfo, false
}

var levelNames = [...]string{"trace", "debug", "info", "warn", "error", "critical", "off"}

// slogLevels are btclog v2's numbers for the levels.
var slogLevels = [...]slog.Level{-5, slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError, 9, 10}

// SlogLevel returns the level of log/slog that stands for l: the four that slog
// names, -5 for trace, 9 for critical and 10 for off.
func SlogLevel(l Level) slog.Level {
	return slogLevels[min(l, LevelOff)]
}

// LevelFromSlog returns the most important level that is not above l; LevelTrace
// for what is below all. It never returns LevelOff: no message is written at that.
func LevelFromSlog(l slog.Level) Level {
	for level := LevelCritical; level > LevelTrace; level-- {
		if l >= slogLevels[level] {
			return level
		}
	}
	return LevelTrace
}
