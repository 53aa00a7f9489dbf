package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast/btclog"
	"holdfast/connmgr"
	"holdfast/node"
)

func tcp(text string) net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(text)) }

func TestParseLevels(t *testing.T) {
	for _, tt := range []struct {
		spec       string
		peer, cmgr btclog.Level
		err        string
	}{
		{"info", btclog.LevelInfo, btclog.LevelInfo, ""},
		{"TRACE", btclog.LevelTrace, btclog.LevelTrace, ""},
		{"off", btclog.LevelOff, btclog.LevelOff, ""},
		{"PEER=debug", btclog.LevelDebug, btclog.LevelInfo, ""},
		{"warn, peer=debug ,CMGR=trace", btclog.LevelDebug, btclog.LevelTrace, ""},
		{"PEER=debug,warn", btclog.LevelDebug, btclog.LevelWarn, ""},
		{"", 0, 0, `there is no level ""; there are trace, debug, info, warn, error, critical, off`},
		{"PEER=", 0, 0, `there is no level ""`},
		{"=info", 0, 0, `there is no subsystem ""`},
		{"info,", 0, 0, `there is no level ""`},
		{"XXXX=info", 0, 0, `there is no subsystem "XXXX"; there are NODE, CMGR, PEER, ADDR, SEED, BANS, TORC, RPCS, DASH, LOGS`},
	} {
		l, err := parseLevels(tt.spec)
		if tt.err != "" {
			if err == nil || !strings.HasPrefix(err.Error(), tt.err) {
				t.Errorf("%q: %v", tt.spec, err)
			}
			continue
		}
		if err != nil || l["PEER"] != tt.peer || l["CMGR"] != tt.cmgr || len(l) != len(subsystems()) {
			t.Errorf("%q: %v, %v", tt.spec, l, err)
		}
	}
}

// subsystems have four letters, as those of btcd, so that lines stand in columns.
func TestSubsystemsHaveFourLetters(t *testing.T) {
	for _, s := range subsystems() {
		if len(s) != 4 || strings.ToUpper(s) != s {
			t.Errorf("%q", s)
		}
	}
}

// at is when everything here happens.
var at = time.Date(2026, 11, 22, 3, 4, 5, 6e6, time.Local)

func event(typ connmgr.EventType, addr string) node.Event {
	return node.Event{Event: connmgr.Event{Time: at, Seq: 1, Type: typ, Addr: tcp(addr)}}
}

// fileLog returns a log with a file below a directory of its own.
func fileLog(t *testing.T, out io.Writer, change func(*logFlags)) *logs {
	t.Helper()
	l := newFileLog(t, out, change)
	l.begin()
	return l
}

// newFileLog is fileLog before it begins.
func newFileLog(t *testing.T, out io.Writer, change func(*logFlags)) *logs {
	t.Helper()
	f := &logFlags{levels: "info", format: "text", maxSize: 1, maxRolls: 3, compress: "gzip", dir: t.TempDir()}
	if change != nil {
		change(f)
	}
	if err := f.check(); err != nil {
		t.Fatal(err)
	}
	l, err := newLogs(out, f)
	if err == nil {
		err = l.addFile(f, "", "regtest")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.close() }) // tests that mind close it themselves
	return l
}

// buffer is a standard output that can fail.
type buffer struct {
	mu  sync.Mutex
	b   bytes.Buffer
	err error
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return 0, b.err
	}
	return b.b.Write(p)
}

func (b *buffer) set(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = err
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestBothAtOnce: a line is on standard output and in the file when the call that
// logs it returns, with the time of the event.
func TestBothAtOnce(t *testing.T) {
	var out buffer
	l := fileLog(t, &out, nil)
	l.event(event(connmgr.EventListening, "127.0.0.1:8333"))
	l.event(event(connmgr.EventDialing, "127.0.0.1:1"))
	want := "2026-11-22 03:04:05.006 [INF] CMGR: Listening on 127.0.0.1:8333\n"
	if got := read(t, l.path); got != want || out.String() != want {
		t.Errorf("file %q, standard output %q, want %q", got, out.String(), want)
	}
	l.infof("%d lines", 1)
	if !strings.HasSuffix(read(t, l.path), " [INF] NODE: 1 lines\n") || read(t, l.path) != out.String() {
		t.Errorf("file %q, standard output %q", read(t, l.path), out.String())
	}
}

// TestLevelsAtRunTime: they change while others log, in both places.
func TestLevelsAtRunTime(t *testing.T) {
	var out buffer
	l := fileLog(t, &out, nil)
	dialing := event(connmgr.EventDialing, "127.0.0.1:1")
	l.event(dialing)
	if err := l.setLevels("CMGR=debug"); err != nil {
		t.Fatal(err)
	}
	l.event(dialing)
	if err := l.setLevels("nonsense"); err == nil {
		t.Error("nonsense is a level")
	}
	l.event(dialing)
	if err := l.setLevels("off"); err != nil {
		t.Fatal(err)
	}
	l.event(dialing)
	if n := strings.Count(out.String(), "Dialing"); n != 2 || read(t, l.path) != out.String() {
		t.Errorf("%d lines: %q, file %q", n, out.String(), read(t, l.path))
	}
}

// TestJSON: a machine gets the line and its parts.
func TestJSON(t *testing.T) {
	var out buffer
	l := fileLog(t, &out, func(f *logFlags) { f.format = "json" })
	l.event(event(connmgr.EventListening, "127.0.0.1:8333"))
	var got map[string]any
	if err := json.Unmarshal([]byte(read(t, l.path)), &got); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"level": "info", "subsystem": "CMGR", "msg": "Listening on 127.0.0.1:8333", "event": "listening", "addr": "127.0.0.1:8333"} {
		if got[key] != want {
			t.Errorf("%s is %v, want %s", key, got[key], want)
		}
	}
}

