package btclog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// The line is with the writer, in one Write, when the call returns; and no goroutine
// was begun for it.
func TestWrittenBeforeTheCallReturns(t *testing.T) {
	var r recorder
	b := NewBackend(&r, atNoon(), WithFlags(0))
	before := runtime.NumGoroutine()
	l, h := b.Logger("A"), b.Handler("A")
	for i := range 1000 { // no sampling, no limit
		l.Infof("%d", i)
		if len(r.writes) != 2*i+1 {
			t.Fatalf("%d Writes after %d lines", len(r.writes), 2*i+1)
		}
		_ = h.LogAttrs(LevelInfo, "x", slog.Int("i", i))
		if len(r.writes) != 2*i+2 {
			t.Fatalf("%d Writes after %d lines", len(r.writes), 2*i+2)
		}
	}
	if n := runtime.NumGoroutine(); n > before {
		t.Errorf("%d goroutines, %d before", n, before)
	}
	check(t, r.writes[1998], noonText+"[INF] A: 999\n")
	check(t, r.writes[1999], noonText+"[INF] A: x i=999\n")
}

// A value that is changed once the call has returned was written as it was, and the
// race detector has nothing to say about a logger that reads it later.
func TestMutableValues(t *testing.T) {
	var r recorder
	b := NewBackend(&r, atNoon(), WithFlags(0))
	l, h, own := FromHandler(around{b.Handler("A")}, ""), slog.New(b.Handler("A")), b.Logger("A")
	list, m, p := []int{0}, map[string]int{}, &sample{}
	for i := range 100 {
		list[0], m["k"], p.A = i, i, i
		own.Infof("%v %v %v", list, m, p)
		own.Info(list, m, p)
		l.Info(list, m, p)
		h.Info("x", "list", list, "map", m, "struct", p)
		h.With("list", list).Info("x")
	}
	for i, w := range r.writes {
		n := i / 5
		want := fmt.Sprintf("[%d] map[k:%d] &{%d ", n, n, n)
		switch i % 5 {
		case 3:
			want = fmt.Sprintf(`list=[%d] map=map[k:%d] struct="&{A:%d `, n, n, n)
		case 4:
			want = fmt.Sprintf("list=[%d]", n)
		}
		if !strings.Contains(w, want) {
			t.Errorf("%q is not in %q", want, w)
		}
	}
}

// All subsystems of a backend, all that come from one handler, and all backends on
// one Output write one line at a time. The recorder would lose lines otherwise.
func TestOneMutexPerWriter(t *testing.T) {
	var r recorder
	out := NewOutput(&r)
	a, b := NewBackend(out), NewBackend(out, WithJSON())
	h := NewHandler(out)
	if NewOutput(out) != out {
		t.Error("an Output of an Output is another one")
	}
	const lines = 1000
	parallel(8, func(i int) {
		tag := fmt.Sprint("T", i)
		logger := []Logger{
			a.Logger(tag), b.Logger(tag), FromHandler(h, tag), FromHandler(slog.NewTextHandler(out, nil), tag),
		}[i%4]
		sub := slog.New(h.SubSystem(tag))
		for n := range lines / 2 {
			logger.Infof("%d", n)
			sub.Info("x", "n", n)
		}
	})
	if len(r.writes) != 8*lines {
		t.Errorf("%d lines, want %d", len(r.writes), 8*lines)
	}
	for _, w := range r.writes {
		if strings.Count(w, "\n") != 1 {
			t.Errorf("not one line: %q", w)
		}
	}
}

// Levels may change while others log.
func TestLevelsChangeWhileLogging(t *testing.T) {
	b := NewBackend(io.Discard)
	l, h := b.Logger("A"), b.Handler("A")
	parallel(4, func(i int) {
		for n := range 1000 {
			if i == 0 {
				l.SetLevel(Level(n) % 8)
				h.SetLevel(Level(n) % 8)
			}
			l.Debug(n)
			_ = h.LogAttrs(LevelDebug, "x")
			h.WithPrefix("p").Enabled(context.Background(), slog.Level(n%10))
		}
	})
}

// Errors of the writer are counted and handed on, each with the count.
func TestWriteErrors(t *testing.T) {
	var (
		disk   fullDisk
		counts []uint64
		b      *Backend
	)
	b = NewBackend(&disk, WithFlags(0), WithErrorHandler(func(err error, failed uint64) {
		if !errors.Is(err, errFull) {
			t.Errorf("error %v", err)
		}
		counts = append(counts, failed)
		b.Logger("B").Info("this fails as well, without end if it were handed on")
	}))
	b.Logger("A").Info("x")
	if err := b.Handler("A").LogAttrs(LevelInfo, "x"); !errors.Is(err, errFull) {
		t.Errorf("error %v", err)
	}
	if want := []uint64{1, 3}; !slices.Equal(counts, want) || b.Errors() != 4 {
		t.Errorf("handed on at %v, %d in all; want %v and 4", counts, b.Errors(), want)
	}
	disk.room = true
	b.Logger("A").Info("room")
	if !strings.HasSuffix(disk.String(), "room\n") || b.Errors() != 4 {
		t.Errorf("%q, %d errors", disk.String(), b.Errors())
	}
	// Without a handler they are counted.
	b = NewBackend(&fullDisk{})
	parallel(4, func(int) { b.Logger("A").Info("x") })
	if b.Errors() != 4 {
		t.Errorf("%d errors, want 4", b.Errors())
	}
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// A writer that says it wrote less, and nothing else, has failed.
func TestShortWrite(t *testing.T) {
	var got error
	b := NewBackend(writerFunc(func(p []byte) (int, error) { return len(p) - 1, nil }),
		WithErrorHandler(func(err error, _ uint64) { got = err }))
	b.Logger("A").Info("x")
	if !errors.Is(got, io.ErrShortWrite) || b.Errors() != 1 {
		t.Errorf("error %v, %d in all", got, b.Errors())
	}
}

// A writer that panics does not leave its mutex locked.
func TestWriterThatPanics(t *testing.T) {
	var r recorder
	broken := true
	b := NewBackend(writerFunc(func(p []byte) (int, error) {
		if broken {
			panic("broken")
		}
		return r.Write(p)
	}), WithNoTimestamp(), WithFlags(0))
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		b.Logger("A").Info("lost")
	}()
	broken = false
	b.Logger("A").Info("kept")
	check(t, r.all(), "[INF] A: kept\n")
}

