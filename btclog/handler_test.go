package btclog

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/slogtest"
	"time"
)

type secret struct{}

func (secret) LogValue() slog.Value {
	return slog.GroupValue(slog.String("user", "u"), slog.Int("id", 7))
}

// attrTests: attributes, as they are written. They hold in both ways in which a
// handler can get them.
var attrTests = []struct {
	name  string
	attrs []any
	want  string
	json  string
}{
	{"none", nil, "", ""},
	{
		"kinds",
		[]any{"s", "x", "i", -1, "u", uint64(math.MaxUint64), "f", 1.5, "b", true, "d", 1500 * time.Millisecond},
		" s=x i=-1 u=18446744073709551615 f=1.5 b=true d=1.5s",
		`,"s":"x","i":-1,"u":18446744073709551615,"f":1.5,"b":true,"d":"1.5s"`,
	},
	{
		"integers",
		[]any{"a", int8(-1), "b", int16(-2), "c", int32(-3), "d", int64(-4), "e", uint8(5), "f", uint16(6), "g", uint32(7), "h", uint(8)},
		" a=-1 b=-2 c=-3 d=-4 e=5 f=6 g=7 h=8",
		`,"a":-1,"b":-2,"c":-3,"d":-4,"e":5,"f":6,"g":7,"h":8`,
	},
	{"not numbers for JSON", []any{"n", math.NaN(), "i", math.Inf(-1)}, " n=NaN i=-Inf", `,"n":"NaN","i":"-Inf"`},
	{"time", []any{"t", noon}, ` t="2026-11-22 12:00:00.007999999 +0000 UTC"`, `,"t":"2026-11-22T12:00:00.007999999Z"`},
	{
		"quotes",
		[]any{"a", "", "b", "x y", "c", `x"y`, "d", "x=y", "e", `x\y`, "f", "größe"},
		` a="" b="x y" c="x\"y" d="x=y" e=x\y f=größe`,
		`,"a":"","b":"x y","c":"x\"y","d":"x=y","e":"x\\y","f":"größe"`,
	},
	{
		"line feed and others",
		[]any{"a", "x\ny", "b", "\x1b[0m", "c", "\xff", "d", "\u009b", "e", "\u202e"},
		` a="x\ny" b="\x1b[0m" c="\xff" d="\u009b" e="\u202e"`,
		`,"a":"x\ny","b":"\u001b[0m","c":"` + "\uFFFD" + `","d":"\u009b","e":"` + "\u202e" + `"`,
	},
	{"keys", []any{"a b", 1, "", 2, "x\n", 3}, ` "a b"=1 ""=2 "x\n"=3`, `,"a b":1,"":2,"x\n":3`},
	{"group", []any{slog.Group("g", "a", 1, slog.Group("h", "b", 2))}, " g.a=1 g.h.b=2", `,"g.a":1,"g.h.b":2`},
	{"group as a value", []any{"g", slog.GroupValue(slog.Int("a", 1))}, " g.a=1", `,"g.a":1`},
	{"empty group, group without a name", []any{slog.Group("g"), slog.Group("", "a", 1)}, " a=1", `,"a":1`},
	{"empty Attr", []any{slog.Attr{}, "a", 1}, " a=1", `,"a":1`},
	{"LogValuer", []any{"s", secret{}}, " s.user=u s.id=7", `,"s.user":"u","s.id":7`},
	{"value without a key", []any{"a", 1, "b"}, " a=1 !BADKEY=b", `,"a":1,"!BADKEY":"b"`},
	{"key that is none", []any{1, "a", 2}, " !BADKEY=1 a=2", `,"!BADKEY":1,"a":2`},
	{"error", []any{"err", errors.New("boom x")}, ` err="boom x"`, `,"err":"boom x"`},
	{"nil", []any{"a", nil, "b", error(nil)}, " a=<nil> b=<nil>", `,"a":null,"b":null`},
	{"Stringer", []any{"a", stringerFunc(func() string { return "x" })}, " a=x", `,"a":"x"`},
	{"nil pointer", []any{"a", (*json.SyntaxError)(nil)}, " a=<nil>", `,"a":"<nil>"`},
	{"panic", []any{"a", panics{}}, ` a="%!v(PANIC=String method: no text)"`, `,"a":"%!v(PANIC=String method: no text)"`},
	{
		"other",
		[]any{"a", sample{1, "x"}, "b", []byte{1, 2}, "c", []int{1}, "m", map[string]int{"k": 1}},
		` a="{A:1 b:x}" b="[1 2]" c=[1] m=map[k:1]`, `,"a":{"A":1},"b":"AQI=","c":[1],"m":{"k":1}`,
	},
	{"not for JSON", []any{"a", complex(1, 2), "b", struct{ F float64 }{math.Inf(1)}}, ` a=(1+2i) b={F:+Inf}`, `,"a":"(1+2i)","b":"{F:+Inf}"`},
}

