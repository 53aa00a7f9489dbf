package rpc

import (
	"errors"
	"time"

	"holdfast/banlist"
	"holdfast/connmgr"
	"holdfast/node"
	"holdfast/stream"
)

// newHistory returns a Hub with one event of each sort that explain looks at.
func newHistory() *stream.Hub {
	now := time.Now()
	subject, _ := banlist.ParseSubject("192.0.2.0/24")
	h := stream.NewHub(100)
	for i, e := range []node.Event{
		{Kind: node.KindStarted, Text: "Joining mainnet"},
		{Kind: node.KindBanned, Ban: &banlist.Entry{Subject: subject, Reason: "told so", Origin: banlist.Operator, Since: now, Until: now.Add(time.Hour)}},
		{Kind: node.KindEvicted, Event: connmgr.Event{Addr: mustAddr("7.7.7.1:1234"), Inbound: true}},
		{Event: connmgr.Event{Type: connmgr.EventRefused, Addr: mustAddr("7.7.7.2:1234"), Inbound: true, Reason: connmgr.ReasonHostFull}},
		{Event: connmgr.Event{Type: connmgr.EventFailed, Addr: mustAddr("7.7.7.3:8333"), Reason: connmgr.ReasonTimedOut, Err: errors.New("i/o timeout")}},
		{Event: connmgr.Event{Type: connmgr.EventRetryAt, Addr: mustAddr("9.9.9.9:8333"), Class: node.ClassManual, Reason: connmgr.ReasonRefused, At: now.Add(90 * time.Second), Count: 2}},
	} {
		e.Seq, e.Time = uint64(i+1), now.Add(time.Duration(i-6)*1500*time.Millisecond)
		h.Feed(e)
	}
	return h
}

func numbered(seq uint64) node.Event {
	return node.Event{Kind: node.KindStarted, Event: connmgr.Event{Seq: seq}}
}
