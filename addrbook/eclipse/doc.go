// Package eclipse measures an address book under attack: a world of honest nodes, and
// an attacker who tells us of as many addresses as he likes, and wants our outbound
// connections. It is for tests and benchmarks, and runs any [Book] in virtual time.
//
// What it measures is the book: whom it makes us dial. So connections end for reasons
// that are the same for all; what a node does to keep or drop peers is not modeled,
// nor are limits on how many addresses it takes from a peer.
package eclipse

// How the package is laid out:
//
//	world.go     who is there: honest nodes that come and go, the attacker's groups
//	run.go       our node: eight slots, feelers, gossip; what is counted
//	addrbook.go  the book of package addrbook as a Book
