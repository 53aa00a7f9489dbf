package banlist

import (
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"
	"unique"
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
func (o Origin) automatic() bool { return o == Score || o == Protocol }

// MaxReason is how many bytes of a reason are kept. A reason may quote a peer, so it
// must have a limit; this one leaves room for a sentence.
const MaxReason = 200

// Entry is one ban. Times are whole seconds in UTC: Since is rounded down, and Until
// up. Since is the year 2106 at most.
type Entry struct {
	Subject Subject
	Reason  string // at most MaxReason bytes of UTF-8
	Origin  Origin
	Since   time.Time
	Until   time.Time // when it is over; the zero Time means never
}

// Live reports whether the ban is in force at a time.
func (e Entry) Live(now time.Time) bool { return e.Until.IsZero() || now.Before(e.Until) }

// A ban is what is kept of an Entry, but for its Subject: 24 bytes. The reasons are
// mostly the same few, and are kept once.
type ban struct {
	reason unique.Handle[string]
	until  int64  // in Unix seconds; forever, or the end
	since  uint32 // in Unix seconds, 2106 at most
	origin Origin // none if it is no ban
	bits   uint8  // the length of the prefix, as Subject has it
}

// A record is a ban with its Subject.
type record struct {
	subject Subject
	ban
}

// forever is the until of a ban that does not end.
const forever = math.MaxInt64

// lastSecond is the last one of the year 9999. What ends then or later is taken to
// mean for ever: it is as far as others write times, Bitcoin Core's users included.
const lastSecond = 253402300799

// newBan returns the record of a ban. The zero until is for ever. It fails with
// ErrSubject, ErrOrigin, or ErrOver if the ban would end before it begins.
func newBan(s Subject, reason string, o Origin, since, until time.Time) (record, error) {
	end := int64(forever)
	if !until.IsZero() {
		end = until.Unix()
		if until.Nanosecond() > 0 {
			end++
		}
		if !since.Before(until) {
			return record{}, fmt.Errorf("%w: %s until %s, and it is %s", ErrOver, s,
				until.UTC().Format(time.RFC3339), since.UTC().Format(time.RFC3339))
		}
	}
	return newRecord(s, reason, o, max(since.Unix(), 0), end)
}

// newRecord checks what a record is made of, which may come from anywhere.
func newRecord(s Subject, reason string, o Origin, since, until int64) (record, error) {
	switch {
	case !s.IsValid():
		return record{}, fmt.Errorf("%w: it is nobody", ErrSubject)
	case o < Operator || o > Protocol:
		return record{}, fmt.Errorf("%w: %s", ErrOrigin, o)
	case since < 0 || since > lastSecond || until < 0:
		return record{}, fmt.Errorf("a time is before 1970 or after 9999: %d, %d", since, until)
	}
	if until >= lastSecond {
		until = forever
	}
	return record{s, ban{
		reason: unique.Make(cleanReason(reason)), until: until, since: uint32(min(since, math.MaxUint32)),
		origin: o, bits: s.bits,
	}}, nil
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

// live reports whether the ban is in force at a Unix second. The zero ban never is.
func (b ban) live(now int64) bool { return now < b.until }

// entry returns the Entry of a ban of s.
func (b ban) entry(s Subject) Entry {
	e := Entry{Subject: s, Reason: b.reason.Value(), Origin: b.origin, Since: time.Unix(int64(b.since), 0).UTC()}
	if b.until != forever {
		e.Until = time.Unix(b.until, 0).UTC()
	}
	return e
}
