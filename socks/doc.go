// Package socks connects through a SOCKS5 proxy (RFC 1928, RFC 1929), and knows
// what Tor adds to the protocol: lookups of names and addresses, a circuit for
// each connection, and errors of its own. It imports the standard library only.
//
//	d := &socks.Dialer{Proxy: "127.0.0.1:9050", Isolate: true}
//	conn, err := d.DialContext(ctx, "tcp", "example.org:80")
//
// # What it promises
//
// The name of a target goes to the proxy as it is. There is no resolver here, so
// nothing can be looked up past the proxy; only the name of the proxy itself, if
// it has one, is looked up by the system.
//
// The end of a context ends at once what was begun with it, whatever that waits
// for, and closes the connection to the proxy. After a success the context has no
// more to do with the connection.
//
// From the proxy no more is read than the protocol has: at most 266 bytes, and not
// one byte of the stream that follows. Nothing that a proxy answers can make it
// wait longer than the context, or use more memory.
//
// # Errors
//
// All errors are an [*Error]. It wraps a [Reply] if the proxy refused: that says
// something of the target. It is [ErrProxy] (by errors.Is) if the proxy itself
// failed, which says nothing of the target: no target should be held to blame.
// No error has a password or a token in it.
package socks

// How the package is laid out, one mechanism a file:
//
//	dialer.go     Dialer, Check, DialContext, Probe
//	lookup.go     Resolve, ResolvePTR, LookupNetIP
//	login.go      which credentials are shown, and Tor's isolation
//	print.go      a Dialer in print, without its password
//	handshake.go  one exchange with the proxy, and what the end of a context does to it
//	wire.go       the messages (pure)
//	target.go     what may be asked for (pure)
//	conn.go       the connection that is handed out
//	errors.go     Error, Reply and the kinds of failure
//
// There is no lock and no state: each call has a connection of its own. The only
// goroutine is the one that closes the connection when the context ends.
