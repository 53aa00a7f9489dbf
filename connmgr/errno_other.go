//go:build !windows

package connmgr

import "syscall"

// classifyErrno names what a system call's error means for a dial. EINVAL,
// EACCES and EPERM come from blackhole and prohibit routes and from local
// firewalls.
func classifyErrno(e syscall.Errno) Reason {
	switch e {
	case syscall.ECONNREFUSED:
		return ReasonRefused
	case syscall.ETIMEDOUT:
		return ReasonTimedOut
	case syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EPIPE:
		return ReasonReset
	case syscall.ENETUNREACH, syscall.ENETDOWN, syscall.EAFNOSUPPORT,
		syscall.EINVAL, syscall.EACCES, syscall.EPERM:
		return ReasonNoNetwork
	case syscall.EHOSTUNREACH, syscall.EHOSTDOWN:
		return ReasonNoRoute
	case syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM,
		syscall.EADDRNOTAVAIL, syscall.EAGAIN:
		return ReasonResources
	}
	return ReasonNone
}
