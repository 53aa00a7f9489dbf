package main

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"

	v1 "github.com/btcsuite/btclog"
	v2 "github.com/btcsuite/btclog/v2"
	"github.com/phuslu/log"
	"github.com/rs/zerolog"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	ours1 "holdfast/btclog"
	ours2 "holdfast/btclog/v2"
)

// What is logged. The values change with i, so that no argument is a constant that
// costs nothing to hand over.
const (
	format = "New valid peer %s (%s), version %d, height %d, relay %v"
	addr   = "[2001:db8:85a3::8a2e:370:7334]:8333"
	agent  = "/Satoshi:27.0.0/"
	stamp  = "2006-01-02 15:04:05.000"
)

// A job writes one line.
type job func(i int)

// A subject is a logger at one kind of work. start returns the job, writing to w.
type subject struct {
	name  string
	start func(w io.Writer) job
}

// locked is for loggers that leave it to others to write one line at a time.
type locked struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// opaque hides from the compiler what is behind an interface.
//
//go:noinline
func opaque[T any](v T) T { return v }

func zapTo(w io.Writer) *zap.Logger {
	c := zap.NewProductionEncoderConfig()
	c.EncodeTime = zapcore.TimeEncoderOfLayout(stamp)
	return zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(c), zapcore.Lock(zapcore.AddSync(w)), zap.InfoLevel)).Named("PEER")
}

func zerologTo(w io.Writer) zerolog.Logger {
	zerolog.TimeFieldFormat = stamp
	return zerolog.New(&locked{w: w}).Level(zerolog.InfoLevel).With().Timestamp().Str("subsystem", "PEER").Logger()
}

func phusluTo(w io.Writer) *log.Logger {
	return &log.Logger{
		Level: log.InfoLevel, TimeFormat: stamp, Writer: log.IOWriter{Writer: &locked{w: w}},
		Context: log.NewContext(nil).Str("subsystem", "PEER").Value(),
	}
}

// printer is what btclog's loggers have in common.
type printer interface {
	Infof(format string, params ...interface{})
}

func printf(l printer) job {
	l = opaque(l)
	return func(i int) { l.Infof(format, addr[i%4:], agent, 70016, 870_000+i, i%2 == 0) }
}

// messages: Infof with 5 arguments.
var messages = []subject{
	{"ours", func(w io.Writer) job { return printf(ours1.NewBackend(w).Logger("PEER")) }},
	{"btclog v1", func(w io.Writer) job { return printf(v1.NewBackend(w).Logger("PEER")) }},
	{"ours, v2", func(w io.Writer) job {
		return printf(ours2.NewSLogger(ours2.NewDefaultHandler(w).SubSystem("PEER")))
	}},
	{"btclog v2", func(w io.Writer) job {
		return printf(v2.NewSLogger(v2.NewDefaultHandler(w).SubSystem("PEER")))
	}},
	{"ours, JSON", func(w io.Writer) job { return printf(ours1.NewBackend(w, ours1.WithJSON()).Logger("PEER")) }},
	{"slog text", func(w io.Writer) job {
		return printf(ours1.FromHandler(slog.NewTextHandler(w, nil), "PEER"))
	}},
	{"slog JSON", func(w io.Writer) job {
		return printf(ours1.FromHandler(slog.NewJSONHandler(w, nil), "PEER"))
	}},
	{"zap sugared, JSON", func(w io.Writer) job { return printf(zapTo(w).Sugar()) }},
	{"zerolog", func(w io.Writer) job {
		l := zerologTo(w)
		return func(i int) {
			l.Info().Msgf(format, addr[i%4:], agent, 70016, 870_000+i, i%2 == 0)
		}
	}},
	{"phuslu/log", func(w io.Writer) job {
		l := phusluTo(w)
		return func(i int) {
			l.Info().Msgf(format, addr[i%4:], agent, 70016, 870_000+i, i%2 == 0)
		}
	}},
}

// structured is what btclog v2's loggers have in common.
type structured interface {
	InfoS(ctx context.Context, msg string, attrs ...any)
}

func pairs(l structured) job {
	l, ctx := opaque(l), context.Background()
	return func(i int) {
		l.InfoS(ctx, "New valid peer", "addr", addr[i%4:], "agent", agent, "version", 70016, "height", 870_000+i,
			"relay", i%2 == 0, "ping", time.Duration(i)*time.Microsecond, "score", float64(i)/8, "services", uint64(i))
	}
}

