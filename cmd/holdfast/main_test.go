package main

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	testscript.Main(leakChecked{m}, map[string]func(){"holdfast": main, "stuck": stuck})
}

// leakChecked looks for goroutines that are left after all tests.
type leakChecked struct{ *testing.M }

func (m leakChecked) Run() int {
	code := m.M.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		println(err.Error())
		return 1
	}
	return code
}

// freePort returns a port that nobody listens on. The system gives those from 10000 to
// 30000 to nobody by itself, so that it stays free until a script uses it.
func freePort() (string, error) {
	for try := 0; ; try++ {
		port := strconv.Itoa(10_000 + rand.IntN(20_000))
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
		switch {
		case err == nil:
			return port, l.Close()
		case try == 100:
			return "", err
		}
	}
}

// TestScripts runs the program as an operator does. Nothing in them leaves the
// machine.
func TestScripts(t *testing.T) {
	places, err := filepath.Abs("../../geodb/testdata/places.mmdb")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:      "testdata/script",
		Deadline: time.Now().Add(3 * time.Minute), // then what a script began is ended
		Setup: func(env *testscript.Env) error {
			// A port that somebody listens on, and one that nobody does.
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			env.Defer(func() { _ = l.Close() })
			port, err := freePort()
			if err != nil {
				return err
			}
			env.Setenv("TAKEN", l.Addr().String())
			env.Setenv("FREE", net.JoinHostPort("127.0.0.1", port))
			env.Setenv("FREEPORT", port)
			env.Setenv("PLACES", places)
			env.Setenv("HOLDFAST_RPCLISTEN", "127.0.0.1:0") // they run side by side
			env.Setenv("HOLDFAST_DASHBOARD", "127.0.0.1:0")
			// The race detector would wait a second at the end of each program.
			env.Setenv("GORACE", strings.TrimSpace(os.Getenv("GORACE")+" atexit_sleep_ms=0"))
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("XDG_CONFIG_HOME", env.WorkDir+"/config")
			return nil
		},
		Condition: func(name string) (bool, error) {
			if name != "mounts" {
				return false, fmt.Errorf("unknown condition %q", name)
			}
			_, err := exec.LookPath("unshare")
			return err == nil && runtime.GOOS == "linux" && os.Geteuid() == 0, nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"oneline": oneLineOfStderr,
			"waitfor": waitForOutput,
			"garbage": sendGarbage,
			"endures": endures,
		},
	})
}
