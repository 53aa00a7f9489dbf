package simnet

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"time"

	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/wire/v2"
)

// Sizes of a flood's messages where Flood.Size is 0, and the most of them.
const (
	defaultFloodInv     = 1000
	defaultFloodUnknown = 1024

	addrEntrySize = 30 // time, services, IP, port
	maxOversize   = wire.MaxProtocolMessageLength / addrEntrySize
)

// flood sends what the behaviour says, until it is done, the connection or ctx ends.
func (s *session) flood(ctx context.Context) {
	f := s.b.Flood
	// The reading goroutine draws from s.rng, so the flood has its own.
	rng := rand.New(rand.NewPCG(s.peer.net.cfg.Seed, s.nonce))
	for i := range f.Count {
		if i > 0 && !sleep(ctx, f.Every) {
			return
		}
		if err := s.sendFlood(f, rng); err != nil {
			return
		}
	}
}

func (s *session) sendFlood(f Flood, rng *rand.Rand) error {
	switch f.Kind {
	case FloodAddrs:
		list := make([]gossip, size(f, wire.MaxAddrPerMsg, wire.MaxAddrPerMsg))
		now := time.Now()
		for i := range list {
			list[i] = gossip{randomAddr(rng), wire.SFNodeNetwork, now}
		}
		return s.sendAddrs(list)
	case FloodOversize:
		return s.sendRaw(wire.CmdAddr, oversizeAddr(size(f, wire.MaxAddrPerMsg+1, maxOversize), rng))
	case FloodInv:
		msg := wire.NewMsgInv()
		for range size(f, defaultFloodInv, wire.MaxInvPerMsg) {
			var hash chainhash.Hash
			fill(hash[:], rng)
			msg.InvList = append(msg.InvList, wire.NewInvVect(wire.InvTypeTx, &hash))
		}
		return s.send(msg)
	case FloodUnknown:
		payload := make([]byte, size(f, defaultFloodUnknown, wire.MaxProtocolMessageLength))
		fill(payload, rng)
		return s.sendRaw("nonsense", payload)
	case FloodVersion:
		return s.send(s.version(s.nonce))
	default:
		return s.send(wire.NewMsgPing(rng.Uint64()))
	}
}

// sendRaw sends a message that wire would refuse to write.
func (s *session) sendRaw(command string, payload []byte) error {
	_, err := s.conn.Write(rawMessage(s.magic(), command, payload))
	return err
}

// rawMessage frames a payload without looking at it.
func rawMessage(magic wire.BitcoinNet, command string, payload []byte) []byte {
	buf := make([]byte, 0, wire.MessageHeaderSize+len(payload))
	buf = binary.LittleEndian.AppendUint32(buf, uint32(magic))
	var cmd [wire.CommandSize]byte
	copy(cmd[:], command)
	buf = append(buf, cmd[:]...)
	buf = binary.LittleEndian.AppendUint32(buf, uint32(len(payload)))
	buf = append(buf, chainhash.DoubleHashB(payload)[:4]...)
	return append(buf, payload...)
}

// oversizeAddr is the payload of an addr message with n entries, 0xfd..0xffff of
// which fit the two-byte count and more the four-byte one.
func oversizeAddr(n int, rng *rand.Rand) []byte {
	var buf []byte
	if n <= 0xffff {
		buf = append(buf, 0xfd)
		buf = binary.LittleEndian.AppendUint16(buf, uint16(n))
	} else {
		buf = append(buf, 0xfe)
		buf = binary.LittleEndian.AppendUint32(buf, uint32(n))
	}
	now := uint32(time.Now().Unix())
	for range n {
		a := randomAddr(rng)
		buf = binary.LittleEndian.AppendUint32(buf, now)
		buf = binary.LittleEndian.AppendUint64(buf, uint64(wire.SFNodeNetwork))
		ip := a.Addr().As16()
		buf = append(buf, ip[:]...)
		buf = binary.BigEndian.AppendUint16(buf, a.Port())
	}
	return buf
}

func fill(b []byte, rng *rand.Rand) {
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
}

// size returns the size of a flood's message.
func size(f Flood, byDefault, most int) int {
	if f.Size <= 0 {
		return byDefault
	}
	return min(f.Size, most)
}
