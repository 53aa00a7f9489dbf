//go:build !unix

package torctl

const nonblock = 0
