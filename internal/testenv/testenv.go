// Package testenv is what tests share that need more than Go: something that may be
// missing, or a process to kill. It is for tests.
package testenv

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"go.uber.org/goleak"
)

// Cannot ends a test that lacks what it needs: it skips, but fails where nothing may be
// skipped (HOLDFAST_REQUIRE_ALL=1).
func Cannot(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("HOLDFAST_REQUIRE_ALL") == "1" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// Main is for a TestMain: it runs the tests and looks for goroutines that are left, or
// makes the test binary the child that the environment variable names.
func Main(m *testing.M, variable string, children map[string]func()) {
	if child := children[os.Getenv(variable)]; child != nil {
		child()
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// Child is the command that starts the test binary as a child of Main's. It is killed
// when the test ends.
func Child(t *testing.T, variable, name string, env ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), append(env, variable+"="+name)...)
	cmd.Stderr = os.Stderr
	return cmd
}

// Fail ends a child.
func Fail(args ...any) {
	fmt.Fprintln(os.Stderr, append([]any{"child:"}, args...)...)
	os.Exit(1)
}
