package connmgr

import "syscall"

// classifyErrno names what a Winsock error means for a dial. Package syscall
// has names for few of them; the numbers are those of winerror.h.
func classifyErrno(e syscall.Errno) Reason {
	switch e {
	case 10061: // WSAECONNREFUSED
		return ReasonRefused
	case 10060: // WSAETIMEDOUT
		return ReasonTimedOut
	case 10054, 10053: // WSAECONNRESET, WSAECONNABORTED
		return ReasonReset
	case 10051, 10050, 10047, 10013: // WSAENETUNREACH, WSAENETDOWN, WSAEAFNOSUPPORT, WSAEACCES
		return ReasonNoNetwork
	case 10065, 10064: // WSAEHOSTUNREACH, WSAEHOSTDOWN
		return ReasonNoRoute
	case 10024, 10055, 10049: // WSAEMFILE, WSAENOBUFS, WSAEADDRNOTAVAIL
		return ReasonResources
	}
	return ReasonNone
}
