package btclog

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/btcsuite/btclog"
)

// Our Logger is theirs and theirs is ours: these lines need only compile.
var (
	_ btclog.Logger = NewBackend(nil).Logger("")
	_ Logger        = btclog.NewBackend(nil).Logger("")
	_ btclog.Logger = Disabled
	_ Logger        = btclog.Disabled
	_ btclog.Level  = LevelTrace
)

// useTheirs is what btcd's packages have; useOurs is what a package has that imports
// ours.
func useTheirs(btclog.Logger) {}
func useOurs(Logger)          {}

func TestLoggersAreInterchangeable(t *testing.T) {
	useTheirs(NewBackend(io.Discard).Logger("CMGR"))
	useTheirs(Disabled)
	useTheirs(FromHandler(slog.DiscardHandler, ""))
	useOurs(btclog.NewBackend(io.Discard).Logger("CMGR"))
	useOurs(btclog.Disabled)
}

type sample struct {
	A int
	b string
}

// lines logs in every way that a line can look odd. It is called with our logger and
// with the real one.
var lines = []struct {
	name string
	log  func(Logger)
}{
	{"plain", func(l Logger) { l.Info("hello") }},
	{"format", func(l Logger) { l.Infof("%d peers, %s", 8, "good") }},
	{"every level", func(l Logger) {
		l.SetLevel(LevelTrace)
		l.Trace("t")
		l.Debug("d")
		l.Info("i")
		l.Warn("w")
		l.Error("e")
		l.Critical("c")
		l.Tracef("%s", "t")
		l.Debugf("%s", "d")
		l.Infof("%s", "i")
		l.Warnf("%s", "w")
		l.Errorf("%s", "e")
		l.Criticalf("%s", "c")
	}},
	{"default level", func(l Logger) { l.Trace("no"); l.Debug("no"); l.Debugf("no"); l.Info("yes") }},
	{"level off", func(l Logger) { l.SetLevel(LevelOff); l.Critical("no"); l.Criticalf("no") }},
	{"level above off", func(l Logger) { l.SetLevel(LevelOff + 5); l.Critical("no") }},
	{"no operands", func(l Logger) { l.Info() }},
	{"no text", func(l Logger) { l.Infof("") }},
	{"nil operand", func(l Logger) { l.Info(nil) }},
	{"blanks between all operands", func(l Logger) { l.Info("a", "b", 1, 2, "c", true, nil, 1.5) }},
	{"blanks at the ends", func(l Logger) { l.Infof("  x  ") }},
	{"format ends in a line feed", func(l Logger) { l.Infof("x\n") }},
	{"format ends in two", func(l Logger) { l.Infof("%s\n\n", "x") }},
	{"format is a line feed", func(l Logger) { l.Infof("\n") }},
	{"percent", func(l Logger) { l.Infof("100%% of %v", 1) }},
	{"verb without operand", func(l Logger) { format(l, "%d") }},
	{"operand without verb", func(l Logger) { format(l, "x", 1, "y") }},
	{"wrong verb", func(l Logger) { format(l, "%d", "x") }},
	{"verb cut by the end", func(l Logger) { format(l, "x%") }},
	{"struct", func(l Logger) { l.Infof("%v %+v %#v", sample{1, "x"}, sample{2, "y"}, &sample{3, "z"}) }},
	{"error", func(l Logger) { l.Error(errors.New("boom"), fmt.Errorf("w: %w", os.ErrNotExist)) }},
	{"nil error", func(l Logger) { l.Errorf("%v", error(nil)) }},
	{"panicking Stringer", func(l Logger) { l.Infof("%v", (*time.Location)(nil)); l.Info(panics{}) }},
	{"bytes", func(l Logger) { l.Infof("%x %v %s", []byte{1, 2}, []byte{3}, []byte("x")) }},
	{"beyond ASCII", func(l Logger) { l.Info("größe 中文 \U0001F600 \uFFFD") }},
	{"backslash", func(l Logger) { l.Info(`a\nb \x1b C:\`) }},
	{"long", func(l Logger) { l.Info(strings.Repeat("0123456789", 2000)) }},
}

// format hides mistakes in a format from vet.
var format = Logger.Infof

type panics struct{}

func (panics) String() string { panic("no text") }

// Lines are btclog v1's to the byte, at whatever time, tag and flags.
func TestLinesAreBtclogs(t *testing.T) {
	for _, tag := range []string{"CMGR", "", "a b", "größe"} {
		for _, flags := range []uint32{0, Llongfile, Lshortfile, Llongfile | Lshortfile, 4, 4 | Lshortfile} {
			for _, tt := range lines {
				synctest.Test(t, func(t *testing.T) { // for a clock that stands still
					for _, wait := range []time.Duration{0, time.Millisecond, 98_999_999, 900 * time.Millisecond, 400 * 24 * time.Hour} {
						time.Sleep(wait)
						var ours, theirs recorder
						for _, l := range []Logger{
							NewBackend(&ours, WithFlags(flags)).Logger(tag),
							btclog.NewBackend(&theirs, btclog.WithFlags(flags)).Logger(tag),
						} {
							tt.log(l)
						}
						if ours.all() != theirs.all() {
							t.Errorf("%s, tag %q, flags %d:\n got %q\nwant %q", tt.name, tag, flags, ours.all(), theirs.all())
						}
						if len(ours.writes) != len(theirs.writes) {
							t.Errorf("%s: %d Writes, want %d", tt.name, len(ours.writes), len(theirs.writes))
						}
					}
				})
			}
		}
	}
}

// Levels too.
func TestLevelsAreBtclogs(t *testing.T) {
	for _, s := range []string{
		"trace", "trc", "debug", "dbg", "info", "inf", "warn", "wrn", "error", "err", "critical", "crt", "off",
		"TRACE", "Trc", "oFF", "", " info", "warning", "fatal", "0", "inﬁ", "CRİTICAL",
	} {
		got, gotOK := LevelFromString(s)
		want, wantOK := btclog.LevelFromString(s)
		if got != want || gotOK != wantOK {
			t.Errorf("%q: %v %v, want %v %v", s, got, gotOK, want, wantOK)
		}
	}
	l := NewBackend(nil).Logger("")
	theirs := btclog.NewBackend(nil).Logger("")
	if l.Level() != theirs.Level() {
		t.Errorf("level %v at first, want %v", l.Level(), theirs.Level())
	}
	for _, level := range []Level{LevelTrace, LevelOff, 17} {
		l.SetLevel(level)
		if l.Level() != level {
			t.Errorf("level %v, want %v", l.Level(), level)
		}
	}
}

func TestLevelsOfSlog(t *testing.T) {
	for level := range LevelOff {
		if got := LevelFromSlog(SlogLevel(level)); got != level {
			t.Errorf("%v comes back as %v", level, got)
		}
	}
	if got := LevelFromSlog(-100); got != LevelTrace {
		t.Errorf("-100 is %v", got)
	}
	if got := LevelFromSlog(100); got != LevelCritical {
		t.Errorf("100 is %v", got)
	}
	if got := SlogLevel(99); got != 10 {
		t.Errorf("level 99 is %d in slog", got)
	}
}

// LOGFLAGS is read when the program begins, so each value takes a program.
func TestLOGFLAGS(t *testing.T) {
	const helper = "BTCLOG_TEST_HELPER"
	if os.Getenv(helper) != "" {
		both := []Logger{NewBackend(os.Stdout).Logger("A"), btclog.NewBackend(os.Stdout).Logger("A")}
		for _, l := range both {
			l.Info("x")
		}
		NewBackend(os.Stdout, WithFlags(0)).Logger("B").Info("x")
		os.Exit(0)
	}
	for env, want := range map[string]uint32{
		"": 0, "longfile": Llongfile, "shortfile": Lshortfile, "longfile,shortfile": 3,
		"x,shortfile": Lshortfile, " shortfile": 0, "SHORTFILE": 0, "shortfile,": Lshortfile,
	} {
		if got := parseFlags(env); got != want {
			t.Errorf("LOGFLAGS=%q: flags %d, want %d", env, got, want)
		}
	}
	for _, env := range []string{"longfile", "x,longfile,shortfile,"} {
		cmd := exec.Command(os.Args[0], "-test.run", "^TestLOGFLAGS$")
		cmd.Env = append(os.Environ(), "LOGFLAGS="+env, helper+"=1")
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		text := strings.Split(string(out), "\n")
		const stamp = len(noonText)
		if len(text) != 4 || text[0][stamp:] != text[1][stamp:] {
			t.Errorf("LOGFLAGS=%q: %q", env, out)
			continue
		}
		check(t, text[2][stamp:], "[INF] B: x")
	}
}

// A program that wraps the logger says how far up its callers are.
func TestWithCallSiteSkip(t *testing.T) {
	var r recorder
	l := NewBackend(&r, atNoon(), WithFlags(Lshortfile), WithCallSiteSkip(1)).Logger("A")
	wrapper := func() { l.Info("x") }
	_, _, here, _ := runtime.Caller(0)
	wrapper()
	check(t, r.all(), fmt.Sprintf("%s[INF] A golden_test.go:%d: x\n", noonText, here+1))

	r.writes = nil
	NewBackend(&r, atNoon(), WithFlags(Lshortfile), WithCallSiteSkip(1000)).Logger("A").Info("x")
	check(t, r.all(), noonText+"[INF] A ???:0: x\n")
}
