package rotator

import (
	"bufio"
	"errors"
	"io"
	"os"
)

// runBuffer is the longest line that Run writes at once.
const runBuffer = 64 << 10

// Run writes what it reads, line by line, until reading fails, and returns that
// error: io.EOF at the end. A last line without end gets one. It does not end
// when lines cannot be written, since the next may be: such errors are counted
// and handed to Options.OnError. Only after Close does it return an error that
// matches os.ErrClosed.
//
// Others may call Write meanwhile; lines do not mix, unless they are longer than
// 64 KiB.
func (r *Rotator) Run(reader io.Reader) error {
	in := bufio.NewReaderSize(reader, runBuffer)
	midLine := false
	for {
		line, err := in.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			err = nil
		}
		if err != nil && (midLine || len(line) > 0) {
			line = append(line, '\n')
		}
		if len(line) > 0 {
			midLine = line[len(line)-1] != '\n'
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
