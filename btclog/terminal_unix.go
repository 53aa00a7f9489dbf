//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package btclog

import (
	"os"
	"syscall"
	"unsafe"
)

// isTerminal asks for the settings that only a terminal has.
func isTerminal(f *os.File) bool {
	conn, err := f.SyscallConn()
	if err != nil {
		return false
	}
	terminal := false
	err = conn.Control(func(fd uintptr) {
		var t syscall.Termios
		_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, fd, getTermios, uintptr(unsafe.Pointer(&t)))
		terminal = errno == 0
	})
	return err == nil && terminal
}
