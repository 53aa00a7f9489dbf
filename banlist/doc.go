// Package banlist remembers who a node will not talk to: IP addresses, ranges of
// them, onion services, I2P destinations and CJDNS addresses, each with a reason,
// an origin, and a time at which the ban ends. A node asks [List.Banned] before it
// dials, before it accepts, and before it takes an address that it is told of.
//
// # What can be relied upon
//
// A change that returned nil is on disk, and survives the death of the process and
// a power cut at any moment. A change that returned a [*SaveError] holds in memory,
// and is saved with the next change; so a full disk never lets a banned host in.
//
// A file that is torn, or is none of ours, does not keep the program from starting:
// [Open] sets it aside under a new name, keeps each entry whose checksum is right,
// and says so by a [*Damage].
//
// A ban that is over has no effect, even where it stands in front of a wider one
// that is not over.
//
// The package writes no log and starts no goroutine. One process at a time may have
// a file open; whoever owns the directory must see to that.
//
// All methods are safe for concurrent use. Looking up a host that is not banned
// takes no lock, and no lookup waits for the disk.
package banlist

// How the package is laid out, one mechanism a file:
//
//	subject.go      Subject: who is banned; reading and writing it
//	entry.go        Entry, Origin, and the ban that is kept of one
//	list.go         List, Options: asking and changing
//	table.go        where the bans are
//	hosts.go        those of single hosts: a hash table
//	filter.go       says of most hosts at once that they are not banned
//	marks.go        says of IPv4 addresses until when they are banned
//	limit.go        how many bans nobody asked for are kept
//	journal.go      the lines of the file (pure)
//	load.go         Open: reading the file, and setting a damaged one aside
//	save.go         changes go to the file; the file is written anew
//	export.go       our own JSON
//	core.go         Bitcoin Core's banlist.json
//	discouraged.go  Discouraged: who is to be evicted first
//	errors.go       errors and Damage
//
// There are two locks. List.saving is held while the file is written, and is taken
// first. List.mu guards what is in memory; no file is touched under it. Functions
// that need one of them held say so.
