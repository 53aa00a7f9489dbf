package geodb

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"

	"github.com/oschwald/maxminddb-golang/v2"
)

// MaxSize is the size in bytes of the largest database that is read; it is all in memory.
// GeoLite2 City has some 60 MB, DB-IP's city database twice that.
const MaxSize = 256 << 20

var (
	// ErrFormat says that a file is no whole database in MaxMind's format.
	ErrFormat = errors.New("not a whole MaxMind database")

	// ErrKind says that a database has no countries, as one of autonomous systems.
	ErrKind = errors.New("a database without countries")

	// ErrTooLarge says that a file is larger than MaxSize.
	ErrTooLarge = errors.New("the file is too large")
)

// A DB is a database in memory. It does not change, and is safe for concurrent use.
type DB struct{ r *maxminddb.Reader }

// Open reads a database. Its errors are those of package os, or wrap ErrFormat, ErrKind
// or ErrTooLarge.
func Open(name string) (*DB, error) {
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular(): // a pipe would be waited for
		return nil, fmt.Errorf("%s: %w: it is no regular file", name, ErrFormat)
	case info.Size() > MaxSize:
		return nil, fmt.Errorf("%s: %w: %d bytes, at most %d are read", name, ErrTooLarge, info.Size(), MaxSize)
	}
	// It is not mapped into memory: who writes a new one over the old would end this
	// process with SIGBUS, when it looks at what is not there any more.
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	db, err := Parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return db, nil
}

// Parse is Open for the contents of a file. It keeps data, which must not change any more.
func Parse(data []byte) (*DB, error) {
	switch {
	case len(data) > MaxSize:
		return nil, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, MaxSize)
	case bytes.HasPrefix(data, []byte("\x1f\x8b")):
		return nil, fmt.Errorf("%w: it is compressed: unpack it with gunzip or tar, and give the .mmdb file", ErrFormat)
	}
	r, err := maxminddb.OpenBytes(data)
	if err != nil {
		return nil, fmt.Errorf("%w: give an .mmdb file, or fetch it again (%s)", ErrFormat, printable(err.Error(), maxError))
	}
	db := &DB{r}
	if err := db.check(); err != nil {
		return nil, err
	}
	return db, nil
}

// Lookup says where an address is likely to be, and whether anything is known of it. It
// takes some 2 µs.
func (db *DB) Lookup(ip netip.Addr) (Place, bool) {
	p, _, err := db.lookup(ip)
	return p, err == nil && p.known()
}

// String is the kind of the database and the day on which it was made, as it says:
// "GeoLite2-City of 2026-10-30".
func (db *DB) String() string {
	m := &db.r.Metadata
	if m.BuildEpoch == 0 || m.BuildEpoch > 1<<36 { // about the year 4147
		return db.kind()
	}
	return db.kind() + " of " + m.BuildTime().UTC().Format("2006-01-02")
}

func (db *DB) kind() string { return printable(db.r.Metadata.DatabaseType, maxName) }

// lookup also says whether there is a record, and what is wrong with the database.
func (db *DB) lookup(ip netip.Addr) (p Place, found bool, err error) {
	if ip = ip.Unmap(); !ip.IsValid() || ip.Is6() && db.r.Metadata.IPVersion == 4 {
		return Place{}, false, nil
	}
	res := db.r.Lookup(ip)
	if err := res.Err(); err != nil {
		return Place{}, false, err
	}
	if !res.Found() {
		return Place{}, false, nil
	}
	p, err = place(res)
	return p, true, err
}

// check looks up 4,096 addresses of IPv4 and 1,024 of IPv6, which takes some 30 ms, and
// refuses a database that is damaged where they are, or knows no country for any of them.
//
// The package that reads the format could check all of it (Reader.Verify, 0.4 s for
// 28 MB). But it wants more than the format does, so that it refuses databases that work;
// and a file can be made for which it takes hours. A lookup takes no more than 128 steps
// and a record of bounded size, and stays within the file, whatever that has.
func (db *DB) check() error {
	records, places := 0, 0
	for i := range 4096 + 1024 {
		p, found, err := db.lookup(sample(i))
		if err != nil {
			return fmt.Errorf("%w: it is damaged; fetch it again (%s)", ErrFormat, printable(err.Error(), maxError))
		}
		if found {
			records++
		}
		if p.known() {
			places++
		}
	}
	if records > 0 && places == 0 {
		return fmt.Errorf("%w: its kind is %q; give one of cities or countries", ErrKind, db.kind())
	}
	return nil
}

// sample is one of 4,096 addresses that are spread over IPv4, or of 1,024 over the part of
// IPv6 that is in use (2000::/3).
func sample(i int) netip.Addr {
	if i < 4096 {
		return netip.AddrFrom4([4]byte{byte(i >> 4), byte(i<<4 | i>>8), byte(i * 7), 1})
	}
	i -= 4096
	return netip.AddrFrom16([16]byte{byte(0x20 | i>>5), byte(i << 3), byte(i * 7), byte(i * 13), 15: 1})
}
