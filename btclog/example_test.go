package btclog_test

import (
	"errors"
	"fmt"
	"log/slog"
	"os"

	"holdfast/btclog"
)

// noTime keeps the output of the examples the same.
var noTime = btclog.WithNoTimestamp()

func Example() {
	backend := btclog.NewBackend(os.Stdout, noTime)
	cmgr := backend.Logger("CMGR")
	peer := backend.Logger("PEER")
	peer.SetLevel(btclog.LevelDebug)

	cmgr.Infof("connected to %s", "192.0.2.1:8333")
	cmgr.Debug("not written: the level is info")
	peer.Debug("user agent:", "/evil/\n[CRT] forged: line")
	// Output:
	// [INF] CMGR: connected to 192.0.2.1:8333
	// [DBG] PEER: user agent: /evil/\n[CRT] forged: line
}

// Two formats on one writer, with one mutex.
func ExampleNewOutput() {
	out := btclog.NewOutput(os.Stdout)
	btclog.NewBackend(out, noTime).Logger("A").Info("text")
	btclog.NewBackend(out, noTime, btclog.WithJSON()).Logger("B").Info("JSON")
	// Output:
	// [INF] A: text
	// {"level":"info","subsystem":"B","msg":"JSON"}
}

// A backend behind log/slog.
func ExampleBackend_Handler() {
	log := slog.New(btclog.NewBackend(os.Stdout, noTime).Handler("CMGR"))
	log.Info("connected", "peer", 7, slog.Group("sent", "bytes", 24))
	log.WithGroup("dial").Warn("failed", "reason", "connection refused")
	// Output:
	// [INF] CMGR: connected peer=7 sent.bytes=24
	// [WRN] CMGR: failed dial.reason="connection refused"
}

// log/slog behind a Logger, for packages that want one.
func ExampleFromHandler() {
	handler := slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	})
	log := btclog.FromHandler(handler, "CMGR")
	log.Infof("connected to %s", "192.0.2.1:8333")
	// Output:
	// level=INFO msg="connected to 192.0.2.1:8333" subsystem=CMGR
}

type brokenDisk struct{}

func (brokenDisk) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

// A line that is lost is not lost in silence.
func ExampleWithErrorHandler() {
	backend := btclog.NewBackend(brokenDisk{}, btclog.WithErrorHandler(func(err error, failed uint64) {
		fmt.Printf("log line %d lost: %v\n", failed, err)
	}))
	backend.Logger("CMGR").Info("connected")
	fmt.Println(backend.Errors())
	// Output:
	// log line 1 lost: no space left on device
	// 1
}

// Handler.LogAttrs is the cheapest way to write attributes.
func ExampleHandler_LogAttrs() {
	log := btclog.NewHandler(os.Stdout, noTime).SubSystem("CMGR")
	_ = log.LogAttrs(btclog.LevelInfo, "connected", slog.Int("peer", 7), slog.Bool("inbound", true))
	// Output:
	// [INF] CMGR: connected peer=7 inbound=true
}
