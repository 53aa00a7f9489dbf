package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	v2 "github.com/btcsuite/btclog/v2"

	ours2 "holdfast/btclog/v2"
)

// common is what btclog v2's Logger has, without the methods that return one.
type common interface {
	structured
	Tracef(format string, params ...any)
	Infof(format string, params ...any)
	Warn(v ...any)
	Info(v ...any)
	DebugS(ctx context.Context, msg string, attrs ...any)
	WarnS(ctx context.Context, msg string, err error, attrs ...any)
	CriticalS(ctx context.Context, msg string, err error, attrs ...any)
}

// Our v2 writes btclog v2's lines to the byte, but for the faults.
func TestLinesAreBtclogV2s(t *testing.T) {
	at := time.Date(2026, 11, 22, 1, 2, 3, 4_999_999, time.UTC)
	now := func() time.Time { return at }
	upper := strings.ToUpper
	ctx := context.Background()
	for name, log := range map[string]func(common, context.Context){
		"plain": func(l common, _ context.Context) { l.Info("a", "b", 1, 2, "c"); l.Warn(); l.Infof("%d\n", 1) },
		"off":   func(l common, ctx context.Context) { l.Tracef("no"); l.DebugS(ctx, "no") },
		"pairs": func(l common, ctx context.Context) {
			l.InfoS(ctx, "m", "a", 1, "b", "x y", "c", 1.5, "d", at, "e", time.Second)
		},
		"empty": func(l common, ctx context.Context) { l.InfoS(ctx, "", "", "", "k", nil) },
		"quotes": func(l common, ctx context.Context) {
			l.InfoS(ctx, "m", `a"b`, `x=y`, "c d", `e\f`, "g", "größe", "h", "\t")
		},
		"odd":     func(l common, ctx context.Context) { l.InfoS(ctx, "m", "a", 1, "b") },
		"bad key": func(l common, ctx context.Context) { l.InfoS(ctx, "m", 1, "b", 2) },
		"attrs": func(l common, ctx context.Context) {
			l.InfoS(ctx, "m", slog.Bool("a", true), slog.Attr{}, slog.Uint64("u", 7))
		},
		"values": func(l common, ctx context.Context) {
			l.InfoS(ctx, "m", "a", []byte{1, 2}, "b", map[string]int{"k": 1}, "c", &struct{ A int }{1})
		},
		"err": func(l common, ctx context.Context) {
			l.WarnS(ctx, "m", errors.New("boom x"), "a", 1)
			l.CriticalS(ctx, "m", nil)
		},
		"closures": func(l common, ctx context.Context) {
			l.InfoS(ctx, "m", v2.Fmt("a", "%.2f", 1.5), v2.ClosureAttr("b", func() string { return "x" }))
		},
		"hex": func(l common, ctx context.Context) {
			l.InfoS(ctx, "m", ours2.Hex2("a", []byte{1, 2, 3}), v2.Hex2("a", []byte{1, 2, 3}))
		},
		"nil values": func(l common, ctx context.Context) { l.InfoS(ctx, "m", "a", error(nil), "b", (*time.Location)(nil)) },
	} {
		for _, tag := range []string{"", "CMGR"} {
			for _, prefix := range []string{"", "(peer 7):"} {
				for _, styled := range []bool{false, true} {
					var got, want bytes.Buffer
					oursOpts := []ours2.HandlerOption{ours2.WithTimeSource(now), ours2.WithCallerFlags(0)}
					theirOpts := []v2.HandlerOption{v2.WithTimeSource(now), v2.WithCallerFlags(0)}
					if styled {
						oursOpts = append(oursOpts, ours2.WithStyledKeys(upper), ours2.WithNoTimestamp())
						theirOpts = append(theirOpts, v2.WithStyledKeys(upper), v2.WithNoTimestamp())
					}
					ours := ours2.NewSLogger(ours2.NewDefaultHandler(&got, oursOpts...))
					theirs := v2.NewSLogger(v2.NewDefaultHandler(&want, theirOpts...))
					if tag != "" {
						ours, theirs = ours.SubSystem(tag), theirs.SubSystem(tag)
					}
					if prefix != "" {
						ours, theirs = ours.WithPrefix(prefix), theirs.WithPrefix(prefix)
					}
					log(ours, ours2.WithCtx(ours2.WithCtx(ctx, "c", 1), "d", 2))
					log(theirs, v2.WithCtx(v2.WithCtx(ctx, "c", 1), "d", 2))
					if got.String() != want.String() {
						t.Errorf("%s:\n got %q\nwant %q", name, got.String(), want.String())
					}
				}
			}
		}
	}
}

// Everybody does the same work: one line, one Write, of the same content.
func TestSubjectsDoTheWork(t *testing.T) {
	for _, table := range [][]subject{messages, fields} {
		for _, s := range table {
			var w counter
			log := s.start(&w)
			for i := range 3 {
				log(i)
			}
			if w.writes != 3 || strings.Count(w.String(), "\n") != 3 {
				t.Errorf("%s: %d Writes: %q", s.name, w.writes, w.String())
			}
			for _, part := range []string{"PEER", "New valid peer", "2001:db8:85a3::8a2e:370:7334", "/Satoshi:27.0.0/", "70016", "870002"} {
				if !strings.Contains(w.String(), part) {
					t.Errorf("%s: %q is not in %q", s.name, part, w.String())
				}
			}
		}
	}
	for _, s := range off {
		var w counter
		s.start(&w)(1)
		if w.writes != 0 {
			t.Errorf("%s: wrote %q", s.name, w.String())
		}
	}
}

type counter struct {
	bytes.Buffer
	writes int
}

func (c *counter) Write(p []byte) (int, error) {
	c.writes++
	return c.Buffer.Write(p)
}

// The table can be made; what is in it is not judged here, but for the allocations,
// which are the same on every machine.
func TestRun(t *testing.T) {
	var out bytes.Buffer
	if _, err := run(&out, 1, 100*time.Microsecond); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "\n"); n < 80 {
		t.Errorf("%d lines:\n%s", n, out.String())
	}
	for _, tt := range []struct {
		log  job
		most float64
	}{
		{messages[0].start(nowhere{}), 3}, // those of the caller
		{fields[0].start(nowhere{}), 6},
		{fields[2].start(nowhere{}), 1},
		{off[0].start(nowhere{}), 0},
	} {
		if _, allocs := memory(tt.log); allocs > tt.most+0.5 {
			t.Errorf("%v allocations, at most %v", allocs, tt.most)
		}
	}
}