func TestAttributes(t *testing.T) {
	for _, tt := range attrTests {
		for _, form := range []struct {
			opts             []BackendOption
			before, want, nl string
		}{
			{nil, "[INF] A: x", tt.want, "\n"},
			{[]BackendOption{WithJSON()}, `{"level":"info","subsystem":"A","msg":"x"`, tt.json, "}\n"},
		} {
			for how, log := range map[string]func(h *Handler){
				"slog":     func(h *Handler) { slog.New(h).Info("x", tt.attrs...) },
				"WithAttr": func(h *Handler) { slog.New(h).With(tt.attrs...).Info("x") },
				"LogLists": func(h *Handler) { _ = h.LogLists(LevelInfo, 0, "x", nil, tt.attrs) },
			} {
				got := line(t, func(b *Backend) { log(b.Handler("A")) }, form.opts...)
				if want := form.before + form.want + form.nl; got != want {
					t.Errorf("%s, %s:\n got %s\nwant %s", tt.name, how, got, want)
				}
				if form.opts != nil && !json.Valid([]byte(got)) {
					t.Errorf("%s, %s: not JSON: %s", tt.name, how, got)
				}
			}
		}
	}
}

// The standard library's test of handlers. Ours writes groups as keys with dots.
func TestHandlerIsASlogHandler(t *testing.T) {
	var buf bytes.Buffer
	h := NewHandler(&buf, WithJSON(), WithFlags(0))
	results := func() (all []map[string]any) {
		for line := range strings.Lines(buf.String()) {
			flat := make(map[string]any)
			if err := json.Unmarshal([]byte(line), &flat); err != nil {
				t.Fatalf("%v: %s", err, line)
			}
			nested := make(map[string]any)
			for key, v := range flat {
				in := nested
				for before, after, ok := strings.Cut(key, "."); ok; before, after, ok = strings.Cut(key, ".") {
					if in[before] == nil {
						in[before] = make(map[string]any)
					}
					in, key = in[before].(map[string]any), after
				}
				in[key] = v
			}
			all = append(all, nested)
		}
		return all
	}
	if err := slogtest.TestHandler(h, results); err != nil {
		t.Error(err)
	}
}

