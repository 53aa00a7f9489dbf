package main

import (
	"fmt"
	"slices"
	"strings"

	"holdfast/btclog"
	"holdfast/node"
)

// subsystemLogs is the subsystem of the log itself.
const subsystemLogs = "LOGS"

// subsystems are all that log, in the order of a listing.
func subsystems() []string {
	return append(node.Subsystems(), subsystemRPC, subsystemWeb, subsystemLogs)
}

// levelWords are what the levels are called on the command line, by their numbers.
var levelWords = []string{"trace", "debug", "info", "warn", "error", "critical", "off"}

// parseLevels reads "info", "PEER=debug,CMGR=trace", or both, as
// "warn,PEER=debug", and returns the level of each subsystem. What is not named
// has the level info.
func parseLevels(spec string) (map[string]btclog.Level, error) {
	levels, err := parseLevelChange(spec)
	if err != nil {
		return nil, err
	}
	for _, name := range subsystems() {
		if _, named := levels[name]; !named {
			levels[name] = btclog.LevelInfo
		}
	}
	return levels, nil
}

// parseLevelChange is parseLevels, but it returns only what is named. A level alone is
// for all that are not.
func parseLevelChange(spec string) (map[string]btclog.Level, error) {
	var all *btclog.Level
	levels := make(map[string]btclog.Level)
	for part := range strings.SplitSeq(spec, ",") {
		name, text, isPair := strings.Cut(strings.TrimSpace(part), "=")
		if !isPair {
			name, text = "", name
		}
		level, err := parseLevel(text)
		if err != nil {
			return nil, err
		}
		name = strings.ToUpper(name)
		switch {
		case !isPair:
			all = &level
		case !slices.Contains(subsystems(), name):
			return nil, fmt.Errorf("there is no subsystem %q; there are %s", name, strings.Join(subsystems(), ", "))
		default:
			levels[name] = level
		}
	}
	for _, name := range subsystems() {
		if _, named := levels[name]; !named && all != nil {
			levels[name] = *all
		}
	}
	return levels, nil
}

func parseLevel(text string) (btclog.Level, error) {
	level, ok := btclog.LevelFromString(text)
	if !ok {
		return 0, fmt.Errorf("there is no level %q; there are %s", text, strings.Join(levelWords, ", "))
	}
	return level, nil
}
