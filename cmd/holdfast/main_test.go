package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	testscript.Main(leakChecked{m}, map[string]func(){"holdfast": main})
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

// TestScripts runs the program as an operator does. Nothing in them leaves the
// machine.
func TestScripts(t *testing.T) {
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
			free, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			defer free.Close()
			env.Setenv("TAKEN", l.Addr().String())
			env.Setenv("FREE", free.Addr().String())
			_, port, _ := net.SplitHostPort(free.Addr().String())
			env.Setenv("FREEPORT", port)
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
		},
	})
}
