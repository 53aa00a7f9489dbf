// Package rotator keeps a program's log in a file of bounded size, and a bounded
// number of older, compressed ones beside it. It imports the standard library
// only.
//
// The live file has always the same name, say btcd.log. When it has reached its
// limit, at the end of a line, it becomes a roll, btcd.log.17, and a new live
// file is begun. A goroutine compresses the roll to btcd.log.17.gz; writes never
// wait for it. Numbers only grow. The oldest rolls are removed, plain and
// compressed ones alike. If btcd.log is a symbolic link, all of this happens
// beside the file it points to.
//
// [New], Write, Run, Close and SetCompressor are those of
// github.com/jrick/logrotate/rotator, so a program switches by its import path.
// [Open] has all there is.
//
// # What can be relied upon
//
// A line whose Write returned nil is in the operating system's hands: it
// survives the death of the process at any moment, a rotation and a compression
// under way included. If somebody removes the file, the lines since it was last
// looked at, a second before at most, are brought into a new one, by the next
// Write after that second, Rotate, Reopen or Close.
//
// A power cut may cost what was not yet synced (see Options.SyncEvery), but never
// a roll that was compressed: an archive gets its name when both it and the roll
// are on disk, and the roll is removed when that name is. Where a roll and its
// archive are both found at a start, one is removed only if the other holds all of
// it: gzip is read for that; an archive of another kind must be the beginning of
// the one that is made of the roll anew. Otherwise both stay, and OnError is told.
//
// A Write is kept whole or not at all. What a full disk cut short is taken back,
// so a line is never glued to half of another. Nothing fails silently: Write
// returns an error if and only if the data is not in the file, and whatever else
// goes wrong is counted ([Rotator.Errors]) and handed to Options.OnError.
//
// One process writes to a log. A second one is refused with [ErrLocked]; the
// small file btcd.log.lock is there for that.
//
// All methods are safe for concurrent use.
package rotator

// How the package is laid out, one mechanism a file:
//
//	options.go   Options and their defaults
//	compat.go    New, SetCompressor: the surface of jrick/logrotate
//	rotator.go   Rotator: Open, Write, Close
//	live.go      the live file: where it is, opening it, whole lines only
//	run.go       Run: lines from an io.Reader
//	rotate.go    the live file becomes a roll
//	watch.go     the live file was removed, renamed or cut by others; Reopen; one
//	             process a log
//	rolls.go     which rolls there are, which must go (pure), removing them
//	names.go     FILE.N, FILE.N.gz, FILE.N.gz.tmp (pure)
//	compress.go  the goroutine that turns rolls into archives
//	pair.go      a roll and an archive of it: which of them may go
//	sync.go      fsync of the live file
//	errors.go    Error, ErrLocked, the counter and the callback
//	file_*.go    what differs between systems
//
// There is one lock, Rotator.mu. Only quick file operations are made under it:
// writes, renames, removals, and a look at the directory; an fsync only where
// the owner waits for it (SyncEvery below zero). Callbacks run without it.
