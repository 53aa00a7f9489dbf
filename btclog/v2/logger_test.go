package btclog

import (
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

	v1 "github.com/btcsuite/btclog"

	"holdfast/btclog"
)

// Our v2 Logger is a v1 Logger, ours and btcsuite's, by the methods alone.
var (
	_ v1.Logger     = Logger(nil)
	_ btclog.Logger = Logger(nil)
	_ v1.Logger     = NewSLogger(NewDefaultHandler(io.Discard))
)

// wrapped is a Handler that is not ours, as lnd has them.
type wrapped struct{ Handler }

func (w wrapped) SubSystem(tag string) Handler     { return wrapped{w.Handler.SubSystem(tag)} }
func (w wrapped) WithPrefix(prefix string) Handler { return wrapped{w.Handler.WithPrefix(prefix)} }

// both runs a test with our handler and with one around it.
func both(t *testing.T, test func(t *testing.T, l Logger, r *recorder), opts ...HandlerOption) {
	t.Run("ours", func(t *testing.T) {
		l, r := newLogger(opts...)
		test(t, l, r)
	})
	t.Run("wrapped", func(t *testing.T) {
		var r recorder
		opts := append([]HandlerOption{WithNoTimestamp(), WithCallerFlags(0)}, opts...)
		test(t, NewSLogger(wrapped{NewDefaultHandler(&r, opts...)}), &r)
	})
}

func TestLogger(t *testing.T) {
	both(t, func(t *testing.T, l Logger, r *recorder) {
		ctx := WithCtx(t.Context(), "peer", 7)
		boom := errors.New("boom x")
		l = l.SubSystem("A")
		l.Debug("no")
		l.DebugS(ctx, "no")
		l.SetLevel(LevelTrace)
		l.Trace("a", "b", 1, 2, "c")
		l.Debugf("%d", 1)
		l.Info()
		l.Warnf("x\ny")
		l.Error(boom)
		l.Criticalf("%v", boom)
		l.Tracef("t")
		l.Debug("d")
		l.Infof("i")
		l.Warn("w")
		l.Errorf("e")
		l.Critical("c")
		check(t, r.take(), `[TRC] A: ab1 2c
[DBG] A: 1
[INF] A: 
[WRN] A: x\ny
[ERR] A: boom x
[CRT] A: boom x
[TRC] A: t
[DBG] A: d
[INF] A: i
[WRN] A: w
[ERR] A: e
[CRT] A: c
`)
		l.TraceS(ctx, "m", "k", 1)
		l.DebugS(ctx, "m", "k", 1)
		l.InfoS(ctx, "m", "k", 1, slog.Group("g", "a", 1), "odd")
		l.WarnS(ctx, "m", boom, "k", 1)
		l.ErrorS(ctx, "m", nil, "k", 1)
		l.CriticalS(t.Context(), "m", boom)
		check(t, r.take(), `[TRC] A: m peer=7 k=1
[DBG] A: m peer=7 k=1
[INF] A: m peer=7 k=1 g.a=1 !BADKEY=odd
[WRN] A: m peer=7 err="boom x" k=1
[ERR] A: m peer=7 k=1
[CRT] A: m err="boom x"
`)
		p := l.WithPrefix("old").WithPrefix("(peer 7)")
		p.InfoS(ctx, "m", "k", 1)
		p.Info("x")
		p.Info()
		l.SetLevel(LevelError)
		p.Warn("no: the level is shared")
		sub := p.SubSystem("B")
		sub.SetLevel(LevelInfo)
		sub.Info("own level")
		if l.Level() != LevelError || sub.Level() != LevelInfo {
			t.Errorf("levels %v and %v", l.Level(), sub.Level())
		}
		l.SetLevel(LevelOff)
		l.Critical("no")
		l.CriticalS(ctx, "no", nil)
		check(t, r.take(), `[INF] A: (peer 7) m peer=7 k=1
[INF] A: (peer 7) x
[INF] A: (peer 7)
[INF] B: (peer 7) own level
`)
	})
}

