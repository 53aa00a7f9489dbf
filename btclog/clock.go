package btclog

import (
	"sync/atomic"
	"time"
)

// A clock writes times. The text of a second is made once in that second: it costs
// five times what the rest of a line's head does.
type clock struct {
	last atomic.Pointer[second]
}

// A second is the text of one, immutable.
type second struct {
	unix int64
	loc  *time.Location
	text [2]string // "2006-01-02 15:04:05", and with a T for JSON
	zone string    // "Z" or "+01:00", for JSON
}

func (c *clock) second(t time.Time) *second {
	unix, loc := t.Unix(), t.Location()
	s := c.last.Load()
	if s == nil || s.unix != unix || s.loc != loc {
		s = &second{
			unix: unix,
			loc:  loc,
			text: [2]string{t.Format(time.DateTime), t.Format("2006-01-02T15:04:05")},
			zone: t.Format("Z07:00"),
		}
		c.last.Store(s)
	}
	return s
}

// appendText appends 2006-01-02 15:04:05.000 and a blank. Milliseconds are cut, not
// rounded.
func (c *clock) appendText(p []byte, t time.Time) []byte {
	p = append(p, c.second(t).text[0]...)
	return append(appendMillis(p, t), ' ')
}

// appendJSON appends the time as RFC 3339 has it, with milliseconds.
func (c *clock) appendJSON(p []byte, t time.Time) []byte {
	s := c.second(t)
	p = append(p, s.text[1]...)
	return append(appendMillis(p, t), s.zone...)
}

func appendMillis(p []byte, t time.Time) []byte {
	ms := t.Nanosecond() / 1e6
	return append(p, '.', byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10))
}
