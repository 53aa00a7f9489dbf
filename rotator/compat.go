package rotator

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// Compressor writes a compressed stream. Reset begins a new one on another
// writer; Close ends it. *gzip.Writer and the Encoder of klauspost/compress/zstd
// are Compressors.
type Compressor interface {
	io.WriteCloser
	Reset(io.Writer)
	Flush() error
}

// New opens the log file filename with the parameters of jrick/logrotate: it is
// rotated after the line that brings it to thresholdKB times 1000 bytes (after
// every line if that is not above zero), maxRolls rolls are kept (0 means all),
// and with tee what Run reads goes to standard output as well.
//
// All else is as in Open with zero Options, except that rolls left over by an
// earlier process are compressed from the first Write on, so that SetCompressor
// may be called before. The directory is made if it does not exist. The errors
// are those of Open.
func New(filename string, thresholdKB int64, tee bool, maxRolls int) (*Rotator, error) {
	opts := Options{MaxSize: 1, MaxRolls: -1, lazy: true}
	if thresholdKB > 0 {
		opts.MaxSize = thresholdKB * 1000
	}
	if maxRolls > 0 {
		opts.MaxRolls = maxRolls
	}
	if tee {
		opts.Tee = os.Stdout
	}
	return Open(filename, opts)
}

// SetCompressor changes how rolls are compressed from now on, and what their
// names end in; a dot before the suffix is dropped. A nil Compressor leaves rolls
// as they are. So does a suffix that Options would not allow, which counts as an
// error. Rolls with the endings gz and zst are counted and removed as before
// whatever the suffix is.
func (r *Rotator) SetCompressor(zw Compressor, suffix string) {
	r.mu.Lock()
	defer r.leave()
	suffix = strings.TrimPrefix(suffix, ".")
	if zw != nil && !validSuffix(suffix) {
		r.note(OpCompress, r.filename, fmt.Errorf("unusable suffix %q, rolls stay uncompressed", suffix))
		zw = nil
	}
	if zw == nil {
		suffix = ""
	}
	r.opts.Compressor, r.opts.Suffix, r.opts.Plain = zw, suffix, zw == nil
	r.rescan()
}
