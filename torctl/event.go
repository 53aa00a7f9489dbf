package torctl

import (
	"fmt"
	"time"

	"holdfast/netaddr"
)

// Kind is what an Event tells.
type Kind uint8

// The kinds.
const (
	// KindPublished: Tor has the service. Addr and Version are set.
	KindPublished Kind = iota + 1

	// KindLost: Tor, or the connection to it, has gone, and the service with it. Err
	// and Next are set, and Addr is what was lost.
	KindLost

	// KindFailed: a try to publish failed. Err, Attempt and Next are set.
	KindFailed

	// KindKeySetAside: the file of the key held none, so there will be a new address.
	// Err is a *DamagedKeyError.
	KindKeySetAside
)

// String returns "published", "lost", "failed" or "key set aside".
func (k Kind) String() string {
	switch k {
	case KindPublished:
		return "published"
	case KindLost:
		return "lost"
	case KindFailed:
		return "failed"
	case KindKeySetAside:
		return "key set aside"
	}
	return fmt.Sprintf("kind-%d", uint8(k))
}

// Event is something that happened to a Service.
type Event struct {
	Kind    Kind
	Addr    netaddr.Addr // the onion address, with the VirtualPort
	Version string       // of Tor; "" if Tor does not tell
	Err     error        // why; see the errors of this package
	Next    time.Time    // when it is tried again

	// Attempt is how many tries in a row have failed, from 1. A log may want to tell
	// less of the later ones, which mostly fail for the same reason.
	Attempt int
}