// Every method asks for its own level.
func TestEveryMethodAtEveryLevel(t *testing.T) {
	both(t, func(t *testing.T, l Logger, r *recorder) {
		ctx := t.Context()
		for own := range LevelOff + 1 {
			l.SetLevel(own)
			for level, log := range []func(){
				func() { l.Tracef(""); l.Trace(); l.TraceS(ctx, "") },
				func() { l.Debugf(""); l.Debug(); l.DebugS(ctx, "") },
				func() { l.Infof(""); l.Info(); l.InfoS(ctx, "") },
				func() { l.Warnf(""); l.Warn(); l.WarnS(ctx, "", nil) },
				func() { l.Errorf(""); l.Error(); l.ErrorS(ctx, "", nil) },
				func() { l.Criticalf(""); l.Critical(); l.CriticalS(ctx, "", nil) },
			} {
				level, want := btclog.Level(level), ""
				if level >= own {
					want = strings.Repeat(fmt.Sprintf("[%v]: \n", level), 3)
				}
				log()
				check(t, r.take(), want)
			}
		}
	})
}

// Where the level is off nothing is formatted, and no context searched.
func TestOffAsksNothing(t *testing.T) {
	both(t, func(t *testing.T, l Logger, r *recorder) {
		never := NewClosure(func() string { t.Error("formatted"); return "" })
		l.Debug(never)
		l.Debugf("%v", never)
		l.DebugS(searched{t.Context(), t}, "", "k", never)
		check(t, r.take(), "")
	})
}

type searched struct {
	context.Context
	t *testing.T
}

func (s searched) Value(any) any {
	s.t.Error("searched")
	return nil
}

// Two contexts made from one have nothing of each other, whoever makes them when.
func TestContextsDoNotAlias(t *testing.T) {
	l, r := newLogger()
	ctx := t.Context()
	for _, key := range []string{"a", "b", "c"} {
		ctx = WithCtx(ctx, key, 1)
	}
	first := WithCtx(ctx, "x", "first")
	second := WithCtx(ctx, "x", "second")
	l.InfoS(first, "m")
	l.InfoS(second, "m")
	check(t, r.take(), "[INF]: m a=1 b=1 c=1 x=first\n[INF]: m a=1 b=1 c=1 x=second\n")

	done := make(chan struct{})
	for i := range 2 {
		go func() {
			for range 1000 {
				mine := WithCtx(ctx, "x", i)
				l.InfoS(mine, fmt.Sprint("m", i))
			}
			done <- struct{}{}
		}()
	}
	<-done
	<-done
	for _, w := range r.writes {
		want0, want1 := "[INF]: m0 a=1 b=1 c=1 x=0\n", "[INF]: m1 a=1 b=1 c=1 x=1\n"
		if w != want0 && w != want1 {
			t.Fatalf("%q", w)
		}
	}
	// The list of the caller is not kept either.
	list := []any{"k", 1}
	kept := WithCtx(t.Context(), list...)
	list[1] = 2
	r.writes = nil
	l.InfoS(kept, "m")
	check(t, r.take(), "[INF]: m k=1\n")
}

// A list of the caller is not written to, not even where it is odd.
func TestListsAreNotWrittenTo(t *testing.T) {
	list := []any{"k", 1, "odd", "beyond"}
	WithCtx(t.Context(), list[:3]...)
	if want := []any{"k", 1, "odd", "beyond"}; !slices.Equal(list, want) {
		t.Errorf("%v, want %v", list, want)
	}
}

