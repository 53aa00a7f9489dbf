package rotator

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"
)

// Defaults: those that btcd has used for its logs since 2017.
const (
	defaultMaxSize  = 10 * 1024 * 1000
	defaultMaxRolls = 3
	gzipSuffix      = "gz"

	// defaultMode keeps a log to its owner: it tells who talks to whom.
	defaultMode fs.FileMode = 0o600

	// dirMode is for a directory that has to be made.
	dirMode fs.FileMode = 0o700
)

// Options say how a log is kept. The zero value is btcd's: 10 MB, 3 rolls, gzip.
type Options struct {
	// MaxSize is the size in bytes at which the live file is rotated, after the
	// line that reaches it. A line is never split, so a file may be longer by
	// one line. 0 means 10,240,000.
	MaxSize int64

	// MaxRolls is the most rolls to keep, plain and compressed ones counted
	// alike. 0 means 3; below zero means no limit.
	MaxRolls int

	// MaxAge is how long after its last line a roll is kept. 0 means no limit. It
	// is looked at when something is written, at most once a second, and when the
	// file is opened: while nothing is logged no roll goes.
	MaxAge time.Duration

	// MaxTotalBytes is the most bytes of the live file at its full size and all
	// rolls together. A roll counts as it is on disk, so before it is compressed
	// with its full size; the newest roll is never removed for its size. 0 means
	// no limit, otherwise it must be at least twice MaxSize.
	MaxTotalBytes int64

	// Compressor compresses rolls, and Suffix is what their names end in, for
	// example "zst". Both unset means gzip and "gz". A Compressor belongs to one
	// Rotator.
	Compressor Compressor
	Suffix     string

	// Plain leaves rolls uncompressed.
	Plain bool

	// Mode is the mode of new files, before the umask. 0 means 0600. The mode of
	// a file that exists is not changed.
	Mode fs.FileMode

	// SyncEvery bounds what a power cut can take: a line is synced to disk at
	// most this long after it was written, without holding up writes. 0 means
	// never, which leaves it to the system (Linux: about 30 s). Below zero, each
	// Write is synced before it returns, or returns an error.
	SyncEvery time.Duration

	// Tee gets a copy of all that Run reads. What is given to Write is not
	// copied.
	Tee io.Writer

	// OnError is told what went wrong, as an *Error: write errors, which are
	// also returned, and those of rotation, removal and compression, which
	// otherwise only Errors counts. Of each Op at most one error a second is
	// handed over. Nil means a line on standard error.
	//
	// It runs in the goroutine that met the error, so mostly inside the call of
	// Write. It must not log to a logger that writes to this Rotator: log.Logger,
	// the handlers of log/slog, btclog and others hold a mutex while they call
	// Write, and would wait for themselves for ever. Queue the error for another
	// goroutine, which may log it, or write to standard error. (The Rotator holds
	// no lock then: its own methods may be called, but not Close.) It may run in
	// two goroutines at once.
	OnError func(error)

	// lazy puts off the compression of left-overs to the first use, so that
	// SetCompressor comes before it.
	lazy bool

	// hook is called before each step of a rotation and a compression, and before
	// the file is cut back, and can make it fail. Tests die there.
	hook func(step string) error
}

// fill returns o with its defaults, or says what is wrong with it.
func (o Options) fill() (Options, error) {
	if o.MaxSize == 0 {
		o.MaxSize = defaultMaxSize
	}
	if o.MaxRolls == 0 {
		o.MaxRolls = defaultMaxRolls
	}
	if o.Mode == 0 {
		o.Mode = defaultMode
	}
	switch {
	case o.MaxSize < 0:
		return o, fmt.Errorf("negative MaxSize %d", o.MaxSize)
	case o.MaxAge < 0:
		return o, fmt.Errorf("negative MaxAge %v", o.MaxAge)
	case o.MaxTotalBytes != 0 && o.MaxTotalBytes/2 < o.MaxSize:
		return o, fmt.Errorf("limit of %d bytes in all; MaxTotalBytes must be at least twice MaxSize (%d)", o.MaxTotalBytes, o.MaxSize)
	case o.Plain && (o.Compressor != nil || o.Suffix != ""):
		return o, errors.New("both Plain and a Compressor or Suffix; choose one")
	case o.Compressor == nil && o.Suffix != "" && o.Suffix != gzipSuffix:
		return o, fmt.Errorf("suffix %q without a Compressor", o.Suffix)
	case o.Compressor != nil && !validSuffix(o.Suffix):
		return o, fmt.Errorf("suffix %q; it must be letters and digits, at least one of them a letter, and not %q", o.Suffix, tmpSuffix)
	}
	if !o.Plain && o.Suffix == "" {
		o.Suffix = gzipSuffix
	}
	return o, nil
}
