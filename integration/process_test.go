package integration

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// output is what a process has said. All methods are safe for concurrent use.
type output struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	more chan struct{} // closed at the next change
}

func newOutput() *output { return &output{more: make(chan struct{})} }

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.more)
	o.more = make(chan struct{})
	return o.buf.Write(b)
}

func (o *output) text() (string, <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String(), o.more
}

// process is a program that runs.
type process struct {
	name  string
	cmd   *exec.Cmd
	out   *output
	ended chan struct{}
	err   error // of Wait, once ended is closed
}

// start runs a program. It is killed when the test ends, and what it said is told
// if the test failed.
func start(t *testing.T, name string, args ...string) *process {
	t.Helper()
	p := &process{name: name, out: newOutput(), ended: make(chan struct{})}
	p.cmd = exec.Command(args[0], args[1:]...)
	p.cmd.Env = append(environ(), "HOME="+t.TempDir(), // nobody's files are read or written
		"HOLDFAST_RPCLISTEN=127.0.0.1:0", "HOLDFAST_DASHBOARD=127.0.0.1:0") // the daemons run side by side
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	bind(p.cmd)
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			text, _ := p.out.text()
			t.Logf("%s said:\n%s", p.name, lastLines(text, 80))
		}
	})
	return p
}

// environ returns the environment without what is for the tests alone, which a
// daemon would take for settings.
func environ() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "HOLDFAST_") })
}

// kill ends the process without asking it, and waits for its end.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended already
	<-p.ended
}

// stop asks the process to end, and reports how it did.
func (p *process) stop(ctx context.Context, t *testing.T) {
	t.Helper()
	if runtime.GOOS == "windows" {
		p.kill() // there is nothing like SIGTERM
		return
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatalf("%s: %v", p.name, err)
	}
	select {
	case <-p.ended:
	case <-ctx.Done():
		t.Fatalf("%s does not end after SIGTERM: %v", p.name, context.Cause(ctx))
	}
	if p.err != nil {
		t.Errorf("%s ended with %v, want exit code 0", p.name, p.err)
	}
}

var errEnded = errors.New("the process ended")

// await waits until what the process has said fits, and returns it.
func (p *process) await(ctx context.Context, fits func(said string) bool) (string, error) {
	for {
		text, more := p.out.text()
		if fits(text) {
			return text, nil
		}
		select {
		case <-more:
		case <-p.ended:
			if text, _ = p.out.text(); fits(text) {
				return text, nil
			}
			return text, errEnded
		case <-ctx.Done():
			return text, context.Cause(ctx)
		}
	}
}

// says waits for a line with all of the given parts, in this order, and returns
// it.
func (p *process) says(ctx context.Context, t *testing.T, parts ...string) string {
	t.Helper()
	var line string
	_, err := p.await(ctx, func(said string) bool {
		var ok bool
		line, ok = lineWith(said, parts)
		return ok
	})
	if err != nil {
		t.Fatalf("%s did not say %q: %v", p.name, parts, err)
	}
	return line
}

// lineWith returns the first complete line of text that has all parts, in order.
func lineWith(text string, parts []string) (string, bool) {
	for line := range strings.Lines(text) {
		if strings.HasSuffix(line, "\n") && hasParts(line, parts) {
			return strings.TrimSpace(line), true
		}
	}
	return "", false
}

func hasParts(line string, parts []string) bool {
	for _, part := range parts {
		_, after, ok := strings.Cut(line, part)
		if !ok {
			return false
		}
		line = after
	}
	return true
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// run runs a program to its end, and returns what it wrote to its output.
func run(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.WaitDelay = time.Second
	bind(cmd)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", errors.New(strings.Join(args, " ") + ": " + err.Error() + ": " + strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}
