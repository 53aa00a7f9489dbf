package btclog

import (
	"encoding/binary"
	"unicode/utf8"
)

// Much of what a node logs was sent by somebody else: user agents, reject texts,
// host names. A line feed in it would forge a line, and an escape sequence would
// speak to the operator's terminal. So every control character (C0, DEL and C1) and
// every byte that is not UTF-8 is written as Go would write it in a string: \n, \r,
// \t, \x1b, \u009b. All other text is left as it is, the backslash too.

// appendHex appends an escape: c in two digits after what stands before them.
func appendHex(p []byte, before string, c byte) []byte {
	const digits = "0123456789abcdef"
	return append(append(p, before...), digits[c>>4], digits[c&15])
}

// dirty returns the index of the first byte to escape, len(p) if there is none.
func dirty[T []byte | string](p T) int {
	for i := 0; i < len(p); {
		c := p[i]
		if c < utf8.RuneSelf {
			if c < 0x20 || c == 0x7f {
				return i
			}
			i++
			continue
		}
		r, n := decodeRune(p[i:])
		if r == utf8.RuneError && n == 1 || r < 0xa0 {
			return i
		}
		i += n
	}
	return len(p)
}

func decodeRune[T []byte | string](p T) (rune, int) {
	var four [utf8.UTFMax]byte
	return utf8.DecodeRune(four[:copy(four[:], p)])
}

// plain returns the length of a prefix of p that is printable ASCII for certain,
// looking at eight bytes at a time; the last eight may overlap those before.
func plain(p []byte) int {
	i := 0
	for ; i+8 <= len(p); i += 8 {
		if suspect(binary.LittleEndian.Uint64(p[i:])) {
			return i
		}
	}
	if len(p) >= 8 && !suspect(binary.LittleEndian.Uint64(p[len(p)-8:])) {
		return len(p)
	}
	return i
}

// suspect tells whether any of eight bytes is not printable ASCII. A byte has its high
// bit set in x if it is not ASCII, in x-0x20 if it is below 0x20, in x+1 if it is
// 0x7f. Carries only occur beside such a byte.
func suspect(x uint64) bool {
	const ones = 0x0101010101010101
	return (x|(x-0x20*ones)|(x+ones))&(0x80*ones) != 0
}

// escapeTail escapes p[start:] in place.
func escapeTail(p []byte, start int) []byte {
	start += plain(p[start:])
	start += dirty(p[start:])
	if start == len(p) {
		return p
	}
	buf := getBuffer()
	buf.b = append(buf.b, p[start:]...)
	p = appendEscaped(p[:start], buf.b)
	buf.put()
	return p
}

// appendEscaped appends s with what is dirty in it escaped.
func appendEscaped[T []byte | string](p []byte, s T) []byte {
	for len(s) > 0 {
		i := dirty(s)
		p = append(p, s[:i]...)
		if i == len(s) {
			break
		}
		s = s[i:]
		switch c := s[0]; {
		case c == '\n':
			p = append(p, `\n`...)
		case c == '\r':
			p = append(p, `\r`...)
		case c == '\t':
			p = append(p, `\t`...)
		case c < 0x20 || c == 0x7f:
			p = appendHex(p, `\x`, c)
		default:
			r, n := decodeRune(s)
			if n == 1 { // not UTF-8
				p = appendHex(p, `\x`, c)
				break
			}
			p = appendHex(p, `\u00`, byte(r))
			s = s[1:]
		}
		s = s[1:]
	}
	return p
}
