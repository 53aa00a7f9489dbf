// Package connmgr keeps a node's connections: it dials, retries, accepts and
// limits. It knows net.Addr and net.Conn and no protocol, and it imports the
// standard library only, and holdfast/socks, which does too.
//
// A manager is made by [New] from a [Config] and run by [ConnManager.Run], or
// by Start, Stop and Wait. It keeps TargetOutbound automatic connections to
// addresses that the owner's GetNewAddress hands out, and any number of
// requests made by [ConnManager.Connect], which are retried for ever when they
// are Permanent. Connections and addresses are handed through as the dialer and
// the listener made them.
//
// Only Dial or DialContext is needed. Every other field of Config is off or
// neutral when it is unset, and then the manager does what the users of btcd's
// connmgr rely on; README.md lists what it does better.
//
// # What happens is an event
//
// Every change of state is one [Event] with one [Reason], numbered and in
// order. The log (Config.Logger), the owner's stream (Config.OnEvent), the
// errors and [ConnManager.Snapshot] are views of it.
//
// # Callbacks
//
// No callback runs under a lock. The callbacks of one request run one after
// another, in the order of what happened, OnConnection always before
// OnDisconnection; one that blocks holds up its own request only. Remove,
// Disconnect, Stop and Snapshot never wait for a callback, a dial or
// GetNewAddress, so they may be called from inside any callback and under the
// owner's locks.
package connmgr

// How the package is laid out, one mechanism a file:
//
//	config.go     Config, Limits, defaults
//	connreq.go    ConnReq and its states
//	manager.go    New, Start, Stop, Wait, Run, Shutdown
//	connect.go    Connect: how a request begins, and who is refused
//	requests.go   how it goes on and ends: Disconnect, Remove, MarkGood
//	ended.go      one-shots that failed, while their owner has them
//	dial.go       one attempt: who may start, how it ends
//	auto.go       the automatic connections
//	wanted.go     how many of them to dial now (pure)
//	pace.go       what their failures and delays teach, and the clock
//	backoff.go    how long to wait before a retry (pure)
//	outage.go     local failures: park, probe, resume
//	places.go     one connection an address, n a group, limits a class
//	listen.go     the accept loops
//	admission.go  the limits of inbound connections
//	callbacks.go  ordered execution: callbacks of a request, the event stream
//	event.go      Event; reason.go Reason and Error; classify.go errors to reasons
//	snapshot.go   the state as data
//	banscore.go   DynamicBanScore
//	tor.go        TorLookupIP, by package socks
//
// There is one lock, ConnManager.mu. It guards all state of the manager and of
// its requests, is never held across a call to the owner's code (callbacks,
// dialers, address source, Close of a connection; Config.Group, Network and
// Classify and the String of an address, which must be pure, excepted), and is a
// leaf: nothing else is locked under it.
