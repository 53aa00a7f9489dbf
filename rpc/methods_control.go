package rpc

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// The methods about the program itself.
func controlMethods() []method {
	return []method{
		{
			name:    "help",
			summary: "Lists all commands, or gives help for one.",
			params:  []param{{name: "command", kinds: kindString, help: "The command to get help on"}},
			result:  "\"text\"",
			run:     help,
		},
		{
			name:    "stop",
			summary: "Ends the daemon. The answer is sent before.",
			params:  []param{{name: "wait", kinds: kindNumber, help: "Not used; for clients of Bitcoin Core"}},
			result:  "\"text\"",
			run:     stop,
		},
		{
			name:    "uptime",
			summary: "Returns for how long the node has been there.",
			result:  "n (seconds)",
			run: func(c *call) (any, error) {
				return int64(time.Since(c.cfg.Node.Info().Started).Seconds()), nil
			},
		},
		{
			name:    "getrpcinfo",
			summary: "Returns details of the RPC server.",
			result:  "{\"active_commands\": [{\"method\": \"name\", \"duration\": microseconds}, ...], \"logpath\": \"path\"}",
			run:     getRPCInfo,
		},
		{
			name:    "session",
			summary: "Returns the number of this websocket (btcd's). There is none for a POST.",
			result:  "{\"sessionid\": n}",
			run:     session,
		},
		{
			name:    "debuglevel",
			summary: "Changes how much is logged (btcd's), or says how much is.",
			params:  []param{{name: "levelspec", kinds: kindString, help: "\"show\" lists the subsystems and their levels; a level (trace, debug, info, warn, error, critical, off) is for all of them; SUBSYSTEM=level,... for some"}},
			result:  "\"Done.\", or the list; without an argument {\"SUBSYSTEM\": \"level\", ...}",
			run:     debugLevel,
		},
		{
			name:    "logging",
			summary: "Gets and sets which subsystems log at the level debug (Bitcoin Core's). First those of include are switched on, then those of exclude off, to the level info.",
			params: []param{
				{name: "include", kinds: kindArray, help: "Subsystems, or \"all\""},
				{name: "exclude", kinds: kindArray, help: "Subsystems, or \"all\""},
			},
			result: "{\"SUBSYSTEM\": true|false, ...}",
			run:    logging,
		},
	}
}

func help(c *call) (any, error) {
	if !c.has(0) {
		return listing(c.methods), nil
	}
	m := c.methods[c.text(0)]
	if m == nil {
		return "help: unknown command: " + c.text(0), nil // no error: Core's
	}
	return m.help(), nil
}

func stop(c *call) (any, error) {
	if c.cfg.Stop == nil {
		return nil, fail(CodeMisc, "this program cannot be stopped from here")
	}
	c.after = c.cfg.Stop
	return "Holdfast stopping", nil
}

func getRPCInfo(c *call) (any, error) {
	type command struct {
		Method   string `json:"method"`
		Duration int64  `json:"duration"`
	}
	commands := []command{}
	for _, x := range c.active.now() {
		commands = append(commands, command{x.method, time.Since(x.since).Microseconds()})
	}
	return struct {
		Active  []command `json:"active_commands"`
		LogPath string    `json:"logpath"`
	}{commands, c.cfg.LogPath}, nil
}

func session(c *call) (any, error) {
	id, ok := c.ctx.Value(sessionKey{}).(uint64)
	if !ok {
		return nil, fail(CodeNoMethod, "Method not found: only a websocket has a session")
	}
	return map[string]uint64{"sessionid": id}, nil
}

var errNoLevels = &Error{CodeMisc, "the log of this program cannot be changed from here"}

func debugLevel(c *call) (any, error) {
	switch {
	case c.cfg.Levels == nil || c.cfg.SetLevels == nil:
		return nil, errNoLevels
	case !c.has(0):
		return c.cfg.Levels(), nil
	case c.text(0) == "show":
		levels := c.cfg.Levels()
		names := slices.Sorted(maps.Keys(levels))
		var spec []string
		for _, name := range names {
			spec = append(spec, name+"="+levels[name])
		}
		// The first line is btcd's, the second can be given back.
		return fmt.Sprintf("Supported subsystems %v\nLevels %s", names, strings.Join(spec, ",")), nil
	}
	if err := c.cfg.SetLevels(c.text(0)); err != nil {
		return nil, &Error{CodeInvalidParams, err.Error()} // btcd's code
	}
	return "Done.", nil
}

func logging(c *call) (any, error) {
	if c.cfg.Levels == nil || c.cfg.SetLevels == nil {
		return nil, errNoLevels
	}
	levels := c.cfg.Levels()
	change := make(map[string]string)
	for i, level := range []string{"debug", "info"} {
		if !c.has(i) {
			continue
		}
		var names []string
		if json.Unmarshal(c.args[i], &names) != nil {
			return nil, fail(CodeType, "%s must be a list of strings", c.method.params[i].name)
		}
		for _, name := range names {
			switch upper := strings.ToUpper(name); {
			case levels[upper] != "":
				change[upper] = level
			case upper == "ALL" || name == "1" || name == "": // Core's
				for x := range levels {
					change[x] = level
				}
			default:
				return nil, fail(CodeParameter, "unknown logging category %s", name) // Core's words
			}
		}
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(change)) {
		// What is at trace stays there: it has what debug has.
		if verbose(levels[name]) != (change[name] == "debug") {
			parts = append(parts, name+"="+change[name])
		}
	}
	if parts != nil {
		if err := c.cfg.SetLevels(strings.Join(parts, ",")); err != nil {
			return nil, &Error{CodeParameter, err.Error()}
		}
	}
	on := make(map[string]bool)
	for name, level := range c.cfg.Levels() {
		on[name] = verbose(level)
	}
	return on, nil
}

// verbose reports whether a level shows what is for debugging.
func verbose(level string) bool { return level == "debug" || level == "trace" }
