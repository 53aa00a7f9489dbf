//go:build darwin || freebsd || netbsd || openbsd || dragonfly

package btclog

import "syscall"

const getTermios = syscall.TIOCGETA
