// Package addrbook remembers whom a node could connect to, and chooses among them so
// that an attacker's share is that of his networks, not of his addresses. It follows
// the address manager of Bitcoin Core, and knows nothing of Bitcoin's messages:
// services are a set of bits.
//
// # Two tables
//
// What others tell us is in the new table, what we have reached is in the tried
// table. Each has buckets of 64 places. Which bucket and which place an address may
// have depends on a secret key: in new also on the group of who told us of it, who
// reaches 64 of the 1024 buckets; in tried on the address's own group, which reaches 8
// of 256. An address can be in up to 8 buckets of new. An entry in tried gives way to
// another only after a test found it dead ([Book.NextTest]).
//
// A [Group] is the /16 of an IPv4 address, the /32 of an IPv6 one, or the autonomous
// system if there is an [ASMap].
//
// # Ours
//
// Three rules are not Bitcoin Core's. A group is drawn first, then an address in it
// ([Book.Choose]); an entry of a large group gives way to one of a small group in
// new; an entry that could not be tested is not replaced. What that is worth is
// measured in eclipse, and what it costs is that the node that is alone in its group
// is chosen more often than one that is not.
//
// # Files
//
// [Open] keeps the book in a directory: addrbook.dat is a snapshot, and
// addrbook-N.journal has what was promoted to tried since. What Good has returned nil
// for survives kill -9. See [Book.Run].
//
// # Concurrency
//
// All methods of [Book], [Groups] and [ASMap] are safe for concurrent use. No lock is
// held while a function of the caller runs, but Config.Rand, nor while a file is
// written. Open starts goroutines that end before it returns; there are no others.
//
// It imports the standard library and netaddr only.
package addrbook

// How the package is laid out, one mechanism a file:
//
//	book.go      Book, Config; in and out of the tables
//	add.go       what others tell; who makes room in new
//	tried.go     what we found out: good, attempted, connected; who makes room in tried
//	choose.go    whom to dial
//	answer.go    what to tell others
//	stats.go     counts, look-up, all entries
//	entry.go     what is kept of an address; what is terrible, and how likely it is chosen
//	store.go     the entries in memory
//	index.go     the entries by address, the groups by name
//	pool.go      the entries of a table by network and group; drawing one
//	bucket.go    which bucket and place
//	siphash.go   the keyed hash
//	groups.go    Group
//	routable.go  what the Internet routes; IPv4 within IPv6
//	asmap.go     ASMap: Core's format, checked and interpreted
//	codec.go     an entry in a file
//	snapshot.go  the book in a file
//	journal.go   promotions since the snapshot
//	open.go      files to book
//	load.go      filling a book from a snapshot, by all processors
//	save.go      book to files: Run, Save, Flush
//	atomic.go    opening files, replacing them, setting them aside
//	anchors.go   the peers to begin with
//
// Lock order: files.saving, files.writing, Book.mu. The last is never held while
// something is waited for.
