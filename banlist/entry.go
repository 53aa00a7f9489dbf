package banlist

import (
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"
)

// Origin is whence a ban comes.
type Origin uint8

// The origins. The zero Origin is none.
const (
	Operator Origin = 1 // a person, or a list that a person imported
	Score    Origin = 2 // a peer's offences added up
	Protocol Origin = 3 // one offence that allows no second
)

// String returns "operator", "score" or "protocol".
func (o Origin) String() string {
	switch o {
	case Operator:
		return "operator"
	case Score:
		return "score"
	case Protocol:
		return "protocol"
	}
	return fmt.Sprintf("origin-%d", uint8(o))
}

// ParseOrigin is the inverse of String. It fails with ErrOrigin.
func ParseOrigin(name string) (Origin, error) {
	for _, o := range []Origin{Operator, Score, Protocol} {
		if o.String() == name {
			return o, nil
		}
	}
	return 0, fmt.Errorf("%w: %q", ErrOrigin, name)
}

// automatic reports whether nobody asked for the ban.
func (o Origin) automatic() bool { return o != Operator }

// MaxReason is how many bytes of a reason are kept. A reason may quote a peer, so it
// must have a limit; this one leaves room for a sentence.
const MaxReason = 200

// Entry is one ban. Times are whole seconds in UTC: Since is rounded down, and Until
// up.
type Entry struct {
	Subject Subject
	Reason  string // at most MaxReason bytes of UTF-8
	Origin  Origin
	Since   time.Time
	Until   time.Time // when it is over; the zero Time means never
}

// Live reports whether the ban is in force at a time.
func (e Entry) Live(now time.Time) bool { return e.Until.IsZero() || now.Before(e.Until) }

// A record is what is kept of an Entry. It does not change, but for next.
type record struct {
	subject      Subject
	origin       Origin
	reason       string
	since, until int64 // in Unix seconds; until forever, or the end

	// next is another record with the same hash. List.mu must be held to use it.
	next *record
}

// forever is the until of a ban that does not end.
const forever = math.MaxInt64

// lastSecond is the last one of the year 9999. What ends then or later is taken to
// mean for ever: it is as far as others write times, Bitcoin Core's users included.
const lastSecond = 253402300799

// newRecord returns the record of a ban. The zero until is for ever. It fails with
// ErrSubject, ErrOrigin, or ErrOver if the ban would end before it begins.
func newRecord(s Subject, reason string, o Origin, since, until time.Time) (*record, error) {
	r := &record{subject: s, origin: o, reason: cleanReason(reason), since: max(since.Unix(), 0), until: forever}
	if !until.IsZero() {
		r.until = until.Unix()
		if until.Nanosecond() > 0 {
			r.until++
		}
		if !since.Before(until) {
			return nil, fmt.Errorf("%w: %s until %s, and it is %s", ErrOver, s,
				until.UTC().Format(time.RFC3339), since.UTC().Format(time.RFC3339))
		}
	}
	return r, r.check()
}

// check says what is wrong with a record, and brings a far end to forever.
func (r *record) check() error {
	if r.until >= lastSecond {
		r.until = forever
	}
	switch {
	case !r.subject.IsValid():
		return fmt.Errorf("%w: it is nobody", ErrSubject)
	case r.origin < Operator || r.origin > Protocol:
		return fmt.Errorf("%w: %s", ErrOrigin, r.origin)
	case r.since < 0 || r.since > lastSecond || r.until < 0:
		return fmt.Errorf("a time is before 1970 or after 9999: %d, %d", r.since, r.until)
	}
	return nil
}

// cleanReason makes UTF-8 of at most MaxReason bytes of a reason.
func cleanReason(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) <= MaxReason {
		return text
	}
	end := MaxReason
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}

// live reports whether the ban is in force at a Unix second.
func (r *record) live(now int64) bool { return r != nil && now < r.until }

func (r *record) entry() Entry {
	e := Entry{Subject: r.subject, Reason: r.reason, Origin: r.origin, Since: time.Unix(r.since, 0).UTC()}
	if r.until != forever {
		e.Until = time.Unix(r.until, 0).UTC()
	}
	return e
}
