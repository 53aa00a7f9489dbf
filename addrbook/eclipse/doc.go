// Package eclipse measures an address book under attack: a world of honest nodes, and
// an attacker who tells us of as many addresses as he likes, and wants our outbound
// connections. It is for tests and benchmarks, and runs any [Book] in virtual time.
//
// He may tell of his own addresses, which always answer; of dead ones in the groups of
// honest nodes, so that all that answers there is hard to find; and of honest ones.
//
// What it measures is the book: whom it makes us dial. So connections end for reasons
// that are the same for all; what a node does to keep or drop peers is not modeled. Nor
// are limits on how many addresses it takes from a peer: [MaxFlood] is what they come to.
// Honest nodes tell the truth, and do not pass on what the attacker tells; but none of
// them connects to us, and that might tell us more.
package eclipse

// How the package is laid out:
//
//	world.go     who is there: honest nodes that come and go, the attacker's groups
//	run.go       our node: eight slots, feelers, gossip; what is counted
//	addrbook.go  the book of package addrbook as a Book
