// Package torctl keeps an onion service published through the control port of a Tor
// that somebody else runs, and asks that Tor a few questions. It needs the standard
// library and holdfast/netaddr.
//
// A [Service] does it all, until its context ends:
//
//	s := &torctl.Service{
//		Control:     torctl.Options{Address: "127.0.0.1:9051"},
//		KeyFile:     "/var/lib/node/onion_v3_private_key",
//		VirtualPort: 8333,
//		Target:      "127.0.0.1:8334", // a listener of its own: who comes by it comes by Tor
//		OnEvent:     func(e torctl.Event) { log.Info("onion service", "event", e) },
//	}
//	err := s.Run(ctx)
//
// [Dial] gives a [Conn] for single questions: [Conn.GetInfo], [Conn.SocksListeners],
// [Conn.Bootstrapped].
//
// # Who may use the control port
//
// Whoever controls Tor can read all that goes through it, so Tor asks who it is.
// These ways are taken, the first that Tor offers: none, if Tor needs none; a password,
// if one is given; SAFECOOKIE, a file that both can read. With SAFECOOKIE each side
// proves that it knows the file, so that a false Tor learns nothing; but it learns the
// password. Plain COOKIE, which would give the cookie away too, is never used, as in
// Bitcoin Core.
//
// # The address
//
// The private key is the address: who has the file can be the service. It is made by
// Tor when there is none, and never overwritten. The file is as Bitcoin Core's
// onion_v3_private_key, so a node can take its address along.
package torctl

// How the package is laid out, one mechanism a file:
//
//	service.go  Service: publish, watch, wait, again
//	event.go    Event: what a Service tells
//	keyfile.go  where the private key is kept
//	conn.go     Conn: one command at a time, and its reader
//	options.go  Options, and how a control port is reached
//	auth.go     who we are, and whether that is Tor
//	onion.go    ADD_ONION, DEL_ONION, the form of a key
//	info.go     GETINFO, and what is made of some of its answers
//	notice.go   what Tor says unasked
//	reply.go    the lines of a reply (pure)
//	quote.go    quoted strings and KEY=value (pure)
//	file.go     small files that might be something else
//	errors.go   what can be wrong
//
// Conn has one lock, Conn.mu, under which nothing waits. A Conn has one goroutine,
// which reads; Close waits for it. All else of a Service runs on the goroutine of Run.
