// Package netmon tells when the machine's own network may have changed: a link,
// an address or a default route came or went, or the machine woke from sleep. A
// program that waits before it tries a connection again can then try at once. It
// imports the standard library only, and sends nothing to any network.
//
// [Run] is all there is to call:
//
//	err := netmon.Run(ctx, netmon.Options{}, func(c netmon.Change) {
//		log.Info("Our network may have changed", "what", c)
//		manager.NetworkChanged()
//	})
//
// # What counts
//
// A link (a network interface, the loopback excepted) that was added, removed,
// or went up or down, its carrier included. A unicast address that became usable
// or was removed; not a loopback or link-local one, which leads to no peer. A
// default route, in any table, and what is used in place of one: a route so wide
// that it is none of the Internet's own, such as the pair 0.0.0.0/1 and
// 128.0.0.0/1 of a VPN. What is told again without a change does not count: a
// lifetime that a router advertisement refreshed, or the scan of a wireless card.
//
// # How it is known
//
// On Linux the kernel says so, through a netlink socket. Elsewhere, and where
// Linux allows no such socket, the interfaces and their addresses are read every
// few seconds; routes are not seen then. Sleep is seen by the clocks.
package netmon

// How the package is laid out, one mechanism a file:
//
//	change.go          Change: what is told
//	run.go             Options, Run, the loop
//	gate.go            when to tell: bursts are joined, streams are slowed (pure)
//	sleep.go           has the machine slept, by its clocks (pure)
//	facts.go           what is known of the network, and what news of it mean (pure)
//	poll.go            news by asking again and again
//	netlink_linux.go   news by netlink: the socket
//	message_linux.go   its messages (pure)
//	open_other.go      news on other systems: by asking
//
// There is no lock. All of it runs on the goroutine of Run; the one goroutine
// besides wakes a read of the socket when the context ends, and is waited for.
