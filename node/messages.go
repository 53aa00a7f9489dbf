package node

import (
	"github.com/btcsuite/btcd/wire/v2"
)

// maxNotFound is how much of one getdata is answered. Who asks for more than that of a
// node that offers nothing is not worth the traffic, nor the memory: the answers to one
// who does not read them wait, 32 of them, of 4 KB each.
const maxNotFound = 100

// treatment is what is done with one type of message.
type treatment struct {
	empty   func() wire.Message          // makes one to decode into
	limit   func(pver uint32) uint32     // the longest payload
	handle  func(*session, wire.Message) // nil: the payload is read over
	early   bool                         // handled before the handshake is done too
	offence Offence                      // what it is to send it after the handshake, if it is one
	tooLong Offence                      // what it is to exceed the limit; OffenceNone means OffenceTooLong
	stream  bool                         // of a list: decoded as it comes, since it takes less memory than its payload
	because string                       // why it is read over
}

// messages says what is done with each type of message. Commands that are not in
// the table are read over: that is how the protocol grows. What is read over is
// not decoded; its length and checksum must be right, no more.
var messages = map[string]treatment{
	// The handshake.
	wire.CmdVersion:    of[wire.MsgVersion](treatment{handle: (*session).handleVersion, early: true}),
	wire.CmdVerAck:     of[wire.MsgVerAck](treatment{handle: (*session).handleVerack, early: true}),
	wire.CmdSendAddrV2: of[wire.MsgSendAddrV2](treatment{handle: (*session).handleSendAddrV2, early: true, offence: OffenceLateFeature}),
	wire.CmdWTxIdRelay: of[wire.MsgWTxIdRelay](treatment{offence: OffenceLateFeature, because: "we relay no transactions"}),
	"sendtxrcncl":      upTo(12, treatment{because: "we relay no transactions (BIP330)"}),

	// Being alive.
	wire.CmdPing: of[wire.MsgPing](treatment{handle: (*session).handlePing}),
	wire.CmdPong: of[wire.MsgPong](treatment{handle: (*session).handlePong}),

	// Addresses.
	wire.CmdGetAddr: of[wire.MsgGetAddr](treatment{handle: (*session).handleGetAddr}),
	wire.CmdAddr:    of[addrList](treatment{handle: (*session).handleAddrs, stream: true, tooLong: OffenceAddrCount}),
	wire.CmdAddrV2:  of[addrV2List](treatment{handle: (*session).handleAddrs, stream: true, tooLong: OffenceAddrCount}),

	// Questions about the chain: we say that we have nothing.
	wire.CmdGetHeaders: of[wire.MsgGetHeaders](treatment{handle: (*session).handleGetHeaders}),
	wire.CmdGetData:    of[getDataList](treatment{handle: (*session).handleGetData, stream: true, tooLong: OffenceInvCount}),
	wire.CmdGetBlocks:  of[wire.MsgGetBlocks](treatment{because: "to have no blocks is to say nothing"}),

	// News of the chain, and data: we ask for none.
	wire.CmdInv:         of[invList](treatment{handle: (*session).handleInv, stream: true, tooLong: OffenceInvCount}),
	wire.CmdTx:          of[wire.MsgTx](treatment{offence: OffenceTransactions}),
	wire.CmdHeaders:     of[wire.MsgHeaders](treatment{because: "we follow no chain; new blocks are told so"}),
	wire.CmdBlock:       of[wire.MsgBlock](treatment{because: "we follow no chain"}),
	wire.CmdMerkleBlock: of[wire.MsgMerkleBlock](treatment{because: "we set no filter"}),
	wire.CmdNotFound:    of[wire.MsgNotFound](treatment{because: "we asked for nothing", tooLong: OffenceInvCount}),
	"cmpctblock":        upTo(wire.MaxProtocolMessageLength, treatment{because: "we follow no chain (BIP152)"}),
	"getblocktxn":       upTo(wire.MaxProtocolMessageLength, treatment{because: "we sent no compact block (BIP152)"}),
	"blocktxn":          upTo(wire.MaxProtocolMessageLength, treatment{because: "we asked for nothing (BIP152)"}),

	// Preferences of relaying, which we do not do.
	wire.CmdSendHeaders: of[wire.MsgSendHeaders](treatment{because: "we announce no blocks"}),
	wire.CmdFeeFilter:   of[wire.MsgFeeFilter](treatment{handle: (*session).handleFeeFilter}),
	"sendcmpct":         upTo(9, treatment{because: "we announce no blocks (BIP152)"}),
	wire.CmdReject:      of[wire.MsgReject](treatment{because: "it is out of use, and changes nothing"}),

	// Services that we do not offer: who asks nevertheless has not read our
	// version.
	wire.CmdMemPool:      of[wire.MsgMemPool](treatment{offence: OffenceBloom}),
	wire.CmdFilterLoad:   of[wire.MsgFilterLoad](treatment{offence: OffenceBloom}),
	wire.CmdFilterAdd:    of[wire.MsgFilterAdd](treatment{offence: OffenceBloom}),
	wire.CmdFilterClear:  of[wire.MsgFilterClear](treatment{offence: OffenceBloom}),
	wire.CmdGetCFilters:  of[wire.MsgGetCFilters](treatment{offence: OffenceFilters}),
	wire.CmdGetCFHeaders: of[wire.MsgGetCFHeaders](treatment{offence: OffenceFilters}),
	wire.CmdGetCFCheckpt: of[wire.MsgGetCFCheckpt](treatment{offence: OffenceFilters}),
	wire.CmdCFilter:      of[wire.MsgCFilter](treatment{because: "we asked for nothing"}),
	wire.CmdCFHeaders:    of[wire.MsgCFHeaders](treatment{because: "we asked for nothing"}),
	wire.CmdCFCheckpt:    of[wire.MsgCFCheckpt](treatment{because: "we asked for nothing"}),
}

// of makes the treatment of a message that has a type, wire's or ours.
func of[T any, P interface {
	*T
	wire.Message
}](t treatment,
) treatment {
	t.empty = func() wire.Message { return P(new(T)) }
	t.limit = func(pver uint32) uint32 { return P(new(T)).MaxPayloadLength(pver) }
	return t
}

// upTo makes the treatment of a message that wire does not know, and that is read
// over.
func upTo(limit uint32, t treatment) treatment {
	t.limit = func(uint32) uint32 { return limit }
	return t
}

// maxMoney is all bitcoins that there will be, in satoshis (MAX_MONEY in
// src/consensus/amount.h of Core).
const maxMoney = 21_000_000 * 100_000_000

// handleFeeFilter notes for whoever asks what the peer wants for a transaction: we relay
// none. What is no amount is ignored, as by Core.
func (s *session) handleFeeFilter(m wire.Message) {
	if fee := m.(*wire.MsgFeeFilter).MinFee; fee >= 0 && fee <= maxMoney {
		s.mu.Lock()
		s.facts.MinFee = fee
		s.mu.Unlock()
	}
}

// handleGetHeaders says that we have none.
func (s *session) handleGetHeaders(wire.Message) { s.queue(wire.NewMsgHeaders()) }