// Our handler behind a v1 Logger gives its lines the tag, and the level is the Logger's.
func TestV1LoggerOverOurs(t *testing.T) {
	var r recorder
	h := NewDefaultHandler(&r, WithNoTimestamp(), WithCallerFlags(0))
	h.SetLevel(LevelError)
	l := btclog.FromHandler(h, "CMGR")
	l.Infof("x")
	l.Debug("no")
	l.SetLevel(LevelTrace)
	l.Trace("a", "b")
	btclog.FromHandler(h.SubSystem("A").WithPrefix("p"), "").Info("the tag is kept")
	if h.Level() != LevelError {
		t.Errorf("the handler's level is %v", h.Level())
	}
	check(t, r.take(), "[INF] CMGR: x\n[TRC] CMGR: a b\n[INF] A: p the tag is kept\n")
}

// Odd lists do not run into what follows; contexts without attributes are themselves.
func TestOddContexts(t *testing.T) {
	both(t, func(t *testing.T, l Logger, r *recorder) {
		l.InfoS(WithCtx(WithCtx(t.Context(), "odd"), "k", 1), "m", "n", 2)
		check(t, r.take(), "[INF]: m !BADKEY=odd k=1 n=2\n")
	})
	if ctx := t.Context(); WithCtx(ctx) != ctx {
		t.Error("a new context for nothing")
	}
	var none context.Context
	l, r := newLogger()
	l.InfoS(none, "m", "k", 1)
	check(t, r.take(), "[INF]: m k=1\n")
}

// All subsystems of a handler share its mutex: the recorder has none.
func TestSubSystemsShareTheMutex(t *testing.T) {
	l, r := newLogger()
	const lines = 2000
	done := make(chan struct{})
	for i := range 4 {
		go func() {
			sub := l.SubSystem(fmt.Sprint("S", i)).WithPrefix("p")
			for n := range lines {
				sub.InfoS(context.Background(), "m", "n", n)
			}
			done <- struct{}{}
		}()
	}
	for range 4 {
		<-done
	}
	if len(r.writes) != 4*lines {
		t.Errorf("%d lines, want %d", len(r.writes), 4*lines)
	}
}

func TestAttrs(t *testing.T) {
	l, r := newLogger()
	id := []byte{1, 2, 3, 4, 5, 6, 0xff}
	l.InfoS(t.Context(), "m", Hex("h", id), Hex2("h2", id), Hex3("h3", id), Hex6("h6", id), HexN("h9", id, 9), HexN("h0", nil, 3),
		Fmt("f", "%.2f", 3.14159), ClosureAttr("c", func() string { return "v w" }), "s", Sprintf("%d", 1), "k", NewClosure(func() string { return "x" }))
	check(t, r.take(), `[INF]: m h=010203040506ff h2=0102 h3=010203 h6=010203040506 h9=010203040506ff h0="" f=3.14 c="v w" s=1 k=x`+"\n")
	never := ClosureAttr("c", func() string { t.Error("computed"); return "" })
	l.DebugS(t.Context(), "m", never)
	Disabled.CriticalS(t.Context(), "m", nil, never)
}

// An err that is a nil pointer, or panics, is written as fmt writes it.
func TestBadErrors(t *testing.T) {
	l, r := newLogger()
	l.ErrorS(t.Context(), "m", badError{})
	if got := r.take(); !strings.HasPrefix(got, `[ERR]: m err="%!v(PANIC=`) {
		t.Error(got)
	}
}

type badError struct{}

func (badError) Error() string { panic("no text") }

// Groups of the handler are in the tag, as in btclog v2; those of values in the key.
func TestGroups(t *testing.T) {
	var r recorder
	h := NewDefaultHandler(&r, WithNoTimestamp(), WithCallerFlags(0))
	s := slog.New(h.SubSystem("A"))
	s.WithGroup("g").Info("m", "a", 1)
	s.WithGroup("g").WithGroup("h").With("b", 2).WithGroup("").Info("m", slog.Group("v", "a", 1))
	slog.New(h).WithGroup("g").Info("m")
	slog.New(h).Log(t.Context(), 10, "not OFF")
	check(t, r.take(), "[INF] A.g: m a=1\n[INF] A.g.h: m b=2 v.a=1\n[INF] g: m\n[CRT+1]: not OFF\n")
	if h.SetLevel(LevelOff); h.Enabled(t.Context(), 100) || h.Level() != LevelOff {
		t.Error("enabled at off")
	}
	if h.SetLevel(LevelTrace); !h.Enabled(t.Context(), -100) {
		t.Error("not enabled at trace")
	}
}

