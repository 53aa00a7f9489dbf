package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"
)

// peer is what is shown of one in getpeerinfo.
type peer struct {
	ID       uint64  `json:"id"`
	Addr     string  `json:"addr"`
	Network  string  `json:"network"`
	AS       uint32  `json:"mapped_as"`
	Sent     uint64  `json:"bytessent"`
	Received uint64  `json:"bytesrecv"`
	Since    int64   `json:"conntime"`
	Ping     float64 `json:"pingtime"` // seconds
	Agent    string  `json:"subver"`
	Inbound  bool    `json:"inbound"`
	Score    uint32  `json:"banscore"`
	State    string  `json:"state"`
	Class    string  `json:"class"`
}

// kind is where a peer comes from: "in", "out", or the class of what the operator chose
// or a feeler is.
func (p *peer) kind() string {
	switch {
	case p.Inbound:
		return "in"
	case p.Class == "" || p.Class == "outbound":
		return "out"
	}
	return p.Class
}

// where is the network of a peer, in one word.
func (p *peer) where() string {
	if p.Network == "not_publicly_routable" {
		return "local"
	}
	return p.Network
}

// agent is what a peer calls itself.
func (p *peer) agent() string {
	if p.State == "handshake" {
		return "(shaking hands)"
	}
	return p.Agent
}

// peerColumns are those of the table of peers, here and in top.
func peerColumns() []column {
	return []column{
		{title: "ID", right: true, rank: 3},
		{title: "ADDRESS", least: len("255.255.255.255:65535")},
		{title: "NET", rank: 6},
		{title: "TYPE"},
		{title: "AGENT", least: 12, rank: 1},
		{title: "PING", right: true, rank: 2},
		{title: "IN", right: true, rank: 4},
		{title: "OUT", right: true, rank: 4},
		{title: "AGE", right: true, rank: 5},
		{title: "SCORE", right: true, rank: 7},
	}
}

// cells are a peer's, one for each of peerColumns.
func (p *peer) cells(now time.Time) []string {
	return []string{
		strconv.FormatUint(p.ID, 10), p.Addr, p.where(), p.kind(), p.agent(), pingText(p.Ping),
		bytesText(float64(p.Received)), bytesText(float64(p.Sent)), sinceText(now, p.Since), strconv.FormatUint(uint64(p.Score), 10),
	}
}

func newPeers() *cobra.Command {
	cmd, f := control("peers", "List the peers, add and remove some",
		`Peers lists the connections, those that shake hands included. The type is in, out, or
what else it is: manual for those that are to be kept, try, connect, feeler. IN and OUT
are the bytes that it sent and was sent; the score is that of its misbehaviour.`)
	cmd.RunE = f.run(func(ctx context.Context, c *client, _ []string) error {
		return ask(ctx, c, c.printPeers, "getpeerinfo")
	})
	f.sub(cmd, "add ADDRESS", "Keep a peer until the daemon ends; for good, set addpeer",
		func(ctx context.Context, c *client, args []string) error {
			return c.order(ctx, "To be kept: "+args[0], "addnode", args[0], "add")
		})
	remove := f.sub(cmd, "remove ADDRESS", "End that a peer is kept: it is disconnected, and not dialed again",
		func(ctx context.Context, c *client, args []string) error {
			return c.order(ctx, "No longer kept: "+args[0], "addnode", args[0], "remove")
		})
	f.sub(cmd, "try ADDRESS", "Dial a peer once",
		func(ctx context.Context, c *client, args []string) error {
			return c.order(ctx, "Dialing "+args[0], "addnode", args[0], "onetry")
		})
	disconnect := f.sub(cmd, "disconnect ADDRESS|ID", "End a connection; a peer that is kept is dialed again",
		func(ctx context.Context, c *client, args []string) error {
			params := []any{args[0]}
			if id, err := strconv.ParseUint(args[0], 10, 63); err == nil {
				params = []any{"", id}
			}
			return c.order(ctx, "Disconnected "+args[0], "disconnectnode", params...)
		})
	f.sub(cmd, "added", "List the peers that are to be kept, and when they are dialed next",
		func(ctx context.Context, c *client, _ []string) error {
			return ask(ctx, c, func(list []added) error { return c.printAdded(ctx, list) }, "getaddednodeinfo")
		})
	remove.ValidArgsFunction = f.complete(addedNames)
	disconnect.ValidArgsFunction = f.complete(peerNames)
	return cmd
}

func (c *client) printPeers(peers []peer) error {
	now := time.Now()
	rows := make([][]string, len(peers))
	for i := range peers {
		rows[i] = peers[i].cells(now)
	}
	cols := peerColumns()
	for i := range cols {
		cols[i].rank = 0 // all of them
	}
	return writeTable(c.out, cols, rows, func(row, _ int) string {
		switch p := &peers[row]; {
		case p.Score > 0:
			return red
		case p.State == "handshake":
			return faint
		}
		return ""
	})
}

// added is a peer of getaddednodeinfo.
type added struct {
	Node      string `json:"addednode"`
	Connected bool   `json:"connected"`
	Addresses []struct {
		Address string `json:"address"`
	} `json:"addresses"`
}

// printAdded prints the peers that are kept. Why they are not connected and when they
// are dialed next is what explain says of each.
func (c *client) printAdded(ctx context.Context, list []added) error {
	calls := make([]request, len(list))
	for i, a := range list {
		calls[i] = request{Method: "explain", Params: []any{a.Node, 0}}
	}
	answers, err := c.inBatches(ctx, calls)
	if err != nil {
		return err
	}
	now := time.Now()
	rows := make([][]string, len(list))
	for i, a := range list {
		var x explanation
		if err := answers[i].into("explain", &x); err != nil {
			return err
		}
		next := "-"
		if x.Next != nil {
			next = "in " + spanText(time.Unix(*x.Next, 0).Sub(now))
		}
		rows[i] = []string{a.Node, x.State, next, x.Summary}
	}
	return writeTable(c.out, []column{{title: "ADDRESS"}, {title: "STATE"}, {title: "NEXT"}, {title: "WHY", least: 20}}, rows,
		func(row, col int) string {
			if col == 1 && list[row].Connected {
				return green
			}
			return ""
		})
}

// batchSize is how many calls are made in one request: no more than fit into a body of
// 1 MiB and are answered in a few seconds.
const batchSize = 200

// inBatches makes calls, so many that they take several requests.
func (c *client) inBatches(ctx context.Context, calls []request) ([]answer, error) {
	var all []answer
	for len(calls) > 0 {
		n := min(len(calls), batchSize)
		answers, err := c.batch(ctx, calls[:n])
		if err != nil {
			return nil, fmt.Errorf("after %d calls: %w", len(all), err)
		}
		all, calls = append(all, answers...), calls[n:]
	}
	return all, nil
}