// An operand that logs itself disturbs nobody's line.
func TestOperandThatLogs(t *testing.T) {
	var r recorder
	l := NewBackend(&r, WithNoTimestamp(), WithFlags(0)).Logger("A")
	l.Infof("%s after", stringerFunc(func() string { l.Info("inner"); return "outer" }))
	check(t, r.all(), "[INF] A: inner\n[INF] A: outer after\n")
}

type stringerFunc func() string

func (f stringerFunc) String() string { return f() }

// One huge line does not stay in memory.
func TestLargeBuffersAreNotKept(t *testing.T) {
	for _, tt := range []struct {
		size int
		kept bool
	}{{100, true}, {maxKept, true}, {maxKept + 1, false}, {10 << 20, false}} {
		buf := &buffer{b: make([]byte, tt.size)}
		if kept := buf.put(); kept != tt.kept {
			t.Errorf("%d B: kept %v, want %v", tt.size, kept, tt.kept)
		}
	}
	// And through the logger.
	NewBackend(io.Discard).Logger("A").Info(strings.Repeat("x\n", 1<<20))
	for range 100 {
		if buf := getBuffer(); cap(buf.b) > maxKept {
			t.Fatalf("a buffer of %d B was kept", cap(buf.b))
		}
	}
}

// Disabled is shared by everybody: nobody can turn it on.
func TestDisabled(t *testing.T) {
	Disabled.SetLevel(LevelTrace)
	if Disabled.Level() != LevelOff {
		t.Errorf("level %v", Disabled.Level())
	}
	for _, tt := range lines {
		tt.log(Disabled)
	}
}

// What is dropped by its level costs no memory, and what is written costs none inside
// the logger.
func TestAllocations(t *testing.T) {
	b := NewBackend(io.Discard, WithFlags(0))
	l, h := b.Logger("CMGR"), b.Handler("CMGR")
	args := []any{1234, "text", true, 1.5, errFull}
	plain := []any{errFull, "text", true, 1234, time.Second}
	attrs := []slog.Attr{slog.Int("a", 1), slog.String("b", "x y"), slog.Bool("c", true), slog.Any("d", errFull)}
	for _, tt := range []struct {
		name string
		want float64
		log  func()
	}{
		{"off, no operands", 0, func() { l.Debugf("x") }},
		{"off, operands", 0, func() { l.Debugf("%d %s %t %g %v", args...) }},
		{"off, guarded", 0, func() {
			if l.Level() <= LevelDebug {
				l.Debugf("%v %v", args[0].(int)+1, args[1].(string)+"x")
			}
		}},
		{"off, attributes", 0, func() { _ = h.LogAttrs(LevelDebug, "x", attrs...) }},
		{"disabled", 0, func() { Disabled.Infof("%d %s %t %g %v", args...) }},
		{"Infof", 0, func() { l.Infof("%d %s %t %g %v", args...) }},
		{"Infof, plain", 0, func() { l.Infof("%v %s %v, %d%%, %T", plain...) }},
		{"Info", 0, func() { l.Info(args...) }},
		{"LogAttrs", 1, func() { _ = h.LogAttrs(LevelInfo, "x", attrs...) }}, // what is quoted
	} {
		tt.log()
		// The race detector makes sync.Pool forget, so it is not held to this.
		if n := testing.AllocsPerRun(1000, tt.log); n > tt.want && !raceEnabled {
			t.Errorf("%s: %v allocations, want %v", tt.name, n, tt.want)
		}
	}
}

func TestWithColor(t *testing.T) {
	t.Setenv("NO_COLOR", "")
	t.Setenv("TERM", "xterm")
	plain := "[INF] A: x\n"
	check(t, line(t, func(b *Backend) { b.Logger("A").Info("x") }, WithColor()), plain)
	check(t, line(t, func(b *Backend) { b.Logger("A").Info("x") }, WithStyledLevel(coloredLevel)),
		"\x1b[32m[INF]\x1b[0m A: x\n")
	if got := coloredLevel(LevelOff); got != "[OFF]" {
		t.Error(got)
	}
}

// The styles of v2 are of the backend.
func TestStyles(t *testing.T) {
	got := line(t, func(b *Backend) {
		_ = b.Handler("A").LogAttrs(LevelWarn, "x", slog.Int("k", 1))
	}, WithFlags(Lshortfile),
		WithStyledLevel(func(l Level) string { return "<" + l.String() + ">" }),
		WithStyledCallSite(func(file string, line int) string { return fmt.Sprintf("%s@%t", file, line > 0) }),
		WithStyledKeys(strings.ToUpper))
	check(t, got, "<WRN> A promise_test.go@true: x K=1\n")
}

// A tee of the standard library works as it does with btcsuite's.
func TestMultiWriter(t *testing.T) {
	var a, b bytes.Buffer
	NewBackend(io.MultiWriter(&a, &b), WithNoTimestamp(), WithFlags(0)).Logger("A").Info("x")
	check(t, a.String(), "[INF] A: x\n")
	check(t, b.String(), a.String())
}
