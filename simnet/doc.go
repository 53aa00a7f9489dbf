// Package simnet is the network in a box: deterministic Bitcoin peers, good and
// bad ones, for tests in virtual time and for demonstrations on the loopback
// interface.
//
// It has four parts, each usable without the others:
//
//   - [Fabric] is an in-memory network of net.Conn and net.Listener with latency,
//     refusals, black holes and cuts. It knows nothing of Bitcoin, and works
//     inside testing/synctest bubbles, where its time is virtual.
//   - [Behaviour] says, as data, how a peer acts: [Honest], [Slow], [Flooder] and
//     so on. The doc of each says what a good node does with such a peer.
//   - [Network] runs many [Peer]s with their behaviours, over a Fabric or over real
//     loopback sockets ([Loopback]), stops and revives them, and lets them dial.
//   - [DNSServer] is a small authoritative DNS server that acts as a DNS seed,
//     with faults on demand.
//
// # Determinism
//
// Everything drawn at random comes from a seed: a connection's delays and a
// session's nonces, addresses and garbage are the same in each run with the same
// seed, as long as connections to one address are made in the same order. Nothing
// here validates blocks or relays transactions.
//
// # Goroutines
//
// A Fabric has none of its own. Network, Peer and DNSServer wait for all of theirs
// in Close (Peer: Stop).
package simnet

// How the package is laid out, one mechanism a file:
//
//	fabric.go     Fabric: dials, black holes, cuts
//	listener.go   where a Fabric's connections arrive
//	conn.go       one connection of a Fabric: two bounded queues with a delay
//	transport.go  Transport; Loopback, the one of real sockets
//	behaviour.go  Behaviour and the named ones
//	peer.go       Peer: start, stop, accept, connect
//	session.go    one connection of a peer: handshake and messages
//	gossip.go     what a peer tells of other peers
//	flood.go      what a Flooder sends
//	network.go    Network: peers, addresses, start and close
//	churn.go      stopping and reviving peers at random
//	event.go      Event: what happened at a peer
//	dns.go        DNSServer: sockets, zones, faults
//	dnsanswer.go  one query in, one answer out (pure)
//
// Lock order: Fabric.mu, then link.mu; Network.mu, then Peer.mu. DNSServer.mu is a
// leaf. No lock is held while a goroutine waits for time or for another goroutine, since a wait
// on a mutex would stop the virtual time of a synctest bubble; where that is
// needed, a channel or a condition is used.
