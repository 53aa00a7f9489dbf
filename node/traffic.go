package node

import (
	"maps"
	"slices"
	"sync/atomic"

	"github.com/btcsuite/btcd/wire/v2"
)

// OtherMessages is the name under which Traffic counts all messages whose command the
// node does not know. It is that of Bitcoin Core.
const OtherMessages = "*other*"

// Traffic is what went over the wire since the node was made, of sessions that have
// ended too.
type Traffic struct {
	// Sent and Received are bytes, of whole messages or not.
	Sent, Received uint64

	// SentBy and ReceivedBy are the bytes of whole messages, headers included, by
	// command; those of which there were none are left out. The commands are those of
	// the node's table; all others count as OtherMessages, so that no peer can make
	// these maps large.
	SentBy, ReceivedBy map[string]uint64
}

// Traffic returns what went over the wire so far. The numbers never fall.
func (n *Node) Traffic() Traffic {
	n.mu.Lock()
	sum := n.past.clone()
	for _, s := range n.all {
		sum.add(s)
	}
	n.mu.Unlock()
	return Traffic{Sent: sum.out, Received: sum.in, SentBy: byCommand(sum.sent), ReceivedBy: byCommand(sum.received)}
}

// commands are those that are counted, by their index, and commandIndex is the index of
// each. The first stands for all others.
var (
	commands     = append([]string{OtherMessages}, slices.Sorted(maps.Keys(messages))...)
	commandIndex = func() map[string]int {
		index := make(map[string]int)
		for i, c := range commands {
			index[c] = i
		}
		delete(index, OtherMessages)
		return index
	}()
)

// meter counts the bytes of messages, by the index of their commands. A message costs
// one atomic addition.
type meter []atomic.Uint64

func newMeter() meter { return make(meter, len(commands)) }

func (m meter) add(command string, bytes int) { m[commandIndex[command]].Add(uint64(bytes)) }

// byCommand returns the counts that are not zero.
func (m meter) byCommand() map[string]uint64 {
	counts := make([]uint64, len(m))
	for i := range m {
		counts[i] = m[i].Load()
	}
	return byCommand(counts)
}

func byCommand(counts []uint64) map[string]uint64 {
	by := make(map[string]uint64)
	for i, c := range counts {
		if c > 0 {
			by[commands[i]] = c
		}
	}
	return by
}

// traffic is a sum over sessions.
type traffic struct {
	in, out        uint64
	received, sent []uint64 // by the index of the command; nil means none
}

func (t *traffic) clone() traffic {
	return traffic{t.in, t.out, slices.Clone(t.received), slices.Clone(t.sent)}
}

// add adds what a session has counted so far.
func (t *traffic) add(s *session) {
	if t.sent == nil {
		t.received, t.sent = make([]uint64, len(commands)), make([]uint64, len(commands))
	}
	t.in += s.bytesIn.Load()
	t.out += s.bytesOut.Load()
	for i := range commands {
		t.received[i] += s.received[i].Load()
		t.sent[i] += s.sent[i].Load()
	}
}

// messageSize is how many bytes a message has on the wire.
func messageSize(h frameHeader) int { return wire.MessageHeaderSize + int(h.length) }
