package main

import (
	"errors"
	"io"
	"os"
	"time"
)

const (
	// stdoutPatience is how long a line waits for standard output.
	stdoutPatience = time.Second

	// maxKeptLine is the largest buffer that is kept for the next line, as btclog's.
	maxKeptLine = 16 << 10
)

var errStuck = errors.New("nobody reads it")

// patient is a writer that waits for another one, but not for ever: Ctrl-S on a
// terminal, or a reader that has stopped, must not stop the node. When a write has
// taken too long, it and those after it fail until that one is done, which may well
// succeed. Calls of Write must not overlap; the log sees to that.
type patient struct {
	w    io.Writer
	wait time.Duration

	buf  []byte      // the line under way
	work chan []byte // to the goroutine that writes
	done chan error  // and back
	quit chan struct{}
	late bool   // the last line is under way still
	lost uint64 // lines that w has not; the one that is late is not among them yet
}

func newPatient(w io.Writer, wait time.Duration) *patient {
	p := &patient{w: w, wait: wait, work: make(chan []byte), done: make(chan error, 1), quit: make(chan struct{})}
	go func() {
		for {
			select {
			case line := <-p.work:
				_, err := p.w.Write(line)
				p.done <- err
			case <-p.quit:
				return
			}
		}
	}()
	return p
}

// Write returns when the line is written, or could not be in time.
func (p *patient) Write(line []byte) (int, error) {
	if p.late {
		select {
		case err := <-p.done:
			_ = p.finish(err) // of a line before this; it is counted
		default:
			p.lost++
			return 0, errStuck
		}
	}
	p.buf = append(p.buf[:0], line...) // it may be in use for longer than this call
	select {
	case p.work <- p.buf:
	case <-p.quit:
		p.lost++
		return 0, os.ErrClosed
	}
	timer := time.NewTimer(p.wait)
	defer timer.Stop()
	select {
	case err := <-p.done:
		if err = p.finish(err); err != nil {
			return 0, err
		}
		return len(line), nil
	case <-timer.C:
		p.late = true
		return 0, errStuck
	}
}

// finish takes note of how a line has ended, and returns that.
func (p *patient) finish(err error) error {
	p.late = false
	if err != nil {
		p.lost++
	}
	if cap(p.buf) > maxKeptLine {
		p.buf = nil
	}
	return err
}

// Unwrap returns the writer behind it.
func (p *patient) Unwrap() io.Writer { return p.w }

// close ends the goroutine, once it is not stuck. It is called once.
func (p *patient) close() { close(p.quit) }
