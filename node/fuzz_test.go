package node

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/btcsuite/btcd/chaincfg/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"holdfast/connmgr"
)

// feed is a connection that delivers bytes in pieces, and takes all that is
// written.
type feed struct {
	mu     sync.Mutex
	r      *bytes.Reader
	piece  int
	closed bool
	local  net.TCPAddr
	remote net.TCPAddr
}

func (f *feed) Read(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return 0, net.ErrClosed
	}
	return f.r.Read(b[:min(len(b), f.piece)])
}

func (f *feed) Write(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return 0, net.ErrClosed
	}
	return len(b), nil
}

func (f *feed) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	return nil
}

func (f *feed) LocalAddr() net.Addr              { return &f.local }
func (f *feed) RemoteAddr() net.Addr             { return &f.remote }
func (f *feed) SetDeadline(time.Time) error      { return nil }
func (f *feed) SetReadDeadline(time.Time) error  { return nil }
func (f *feed) SetWriteDeadline(time.Time) error { return nil }

// devour runs a session over data, and checks what must hold however it went.
func devour(t *testing.T, data []byte, piece int, inbound bool) *session {
	t.Helper()
	n, err := New(Config{Params: &chaincfg.RegressionNetParams, Rand: rand.NewPCG(1, 1), Seeds: []Seed{}})
	if err != nil {
		t.Fatal(err)
	}
	n.ctx = context.Background()
	addr := netip.MustParseAddrPort("8.8.8.8:18444")
	conn := &feed{r: bytes.NewReader(data), piece: max(piece, 1), remote: *net.TCPAddrFromAddrPort(addr)}
	var req *connmgr.ConnReq
	if !inbound {
		req = &connmgr.ConnReq{Addr: &conn.remote, Permanent: true}
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	s := n.newSession(conn, req)
	why := s.run()
	runtime.ReadMemStats(&after)
	if why == nil || why.why == ReasonNone {
		t.Error("it ended without a reason")
	}
	// What a session allocates goes with what it was sent, and never with what
	// it was told that it would be sent.
	if got, most := after.TotalAlloc-before.TotalAlloc, uint64(256<<10+100*len(data)); got > most {
		t.Errorf("%d bytes allocated for %d bytes of input", got, len(data))
	}
	if len(n.all) != 0 || len(n.nonces) != 0 || n.ready != (Counts{}) || !conn.closed {
		t.Errorf("left behind: %d sessions, %d nonces, %+v, closed: %v", len(n.all), len(n.nonces), n.ready, conn.closed)
	}
	if s.score.Int() >= defaultBanThreshold && why.why != ReasonMisbehaved && why.why != ReasonViolation {
		t.Errorf("score %d, and it ended by %v", s.score.Int(), why)
	}
	n.cm.Stop()
	n.cm.Wait()
	return s
}

// FuzzSession feeds random bytes.
func FuzzSession(f *testing.F) {
	hello := slices.Concat(frame(wire.CmdVersion, versionPayload()), frame(wire.CmdVerAck, nil))
	f.Add([]byte{}, 1, true)
	f.Add([]byte("GET / HTTP/1.1\r\n"), 3, true)
	f.Add(hello, 7, true)
	f.Add(slices.Concat(hello, frame(wire.CmdPing, make([]byte, 8))), 100, false)
	f.Add(slices.Concat(hello, frame("nonsense", make([]byte, 300))), 1000, false)
	huge := frame(wire.CmdAddrV2, nil)
	copy(huge[16:20], []byte{0, 0, 8, 0})
	f.Add(slices.Concat(hello, huge), 1000, false)
	talk := slices.Clone(hello) // a peer that says all that there is to say, and is well behaved
	for _, m := range spoken() {
		talk = append(talk, frame(m.Command(), spokenPayload(m))...)
	}
	f.Add(talk, 1460, true)
	f.Add(talk[:len(talk)-5], 13, false)
	v2 := slices.Concat(frame(wire.CmdVersion, versionPayload()), frame(wire.CmdSendAddrV2, nil), talk[len(hello)-24:])
	f.Add(v2, 100, true)
	f.Fuzz(func(t *testing.T, data []byte, piece int, inbound bool) {
		devour(t, data, piece, inbound)
	})
}

// FuzzMessages feeds messages with good frames and random payloads: the first byte
// of each chunk chooses the command.
func FuzzMessages(f *testing.F) {
	var commands []string
	for c := range messages {
		commands = append(commands, c)
	}
	commands = append(commands, "nonsense", "")
	slices.Sort(commands)
	f.Add([]byte{0, 1, 2}, []byte{3}, []byte{4, 5, 6, 7, 8, 9, 10, 11, 12})
	chunk := func(m wire.Message) []byte {
		return append([]byte{byte(slices.Index(commands, m.Command()))}, spokenPayload(m)...)
	}
	for _, m := range spoken() {
		c := chunk(m)
		f.Add(c, c[:max(1, len(c)-1)], append(slices.Clone(c), 0)) // as it is, cut off, and too long
	}
	for i := range commands {
		f.Add([]byte{byte(i), 1, 0, 0, 0, 0}, []byte{byte(i)}, []byte{byte(i), 0xfd, 0xe8, 3, 1, 1, 1, 1})
	}
	f.Fuzz(func(t *testing.T, a, b, c []byte) {
		data := slices.Concat(frame(wire.CmdVersion, versionPayload()), frame(wire.CmdVerAck, nil))
		for _, chunk := range [][]byte{a, b, c} {
			if len(chunk) > 0 {
				data = append(data, frame(commands[int(chunk[0])%len(commands)], chunk[1:])...)
			}
		}
		s := devour(t, data, 4096, true)
		if !s.shake.ready {
			t.Error("the handshake failed")
		}
	})
}

func versionPayload() []byte { return spokenPayload(version()) }

func spokenPayload(m wire.Message) []byte {
	var b bytes.Buffer
	_ = m.BtcEncode(&b, wire.ProtocolVersion, wire.LatestEncoding) // a good one
	return b.Bytes()
}

// spoken returns good messages of the kinds that nodes exchange.
func spoken() []wire.Message {
	genesis := chaincfg.RegressionNetParams.GenesisBlock
	hash := genesis.BlockHash()
	inv := wire.NewMsgInv()
	data := wire.NewMsgGetData()
	none := wire.NewMsgNotFound()
	for _, typ := range []wire.InvType{wire.InvTypeBlock, wire.InvTypeTx, wire.InvTypeWitnessBlock} {
		v := wire.NewInvVect(typ, &hash)
		inv.InvList, data.InvList, none.InvList = append(inv.InvList, v), append(data.InvList, v), append(none.InvList, v)
	}
	addrs := addrMsg(3)
	addrs.AddrList = append(addrs.AddrList, wire.NewNetAddressIPPort(net.ParseIP("2a01::1"), 18444, wire.SFNodeNetwork))
	v2 := wire.NewMsgAddrV2()
	now := time.Unix(1_700_000_000, 0)
	for _, host := range [][]byte{{77, 1, 1, 1}, net.ParseIP("2a01::1"), bytes.Repeat([]byte{7}, 32), make([]byte, 10)} {
		v2.AddrList = append(v2.AddrList, wire.NetAddressV2FromBytes(now, wire.SFNodeNetwork, host, 18444))
	}
	headers := wire.NewMsgHeaders()
	headers.Headers = append(headers.Headers, &genesis.Header)
	getHeaders, getBlocks := wire.NewMsgGetHeaders(), wire.NewMsgGetBlocks(&hash)
	getHeaders.BlockLocatorHashes = append(getHeaders.BlockLocatorHashes, &hash)
	getBlocks.BlockLocatorHashes = append(getBlocks.BlockLocatorHashes, &hash)
	reject := wire.NewMsgReject(wire.CmdTx, wire.RejectDust, "dust")
	reject.Hash = hash
	return []wire.Message{
		wire.NewMsgPing(1), wire.NewMsgPong(1), wire.NewMsgGetAddr(), addrs, v2, inv, data, none, headers, getHeaders, getBlocks,
		genesis, genesis.Transactions[0], wire.NewMsgSendHeaders(), wire.NewMsgFeeFilter(1000), reject,
		wire.NewMsgMemPool(), wire.NewMsgFilterLoad([]byte{1, 2, 3}, 10, 0, wire.BloomUpdateNone), wire.NewMsgFilterAdd([]byte{1}), wire.NewMsgFilterClear(),
		wire.NewMsgGetCFilters(wire.GCSFilterRegular, 0, &hash), wire.NewMsgGetCFHeaders(wire.GCSFilterRegular, 0, &hash),
		wire.NewMsgGetCFCheckpt(wire.GCSFilterRegular, &hash),
	}
}

// TestSpoken: the seeds of the fuzz tests are messages that the session reads.
func TestSpoken(t *testing.T) {
	for _, m := range spoken() {
		of, isKnown := messages[m.Command()]
		if !isKnown {
			t.Errorf("%s is not among the messages", m.Command())
			continue
		}
		if got, err := decode(of, bytes.NewBuffer(spokenPayload(m)), wire.ProtocolVersion); err != nil || got.Command() != m.Command() {
			t.Errorf("%s: %v", m.Command(), err)
		}
	}
}

// TestAnnouncedMemory: a header that announces the most that may be costs nothing.
func TestAnnouncedMemory(t *testing.T) {
	hello := slices.Concat(frame(wire.CmdVersion, versionPayload()), frame(wire.CmdVerAck, nil))
	for command, m := range messages {
		b := frame(command, nil)
		limit := min(m.limit(wire.ProtocolVersion), wire.MaxProtocolMessageLength)
		b[16], b[17], b[18], b[19] = byte(limit), byte(limit>>8), byte(limit>>16), byte(limit>>24)
		devour(t, append(slices.Clone(hello), b...), 4096, true)
	}
}

// TestFrames reads what wire writes.
func TestFrames(t *testing.T) {
	var b bytes.Buffer
	for i := range 3 {
		if err := wire.WriteMessage(&b, wire.NewMsgPing(uint64(i)), wire.ProtocolVersion, magic); err != nil {
			t.Fatal(err)
		}
	}
	f := newFrames(&b, magic)
	for i := range 3 {
		h, err := f.header()
		if err != nil || h.command != wire.CmdPing || h.length != 8 {
			t.Fatalf("header: %+v, %v", h, err)
		}
		var intact bool
		if i == 1 {
			intact, err = f.body(h).end()
		} else {
			body := f.body(h)
			data, failed := body.all()
			if failed != nil || data.Len() != 8 || data.Bytes()[0] != byte(i) || body.Len() != 0 {
				t.Errorf("payload %x, %v", data, failed)
			}
			intact, err = body.end()
		}
		if !intact || err != nil {
			t.Errorf("message %d: intact %v, %v", i, intact, err)
		}
	}
	if _, err := f.header(); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
}
