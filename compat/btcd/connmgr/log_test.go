package connmgr

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/btcsuite/btclog"
)

// syncBuffer is a bytes.Buffer for several goroutines.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func newLogger(w io.Writer, level btclog.Level) btclog.Logger {
	l := btclog.NewBackend(w).Logger("CMGR")
	l.SetLevel(level)
	return l
}

// useBuffer sends the log, from trace on, to the buffer it returns, until the
// test ends.
func useBuffer(t *testing.T) *syncBuffer {
	buf := new(syncBuffer)
	UseLogger(newLogger(buf, btclog.LevelTrace))
	t.Cleanup(DisableLog)
	return buf
}

// lines returns what was logged, without the times.
func (b *syncBuffer) lines() []string {
	var out []string
	for line := range strings.Lines(b.String()) {
		_, rest, _ := strings.Cut(line, "[")
		out = append(out, strings.TrimSuffix("["+rest, "\n"))
	}
	return out
}

func TestLogLevels(t *testing.T) {
	levels := []struct {
		slog   slog.Level
		btclog btclog.Level
		tag    string
	}{
		{slog.LevelDebug - 8, btclog.LevelTrace, "TRC"},
		{slog.LevelDebug - 1, btclog.LevelTrace, "TRC"},
		{slog.LevelDebug, btclog.LevelDebug, "DBG"},
		{slog.LevelInfo - 1, btclog.LevelDebug, "DBG"},
		{slog.LevelInfo, btclog.LevelInfo, "INF"},
		{slog.LevelWarn, btclog.LevelWarn, "WRN"},
		{slog.LevelError, btclog.LevelError, "ERR"},
		{slog.LevelError + 4, btclog.LevelError, "ERR"},
	}
	t.Cleanup(DisableLog)
	for limit := btclog.LevelTrace; limit <= btclog.LevelOff; limit++ {
		for _, tt := range levels {
			buf := new(syncBuffer)
			UseLogger(newLogger(buf, limit))
			log.Log(t.Context(), tt.slog, "hello")
			want := ""
			if tt.btclog >= limit {
				want = "[" + tt.tag + "] CMGR: hello"
			}
			if got := strings.Join(buf.lines(), "|"); got != want {
				t.Errorf("%v at limit %v: logged %q, want %q", tt.slog, limit, got, want)
			}
			if got := log.Enabled(t.Context(), tt.slog); got != (want != "") {
				t.Errorf("%v at limit %v: Enabled is %v", tt.slog, limit, got)
			}
		}
	}
}

func TestLogFormat(t *testing.T) {
	tests := []struct {
		log  func()
		want string
	}{
		{func() { log.Info("plain") }, "plain"},
		{func() { log.Info("100%d %s") }, "100%d %s"},
		{func() { log.Info("m", "n", 7, "err", errors.New("went wrong")) }, `m n=7 err="went wrong"`},
		{func() { log.Info("m", "forged", "x\n[ERR] y") }, `m forged="x\n[ERR] y"`},
		{func() { log.Info("two\nlines", "empty", "", "eq", "a=b") }, `two\nlines empty="" eq="a=b"`},
		{func() { log.With("a", 1).Info("m", "b", 2) }, "m a=1 b=2"},
		{func() { log.With("a", 1).WithGroup("g").With("b", 2).Info("m", "c", 3) }, "m a=1 g.b=2 g.c=3"},
		{func() { log.Info("m", slog.Group("g", "a", 1, slog.Group("h", "b", 2))) }, "m g.a=1 g.h.b=2"},
		{func() { log.Info("m", slog.Group("", "inline", 1), slog.Group("empty"), slog.Attr{}) }, "m inline=1"},
		{func() { log.WithGroup("").Info("m", "a", 1) }, "m a=1"},
	}
	for _, tt := range tests {
		buf := useBuffer(t)
		tt.log()
		if got, want := strings.Join(buf.lines(), "|"), "[INF] CMGR: "+tt.want; got != want {
			t.Errorf("logged %q\nwant   %q", got, want)
		}
	}
}

func TestUseLoggerBeforeAndAfterNew(t *testing.T) {
	cfg := &Config{Dial: func(net.Addr) (net.Conn, error) { return nil, errors.New("no way") }}
	run := func(before bool) string {
		buf := new(syncBuffer)
		logger := newLogger(buf, btclog.LevelTrace)
		DisableLog()
		defer DisableLog()
		if before {
			UseLogger(logger)
		}
		m, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		UseLogger(logger)
		m.Start()
		m.Connect(&ConnReq{Addr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 8333}})
		m.Stop()
		m.Wait()
		return buf.String()
	}
	for _, before := range []bool{true, false} {
		if got := run(before); !strings.Contains(got, "192.0.2.1:8333") || !strings.Contains(got, "no way") {
			t.Errorf("UseLogger before New (%v): the failed dial is not in the log: %q", before, got)
		}
	}
}

func TestDisableLog(t *testing.T) {
	buf := useBuffer(t)
	log.Info("one")
	DisableLog()
	log.Error("two")
	UseLogger(newLogger(buf, btclog.LevelTrace))
	log.Info("three")
	UseLogger(nil)
	log.Error("four")
	if got, want := strings.Join(buf.lines(), "|"), "[INF] CMGR: one|[INF] CMGR: three"; got != want {
		t.Errorf("logged %q, want %q", got, want)
	}
}

// UseLogger while managers log. The race detector is the judge.
func TestDefect19UseLoggerRace(t *testing.T) {
	t.Cleanup(DisableLog)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				UseLogger(newLogger(io.Discard, btclog.LevelTrace))
				DisableLog()
			}
		}
	})
	cfg := &Config{Dial: func(net.Addr) (net.Conn, error) { return nil, errors.New("no") }}
	for range 50 {
		connectOnce(t, cfg)
		log.Info("hello", "a", 1)
	}
	close(stop)
	wg.Wait()
}
