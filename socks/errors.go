package socks

import (
	"errors"
	"fmt"
)

// The kinds of failure of a proxy. Test for them with errors.Is.
var (
	// ErrProxy marks every failure of the proxy itself: it cannot be reached, hangs
	// up before it has answered, does not speak SOCKS5, wants other credentials, or
	// did not take the request before the deadline of the context. A Reply is none.
	ErrProxy = errors.New("the SOCKS proxy failed")

	// ErrAuth: the proxy refused the user name and password, or the way to log in
	// that was offered. It comes with ErrProxy.
	ErrAuth = errors.New("the proxy refuses the login")

	// ErrProtocol: what the proxy sent is not SOCKS5. It comes with ErrProxy.
	ErrProtocol = errors.New("the proxy does not speak SOCKS5")

	// ErrAnswer: the proxy agreed to a request, and what followed was cut short or
	// is not what was asked for, as a name for an address. It comes with
	// ErrProtocol.
	ErrAnswer = fmt.Errorf("%w: its answer is not what was asked for", ErrProtocol)
)

// Error says what could not be done. It wraps the cause: a Reply, one of the kinds
// of failure, the error of the connection to the proxy, or that of a context.
type Error struct {
	Op     string // "connect", "resolve", "resolve_ptr", "probe" or "check"
	Proxy  string // Dialer.Proxy, without what is before an @: it may be a login
	Target string // what was asked for; empty for "probe" and "check"
	Err    error
}

// Error returns all of it in one line.
func (e *Error) Error() string {
	if e.Target == "" {
		return fmt.Sprintf("socks: %s %q: %v", e.Op, e.Proxy, e.Err)
	}
	return fmt.Sprintf("socks: %s %q through %q: %v", e.Op, e.Target, e.Proxy, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Timeout reports whether the time was up: that of the context, of the connection
// to the proxy, or of the proxy.
func (e *Error) Timeout() bool {
	var t interface{ Timeout() bool }
	return errors.As(e.Err, &t) && t.Timeout()
}

// Temporary is Timeout. It makes Error a net.Error.
func (e *Error) Temporary() bool { return e.Timeout() }

// Local reports whether the proxy itself failed, so that the target is not to
// blame: it is errors.Is(e, ErrProxy).
func (e *Error) Local() bool { return errors.Is(e.Err, ErrProxy) }

// fault is an error that is ErrProxy as well.
type fault struct{ error }

func (f fault) Is(target error) bool { return target == ErrProxy }
func (f fault) Unwrap() error        { return f.error }

// faultf is fmt.Errorf for a fault.
func faultf(format string, args ...any) error { return fault{fmt.Errorf(format, args...)} }

// Reply is the code by which a proxy refused a request. It is an error: use
// errors.As to get it, or errors.Is(err, ReplyRefused) to test for one. A code that
// has no name here is a Reply too.
type Reply uint8

// The replies of RFC 1928, section 6, with what Tor means by them.
const (
	ReplyGeneralFailure      Reply = 0x01 // for Tor: no circuit, or the exit gave up
	ReplyNotAllowed          Reply = 0x02 // by the rules of the proxy or, for Tor, of the exits
	ReplyNetworkUnreachable  Reply = 0x03
	ReplyHostUnreachable     Reply = 0x04 // for Tor: the name could not be resolved, for whatever reason
	ReplyRefused             Reply = 0x05
	ReplyTTLExpired          Reply = 0x06 // for Tor: the time was up
	ReplyCommandNotSupported Reply = 0x07 // a proxy that is not Tor's says so to a lookup
	ReplyAddressNotSupported Reply = 0x08
)

// Tor's own replies (its proposal 304), about onion services. C Tor sends them where
// its SocksPort has the flag ExtendedErrors, and ReplyHostUnreachable or
// ReplyGeneralFailure otherwise.
const (
	ReplyOnionNotFound    Reply = 0xf0 // no descriptor: it is not published, or down for long
	ReplyOnionInvalid     Reply = 0xf1 // its descriptor cannot be read
	ReplyIntroFailed      Reply = 0xf2
	ReplyRendezvousFailed Reply = 0xf3
	ReplyOnionAuthMissing Reply = 0xf4
	ReplyOnionAuthWrong   Reply = 0xf5
	ReplyOnionBadAddress  Reply = 0xf6 // no v3 address: mistyped, or of version 2
	ReplyIntroTimedOut    Reply = 0xf7
)

var replyText = map[Reply]string{
	ReplyGeneralFailure:      "general failure",
	ReplyNotAllowed:          "not allowed by the proxy's rules",
	ReplyNetworkUnreachable:  "network unreachable",
	ReplyHostUnreachable:     "host unreachable or unknown",
	ReplyRefused:             "connection refused",
	ReplyTTLExpired:          "timed out on the way (TTL expired)",
	ReplyCommandNotSupported: "command not supported (only Tor's proxy does lookups)",
	ReplyAddressNotSupported: "address type not supported",

	ReplyOnionNotFound:    "onion service not found",
	ReplyOnionInvalid:     "onion service descriptor is invalid",
	ReplyIntroFailed:      "onion service introduction failed",
	ReplyRendezvousFailed: "onion service rendezvous failed",
	ReplyOnionAuthMissing: "onion service wants client authorization",
	ReplyOnionAuthWrong:   "onion service refused the client authorization",
	ReplyOnionBadAddress:  "onion address is invalid",
	ReplyIntroTimedOut:    "onion service introduction timed out",
}

// Error returns the code in words and as a number.
func (r Reply) Error() string {
	text, ok := replyText[r]
	if !ok {
		text = "refused for a reason unknown here"
	}
	return fmt.Sprintf("%s (SOCKS reply 0x%02x)", text, uint8(r))
}

// Timeout reports whether the reply is ReplyTTLExpired or ReplyIntroTimedOut.
func (r Reply) Timeout() bool { return r == ReplyTTLExpired || r == ReplyIntroTimedOut }