// Levels that are not btclog's keep a name, all are written at LevelTrace, and nothing
// is at LevelOff.
func TestForeignLevels(t *testing.T) {
	for level, want := range map[slog.Level]string{
		-100: "TRC-95", -8: "TRC-3", -5: "TRC", -4: "DBG", -3: "DBG+1", 0: "INF", 2: "INF+2", 4: "WRN", 8: "ERR", 9: "CRT", 10: "CRT+1", 100: "CRT+91",
	} {
		got := line(t, func(b *Backend) {
			h := b.Handler("A")
			_ = h.Handle(t.Context(), slog.NewRecord(noon, level, "x", 0))
			if level < 0 != !h.Enabled(t.Context(), level) {
				t.Errorf("%d: enabled %v at info", level, h.Enabled(t.Context(), level))
			}
			h.SetLevel(LevelTrace)
			if !h.Enabled(t.Context(), level) {
				t.Errorf("%d: not enabled at trace", level)
			}
			h.SetLevel(LevelDebug)
			if got := h.Enabled(t.Context(), level); got != (level >= slog.LevelDebug) {
				t.Errorf("%d: enabled %v at debug", level, got)
			}
			h.SetLevel(LevelOff)
			slog.New(h).Log(t.Context(), level, "off")
			_ = h.LogAttrs(LevelOff, "off")
			_ = h.Logf(LevelCritical, 0, "off")
			_ = h.LogLists(LevelCritical, 0, "off")
		})
		check(t, got, "["+want+"] A: x\n")
	}
	got := line(t, func(b *Backend) { slog.New(b.Handler("A")).Log(t.Context(), 2, "x") }, WithJSON())
	check(t, got, `{"level":"info+2","subsystem":"A","msg":"x"}`+"\n")
}

// Each subsystem has its level; all else that comes from a handler shares its.
func TestSubSystemsAndLevels(t *testing.T) {
	var r recorder
	root := NewHandler(&r, WithNoTimestamp(), WithFlags(0))
	root.SetLevel(LevelWarn)
	a, b := root.SubSystem("A"), root.SubSystem("B")
	if a.Level() != LevelWarn || a.Tag() != "A" || a.Backend() != root.Backend() {
		t.Errorf("%v %q", a.Level(), a.Tag())
	}
	a.SetLevel(LevelDebug)
	with := slog.New(a.WithPrefix("p:").WithGroup("g").WithAttrs([]slog.Attr{slog.Int("n", 1)}))
	with.Debug("yes", "m", 2)
	slog.New(b).Info("no")
	slog.New(root).Info("no")
	slog.New(root).Warn("yes")
	a.SetLevel(LevelError)
	with.Warn("no")
	_ = a.WithTag("C").WithPrefix("q").WithPrefix("r").LogAttrs(LevelError, "")
	_ = a.WithPrefix("r").Logf(LevelError, 0, "%s", "")
	_ = a.WithPrefix("r").Logf(LevelError, 0, "%s", "x")
	check(t, r.all(), "[DBG] A: p: yes g.n=1 g.m=2\n[WRN]: yes\n[ERR] C: r\n[ERR] A: r\n[ERR] A: r x\n")
}

// Handlers made from one do not write into each other's memory.
func TestHandlersDoNotAlias(t *testing.T) {
	var r recorder
	base := slog.New(NewHandler(&r, WithNoTimestamp(), WithFlags(0))).With("a", 1).With("b", 2).With("c", 3)
	first := base.With("x", "first")
	second := base.With("x", "second")
	parallel(4, func(i int) { _ = base.With("x", i) })
	first.Info("m")
	second.Info("m")
	check(t, r.all(), "[INF]: m a=1 b=2 c=3 x=first\n[INF]: m a=1 b=2 c=3 x=second\n")

	// Of some lengths the memory of the first attributes has room for more.
	for n := range 64 {
		r.writes = nil
		base := NewHandler(&r, WithNoTimestamp(), WithFlags(0)).WithAttrs([]slog.Attr{slog.String("k", strings.Repeat("a", n+1))})
		first := base.WithAttrs([]slog.Attr{slog.Int("x", 1)})
		base.WithAttrs([]slog.Attr{slog.Int("x", 2)})
		slog.New(first).Info("m")
		check(t, r.all(), fmt.Sprintf("[INF]: m k=%s x=1\n", strings.Repeat("a", n+1)))
	}
}

