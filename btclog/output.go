package btclog

import (
	"io"
	"os"
	"sync"
)

// Output is a writer with the mutex that serialises it: one Write at a time, from
// whatever number of backends, handlers and other loggers write to it. A backend
// makes one for a plain writer. Where several backends write to one writer, give the
// same Output to all of them:
//
//	out := btclog.NewOutput(file)
//	a, b := btclog.NewBackend(out), btclog.NewBackend(out, btclog.WithJSON())
//
// What the writer calls while it writes runs under the mutex, so it must not log to
// the same Output, which would wait for itself for ever: no callback of the writer's,
// such as rotator's OnError. Write what those have to say elsewhere, to standard error
// for one, or hand it to another goroutine without waiting for that.
//
// The mutex is a part of a value that the owner holds, and not looked up in a table
// of the package by the identity of a writer: such a table would be hidden state,
// could not tell two wrappers of one file from two files, and would have to guess
// when a writer may be forgotten.
type Output struct {
	mu sync.Mutex // a leaf: held across the Write of w and nothing else
	w  io.Writer
}

// NewOutput returns an Output for w; w itself if it is one already.
func NewOutput(w io.Writer) *Output {
	if o, ok := w.(*Output); ok {
		return o
	}
	return &Output{w: w}
}

// Write hands p to the writer in one call. It returns what the writer returns.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock() // also if w panics
	return o.w.Write(p)
}

// terminal tells whether the writer is a terminal, or wraps one: it has a method
// Unwrap() io.Writer then.
func (o *Output) terminal() bool {
	w := o.w
	for {
		if f, ok := w.(*os.File); ok {
			return isTerminal(f)
		}
		wrapper, ok := w.(interface{ Unwrap() io.Writer })
		if !ok {
			return false
		}
		w = wrapper.Unwrap()
	}
}
