// Package node is the part of a Bitcoin node that keeps its peers: it joins a
// network, shakes hands, pings, exchanges addresses, and bans who misbehaves. It
// validates no chain and relays no transactions or blocks.
//
// A node is made by [New] from a [Config] and run by [Node.Run]. Its connections
// are connmgr's work: the node hands it addresses, and runs one session on each
// connection that it gets back.
//
// # What happens is an event
//
// The node publishes its own events into connmgr's stream, so there is one order
// for all of them. [Event] is the view of both that the log, the demo and the
// tools show: its String is the one wording.
package node

// How the package is laid out, one mechanism a file:
//
//	config.go     Config, its defaults and checks
//	address.go    addresses: parsing, names resolved at each dial
//	group.go      the network group of an address
//	node.go       New, Run, Close; the connection manager's set-up
//	dial.go       from the address book to a connection
//	ways.go       how an address is reached: directly, or through which proxy
//	proxywatch.go when a lost proxy is back
//	beyond.go     whether what is behind a proxy works
//	onion.go      our onion service, and who comes by it
//	peer.go       one session: its life, its writer, its end
//	read.go       the reading half: messages in, bounded
//	frame.go      one message off the wire: header, payload, checksum
//	handshake.go  version and verack
//	keepalive.go  ping and pong
//	gossip.go     addresses in and out; addrmsg.go the messages that carry them
//	messages.go   what is done with each type of message
//	inventory.go  inv and getdata, counted as they come
//	bucket.go     a token bucket, and the limit of messages
//	misbehave.go  offences and their scores
//	bans.go       who is not talked to, and who is trusted
//	subscriber.go who is behind an address
//	book.go       what the address book is told, the files, the anchors
//	feeler.go     short connections that test addresses
//	seeds.go      the seeds, and the nodes to ask for addresses
//	full.go       who makes room when all inbound places are taken
//	evict.go      whom that costs his place (pure)
//	events.go     Event, in words; attrs.go as data; kind.go its kinds; reason.go Reason
//	snapshot.go   the state as data; views.go more of it, traffic.go bytes by message
//	added.go      the peers that the operator chose
//	named.go      fixed peers by name, and automatic ones at the same place
//	banpolicy.go  what becomes of who misbehaves, and who is trusted
//	control.go    the operator's other orders: disconnect, ping, networking off and on
//	shares.go     who has how many of MaxPeers
//
// Locks: Node.mu, turnedAway.mu, banLines.mu, keepalive.mu and session.mu are leaves:
// nothing else is locked under them, and no connection is written, read or closed.
// Node.evicting is held while it is decided who makes room, and he is sent away. What
// only one goroutine of a session touches is marked so and has no lock. The book and the
// bans have locks of their own. Node.orders is held while an order of the operator is
// carried out, and taken before all others.
