package dnsseed

import (
	"fmt"
	"time"
)

// Kind is what an Event tells.
type Kind uint8

// The kinds of events.
const (
	KindMalformed    Kind = iota + 1 // a seed is none, and was left out; at the begin only
	KindAsked                        // a name is being looked up
	KindTold                         // a seed gave addresses
	KindFailed                       // a seed gave none
	KindNoneAnswered                 // all seeds were asked, and none gave any
	KindFetch                        // it is time to ask a seed node: Config.OnFetch was called
)

var kindNames = [...]string{"none", "malformed", "asked", "told", "failed", "none-answered", "fetch"}

// String returns the name of the kind: "malformed", "asked", "told", "failed",
// "none-answered" or "fetch".
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind-%d", uint8(k))
}

// Event is something that happened. Fields that its kind does not use are zero.
type Event struct {
	Kind Kind
	Time time.Time

	Seed string // Seed.Host; of KindFetch the seed node
	Host string // the name asked for, of KindAsked, KindTold and KindFailed; "" for seeds that are addresses

	Answered int           // of KindTold: addresses in the answer
	Given    int           // of KindTold: of those how many OnFound got
	Took     time.Duration // of KindTold and KindFailed

	Asked int       // of KindNoneAnswered: how many seeds were asked
	Next  time.Time // of KindNoneAnswered: when they are asked again, unless something changes

	Err error // of KindMalformed a *SeedError, of KindFailed a *LookupError
}

// String returns the event as a sentence.
func (e Event) String() string {
	switch e.Kind {
	case KindMalformed, KindFailed:
		return e.Err.Error()
	case KindAsked:
		return fmt.Sprintf("Asking DNS seed %s for %s", e.Seed, e.Host)
	case KindTold:
		return fmt.Sprintf("Seed %s told %d addresses, %d taken", e.Seed, e.Answered, e.Given)
	case KindNoneAnswered:
		return fmt.Sprintf("None of %d seeds told an address; asking again at %s", e.Asked, e.Next.Format(time.TimeOnly))
	case KindFetch:
		return fmt.Sprintf("Fetching addresses from seed node %s", e.Seed)
	}
	return e.Kind.String()
}
