package banlist

import (
	"errors"
	"fmt"
	"os"
)

// What a change can be refused for. Nothing has changed then.
var (
	// ErrSubject says that a text or a prefix is nobody who could be banned.
	ErrSubject = errors.New("banlist: not an IP address, a range, an onion service or an I2P destination")

	// ErrEverything says that a range has all addresses of IPv4 or IPv6. Such a ban
	// is mostly a slip of the pen. Who means it can ban both halves.
	ErrEverything = errors.New("banlist: that would ban all addresses; turn the network off, or ban 0.0.0.0/1 and 128.0.0.0/1 (::/1 and 8000::/1)")

	// ErrOrigin says that an Origin is none of the three.
	ErrOrigin = errors.New("banlist: the origin is not operator, score or protocol")

	// ErrOver says that a ban would be over at once.
	ErrOver = errors.New("banlist: the ban would end before it begins; give a later time")

	// ErrClosed says that the List was closed. It is os.ErrClosed too.
	ErrClosed = fmt.Errorf("banlist: the list was closed: %w", os.ErrClosed)
)

// SaveError says that a change holds in memory, but is not on disk. It is saved with
// the next change, or by Compact or Close. It wraps the cause, so that for example
// errors.Is(err, syscall.ENOSPC) works.
type SaveError struct {
	Path string
	Op   string // what failed: "write", "sync", "rename", ...
	Err  error
}

func (e *SaveError) Error() string {
	return fmt.Sprintf("banlist: %s %s: %v; the list holds in memory and is saved with the next change: "+
		"see to the disk's space and the directory's permissions", e.Op, e.Path, e.Err)
}

// Unwrap returns the cause.
func (e *SaveError) Unwrap() error { return e.Err }

// ImportError says what is wrong with a list that was to be imported. None of it
// was.
type ImportError struct {
	Entry int // which entry, from 1; 0 if it is none of them
	Err   error
}

func (e *ImportError) Error() string {
	if e.Entry == 0 {
		return fmt.Sprintf("banlist: import: %v; nothing was imported", e.Err)
	}
	return fmt.Sprintf("banlist: import: entry %d: %v; nothing was imported", e.Entry, e.Err)
}

// Unwrap returns the cause.
func (e *ImportError) Unwrap() error { return e.Err }

// What can be wrong with a file, in Damage.Err.
var (
	// ErrForeign says that a file does not begin as ours do.
	ErrForeign = errors.New("not a ban list of Holdfast, or of another version")

	// ErrCorrupt says that lines are broken.
	ErrCorrupt = errors.New("lines are broken")

	// ErrTorn says that the last line is incomplete: the process was killed, or the
	// power went, while it was written. Nobody was told that it is on disk.
	ErrTorn = errors.New("the last line is incomplete; it was never acknowledged")
)

// Damage is a warning of Open: the file was not as it should be. The List is ready
// for use, with the entries that could be read.
type Damage struct {
	Path     string
	SetAside string // where the file is now; "" if only a torn last line was cut off
	Kept     int    // entries in force that were read
	Lost     int    // lines that could not be read
	Line     int    // the first of those, from 1
	Err      error  // ErrForeign, ErrCorrupt or ErrTorn

	// Pending is why the file could not be set aside and written anew yet; nil if it
	// was. The next change tries again.
	Pending error
}

func (d *Damage) Error() string {
	text := fmt.Sprintf("banlist: %s: line %d: %v; %d bans kept, %d lines lost", d.Path, d.Line, d.Err, d.Kept, d.Lost)
	if d.SetAside != "" {
		text += "; see " + d.SetAside + " for what was in it"
	}
	if d.Pending != nil {
		text += fmt.Sprintf("; not yet set aside: %v", d.Pending)
	}
	return text
}

// Unwrap returns Err and Pending.
func (d *Damage) Unwrap() []error {
	if d.Pending == nil {
		return []error{d.Err}
	}
	return []error{d.Err, d.Pending}
}
