package node

import (
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/btcsuite/btcd/wire/v2"

	"holdfast/banlist"
	"holdfast/connmgr"
	"holdfast/netaddr"
)

// State is where a session stands.
type State uint8

// The states of a session.
const (
	StateHandshake State = iota // version and verack are being exchanged
	StateReady                  // it is a peer
)

// String returns "handshake" or "ready".
func (s State) String() string {
	if s == StateReady {
		return "ready"
	}
	return "handshake"
}

// PeerInfo is what is known of one session.
type PeerInfo struct {
	ID        uint64 // of the session; never used twice by a node
	ReqID     uint64 // of connmgr's request, or of the inbound connection
	Addr      net.Addr
	Network   netaddr.Network // that the other side is on; 0 if that is not known
	Inbound   bool
	Permanent bool          // the operator's choice, by Connect, AddPeer or TryPeer
	Class     connmgr.Class // empty for inbound ones
	State     State
	UserAgent string // printable ASCII; whatever else was told is replaced by "?"
	Services  wire.ServiceFlag
	Version   uint32 // its protocol version
	Height    int32
	AddrV2    bool          // it takes addrv2 (BIP155)
	Ping      time.Duration // the last round trip; 0 if none was measured
	Since     time.Time     // when the connection was made
	BytesIn   uint64
	BytesOut  uint64
	BanScore  uint32

	LocalAddr       net.Addr      // our end of the connection
	AddrLocal       netaddr.Addr  // what it says our address is, if that is plausible; it proves nothing
	TimeOffset      time.Duration // by how much its clock was ahead of ours, in whole seconds
	RelayTxes       bool          // it asked for transactions
	AddrProcessed   uint64        // addresses that it told and that were looked at
	AddrRateLimited uint64        // and those that were not, since they were too many
	AddrRelay       bool          // addresses are exchanged with it: of who came by himself, from when he begins
	MinFee          int64         // what a transaction must pay to be of interest to it (BIP133), in satoshis per 1000 virtual bytes; 0 if it never told

	// What follows costs more, and is filled in by Snapshot, Peers and AddedPeers only.

	LastSend, LastRecv time.Time         // zero for never
	MinPing            time.Duration     // the shortest round trip; 0 if none was measured
	PingWait           time.Duration     // how long a ping has not been answered; 0 if none is under way
	SentBy, ReceivedBy map[string]uint64 // as Traffic has them
	Whitelisted        bool              // the operator trusts its host
	Group              string            // of its address, as the address book has it
	MappedAS           uint32            // the autonomous system of its address, by Config.ASMap; 0 if that is not known
}

// Counts are a node's numbers.
type Counts struct {
	Outbound  int // automatic peers
	Target    int // how many of these there should be
	Permanent int // peers of the operator's choice: of Connect, AddPeer or TryPeer
	Wanted    int // how many of these there should be
	Inbound   int // peers that came by themselves
	Addresses int // known
	Banned    int // hosts and ranges
}

// all is how many peers there are.
func (c Counts) all() int { return c.Outbound + c.Permanent + c.Inbound }

// String is one line, as "8 of 8 outbound, 3 inbound, 27 addresses known, 2
// banned". What a node does not have is left out.
func (c Counts) String() string {
	parts := c.peerParts()
	if c.Target > 0 || c.Addresses > 0 {
		parts = append(parts, count(c.Addresses, "address", "addresses")+" known")
	}
	if c.Banned > 0 {
		parts = append(parts, fmt.Sprintf("%d banned", c.Banned))
	}
	return strings.Join(parts, ", ")
}

func (c Counts) peerParts() []string {
	var parts []string
	if c.Target > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d outbound", c.Outbound, c.Target))
	}
	if c.Wanted > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d fixed", c.Permanent, c.Wanted))
	}
	return append(parts, fmt.Sprintf("%d inbound", c.Inbound))
}

// count says "1 address" or "2 addresses".
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// Snapshot is the state of a node at one moment.
type Snapshot struct {
	connmgr.Snapshot // of the connection manager

	Network   string          // its name, as "mainnet"
	Listening []net.Addr      // where connections are accepted
	Peers     []PeerInfo      // by ID; those that shake hands included
	Bans      []banlist.Entry // in force, sorted
	Counts    Counts
}

// Snapshot returns the state of the node.
func (n *Node) Snapshot() Snapshot {
	return Snapshot{
		Snapshot:  n.Manager(),
		Network:   n.cfg.Params.Name,
		Listening: n.Listening(),
		Peers:     n.Peers(),
		Bans:      n.bans.List(),
		Counts:    n.Counts(),
	}
}

// Counts returns the numbers of the node.
func (n *Node) Counts() Counts {
	n.mu.Lock()
	c := n.counts()
	n.mu.Unlock()
	c.Addresses = n.book.Len()
	c.Banned = n.bans.Len()
	return c
}

// counts returns the numbers of peers. The lock must be held.
func (n *Node) counts() Counts {
	c := n.ready
	c.Target = n.shares.target
	c.Wanted = n.wantedFixed()
	return c
}
