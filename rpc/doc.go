// Package rpc lets operators see and steer a node by JSON-RPC: with bitcoin-cli,
// btcctl, btcd's rpcclient and whatever else speaks the networking calls of Bitcoin Core
// and btcd. Calls about blocks, transactions and wallets there are none.
//
// A [Server] is made by [New] from a [Config] and run by [Server.Serve]. Everything is a
// view of, or an order to, a [Node]; what happened comes from a [Hub], which is fed with
// the node's events and keeps the last of them.
//
// # Who may call
//
// Who has the cookie file, the user and password, or a password of rpcauth. A failed
// login ends its connection after 250 ms, or at once where many fail; a right one is
// never refused for those of others. On loopback TLS is not needed and taken all the same; elsewhere there is nothing else. Requests that a
// browser sends for another site, and such for a name that is not ours, are refused.
// Websockets, at /ws, are let in by the same rules.
//
// # What clients cannot do
//
// Slow the node: no lock of the node or of the stream.Hub is held while a client is read from
// or written to, and the memory and the goroutines that clients cost have bounds; see
// [Limits].
package rpc

// How the package is laid out, one mechanism a file:
//
//	config.go           Config, Node, Limits; their defaults and checks
//	server.go           Server: New, Serve, Close; who is let in
//	places.go           who makes room when there are too many connections (pure)
//	limits.go           how often logins fail, and how many calls there are
//	tls.go              certificates; TLS and none on one port
//	auth.go             users, rpcauth, the cookie file
//	work.go             from an HTTP request to its answer
//	socket.go           the same for websockets, as btcd has them
//	codec.go            requests and replies of the versions of JSON-RPC
//	args.go             arguments: by position, by name, checked
//	errors.go           the codes of errors
//	table.go            the table of methods, and help
//	methods_control.go  help, stop, uptime, logs
//	methods_network.go  the node in its network, the address book
//	methods_peers.go    peers; peerinfo.go one of them
//	methods_bans.go     bans
//	methods_ours.go     explain and events
//	explain.go          why an address is what it is (pure)
//
// Locks: those of internal/webserver, wrong.mu, active.mu and either.mu are leaves:
// nothing else is locked under them, and no connection is read or written. Events are
// fed to the stream.Hub by the node's one goroutine for that.
