package btclog

import (
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// A line is: time, head (level and tag), place of the call, colon; message;
// attributes.

// heads are what lines have between the time and the message, or the place of the
// call if that is asked for, by level.
type heads [LevelOff]string

// heads makes them for a tag.
func (b *Backend) heads(tag string, v1 bool) (h heads) {
	for level := range h {
		h[level] = b.head(Level(level), 0, tag, v1)
	}
	return h
}

// head makes one. above is by how much a level of slog is above level. v1 is the form
// that has a blank where the tag is empty.
func (b *Backend) head(level Level, above slog.Level, tag string, v1 bool) string {
	var s strings.Builder
	plus := ""
	if above != 0 {
		plus = fmt.Sprintf("%+d", int(above))
	}
	if b.json {
		fmt.Fprintf(&s, `"level":"%s%s"`, levelNames[level], plus)
		if tag != "" {
			fmt.Fprintf(&s, `,"subsystem":"%s"`, appendJSON(nil, tag))
		}
	} else {
		if b.styledLevel != nil {
			s.WriteString(b.styledLevel(level))
		} else {
			s.WriteString("[" + level.String() + plus + "]")
		}
		if tag != "" || v1 {
			s.WriteByte(' ')
		}
		s.Write(appendEscaped(nil, tag))
	}
	if !b.places() {
		s.WriteString(b.colon())
	}
	return s.String()
}

// colon is what stands before the message.
func (b *Backend) colon() string {
	if b.json {
		return `,"msg":"`
	}
	return ": "
}

// places tells whether lines have the place of the call.
func (b *Backend) places() bool {
	return b.flags&(Llongfile|Lshortfile) != 0
}

// begin appends all that comes before the message.
func (b *Backend) begin(p []byte, t time.Time, head string, pc uintptr) []byte {
	timed := !b.noTime && !t.IsZero()
	switch {
	case b.json && timed:
		p = append(p, `{"time":"`...)
		p = b.clock.appendJSON(p, t)
		p = append(p, `",`...)
	case b.json:
		p = append(p, '{')
	case timed:
		p = b.clock.appendText(p, t)
	}
	p = append(p, head...)
	if b.places() {
		p = b.appendCallsite(p, pc)
		p = append(p, b.colon()...)
	}
	return p
}

// endMessage makes the message p[start:] fit for a line. The last own bytes of it are
// line feeds that the program itself asked for.
func (b *Backend) endMessage(p []byte, start, own int) []byte {
	switch {
	case b.json:
		return append(jsonTail(p[:len(p)-own], start), '"')
	case b.raw:
		return p
	case own == 0:
		return escapeTail(p, start)
	}
	p = escapeTail(p[:len(p)-own], start)
	for range own {
		p = append(p, '\n')
	}
	return p
}

// end appends what ends a line.
func (b *Backend) end(p []byte) []byte {
	if b.json {
		p = append(p, '}')
	}
	return append(p, '\n')
}

// ownFeeds returns how many line feeds at the end of message are there because the
// format ends in them: those are the program's, all others may be a stranger's.
func ownFeeds(format string, message []byte) (n int) {
	for n < len(format) && format[len(format)-1-n] == '\n' {
		n++
	}
	for i := range n {
		if i >= len(message) || message[len(message)-1-i] != '\n' {
			return i
		}
	}
	return n
}
