//go:build unix

package torctl

import "syscall"

// nonblock: opening a pipe does not wait for its other end.
const nonblock = syscall.O_NONBLOCK
