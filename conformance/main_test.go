package conformance

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"holdfast/internal/testenv"
)

const (
	// patience bounds each test. It is far more than any needs, so that a slow machine
	// fails none.
	patience = 90 * time.Second

	// pollEvery is how often it is asked for what nobody tells by himself.
	pollEvery = 50 * time.Millisecond
)

var buildDir string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "holdfast-conformance-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	buildDir = dir
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(dir) // it is a temporary directory
		os.Exit(code)
	}))
}

// begin makes a test run beside the others, and returns the context that bounds it.
func begin(t *testing.T) context.Context {
	t.Helper()
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// built builds the holdfast of this tree, once.
var built = sync.OnceValues(func() (string, error) {
	path := filepath.Join(buildDir, "holdfast")
	cmd := exec.Command("go", "build", "-o", path, "./cmd/holdfast")
	cmd.Dir = ".."
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

// tool returns the path of a program that a variable names, or that is in the PATH.
func tool(t *testing.T, variable, name string) string {
	t.Helper()
	path := os.Getenv(variable)
	if path == "" {
		path = name
	}
	path, err := exec.LookPath(path)
	if err != nil {
		testenv.Cannot(t, "%s is not at hand (%v); README.md says how to get it", name, err)
	}
	return path
}

// start runs a program until the test ends. What it said is told if the test failed.
func start(t *testing.T, path string, args ...string) *testenv.Process {
	t.Helper()
	cmd := exec.Command(path, args...)
	cmd.Env = environ(t)
	p, err := testenv.Run(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			lines := strings.SplitAfter(p.Said(), "\n")
			t.Logf("%s said at last:\n%s", filepath.Base(path), strings.Join(lines[max(0, len(lines)-60):], ""))
		}
	})
	return p
}

// run runs a program to its end, and returns what it wrote to its standard output. Its
// error has what it wrote otherwise.
func run(ctx context.Context, t *testing.T, path string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = environ(t)
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("%w: %s", err, exit.Stderr)
	}
	return strings.TrimSpace(string(out)), err
}

// environ has a home of its own, so that nobody's files are read or written, and nothing
// that a daemon would take for settings.
func environ(t *testing.T) []string {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "HOLDFAST_") })
	return append(env, "HOME="+t.TempDir())
}

// eventually asks until done says that it is so. What is wrong until then is told if it
// never is.
func eventually(ctx context.Context, t *testing.T, done func() error) {
	t.Helper()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		err := done()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%v (%v)", err, context.Cause(ctx))
		case <-tick.C:
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