func TestOptions(t *testing.T) {
	at := time.Date(2009, 1, 3, 18, 15, 5, 123456789, time.UTC)
	var r recorder
	l := NewSLogger(NewDefaultHandler(&r,
		WithTimeSource(func() time.Time { return at }), WithCallerFlags(Lshortfile),
		WithStyledLevel(func(l btclog.Level) string { return "<" + l.String() + ">" }),
		WithStyledCallSite(func(file string, line int) string { return "@" + file }),
		WithStyledKeys(strings.ToUpper)))
	l.InfoS(t.Context(), "m", "k", 1)
	check(t, r.take(), "2009-01-03 18:15:05.123 <INF> @logger_test.go: m K=1\n")

	l = NewSLogger(NewDefaultHandler(&r, WithNoTimestamp(), WithBackend(btclog.WithJSON()), WithCallerFlags(0)))
	l.SubSystem("A").InfoS(t.Context(), "m", "k", 1)
	check(t, r.take(), `{"level":"info","subsystem":"A","msg":"m","k":1}`+"\n")

	l = NewSLogger(FromHandler(btclog.NewHandler(&r, btclog.WithNoTimestamp(), btclog.WithFlags(0))))
	l.Info("m")
	check(t, r.take(), "[INF]: m\n")
}

// The place is that of the call, also through somebody's handler; the depth reaches
// over somebody's functions.
func TestPlaces(t *testing.T) {
	both(t, func(t *testing.T, l Logger, r *recorder) {
		ctx := t.Context()
		_, _, here, _ := runtime.Caller(0)
		l.Info("m")
		l.Infof("m")
		l.InfoS(ctx, "m")
		l.ErrorS(ctx, "m", nil)
		l.WithPrefix("p").Info("m")
		for i, w := range r.writes {
			if want := fmt.Sprintf(" logger_test.go:%d: ", here+1+i); !strings.Contains(w, want) {
				t.Errorf("%q, want %q", w, want)
			}
		}
	}, WithCallerFlags(Lshortfile))
	l, r := newLogger(WithCallerFlags(Lshortfile), WithCallSiteSkipDepth(DefaultSkipDepth+1))
	wrapper := func() { l.InfoS(context.Background(), "m") }
	_, _, here, _ := runtime.Caller(0)
	wrapper()
	check(t, r.take(), fmt.Sprintf("[INF] logger_test.go:%d: m\n", here+1))
}

func TestDisabled(t *testing.T) {
	Disabled.SetLevel(LevelTrace)
	for _, l := range []Logger{Disabled, Disabled.SubSystem("A"), Disabled.WithPrefix("p")} {
		if l.Level() != LevelOff {
			t.Errorf("level %v", l.Level())
		}
		l.Info("x")
		l.Criticalf("x")
		l.TraceS(t.Context(), "x")
		l.DebugS(t.Context(), "x")
		l.InfoS(t.Context(), "x")
		l.WarnS(t.Context(), "x", nil)
		l.ErrorS(t.Context(), "x", nil)
		l.CriticalS(t.Context(), "x", nil)
	}
}

func TestLevelFromString(t *testing.T) {
	if l, ok := LevelFromString("WRN"); l != LevelWarn || !ok {
		t.Errorf("%v %v", l, ok)
	}
	if l, ok := LevelFromString("x"); l != LevelInfo || ok {
		t.Errorf("%v %v", l, ok)
	}
}
