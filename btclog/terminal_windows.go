package btclog

import (
	"os"
	"syscall"
)

// virtualTerminal is ENABLE_VIRTUAL_TERMINAL_PROCESSING.
const virtualTerminal = 4

// isTerminal tells whether f is a console that understands colours.
func isTerminal(f *os.File) bool {
	var mode uint32
	err := syscall.GetConsoleMode(syscall.Handle(f.Fd()), &mode)
	return err == nil && mode&virtualTerminal != 0
}
