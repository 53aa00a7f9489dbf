package dnsseed

import (
	"errors"
	"fmt"
	"net"
)

// ErrNoAddresses says that a seed has no addresses: its name has none, or none that
// is plausible.
var ErrNoAddresses = errors.New("it has no addresses that can be used")

// SeedError says what is wrong with a Seed. It was left out.
type SeedError struct {
	Seed string // Seed.Host
	Err  error
}

func (e *SeedError) Error() string {
	return fmt.Sprintf("dnsseed: %q is no seed: %v", e.Seed, e.Err)
}

// Unwrap returns what is wrong.
func (e *SeedError) Unwrap() error { return e.Err }

// LookupError says why a seed told nothing. It wraps the resolver's error, or
// ErrNoAddresses.
type LookupError struct {
	Seed string // Seed.Host
	Host string // the name that was asked for; "" if the seed is an address
	Err  error
}

// Error leaves out which server was asked: what net.Resolver says of that is wrong
// where it has a Dial of its own. If it is not the seed's fault, it says all that there
// is.
func (e *LookupError) Error() string {
	why := e.Err.Error()
	var dns *net.DNSError
	switch {
	case isLocal(e.Err):
	case e.Timeout():
		why = "no answer in time"
	case errors.As(e.Err, &dns):
		why = dns.Err
	}
	name := e.Seed
	if e.Host != "" {
		name = e.Host
	}
	return fmt.Sprintf("dnsseed: %s: %s", name, why)
}

// Unwrap returns the resolver's error, or ErrNoAddresses.
func (e *LookupError) Unwrap() error { return e.Err }

// Timeout reports whether there was no answer in time.
func (e *LookupError) Timeout() bool {
	var timeout interface{ Timeout() bool } // *net.DNSError and context.DeadlineExceeded
	return errors.As(e.Err, &timeout) && timeout.Timeout()
}

// isLocal reports whether a lookup failed on this side, as at a proxy that is not there
// (a *socks.Error). What is in such an error, as that the proxy's own name is unknown,
// is not about the seed.
func isLocal(err error) bool {
	var local interface{ Local() bool }
	return errors.As(err, &local) && local.Local()
}

// notFound reports whether a lookup said that there is no such name, or that it has
// no addresses: the two cannot be told apart with net.Resolver.
func notFound(err error) bool {
	var dns *net.DNSError
	return errors.Is(err, ErrNoAddresses) || errors.As(err, &dns) && dns.IsNotFound && !isLocal(err)
}
