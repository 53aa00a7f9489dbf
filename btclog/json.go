package btclog

import (
	"encoding"
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// appendJSON appends s as it stands between the quotes of a JSON string. No control
// character is left in it, DEL and C1 neither; what is not UTF-8 becomes U+FFFD.
func appendJSON[T []byte | string](p []byte, s T) []byte {
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := decodeRune(s[i:])
			switch {
			case r == utf8.RuneError && n == 1:
				p = append(p, "\uFFFD"...)
			case r < 0xa0:
				p = appendHex(p, `\u00`, byte(r))
			default:
				p = append(p, s[i:i+n]...)
			}
			i += n
			continue
		}
		switch {
		case c == '"' || c == '\\':
			p = append(p, '\\', c)
		case c == '\n':
			p = append(p, '\\', 'n')
		case c == '\r':
			p = append(p, '\\', 'r')
		case c == '\t':
			p = append(p, '\\', 't')
		case c < 0x20 || c == 0x7f:
			p = appendHex(p, `\u00`, c)
		default:
			p = append(p, c)
		}
		i++
	}
	return p
}

// jsonTail turns p[start:] into what appendJSON makes of it, in place.
func jsonTail(p []byte, start int) []byte {
	for i := start; i < len(p); i++ {
		if c := p[i]; c < 0x20 || c >= 0x7f || c == '"' || c == '\\' {
			buf := getBuffer()
			buf.b = append(buf.b, p[i:]...)
			p = appendJSON(p[:i], buf.b)
			buf.put()
			break
		}
	}
	return p
}

// marshal encodes values that are more than a text. What cannot be encoded is
// written as text.
func marshal(v any) (text []byte, ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	switch v.(type) {
	case json.Marshaler, encoding.TextMarshaler:
	case error, fmt.Stringer, fmt.Formatter:
		return nil, false
	}
	text, err := json.Marshal(v)
	return text, err == nil
}

// appendJSONDocument appends a document whose strings may still hold DEL and C1, and,
// where a MarshalJSON of the program's wrote them, bytes that are not UTF-8.
func appendJSONDocument(p, text []byte) []byte {
	for len(text) > 0 {
		i := dirty(text)
		p = append(p, text[:i]...)
		if i == len(text) {
			break
		}
		r, n := decodeRune(text[i:])
		if r == utf8.RuneError {
			p = append(p, "\uFFFD"...)
		} else {
			p = appendHex(p, `\u00`, byte(r))
		}
		text = text[i+n:]
	}
	return p
}
