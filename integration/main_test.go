package integration

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"holdfast/internal/testenv"
)

// patience bounds each test. It is far more than any needs, so that a slow
// machine fails none, and below the usual limit of a test run.
const patience = 90 * time.Second

// pollEvery is how often a node is asked for what it does not tell by itself.
const pollEvery = 50 * time.Millisecond

var buildDir string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "holdfast-integration-")
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

// begin makes a test run beside the others, and returns the context that bounds
// it.
func begin(t *testing.T) context.Context { return beginFor(t, patience) }

// beginFor is begin for a test that takes its time.
func beginFor(t *testing.T, patience time.Duration) context.Context {
	t.Helper()
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// tool returns the path of btcd or btcctl.
func tool(t *testing.T, variable, name string) string {
	t.Helper()
	if path := os.Getenv(variable); path != "" {
		if _, err := exec.LookPath(path); err != nil {
			t.Fatalf("%s: %v", variable, err)
		}
		return path
	}
	path, err := exec.LookPath(name)
	if err != nil {
		testenv.Cannot(t, "%s is not at hand. From the top folder:\n"+
			"go build -modfile=tools/go.mod -o bin/ github.com/btcsuite/btcd github.com/btcsuite/btcd/cmd/btcctl\n"+
			"PATH=$PWD/bin:$PATH go test ./integration", name)
	}
	return path
}

func btcdPath(t *testing.T) string {
	t.Helper()
	return tool(t, "HOLDFAST_BTCD", "btcd")
}

func btcctlPath(t *testing.T) string {
	t.Helper()
	return tool(t, "HOLDFAST_BTCCTL", "btcctl")
}

// built builds the holdfast of this tree, once; with the race detector if the
// tests have it.
var built = sync.OnceValues(func() (string, error) {
	path := filepath.Join(buildDir, "holdfast")
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	args := []string{"build", "-o", path}
	if raceDetector {
		args = append(args, "-race")
	}
	out, err := exec.Command("go", append(args, "holdfast/cmd/holdfast")...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("cannot build holdfast: %w\n%s", err, out)
	}
	return path, nil
})

func holdfastPath(t *testing.T) string {
	t.Helper()
	path, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var lastLoopback atomic.Uint32

// loopback returns a loopback address of this test's own. On Linux nobody else
// uses it: all of 127.0.0.0/8 is this machine, and the address has the number of
// this process in it.
func loopback() string {
	if runtime.GOOS != "linux" {
		return "127.0.0.1"
	}
	pid := os.Getpid()
	return fmt.Sprintf("127.%d.%d.%d", 1+pid>>8%254, pid%256, 1+lastLoopback.Add(1)%254)
}

// eventually asks until done says that it is so. What is wrong until then is told
// if it never is.
func eventually(ctx context.Context, t *testing.T, what string, done func() error) {
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
			t.Fatalf("%s: %v (%v)", what, err, context.Cause(ctx))
		case <-tick.C:
		}
	}
}
