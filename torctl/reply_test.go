package torctl

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
)

func TestReply(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		in   string
		want []reply
		err  error // after those
	}{
		{"nothing", "", nil, io.EOF},
		{"one line", "250 OK\r\n", []reply{{250, []replyLine{{text: "OK"}}}}, io.EOF},
		{"no text", "250 \r\n", []reply{{250, []replyLine{{}}}}, io.EOF},
		{"no carriage return", "250 OK\n", []reply{{250, []replyLine{{text: "OK"}}}}, io.EOF},
		{"an error", "552 Unrecognized key \"x\"\r\n", []reply{{552, []replyLine{{text: `Unrecognized key "x"`}}}}, io.EOF},
		{
			"lines", "250-a=1\r\n250-b=2\r\n250 OK\r\n",
			[]reply{{250, []replyLine{{text: "a=1"}, {text: "b=2"}, {text: "OK"}}}},
			io.EOF,
		},
		{
			"data", "250+a=\r\nx\r\n\r\n..dot\r\n250 not the end\r\n.\r\n250 OK\r\n",
			[]reply{{250, []replyLine{{text: "a=", data: "x\n\n.dot\n250 not the end", hasData: true}, {text: "OK"}}}},
			io.EOF,
		},
		{
			"no data", "250+a=\r\n.\r\n250 OK\r\n",
			[]reply{{250, []replyLine{{text: "a=", hasData: true}, {text: "OK"}}}},
			io.EOF,
		},
		{
			"two", "650 A\r\n250 OK\r\n",
			[]reply{{650, []replyLine{{text: "A"}}}, {250, []replyLine{{text: "OK"}}}},
			io.EOF,
		},
		{"cut in a line", "250 O", nil, io.ErrUnexpectedEOF},
		{"cut between lines", "250-a\r\n", nil, io.ErrUnexpectedEOF},
		{"cut in data", "250+a=\r\nx\r\n", nil, io.ErrUnexpectedEOF},
		{"two codes", "250-a\r\n251 b\r\n", nil, ErrProtocol},
		{"no code", "SSH-2.0-OpenSSH_9.2\r\n", nil, ErrProtocol},
		{"a code of HTTP", "HTTP/1.1 400 Bad Request\r\n", nil, ErrProtocol},
		{"half a code", "25\r\n", nil, ErrProtocol},
		{"no separator", "250\r\n", nil, ErrProtocol},
		{"wrong separator", "250:OK\r\n", nil, ErrProtocol},
		{"signs", "+25 OK\r\n", nil, ErrProtocol},
		{"code too small", "199 OK\r\n", nil, ErrProtocol},
		{"code too large", "700 OK\r\n", nil, ErrProtocol},
		{"empty line", "\r\n", nil, ErrProtocol},
		{"longest", "250 " + strings.Repeat("x", maxReply-6) + "\r\n", []reply{{250, []replyLine{{text: strings.Repeat("x", maxReply-6)}}}}, io.EOF},
		{"too long a line", "250 " + strings.Repeat("x", maxReply-5) + "\r\n", nil, ErrProtocol},
		{"too long in all", strings.Repeat("250-"+strings.Repeat("x", 1000)+"\r\n", 66), nil, ErrProtocol},
		{"too much data", "250+\r\n" + strings.Repeat(strings.Repeat("x", 1000)+"\r\n", 66), nil, ErrProtocol},
		{"too many lines", strings.Repeat("250-\r\n", maxLines+1), nil, ErrProtocol},
		{"too many lines of data", "250+\r\n" + strings.Repeat("\r\n", maxLines), nil, ErrProtocol},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, in := range []io.Reader{strings.NewReader(tt.in), iotest.OneByteReader(strings.NewReader(tt.in))} {
				got, err := all(in)
				if !reflect.DeepEqual(got, tt.want) || !errors.Is(err, tt.err) {
					t.Errorf("%.200v, %v\nwant %.200v, %v", got, err, tt.want, tt.err)
				}
			}
		})
	}
}

// all reads replies until there is an error.
func all(in io.Reader) ([]reply, error) {
	r := newReplyReader(in)
	var got []reply
	for {
		one, err := r.read()
		if err != nil {
			return got, err
		}
		got = append(got, one)
	}
}

// A reply has no more than maxReply bytes, however it comes, and is read as it was
// written.
func FuzzReply(f *testing.F) {
	for _, s := range []string{
		"250 OK\r\n", "250-a=1\r\n250 OK\r\n", "250+a=\r\nx\r\n..y\r\n.\r\n250 OK\r\n", "650 X\r\n250 OK\r\n",
		"515 no\r\n", "250-a\r\n251 b\r\n", "250", "HTTP/1.1 200 OK\r\n\r\n", "250+\r\n.\r\n.\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := all(bytes.NewReader(in))
		again, errAgain := all(iotest.OneByteReader(bytes.NewReader(in)))
		if !reflect.DeepEqual(got, again) || (err == io.EOF) != (errAgain == io.EOF) {
			t.Fatalf("%v, %v; a byte at a time %v, %v", got, err, again, errAgain)
		}
		for _, r := range got {
			text := write(r)
			if len(text) > maxReply*3 { // line ends and dots are written though they may not have come
				t.Errorf("a reply of %d bytes", len(text))
			}
			if len(text) > maxReply {
				continue
			}
			if once, err := all(strings.NewReader(text)); err != io.EOF || len(once) != 1 || !reflect.DeepEqual(once[0], r) {
				t.Errorf("%+v is read again as %+v, %v", r, once, err)
			}
			// What is made of replies.
			_, _ = parseProtocolInfo(r)
			_, _, _ = parseChallenge(r)
			_, _ = r.check("")
			c := Conn{notices: make(chan Notice, 1)}
			c.tell(r)
		}
	})
}

// write is the inverse of read.
func write(r reply) string {
	var b strings.Builder
	for i, l := range r.lines {
		kind := byte('-')
		switch {
		case l.hasData:
			kind = '+'
		case i == len(r.lines)-1:
			kind = ' '
		}
		fmt.Fprintf(&b, "%03d%c%s\r\n", r.code, kind, l.text)
		if l.hasData {
			// No line of data, and one that is empty, are both read as "".
			if l.data != "" {
				for line := range strings.SplitSeq(l.data, "\n") {
					if strings.HasPrefix(line, ".") {
						line = "." + line
					}
					b.WriteString(line + "\r\n")
				}
			}
			b.WriteString(".\r\n")
		}
	}
	return b.String()
}
