package btclog

import (
	"bytes"
	"log/slog"
	"testing"
)

// noTime drops the time of slog's own handlers.
var noTime = &slog.HandlerOptions{Level: slog.Level(-100), ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}}

// Any slog.Handler can stand behind a Logger.
func TestFromHandler(t *testing.T) {
	var buf bytes.Buffer
	l := FromHandler(slog.NewTextHandler(&buf, noTime), "CMGR")
	l.Debug("no")
	l.SetLevel(LevelTrace)
	if l.Level() != LevelTrace {
		t.Errorf("level %v", l.Level())
	}
	l.Trace("a", 1)
	l.Debugf("%d", 2)
	l.Info("a", "b", 3)
	l.Warnf("x\ny")
	l.Error()
	l.Criticalf("c")
	FromHandler(slog.NewTextHandler(&buf, noTime), "").Info("no tag")
	check(t, buf.String(), `level=DEBUG-1 msg="a 1" subsystem=CMGR
level=DEBUG msg=2 subsystem=CMGR
level=INFO msg="a b 3" subsystem=CMGR
level=WARN msg="x\ny" subsystem=CMGR
level=ERROR msg="" subsystem=CMGR
level=ERROR+1 msg=c subsystem=CMGR
level=INFO msg="no tag"
`)
}

// A handler's own level holds as well, and what it drops is not formatted.
func TestFromHandlerAsksTheHandler(t *testing.T) {
	var buf bytes.Buffer
	l := FromHandler(slog.NewTextHandler(&buf, &slog.HandlerOptions{Level: slog.LevelError}), "A")
	l.SetLevel(LevelTrace)
	l.Infof("%s", stringerFunc(func() string { t.Error("formatted"); return "" }))
	check(t, buf.String(), "")
}

// Over our own handler the tag is the line's, and lines are as without log/slog
// between.
func TestFromHandlerOverOurs(t *testing.T) {
	for _, tt := range lines {
		var direct, through recorder
		tt.log(NewBackend(&direct, atNoon(), WithFlags(0)).Logger("CMGR"))
		tt.log(FromHandler(NewHandler(&through, atNoon(), WithFlags(0)), "CMGR"))
		check(t, through.all(), direct.all())
	}
	var r recorder
	h := NewHandler(&r, atNoon(), WithFlags(0)).SubSystem("A").WithPrefix("p").WithAttrs([]slog.Attr{slog.Int("n", 1)}).(*Handler)
	h.SetLevel(LevelError)
	l := FromHandler(h, "")
	l.Info("the tag is kept")
	l.Debugf("no")
	l.SetLevel(LevelOff)
	if h.Level() != LevelError {
		t.Errorf("the handler's level is %v", h.Level())
	}
	check(t, r.all(), noonText+"[INF] A: p the tag is kept n=1\n")
}
