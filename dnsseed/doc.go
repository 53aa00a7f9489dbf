// Package dnsseed finds first addresses of a peer-to-peer network: it asks the DNS
// seeds, politely and cancellably, and says when the seed nodes are due. It knows
// host names, addresses and service bits, and none of the network's messages.
//
// [Run] does it all, from the start of a node to its end:
//
//	err := dnsseed.Run(ctx, dnsseed.Config{
//		Seeds:    []dnsseed.Seed{{Host: "seed.example.org", HasFiltering: true}},
//		Port:     8333,
//		Services: 0x49,
//		State:    func() (known, peers int) { return book.Len(), node.Outbound() },
//		OnFound:  func(seed string, addrs []dnsseed.Found) { book.Add(seed, addrs) },
//		OnEvent:  func(e dnsseed.Event) { log.Info(e.String()) },
//	})
//
// # Manners
//
// Who asks a seed tells it, and all resolvers on the way, that a node is starting
// here; and a node whose addresses all come from a seed is at its mercy. So the
// addresses that are known already are tried first, few seeds are asked at once,
// few addresses are taken of each, and nobody is asked while there are peers
// enough. [Policy] has the rules and their figures, which are Bitcoin Core's where
// it has any (src/net.cpp, CConnman::ThreadDNSAddressSeed and
// ThreadOpenConnections). Its method Decide is a pure function.
//
// # Names
//
// A seed that filters is asked for the nodes with all of Config.Services by a label
// before its name: x49.seed.example.org for the bits 0x49. If there is no such name
// (many seeds know a few combinations only) the seed's own name is asked for. Names
// with a dot are asked for with a dot at their end, as in Core, so that the system's
// search domains are never tried.
//
// A seed that is an IP address, an onion service or an I2P destination, with or
// without a port, is an address itself: it is never looked up, but told as found when
// its turn comes. btcsuite's list for signet has such ones.
package dnsseed

// How the package is laid out, one mechanism a file:
//
//	config.go   Config, and its check
//	seed.go     Seed: a name to ask for, or an address (pure)
//	policy.go   Policy: whom to ask, and when (pure)
//	snapshot.go Snapshot: what the policy looks at, and how it changes (pure)
//	run.go      Run: the loop
//	lookup.go   one question to the resolver
//	found.go    Found: what is taken of an answer
//	event.go    Event: what happened
//	errors.go   what can be wrong
//
// There is no lock. All state belongs to the goroutine of Run, which makes all
// calls to the owner; the goroutines besides do one lookup each, send its result,
// and are waited for.
