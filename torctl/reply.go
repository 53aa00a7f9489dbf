package torctl

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// What a reply may have, so that nobody fills our memory. The longest that we ask for
// ourselves is below 1 KiB; the list of all circuits of a busy Tor is some tens.
const (
	maxReply = 64 << 10 // bytes, with all line ends
	maxLines = 1024
)

// eventCode is the code of what Tor says unasked.
const eventCode = 650

// errTooLong says that a reply is longer than maxReply or maxLines.
var errTooLong = fmt.Errorf("a reply is longer than %d KiB, or has more than %d lines", maxReply>>10, maxLines)

// A reply is what Tor says at a time.
type reply struct {
	code  int
	lines []replyLine // at least one
}

// A replyLine is one line of a reply, and the data that may follow it.
type replyLine struct {
	text    string
	data    string // its lines with line feeds between them
	hasData bool
}

// last is the text of the line that ends a reply.
func (r reply) last() string { return r.lines[len(r.lines)-1].text }

// A replyReader reads replies (control-spec, 2.3).
type replyReader struct {
	in    *bufio.Reader
	bytes int // left for this reply
	lines int
}

func newReplyReader(r io.Reader) *replyReader {
	return &replyReader{in: bufio.NewReaderSize(r, 4096)}
}

// read reads the next reply. io.EOF means that there was none, not even a beginning.
// After an error nothing can be read any more.
func (r *replyReader) read() (reply, error) {
	r.bytes, r.lines = maxReply, maxLines
	var got reply
	for {
		line, err := r.line()
		if err != nil {
			if len(got.lines) > 0 && err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return reply{}, err
		}
		code, kind, text, err := splitLine(line)
		if err != nil {
			return reply{}, err
		}
		if len(got.lines) > 0 && code != got.code {
			return reply{}, protocolError("the codes %d and %d in one reply", got.code, code)
		}
		got.code = code
		l := replyLine{text: text, hasData: kind == '+'}
		if l.hasData {
			if l.data, err = r.data(); err != nil {
				return reply{}, err
			}
		}
		got.lines = append(got.lines, l)
		if kind == ' ' {
			return got, nil
		}
	}
}

// splitLine takes "250-text" apart.
func splitLine(line string) (code int, kind byte, text string, err error) {
	if len(line) < 4 {
		return 0, 0, "", protocolError("the line %q", printable(line))
	}
	for _, c := range []byte(line[:3]) {
		if c < '0' || c > '9' {
			return 0, 0, "", protocolError("the line %q", printable(line))
		}
		code = code*10 + int(c-'0')
	}
	kind = line[3]
	if kind != ' ' && kind != '-' && kind != '+' || code < 200 || code > 699 {
		return 0, 0, "", protocolError("the line %q", printable(line))
	}
	return code, kind, line[4:], nil
}

// data reads lines to one with a single dot. Other lines that begin with a dot have
// one more.
func (r *replyReader) data() (string, error) {
	var b strings.Builder
	for first := true; ; first = false {
		line, err := r.line()
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return "", err
		}
		if line == "." {
			return b.String(), nil
		}
		if !first {
			b.WriteByte('\n')
		}
		b.WriteString(strings.TrimPrefix(line, "."))
	}
}

// line reads a line without its end.
func (r *replyReader) line() (string, error) {
	if r.lines--; r.lines < 0 {
		return "", protocolError("%w", errTooLong)
	}
	var b []byte
	for {
		part, err := r.in.ReadSlice('\n')
		if r.bytes -= len(part); r.bytes < 0 {
			return "", protocolError("%w", errTooLong)
		}
		b = append(b, part...)
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err == io.EOF && len(b) > 0 {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return "", err
		}
		return strings.TrimSuffix(string(b[:len(b)-1]), "\r"), nil
	}
}