// fields: a message and 8 fields, the way each logger likes them best, unless said
// otherwise.
var fields = []subject{
	{"ours, pairs", func(w io.Writer) job {
		return pairs(ours2.NewSLogger(ours2.NewDefaultHandler(w).SubSystem("PEER")))
	}},
	{"btclog v2, pairs", func(w io.Writer) job {
		return pairs(v2.NewSLogger(v2.NewDefaultHandler(w).SubSystem("PEER")))
	}},
	{"ours, typed", func(w io.Writer) job {
		l := opaque(ours1.NewHandler(w).SubSystem("PEER"))
		return func(i int) {
			_ = l.LogAttrs(ours1.LevelInfo, "New valid peer", slog.String("addr", addr[i%4:]), slog.String("agent", agent),
				slog.Int("version", 70016), slog.Int("height", 870_000+i), slog.Bool("relay", i%2 == 0),
				slog.Duration("ping", time.Duration(i)*time.Microsecond), slog.Float64("score", float64(i)/8), slog.Uint64("services", uint64(i)))
		}
	}},
	{"zerolog", func(w io.Writer) job {
		l := zerologTo(w)
		return func(i int) {
			l.Info().Str("addr", addr[i%4:]).Str("agent", agent).Int("version", 70016).Int("height", 870_000+i).
				Bool("relay", i%2 == 0).Dur("ping", time.Duration(i)*time.Microsecond).Float64("score", float64(i)/8).
				Uint64("services", uint64(i)).Msg("New valid peer")
		}
	}},
	{"ours under slog", func(w io.Writer) job { return logAttrs(ours1.NewHandler(w).SubSystem("PEER")) }},
	{"slog text", func(w io.Writer) job {
		return logAttrs(slog.NewTextHandler(w, nil).WithAttrs([]slog.Attr{slog.String("subsystem", "PEER")}))
	}},
	{"slog JSON", func(w io.Writer) job {
		return logAttrs(slog.NewJSONHandler(w, nil).WithAttrs([]slog.Attr{slog.String("subsystem", "PEER")}))
	}},
	{"zap", func(w io.Writer) job {
		l := zapTo(w)
		return func(i int) {
			l.Info("New valid peer", zap.String("addr", addr[i%4:]), zap.String("agent", agent), zap.Int("version", 70016),
				zap.Int("height", 870_000+i), zap.Bool("relay", i%2 == 0), zap.Duration("ping", time.Duration(i)*time.Microsecond),
				zap.Float64("score", float64(i)/8), zap.Uint64("services", uint64(i)))
		}
	}},
	{"phuslu/log", func(w io.Writer) job {
		l := phusluTo(w)
		return func(i int) {
			l.Info().Str("addr", addr[i%4:]).Str("agent", agent).Int("version", 70016).Int("height", 870_000+i).
				Bool("relay", i%2 == 0).Dur("ping", time.Duration(i)*time.Microsecond).Float64("score", float64(i)/8).
				Uint64("services", uint64(i)).Msg("New valid peer")
		}
	}},
}

func logAttrs(h slog.Handler) job {
	l, ctx := slog.New(opaque(h)), context.Background()
	return func(i int) {
		l.LogAttrs(ctx, slog.LevelInfo, "New valid peer", slog.String("addr", addr[i%4:]), slog.String("agent", agent),
			slog.Int("version", 70016), slog.Int("height", 870_000+i), slog.Bool("relay", i%2 == 0),
			slog.Duration("ping", time.Duration(i)*time.Microsecond), slog.Float64("score", float64(i)/8), slog.Uint64("services", uint64(i)))
	}
}

// off: the level is off. These write nothing.
var off = []subject{
	{"ours, guarded", func(w io.Writer) job { return guarded(ours1.NewBackend(w).Logger("PEER")) }},
	{"btclog v1, guarded", func(w io.Writer) job { return guarded(v1.NewBackend(w).Logger("PEER")) }},
	{"ours, no arguments", func(w io.Writer) job { return unguarded(ours1.NewBackend(w).Logger("PEER")) }},
	{"btclog v1, no arguments", func(w io.Writer) job { return unguarded(v1.NewBackend(w).Logger("PEER")) }},
	{"ours v2, guarded", func(w io.Writer) job {
		return guarded(ours2.NewSLogger(ours2.NewDefaultHandler(w)))
	}},
	{"ours, Disabled, guarded", func(io.Writer) job { return guarded(ours1.Disabled) }},
	{"ours, 5 arguments", func(w io.Writer) job { return fiveOff(ours1.NewBackend(w).Logger("PEER")) }},
	{"btclog v1, 5 arguments", func(w io.Writer) job { return fiveOff(v1.NewBackend(w).Logger("PEER")) }},
}

func guarded(l v1.Logger) job {
	l = opaque(l)
	return func(i int) {
		if l.Level() <= v1.LevelDebug {
			l.Debugf(format, addr[i%4:], agent, 70016, 870_000+i, i%2 == 0)
		}
	}
}

func unguarded(l v1.Logger) job {
	l = opaque(l)
	return func(int) { l.Debugf("New valid peer") }
}

func fiveOff(l v1.Logger) job {
	l = opaque(l)
	return func(i int) { l.Debugf(format, addr[i%4:], agent, 70016, 870_000+i, i%2 == 0) }
}
