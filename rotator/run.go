package rotator

import (
	"bufio"
	"errors"
	"io"
	"os"
	"slices"
)

const (
	// runBuffer is the longest line that Run writes at once.
	runBuffer = 64 << 10

	// maxRunLine is where Run ends a line that does not end: a file is rotated
	// only between lines, and who writes to the other end of a pipe may never
	// end one. So no file is longer than MaxSize by more than this.
	maxRunLine = 1 << 20
)

// Run writes what it reads, line by line, until reading fails, and returns that
// error: io.EOF at the end. A last line without end gets one. A line of 1 MiB or
// more is cut into several, or the file could not be rotated. Run does not end
// when lines cannot be written, since the next may be: such errors are counted
// and handed to Options.OnError. Only after Close does it return an error that
// matches os.ErrClosed.
//
// Others may call Write meanwhile; lines do not mix, unless they are longer than
// 64 KiB.
func (r *Rotator) Run(reader io.Reader) error {
	in := bufio.NewReaderSize(reader, runBuffer)
	length := 0 // of the line so far
	for {
		line, err := in.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			err = nil
		}
		length += len(line)
		if err != nil && length > 0 || length >= maxRunLine && line[len(line)-1] != '\n' {
			line = append(slices.Clip(line), '\n')
		}
		if len(line) > 0 {
			if line[len(line)-1] == '\n' {
				length = 0
			}
			_, werr := r.Write(line)
			r.tee(line)
			if errors.Is(werr, os.ErrClosed) {
				return werr
			}
		}
		if err != nil {
			return err
		}
	}
}

func (r *Rotator) tee(line []byte) {
	if r.opts.Tee == nil {
		return
	}
	if _, err := r.opts.Tee.Write(line); err != nil {
		r.mu.Lock()
		defer r.leave()
		r.note(OpTee, r.filename, err)
	}
}
