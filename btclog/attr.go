package btclog

import (
	"fmt"
	"log/slog"
	"strconv"
	"time"
	"unicode/utf8"
)

// badKey is the key of a value that came without one, as in log/slog.
const badKey = "!BADKEY"

// appendList appends attributes as log/slog takes them: keys with values, and
// Attrs.
func (b *Backend) appendList(p []byte, group string, list []any) []byte {
	for len(list) > 0 {
		switch x := list[0].(type) {
		case slog.Attr:
			p = b.appendAttr(p, group, x.Key, x.Value)
			list = list[1:]
		case string:
			if len(list) == 1 {
				return b.appendAttr(p, group, badKey, slog.StringValue(x))
			}
			p = b.appendAttr(p, group, x, slog.AnyValue(list[1]))
			list = list[2:]
		default:
			p = b.appendAttr(p, group, badKey, slog.AnyValue(x))
			list = list[1:]
		}
	}
	return p
}

// appendAttrs appends attributes.
func (b *Backend) appendAttrs(p []byte, group string, attrs []slog.Attr) []byte {
	for i := range attrs {
		p = b.appendAttr(p, group, attrs[i].Key, attrs[i].Value)
	}
	return p
}

// appendAttr appends one. group is empty or ends in a dot. The attributes in a group
// are written as group.key=value, an empty Attr and an empty group are not written,
// and a group without a name is not seen: the rules of log/slog.
func (b *Backend) appendAttr(p []byte, group, key string, v slog.Value) []byte {
	switch v.Kind() {
	case slog.KindLogValuer:
		return b.appendAttr(p, group, key, v.Resolve())
	case slog.KindGroup:
		if key != "" {
			group += key + "."
		}
		return b.appendAttrs(p, group, v.Group())
	case slog.KindAny:
		if key == "" && v.Any() == nil {
			return p
		}
	}
	if b.json {
		p = append(p, ',', '"')
		p = appendJSON(p, group)
		p = appendJSON(p, key)
		p = append(p, '"', ':')
		return appendJSONValue(p, v)
	}
	p = b.appendKey(p, group, key)
	return appendValue(p, v)
}

func (b *Backend) appendKey(p []byte, group, key string) []byte {
	p = append(p, ' ')
	start := len(p)
	p = append(p, group...)
	p = append(p, key...)
	p = append(quoteTail(p, start), '=')
	if b.styledKey != nil {
		styled := b.styledKey(string(p[start:]))
		p = append(p[:start], styled...)
	}
	return p
}

// appendValue appends a value, quoted if its text would not stand as one word.
func appendValue(p []byte, v slog.Value) []byte {
	start := len(p)
	switch v.Kind() {
	case slog.KindInt64:
		return strconv.AppendInt(p, v.Int64(), 10)
	case slog.KindUint64:
		return strconv.AppendUint(p, v.Uint64(), 10)
	case slog.KindBool:
		return strconv.AppendBool(p, v.Bool())
	case slog.KindFloat64:
		return strconv.AppendFloat(p, v.Float64(), 'g', -1, 64)
	case slog.KindDuration:
		return appendDuration(p, v.Duration())
	}
	return quoteTail(appendPlain(p, v), start)
}

// appendPlain appends the text of a value as it is.
func appendPlain(p []byte, v slog.Value) []byte {
	switch v.Kind() {
	case slog.KindString:
		return append(p, v.String()...)
	case slog.KindDuration:
		return appendDuration(p, v.Duration())
	case slog.KindAny:
		return appendAny(p, v.Any())
	}
	return append(p, v.String()...)
}

func appendDuration(p []byte, d time.Duration) []byte {
	return append(p, d.String()...)
}

// appendAny appends what fmt makes of v with %+v. Errors and Stringers, the most
// common, do not go through fmt, unless they panic: fmt says so in the text.
func appendAny(p []byte, v any) []byte {
	switch v := v.(type) {
	case fmt.Formatter:
	case error:
		if s, ok := safely(v.Error); ok {
			return append(p, s...)
		}
	case fmt.Stringer:
		if s, ok := safely(v.String); ok {
			return append(p, s...)
		}
	}
	return fmt.Appendf(p, "%+v", v)
}

func safely(text func() string) (s string, ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	return text(), true
}

// word tells which bytes are characters that need no quotes: the printable ones of
// ASCII, except the blank, the equals sign and the quote.
var word = func() (t [256]bool) {
	for c := '!'; c <= '~'; c++ {
		t[c] = c != '=' && c != '"'
	}
	return t
}()

// quoteTail quotes p[start:], in place, if it is not one word.
func quoteTail(p []byte, start int) []byte {
	if isWord(p[start:]) {
		return p
	}
	buf := getBuffer()
	buf.b = append(buf.b, p[start:]...)
	p = strconv.AppendQuote(p[:start], string(buf.b))
	buf.put()
	return p
}

func isWord(p []byte) bool {
	for i, c := range p {
		if !word[c] {
			return c >= utf8.RuneSelf && isWordBeyondASCII(p[i:])
		}
	}
	return len(p) > 0
}

func isWordBeyondASCII(p []byte) bool {
	for i := 0; i < len(p); {
		r, n := utf8.DecodeRune(p[i:])
		if r < utf8.RuneSelf && !word[r] || r == utf8.RuneError && n == 1 || !strconv.IsPrint(r) {
			return false
		}
		i += n
	}
	return true
}
