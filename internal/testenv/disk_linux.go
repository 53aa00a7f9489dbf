package testenv

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// OwnMounts runs a command that start makes, and makes anew for each try, so that what
// it mounts is seen by nobody else. When it has mounted it must print "mounted": what
// goes wrong before is for want of the right to, and the test Cannot run.
func OwnMounts(t *testing.T, start func() *exec.Cmd) {
	t.Helper()
	id := func(n int) []syscall.SysProcIDMap {
		return []syscall.SysProcIDMap{{ContainerID: 0, HostID: n, Size: 1}}
	}
	attrs := []*syscall.SysProcAttr{
		{Unshareflags: syscall.CLONE_NEWNS},
		{Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS, UidMappings: id(os.Getuid()), GidMappings: id(os.Getgid())},
	}
	var why []string
	for _, attr := range attrs {
		cmd := start()
		cmd.Stderr = nil
		cmd.SysProcAttr = attr
		out, err := cmd.CombinedOutput()
		if err == nil {
			t.Logf("%s", out)
			return
		}
		var exit *exec.ExitError
		if errors.As(err, &exit) && strings.Contains(string(out), "mounted") {
			t.Fatalf("%v\n%s", err, out)
		}
		why = append(why, fmt.Sprintf("%v %s", err, out))
	}
	Cannot(t, "a disk of its own needs the right to mount (root, or user namespaces): %s", strings.Join(why, "; "))
}
