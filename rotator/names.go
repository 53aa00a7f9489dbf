package rotator

import (
	"slices"
	"strconv"
	"strings"
)

// tmpSuffix ends the name of an archive that is not finished.
const tmpSuffix = "tmp"

// endings returns the suffixes that the files of a roll can have: that of the
// Compressor, and, whatever it is now, those that btcd and lnd have used. Other
// endings are somebody else's files.
func endings(suffix string) []string { return []string{"", gzipSuffix, "zst", suffix} }

// A rollName is what the name of a file says of it: FILE.N is a roll, FILE.N.gz
// its archive, FILE.N.gz.tmp an archive that is not finished.
type rollName struct {
	n      int64  // from 1
	suffix string // without dot; empty: not compressed
	tmp    bool
}

// in returns the name for the log file base, which may be a path.
func (r rollName) in(base string) string {
	name := base + "." + strconv.FormatInt(r.n, 10)
	if r.suffix != "" {
		name += "." + r.suffix
	}
	if r.tmp {
		name += "." + tmpSuffix
	}
	return name
}

// parseName is the inverse of in. It takes nothing that in does not make with a
// suffix that is known or the given one: a file that is not surely ours is never
// touched.
func parseName(base, name, suffix string) (r rollName, ok bool) {
	rest, ok := strings.CutPrefix(name, base+".")
	if !ok {
		return r, false
	}
	digits, rest, more := strings.Cut(rest, ".")
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 1 || strconv.FormatInt(n, 10) != digits {
		return r, false
	}
	r.n = n
	if !more {
		return r, true
	}
	r.suffix, rest, more = strings.Cut(rest, ".")
	if r.suffix == "" || !slices.Contains(endings(suffix), r.suffix) {
		return r, false
	}
	r.tmp = more && rest == tmpSuffix
	return r, !more || r.tmp
}

// validSuffix says whether archives can have this ending: it must be told from a
// number and from a temporary file.
func validSuffix(s string) bool {
	letter := false
	for _, c := range []byte(s) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z':
			letter = true
		case c < '0' || c > '9':
			return false
		}
	}
	return letter && s != tmpSuffix
}
