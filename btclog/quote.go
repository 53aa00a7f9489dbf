package btclog

import (
	"encoding/binary"
	"strconv"
	"unicode/utf8"
)

// Keys and values of attributes stand between blanks and equals signs. One whose text is
// not a word of printable characters is quoted, as Go quotes strings.

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

// isWord looks at eight bytes at a time as long as it can.
func isWord(p []byte) bool {
	i := 0
	for i+8 <= len(p) && eightOfWord(binary.LittleEndian.Uint64(p[i:])) {
		i += 8
	}
	for ; i < len(p); i++ {
		if c := p[i]; !word[c] {
			return c >= utf8.RuneSelf && isWordBeyondASCII(p[i:])
		}
	}
	return len(p) > 0
}

// eightOfWord tells whether eight bytes are all in word. It looks for those that
// suspect looks for, and for bytes that are zero once the blank, the equals sign or the
// quote is taken from them bit by bit.
func eightOfWord(x uint64) bool {
	const ones = 0x0101010101010101
	blank, equals, quote := x^' '*ones, x^'='*ones, x^'"'*ones
	zero := (blank-ones)&^blank | (equals-ones)&^equals | (quote-ones)&^quote
	return !suspect(x) && zero&(0x80*ones) == 0
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
