package node

import (
	"bytes"
	"net"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/btcsuite/btcd/wire/v2"
)

// TestMemoryOfLists: a hundred peers that send the longest messages there are, and keep
// the last byte to themselves, take next to no memory, of whatever type they are; and
// what came is judged as if it had all been kept.
func TestMemoryOfLists(t *testing.T) {
	const (
		peers = 100
		most  = 16 << 10 // for one, beside what it takes while nothing comes
	)
	count := []byte{0xfd, 0x50, 0xc3} // 50,000
	sent := inventory(wire.InvTypeBlock, 50_000)
	entries := payloadOf(t, &wire.MsgInv{InvList: sent})[len(count):]
	lastIsTx := slices.Concat(count, entries)
	lastIsTx[len(lastIsTx)-inventoryEntry] = byte(wire.InvTypeTx)
	for _, tt := range []struct {
		name, command string
		payload       []byte
		score         uint32 // of one of them
		notFound      bool   // it is answered
	}{
		{"getdata", wire.CmdGetData, slices.Concat(count, entries), 0, true},
		{"inv of blocks", wire.CmdInv, slices.Concat(count, entries), 0, false},
		{"inv with a transaction at its end", wire.CmdInv, lastIsTx, 10, false},
		{"inv that says one too many", wire.CmdInv, slices.Concat([]byte{0xfd, 0x51, 0xc3}, entries), 20, false},
		{"inv that says one too few", wire.CmdInv, slices.Concat([]byte{0xfd, 0x4f, 0xc3}, entries), 20, false},
		{"inv of 50001", wire.CmdInv, slices.Concat([]byte{0xfd, 0x51, 0xc3}, entries, entries[:inventoryEntry]), 20, false},
		{"block", wire.CmdBlock, make([]byte, 2_000_000), 0, false},
		{
			"addrv2 of nobody", wire.CmdAddrV2,
			slices.Concat([]byte{0xfd, 0xe8, 0x03}, bytes.Repeat(unhex(t, "00000065 00 aa fd0002"+strings.Repeat("ab", 512)+"208d"), 1000)), 19, false, // 999 over the limit
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := scripted(t, Config{})
				var all []*remote
				for i := range byte(peers) {
					r := w.dialIn(net.IPv4(20, i, 1, 1).String())
					r.shake()
					all = append(all, r)
				}
				message := frame(tt.command, tt.payload)
				before := held()
				for _, r := range all {
					r.raw(message[:len(message)-1])
				}
				wait(time.Second)
				if per := (held() - before) / peers; per > most {
					t.Errorf("%d bytes are held for each of %d peers", per, peers)
				}
				all[0].raw(message[len(message)-1:])
				wait(time.Second)
				ps := w.peers()
				if len(ps) != peers || ps[0].BanScore != tt.score || ps[1].BanScore != 0 && tt.name != "inv of 50001" {
					t.Fatalf("%d peers, scores %d and %d, want %d\n%s", len(ps), ps[0].BanScore, ps[1].BanScore, tt.score, w.lines())
				}
				if !tt.notFound {
					return
				}
				m, ok := all[0].until(wire.CmdNotFound).(*wire.MsgNotFound)
				if !ok || len(m.InvList) != maxNotFound || *m.InvList[99] != *sent[99] {
					t.Errorf("the answer has %d entries", len(m.InvList))
				}
			})
		})
	}
}

// held returns how many bytes of memory are in use.
func held() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
