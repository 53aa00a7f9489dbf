package torctl

import (
	"errors"
	"fmt"
	"strings"
)

// unquote reads the quoted string that text begins with, and returns what follows it.
//
// Tor writes C escapes where its specification has backslashes that mean the next
// character; control-spec 2.1.1 says how to read both: \n, \t, \r and \0 to \377 are C's,
// any other escaped character is itself.
func unquote(text string) (value, rest string, err error) {
	if !strings.HasPrefix(text, `"`) {
		return "", "", errors.New("a quoted string does not begin with a quote")
	}
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch c := text[i]; c {
		case '"':
			return b.String(), text[i+1:], nil
		case '\\':
			if i++; i == len(text) {
				return "", "", errors.New("a quoted string ends in its middle")
			}
			c, n, err := unescape(text[i:])
			if err != nil {
				return "", "", err
			}
			b.WriteByte(c)
			i += n - 1
		default:
			b.WriteByte(c)
		}
	}
	return "", "", errors.New("a quoted string does not end")
}

// unescape reads what stands behind a backslash, which is not nothing, and returns how
// long it is.
func unescape(text string) (c byte, n int, err error) {
	switch text[0] {
	case 'n':
		return '\n', 1, nil
	case 't':
		return '\t', 1, nil
	case 'r':
		return '\r', 1, nil
	}
	value := 0
	for n < 3 && n < len(text) && '0' <= text[n] && text[n] <= '7' {
		value = value<<3 | int(text[n]-'0')
		n++
	}
	switch {
	case value > 0xff:
		return 0, 0, fmt.Errorf("the escape \\%s is no byte", text[:n])
	case n > 0:
		return byte(value), n, nil
	}
	return text[0], 1, nil
}

// A pair is KEY=value, or a word alone.
type pair struct {
	key, value string
	alone      bool // without a "="
}

// pairs reads words that are separated by spaces: KEY=word, KEY="quoted string", or
// something else, which is taken as it is.
func pairs(text string) ([]pair, error) {
	var all []pair
	for {
		text = strings.TrimLeft(text, " ")
		if text == "" {
			return all, nil
		}
		end := strings.IndexAny(text, " =")
		switch {
		case end < 0:
			return append(all, pair{key: text, alone: true}), nil
		case text[end] == ' ':
			all, text = append(all, pair{key: text[:end], alone: true}), text[end:]
			continue
		}
		p := pair{key: text[:end]}
		text = text[end+1:]
		if strings.HasPrefix(text, `"`) {
			var err error
			if p.value, text, err = unquote(text); err != nil {
				return nil, fmt.Errorf("%s: %w", printable(p.key), err)
			}
			if text != "" && text[0] != ' ' {
				return nil, fmt.Errorf("%s: something sticks to its quoted string", printable(p.key))
			}
		} else {
			p.value, text, _ = strings.Cut(text, " ")
		}
		all = append(all, p)
	}
}

// lookup returns the first value of a key.
func lookup(all []pair, key string) (string, bool) {
	for _, p := range all {
		if p.key == key && !p.alone {
			return p.value, true
		}
	}
	return "", false
}