// Every way in gives the place where the program logged.
func TestPlaces(t *testing.T) {
	var r recorder
	b := NewBackend(&r, WithNoTimestamp(), WithFlags(Lshortfile))
	h := b.Handler("A")
	wrapper := func() { _ = h.LogLists(LevelInfo, 1, "x") }
	for _, log := range []func(){
		func() { slog.New(h).Info("x") },
		func() { _ = h.LogAttrs(LevelInfo, "x") },
		func() { _ = h.LogLists(LevelInfo, 0, "x") },
		func() { _ = h.Logf(LevelInfo, 0, "x") },
		func() { wrapper() },
		func() { b.Logger("A").Info("x") },
		func() { b.Logger("A").Infof("x") },
		func() { FromHandler(h, "A").Info("x") },
		func() { FromHandler(h, "A").Infof("x") },
		func() { FromHandler(around{h}, "").Info("x") },
		func() { FromHandler(around{h}, "").Infof("x") },
	} {
		r.writes = nil
		log()
		file, line := place(log)
		check(t, r.all(), fmt.Sprintf("[INF] A %s:%d: x\n", file, line))
	}
	got := line(t, func(b *Backend) { b.Logger("A").Info("x") }, WithJSON(), WithFlags(Lshortfile))
	if !strings.HasPrefix(got, `{"level":"info","subsystem":"A","source":"handler_test.go:`) {
		t.Error(got)
	}
	got = line(t, func(b *Backend) { _ = b.Handler("A").Handle(t.Context(), slog.NewRecord(noon, 0, "x", 0)) }, WithFlags(Lshortfile))
	check(t, got, "[INF] A ???:0: x\n")
}

// around is a slog.Handler that is not ours.
type around struct{ slog.Handler }

// place is where a function of one line stands.
func place(fn func()) (string, int) {
	pc := reflect.ValueOf(fn).Pointer()
	file, line := runtime.FuncForPC(pc).FileLine(pc)
	return baseName(file), line
}

// Times: of the record, of the source, none; and JSON's.
func TestTimes(t *testing.T) {
	record := slog.NewRecord(noon.Add(time.Hour), slog.LevelInfo, "x", 0)
	var zero slog.Record
	east := time.FixedZone("east", 5400)
	var r recorder
	handle := func(r slog.Record, w *recorder, opts ...BackendOption) {
		_ = NewHandler(w, append(opts, WithFlags(0))...).Handle(context.Background(), r)
	}
	handle(record, &r, WithTimeSource(nil))
	handle(record, &r, atNoon())
	handle(record, &r, WithNoTimestamp())
	handle(zero, &r)
	handle(record, &r, WithJSON())
	record.Time = noon.In(east)
	handle(record, &r, WithJSON())
	handle(record, &r)
	check(t, r.all(), "2026-11-22 13:00:00.007 [INF]: x\n"+
		"2026-11-22 12:00:00.007 [INF]: x\n"+
		"[INF]: x\n"+
		"[INF]: \n"+
		`{"time":"2026-11-22T13:00:00.007Z","level":"info","msg":"x"}`+"\n"+
		`{"time":"2026-11-22T13:30:00.007+01:30","level":"info","msg":"x"}`+"\n"+
		"2026-11-22 13:30:00.007 [INF]: x\n")
}

// The text of a second is not used for another second or zone, and is for the same.
func TestClock(t *testing.T) {
	var c clock
	zones := []*time.Location{time.UTC, time.FixedZone("a", 3600), time.FixedZone("b", -3600)}
	kept := 0
	for i := range 3000 { // several in a second, then another; now and then another zone alone
		when := noon.Add(time.Duration(i/4*259) * time.Millisecond).In(zones[i/8%len(zones)])
		before := c.last.Load()
		check(t, string(c.appendText(nil, when)), when.Format("2006-01-02 15:04:05.000 "))
		check(t, string(c.appendJSON(nil, when)), when.Format("2006-01-02T15:04:05.000Z07:00"))
		if c.last.Load() == before {
			kept++
		}
	}
	if kept < 1500 {
		t.Errorf("%d of 3000 times took the text of the one before", kept)
	}
}
