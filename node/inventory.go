package node

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/btcsuite/btcd/wire/v2"
)

// The lists of inv and getdata have up to 50,000 entries, 1.8 MB, of which a node that
// has nothing needs next to nothing. So they are counted as they come, and only their
// heads are kept.

// inventoryEntry is how many bytes an entry has: its type and a hash.
const inventoryEntry = 4 + 32

// invTypeWtx is MSG_WTX of BIP339, which wire does not name.
const invTypeWtx wire.InvType = 5

// invList is a received inv, getDataList a received getdata.
type (
	invList     struct{ tally }
	getDataList struct{ tally }
)

// Command and what follows make a wire.Message of it.
func (*invList) Command() string     { return wire.CmdInv }
func (*getDataList) Command() string { return wire.CmdGetData }

// tally is what is kept of a list.
type tally struct {
	head []*wire.InvVect // the first maxNotFound
	txs  int             // how many are transactions, of all
}

// BtcDecode reads a list as it comes, in little memory however long it is.
func (l *tally) BtcDecode(r io.Reader, pver uint32, _ wire.MessageEncoding) error {
	n, err := wire.ReadVarInt(r, pver)
	if err != nil {
		return err
	}
	if n > wire.MaxInvPerMsg {
		return fmt.Errorf("%d entries", n)
	}
	var entry [inventoryEntry]byte
	for i := range n {
		if _, err := io.ReadFull(r, entry[:]); err != nil {
			return fmt.Errorf("%d entries, and it ends after %d", n, i)
		}
		v := wire.InvVect{Type: wire.InvType(binary.LittleEndian.Uint32(entry[:])), Hash: [32]byte(entry[4:])}
		switch v.Type {
		case wire.InvTypeTx, wire.InvTypeWitnessTx, invTypeWtx:
			l.txs++
		}
		if len(l.head) < maxNotFound {
			l.head = append(l.head, &v)
		}
	}
	return nil
}

// BtcEncode fails: such lists are not sent.
func (l *tally) BtcEncode(io.Writer, uint32, wire.MessageEncoding) error {
	return errors.ErrUnsupported
}

// MaxPayloadLength returns the size of the longest list.
func (l *tally) MaxPayloadLength(pver uint32) uint32 {
	return new(wire.MsgInv).MaxPayloadLength(pver)
}

// handleInv ignores news of blocks. Our version declined transactions.
func (s *session) handleInv(m wire.Message) {
	if txs := m.(*invList).txs; txs > 0 {
		s.offend(OffenceTransactions, count(txs, "transaction", "transactions"))
	}
}

// handleGetData says that we have none of it.
func (s *session) handleGetData(m wire.Message) {
	if head := m.(*getDataList).head; len(head) > 0 {
		s.queue(&wire.MsgNotFound{InvList: head})
	}
}