// TestLOGFLAGS is for places in code, of which the log of a program has none.
func TestLOGFLAGS(t *testing.T) {
	var out buffer
	l := fileLog(t, &out, nil)
	if l.infof("x"); strings.Contains(out.String(), "???") {
		t.Error(out.String())
	}
}

// TestReopen: an external tool renames the file, and has it let go.
func TestReopen(t *testing.T) {
	var out buffer
	l := fileLog(t, &out, nil)
	l.infof("before")
	if err := os.Rename(l.path, l.path+".old"); err != nil {
		t.Skip("this system does not rename open files:", err)
	}
	l.reopen()
	l.infof("after")
	if old, now := read(t, l.path+".old"), read(t, l.path); !strings.HasSuffix(old, "before\n") || !strings.Contains(now, "LOGS: Opened the log file again") || !strings.HasSuffix(now, "after\n") {
		t.Errorf("old %q, new %q", old, now)
	}
}

// TestRolls: the flags bound what is kept, in each way of compression.
func TestRolls(t *testing.T) {
	for _, compress := range []string{"gzip", "zstd", "off"} {
		t.Run(compress, func(t *testing.T) {
			var out buffer
			l := fileLog(t, &out, func(f *logFlags) { f.compress, f.maxRolls = compress, 2 })
			line := strings.Repeat("x", 100_000)
			for range 45 { // 4 files and a half
				l.infof("%s", line)
			}
			if err := l.close(); err != nil {
				t.Fatal(err)
			}
			names, _ := filepath.Glob(l.path + "*")
			for i, n := range names {
				names[i] = strings.TrimPrefix(filepath.Base(n), logFileName)
			}
			suffix := map[string]string{"gzip": ".gz", "zstd": ".zst", "off": ""}[compress]
			if want := []string{"", ".3" + suffix, ".4" + suffix}; !slices.Equal(names, want) {
				t.Errorf("%q, want %q", names, want)
			}
		})
	}
}

// TestLogFlags: what cannot be is refused, by name.
func TestLogFlags(t *testing.T) {
	good := logFlags{levels: "info", format: "text", maxSize: 1, compress: "gzip"}
	for want, change := range map[string]func(*logFlags){
		`--logformat "xml": it must be text or json`:                        func(f *logFlags) { f.format = "xml" },
		`--maxlogsize 0: from 1 to 1000000 megabytes are possible`:          func(f *logFlags) { f.maxSize = 0 },
		`--maxlogsize 9223372036854775807: from 1 to 1000000 megabytes are`: func(f *logFlags) { f.maxSize = 1<<63 - 1 },
		`--maxlogrolls -1: it cannot be negative`:                           func(f *logFlags) { f.maxRolls = -1 },
		`--logcompress "lz4": it must be gzip, zstd or off`:                 func(f *logFlags) { f.compress = "lz4" },
	} {
		f := good
		change(&f)
		var usage usageError
		if err := f.check(); !errors.As(err, &usage) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if opts, err := (&logFlags{maxSize: 10, compress: "off"}).options(); err != nil || opts.MaxSize != 10_240_000 || opts.MaxRolls != -1 || !opts.Plain {
		t.Errorf("%+v, %v", opts, err)
	}
}

// TestEveryLevelIsWritten: an event of any level is written with it.
func TestEveryLevelIsWritten(t *testing.T) {
	var out buffer
	l := fileLog(t, &out, func(f *logFlags) { f.levels = "trace" })
	for _, level := range []slog.Level{node.LevelTrace, slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
		l.logf("NODE", level, "x")
	}
	var got []string
	for line := range strings.Lines(out.String()) {
		got = append(got, strings.Fields(line)[2])
	}
	if want := []string{"[TRC]", "[DBG]", "[INF]", "[WRN]", "[ERR]"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}
