package node

import (
	"fmt"

	"holdfast/connmgr"
)

// The classes of connections that the node makes, besides connmgr's outbound.
const (
	ClassManual  = connmgr.ClassManual      // Config.AddPeer, and AddPeer
	ClassTry     = connmgr.Class("try")     // TryPeer
	ClassConnect = connmgr.Class("connect") // Config.Connect
	ClassFeeler  = connmgr.Class("feeler")  // to find out which addresses are good
	ClassSeed    = connmgr.Class("seed")    // kept free for peers that are asked for addresses only
)

// Kind is the kind of an Event of the node's own.
type Kind uint8

// The kinds of events. Their names (String) are fit for a metric's label.
const (
	KindConnection     Kind = iota // connmgr's event, not the node's: see Event.Type
	KindStarted                    // the node runs
	KindReady                      // a handshake is done: there is a new peer
	KindUnready                    // a connection ended before its handshake was done
	KindLost                       // a peer is gone
	KindOffence                    // a peer did what it should not
	KindBanned                     // a host was banned
	KindTurnedAway                 // a banned host's connection was closed at once
	KindAddresses                  // a peer told addresses
	KindSeed                       // a seed told addresses
	KindSeedFailed                 // a seed did not
	KindNoSeed                     // none of the seeds did
	KindNetworkChanged             // the machine's own network changed
	KindUnwatched                  // such changes cannot be noticed
	KindProbed                     // a feeler found that an address is good
	KindEvicted                    // an inbound peer made room for another
	KindBookTrouble                // the file of the address book is damaged, or cannot be written
	KindBansTrouble                // the same of the ban list
	KindOnion                      // our onion service is published
	KindOnionTrouble               // it is not, or no longer
	KindProxyLost                  // a proxy serves nobody
	KindProxyBack                  // it does again
	KindAdded                      // the operator added a peer to keep
	KindRemoved                    // the operator removed one
	KindNetworkActive              // networking was switched off, or on again
	KindPong                       // a peer answered our ping: its PeerInfo.Ping is how long that took

	numKinds
)

var kindNames = [numKinds]string{
	KindConnection:     "connection",
	KindStarted:        "started",
	KindReady:          "ready",
	KindUnready:        "unready",
	KindLost:           "lost",
	KindOffence:        "offence",
	KindBanned:         "banned",
	KindTurnedAway:     "turned-away",
	KindAddresses:      "addresses",
	KindSeed:           "seed",
	KindSeedFailed:     "seed-failed",
	KindNoSeed:         "no-seed",
	KindNetworkChanged: "network-changed",
	KindUnwatched:      "unwatched",
	KindProbed:         "probed",
	KindEvicted:        "evicted",
	KindBookTrouble:    "book-trouble",
	KindBansTrouble:    "bans-trouble",
	KindOnion:          "onion",
	KindOnionTrouble:   "onion-trouble",
	KindProxyLost:      "proxy-lost",
	KindProxyBack:      "proxy-back",
	KindAdded:          "added",
	KindRemoved:        "removed",
	KindNetworkActive:  "network-active",
	KindPong:           "pong",
}

// String returns the kind's name, as "seed-failed".
func (k Kind) String() string {
	if k < numKinds {
		return kindNames[k]
	}
	return fmt.Sprintf("kind-%d", uint8(k))
}

// The subsystems of the log. CMGR and PEER are named as in btcd.
const (
	SubsystemNode = "NODE" // the node as a whole
	SubsystemConn = "CMGR" // connections
	SubsystemPeer = "PEER" // sessions
	SubsystemAddr = "ADDR" // addresses that peers tell
	SubsystemSeed = "SEED" // DNS seeds
	SubsystemBans = "BANS" // offences and bans
	SubsystemTor  = "TORC" // our onion service
)

// Subsystems returns the names of all subsystems, in the order of a listing.
func Subsystems() []string {
	return []string{SubsystemNode, SubsystemConn, SubsystemPeer, SubsystemAddr, SubsystemSeed, SubsystemBans, SubsystemTor}
}

var kindSubsystems = [numKinds]string{
	KindConnection:     SubsystemConn,
	KindStarted:        SubsystemNode,
	KindReady:          SubsystemPeer,
	KindUnready:        SubsystemPeer,
	KindLost:           SubsystemPeer,
	KindOffence:        SubsystemBans,
	KindBanned:         SubsystemBans,
	KindTurnedAway:     SubsystemBans,
	KindAddresses:      SubsystemAddr,
	KindSeed:           SubsystemSeed,
	KindSeedFailed:     SubsystemSeed,
	KindNoSeed:         SubsystemSeed,
	KindNetworkChanged: SubsystemNode,
	KindUnwatched:      SubsystemNode,
	KindProbed:         SubsystemAddr,
	KindEvicted:        SubsystemPeer,
	KindBookTrouble:    SubsystemAddr,
	KindBansTrouble:    SubsystemBans,
	KindOnion:          SubsystemTor,
	KindOnionTrouble:   SubsystemTor,
	KindProxyLost:      SubsystemNode,
	KindProxyBack:      SubsystemNode,
	KindAdded:          SubsystemNode,
	KindRemoved:        SubsystemNode,
	KindNetworkActive:  SubsystemNode,
	KindPong:           SubsystemPeer,
}
