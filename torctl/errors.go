package torctl

import (
	"errors"
	"fmt"
	"net"
)

// What can be wrong, for errors.Is.
var (
	// ErrAuth says that Tor does not let us in, or that it could not prove to be the
	// Tor of the cookie file. The text says what to do.
	ErrAuth = errors.New("torctl: not let in by Tor")

	// ErrProtocol says that who listens there does not speak Tor's control protocol, or
	// says more than we hold. The connection is closed.
	ErrProtocol = errors.New("torctl: that is not how Tor answers")

	// ErrSilent says that Tor has not answered in time.
	ErrSilent = errors.New("torctl: Tor does not answer")

	// ErrClosed says that the Conn was closed by us. It is net.ErrClosed too.
	ErrClosed = fmt.Errorf("torctl: the control connection was closed: %w", net.ErrClosed)

	// ErrKeyMode says that others than its owner can read the file of the private key.
	ErrKeyMode = errors.New("torctl: others can read the private key")
)

// ReplyError is an answer of Tor other than that all is well.
type ReplyError struct {
	Code int    // 400 to 599; control-spec, section 4, lists them
	Text string // what Tor says of it, without the password or key, should Tor repeat it
}

func (e *ReplyError) Error() string {
	return fmt.Sprintf("Tor answers %d: %s", e.Code, printable(e.Text))
}

// DamagedKeyError says that a file held no private key, and was set aside. A new key,
// which is a new address, is made.
type DamagedKeyError struct {
	File  string // as it was called
	Aside string // as it is called now
	Err   error  // what is wrong with it
}

func (e *DamagedKeyError) Error() string {
	return fmt.Sprintf("torctl: %s holds no private key of an onion service: %v; it was kept as %s. "+
		"The service gets a new address, unless you put the key back", e.File, e.Err, e.Aside)
}

// Unwrap returns Err.
func (e *DamagedKeyError) Unwrap() error { return e.Err }

// protocolError is an ErrProtocol with what is wrong.
func protocolError(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrProtocol, fmt.Errorf(format, args...))
}

// printable is text of others, fit for a line of a log: without control characters,
// and not long.
func printable(text string) string {
	const most = 200
	clean := make([]byte, 0, min(len(text), most))
	for i := range min(len(text), most) {
		b := text[i]
		if b < ' ' || b > '~' {
			b = '?'
		}
		clean = append(clean, b)
	}
	return string(clean)
}
