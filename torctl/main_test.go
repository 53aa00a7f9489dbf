package torctl

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// keyFile is a path in a directory of the test's own.
func keyFile(t testing.TB) string { return filepath.Join(t.TempDir(), "onion_v3_private_key") }

func put(t testing.TB, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask
		t.Fatal(err)
	}
}

func read(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// open dials, and closes at the end.
func open(t *testing.T, o Options) *Conn {
	t.Helper()
	c, err := Dial(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// piped are Options whose control port is serve, at the other end of a pipe.
func piped(serve func(net.Conn)) Options {
	return Options{DialContext: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() {
			defer theirs.Close()
			serve(theirs)
		}()
		return ours, nil
	}}
}

// says is a control port that says something, and no more; it takes whatever comes.
func says(text string) func(net.Conn) {
	return func(nc net.Conn) {
		go func() { _, _ = io.WriteString(nc, text) }()
		_, _ = io.Copy(io.Discard, nc)
	}
}
