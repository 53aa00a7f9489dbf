package testenv

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"sync"
)

// Process is a program that runs for a test. All methods are safe for concurrent use.
type Process struct {
	cmd   *exec.Cmd
	ended chan struct{}
	err   error // of Wait, once ended is closed

	mu   sync.Mutex
	said bytes.Buffer
	more chan struct{} // closed when more is said
}

// ErrEnded is what Await returns when the process ended before.
var ErrEnded = errors.New("the process ended")

// Run starts a program, and reads what it writes to its output and its errors. It ends
// with this process, should that be killed; else by Kill, which must be called.
func Run(cmd *exec.Cmd) (*Process, error) {
	p := &Process{cmd: cmd, ended: make(chan struct{}), more: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p, p
	bind(cmd)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// Write adds to what the process has said.
func (p *Process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.more)
	p.more = make(chan struct{})
	return p.said.Write(b)
}

// Said returns all that the process has said until now.
func (p *Process) Said() string {
	said, _ := p.saidUntil()
	return said
}

func (p *Process) saidUntil() (string, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.said.String(), p.more
}

// Await waits until what the process has said fits. It returns ErrEnded if the process
// ended without, and else the cause of the context's end.
func (p *Process) Await(ctx context.Context, fits func(said string) bool) error {
	for {
		said, more := p.saidUntil()
		if fits(said) {
			return nil
		}
		select {
		case <-more:
		case <-p.ended:
			if fits(p.Said()) {
				return nil
			}
			return ErrEnded
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Kill ends the process without asking it, and waits for its end. It may be called
// again.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.ended
}
