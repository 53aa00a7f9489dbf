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
// Some rules are not Bitcoin Core's. A group is drawn first, then an address in it
// ([Book.Choose]); of the addresses of a group in new, that whose source told of the
// fewest is tried first; and three choices in four are of groups of which nothing was
// reached yet. In new an entry of a large group, told by a source that told of much,
// gives way to one of a small group or source. In tried an entry that could not be
// tested is not replaced.
//
// # What an attacker gets
//
// Measured in eclipse, for 30 days of flood from the first minute; his share is of our
// outbound connections. Whose groups are up to 64 among 3,000 (2 % of all) gets at most
// his share of the groups and 5 points, whether he tells of his own addresses, of dead
// ones in the groups of others, or of honest ones, and as fast as a node takes them.
// With 512 (15 %) that holds for his own addresses, but not within the first ten days
// alone, where it is 22 %. If nine in ten are dead ones of others, he gets 28 to 33 %
// over the 30 days: most of our connections in the first days, while we know few honest
// nodes that answer, and 16 % in the last ten. More than that is not promised.
//
// The price: about half of the dials fail while dead addresses are told, 38 % in peace
// (where two nodes in five are down); a node that is alone in its group is chosen more
// often than one that is not; and who told of what counts for the first that told of it
// after a restart, until it is told again.
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
//	sources.go   the entries of new by the group of who told of them
//	bucket.go    which bucket and place
//	siphash.go   the keyed hash of places
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
