package integration

import (
	"os/exec"
	"syscall"
)

// bind makes a process end with this one, should that be killed.
func bind(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
