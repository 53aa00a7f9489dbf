package btclog_test

import (
	"context"
	"os"

	"holdfast/btclog/v2"
)

func Example() {
	handler := btclog.NewDefaultHandler(os.Stdout, btclog.WithNoTimestamp())
	log := btclog.NewSLogger(handler).SubSystem("CMGR")

	ctx := btclog.WithCtx(context.Background(), "peer", 7)
	log.InfoS(ctx, "connected", "addr", "192.0.2.1:8333", btclog.Hex3("id", []byte{1, 2, 3, 4}))
	log.WarnS(ctx, "dropped", os.ErrDeadlineExceeded)
	// Output:
	// [INF] CMGR: connected peer=7 addr=192.0.2.1:8333 id=010203
	// [WRN] CMGR: dropped peer=7 err="i/o timeout"
}
