package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"holdfast/node"
)

// The levels that slog does not name.
const (
	levelCritical = slog.Level(12)
	levelOff      = slog.Level(100)
)

var levelNames = []struct {
	name, tag string
	level     slog.Level
}{
	{"trace", "TRC", node.LevelTrace},
	{"debug", "DBG", slog.LevelDebug},
	{"info", "INF", slog.LevelInfo},
	{"warn", "WRN", slog.LevelWarn},
	{"error", "ERR", slog.LevelError},
	{"critical", "CRT", levelCritical},
	{"off", "OFF", levelOff},
}

// levels says how much each subsystem logs.
type levels struct {
	all   slog.Level
	least slog.Level // of all and each
	each  map[string]slog.Level
}

// parseLevels reads "info", "PEER=debug,CMGR=trace", or both: "warn,PEER=debug".
func parseLevels(spec string) (levels, error) {
	l := levels{all: slog.LevelInfo, each: make(map[string]slog.Level)}
	for part := range strings.SplitSeq(spec, ",") {
		name, text, isPair := strings.Cut(strings.TrimSpace(part), "=")
		if !isPair {
			name, text = "", name
		}
		level, err := parseLevel(text)
		if err != nil {
			return l, err
		}
		name = strings.ToUpper(name)
		switch {
		case !isPair:
			l.all = level
		case !slices.Contains(node.Subsystems(), name):
			return l, fmt.Errorf("there is no subsystem %q; there are %s", name, strings.Join(node.Subsystems(), ", "))
		default:
			l.each[name] = level
		}
	}
	l.least = l.all
	for _, level := range l.each {
		l.least = min(l.least, level)
	}
	return l, nil
}

func parseLevel(text string) (slog.Level, error) {
	var names []string
	for _, n := range levelNames {
		if strings.EqualFold(text, n.name) {
			return n.level, nil
		}
		names = append(names, n.name)
	}
	return 0, fmt.Errorf("there is no level %q; there are %s", text, strings.Join(names, ", "))
}

// of returns the level of a subsystem.
func (l levels) of(subsystem string) slog.Level {
	if level, ok := l.each[subsystem]; ok {
		return level
	}
	return l.all
}

// lineHandler is a slog.Handler that writes lines as btcd does:
//
//	2026-11-22 18:30:00.000 [INF] PEER: Peer 127.0.0.1:18444 ready
//
// It knows the attribute node.SubsystemKey and prints the others behind.
type lineHandler struct {
	levels    levels
	subsystem string
	more      string // attributes of With

	mu  *sync.Mutex
	out io.Writer
}

func newLogger(out io.Writer, l levels) *slog.Logger {
	return slog.New(&lineHandler{levels: l, subsystem: node.SubsystemNode, mu: new(sync.Mutex), out: out})
}

func (h *lineHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.levels.least
}

func (h *lineHandler) Handle(_ context.Context, r slog.Record) error {
	subsystem, more := h.subsystem, h.more
	r.Attrs(func(a slog.Attr) bool {
		subsystem, more = attribute(a, subsystem, more)
		return true
	})
	if r.Level < h.levels.of(subsystem) {
		return nil
	}
	line := fmt.Sprintf("%s [%s] %s: %s%s\n", r.Time.Format("2006-01-02 15:04:05.000"), tag(r.Level), subsystem, r.Message, more)
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err := io.WriteString(h.out, line)
	return err
}

func attribute(a slog.Attr, subsystem, more string) (string, string) {
	if a.Key == node.SubsystemKey {
		return a.Value.String(), more
	}
	return subsystem, more + " " + a.String()
}

func (h *lineHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := *h
	for _, a := range attrs {
		with.subsystem, with.more = attribute(a, with.subsystem, with.more)
	}
	return &with
}

func (h *lineHandler) WithGroup(string) slog.Handler { return h }

// tag returns three letters for a level.
func tag(level slog.Level) string {
	t := levelNames[0].tag
	for _, n := range levelNames {
		if level >= n.level {
			t = n.tag
		}
	}
	return t
}
