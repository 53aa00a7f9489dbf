//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly || windows)

package btclog

import "os"

func isTerminal(*os.File) bool { return false }
