package rpc

import (
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"

	"holdfast/node"
)

// The methods about peers.
func peerMethods() []method {
	return []method{
		{
			name:    "getpeerinfo",
			summary: "Returns what is known of each connection, those that shake hands included.",
			result:  "[{...}, ...] as in Bitcoin Core and btcd; what this node cannot know is left out",
			run: func(c *call) (any, error) {
				list := []peerInfo{}
				for _, p := range c.cfg.Node.Peers() {
					list = append(list, newPeerInfo(p))
				}
				return list, nil
			},
		},
		{
			name:    "addnode",
			summary: "Keeps a peer from now on (add), ends that (remove: it is disconnected and not dialed again), or dials one once (onetry).",
			params: []param{
				{name: "node", kinds: kindString, required: true, help: "host or host:port"},
				{name: "command", kinds: kindString, required: true, help: "\"add\", \"remove\" or \"onetry\""},
				{name: "v2transport", kinds: kindBool, help: "Must not be true: only version 1 is spoken"},
			},
			result: "null",
			run:    addNode,
		},
		{
			name:    "node",
			summary: "Connects to a peer, disconnects it, or ends that it is kept (btcd's).",
			params: []param{
				{name: "subcmd", kinds: kindString, required: true, help: "\"connect\", \"disconnect\" or \"remove\""},
				{name: "target", kinds: kindString, required: true, help: "host or host:port, or the id of getpeerinfo to disconnect or remove"},
				{name: "connectsubcmd", kinds: kindString, help: "\"perm\" to keep the peer, \"temp\" (default) to dial once"},
			},
			result: "null",
			run:    btcdNode,
		},
		{
			name:    "disconnectnode",
			summary: "Ends a connection. A peer that is kept is dialed again after a while: to end that, use addnode remove.",
			params: []param{
				{name: "address", kinds: kindString, help: "host:port, or a host for all its ports; \"\" with nodeid"},
				{name: "nodeid", kinds: kindNumber, help: "The id of getpeerinfo"},
			},
			result: "null",
			run:    disconnectNode,
		},
		{
			name:    "getaddednodeinfo",
			summary: "Returns the peers that are kept: those of addnode and of the configuration. With btcd's first argument, a truth, false means their addresses alone.",
			params: []param{
				{name: "node", kinds: kindString | kindBool, help: "Only this one; or btcd's dns"},
				{name: "node2", kinds: kindString, help: "btcd's node, where the first argument is its dns"},
			},
			result: "[{\"addednode\": \"address\", \"connected\": true|false, \"addresses\": [{\"address\": \"host:port\", \"connected\": \"outbound\"}]}, ...]",
			run:    getAddedNodeInfo,
		},
		{
			name:    "ping",
			summary: "Has all peers pinged. The answers are in getpeerinfo.",
			result:  "null",
			run:     func(c *call) (any, error) { c.cfg.Node.Ping(); return nil, nil },
		},
	}
}

func addNode(c *call) (any, error) {
	n, addr := c.cfg.Node, c.text(0)
	if c.truth(2, false) {
		return nil, &Error{CodeParameter, "this node speaks version 1 of the transport only: leave v2transport out"}
	}
	switch c.text(1) {
	case "add":
		return nil, orderError(n.AddPeer(addr))
	case "remove":
		return nil, orderError(n.RemovePeer(addr))
	case "onetry":
		return nil, orderError(n.TryPeer(addr))
	}
	return nil, &Error{CodeMisc, c.method.help()}
}

func btcdNode(c *call) (any, error) {
	n, target := c.cfg.Node, c.text(1)
	switch c.text(0) {
	case "connect":
		switch c.text(2) {
		case "perm":
			return nil, orderError(n.AddPeer(target))
		case "temp", "":
			return nil, orderError(n.TryPeer(target))
		}
		return nil, &Error{CodeParameter, "invalid subcommand for node connect"} // btcd's words, here and below
	case "disconnect":
		if id, err := strconv.ParseUint(target, 10, 64); err == nil {
			return nil, disconnected(n.Disconnect(id))
		}
		return nil, disconnected(n.DisconnectAddr(target) > 0)
	case "remove":
		if id, err := strconv.ParseUint(target, 10, 64); err == nil {
			if target = addedByID(n, id); target == "" {
				return nil, &Error{CodeMisc, "can't remove a temporary peer, use disconnect"}
			}
		}
		err := n.RemovePeer(target)
		if errors.Is(err, node.ErrNotAdded) {
			return nil, &Error{CodeMisc, "peer not found"}
		}
		return nil, orderError(err)
	}
	return nil, &Error{CodeParameter, "invalid subcommand for node"}
}

// addedByID returns the address by which a connected peer is kept, "" if it is not.
func addedByID(n Node, id uint64) string {
	for _, a := range n.AddedPeers() {
		if a.Peer != nil && a.Peer.ID == id {
			return a.Addr
		}
	}
	return ""
}

func disconnected(any bool) error {
	if !any {
		return &Error{CodeNotConnected, "Node not found in connected nodes"} // Core's words
	}
	return nil
}

func disconnectNode(c *call) (any, error) {
	addr := c.text(0)
	switch {
	case addr != "" && !c.has(1):
		return nil, disconnected(c.cfg.Node.DisconnectAddr(addr) > 0)
	case addr == "" && c.has(1):
		id, err := c.number(1, 0, math.MinInt64, math.MaxInt64)
		if err != nil {
			return nil, err
		}
		return nil, disconnected(id >= 0 && c.cfg.Node.Disconnect(uint64(id)))
	}
	return nil, &Error{CodeInvalidParams, "Only one of address and nodeid should be provided."} // Core's words
}

type addedNode struct {
	Node      string       `json:"addednode"`
	Connected bool         `json:"connected"`
	Addresses []addedWhere `json:"addresses"`
}

type addedWhere struct {
	Address   string `json:"address"`
	Connected string `json:"connected"`
}

func getAddedNodeInfo(c *call) (any, error) {
	only, plain := c.text(1), false
	if c.is(0, kindBool) {
		plain = !c.truth(0, true)
	} else if c.has(0) {
		if c.has(1) {
			return nil, &Error{CodeMisc, c.method.help()}
		}
		only = c.text(0)
	}
	added := c.cfg.Node.AddedPeers()
	if only != "" {
		i := slices.IndexFunc(added, func(a node.AddedPeer) bool {
			return strings.EqualFold(a.Addr, only) || a.Peer != nil && a.Peer.Addr.String() == only
		})
		if i < 0 {
			return nil, &Error{CodeNotAdded, "Error: Node has not been added."} // Core's words
		}
		added = added[i : i+1]
	}
	names, list := []string{}, []addedNode{}
	for _, a := range added {
		x := addedNode{Node: a.Addr, Addresses: []addedWhere{}}
		if a.Peer != nil {
			x.Connected = true
			x.Addresses = append(x.Addresses, addedWhere{a.Peer.Addr.String(), "outbound"})
		}
		names, list = append(names, a.Addr), append(list, x)
	}
	if plain {
		return names, nil
	}
	return list, nil
}
