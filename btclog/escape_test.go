package btclog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

var dirtyTexts = []struct{ text, want string }{
	{"", ""},
	{"clean", "clean"},
	{"a\nb", `a\nb`},
	{"\r\n\t", `\r\n\t`},
	{"\x00\x1b[31m\x7f", `\x00\x1b[31m\x7f`},
	{"\u009b31m", `\u009b31m`},
	{"\u00a0", "\u00a0"},
	{"\xff\xc3", `\xff\xc3`},
	{"\xc0\x80", `\xc0\x80`},
	{"\xed\xa0\x80", `\xed\xa0\x80`},
	{"12345678\n", `12345678\n`},
	{"1234567\n12345678\x1b", `1234567\n12345678\x1b`},
	{"größe 中文 \U0001F600 \uFFFD", "größe 中文 \U0001F600 \uFFFD"},
	{`already \n escaped`, `already \n escaped`},
	{"/Satoshi:25.0/\n2026-11-22 12:00:00.000 [CRT] CHAN: forged", `/Satoshi:25.0/\n2026-11-22 12:00:00.000 [CRT] CHAN: forged`},
}

// What a peer sends can neither forge a line nor speak to the terminal.
func TestMessagesAreEscaped(t *testing.T) {
	for _, tt := range dirtyTexts {
		want := "[INF] PEER: " + tt.want + "\n"
		check(t, line(t, func(b *Backend) { b.Logger("PEER").Info(tt.text) }), want)
		check(t, line(t, func(b *Backend) { b.Logger("PEER").Infof("%s", tt.text) }), want)
		check(t, line(t, func(b *Backend) { b.Handler("PEER").LogAttrs(LevelInfo, tt.text) }), want)
		check(t, line(t, func(b *Backend) { _ = b.Handler("PEER").Logf(LevelInfo, 0, "%s", tt.text) }), want)
		// A tag comes from the program; a line is still a line.
		check(t, line(t, func(b *Backend) { b.Logger(tt.text).Info() }), "[INF] "+tt.want+": \n")
	}
}

// Line feeds at the end of a format are the program's own; all others are not.
func TestOwnLineFeeds(t *testing.T) {
	for _, tt := range []struct {
		format, param, want string
	}{
		{"%s\n", "x", "x\n\n"},
		{"%s\n", "x\n", "x\\n\n\n"},
		{"%s", "x\n", "x\\n\n"},
		{"a\n%s", "x", "a\\nx\n"},
		{"%s\n\n", "\n\n", "\\n\\n\n\n\n"},
		{"%.0s\n", "x", "\n\n"},
		{"%[2]d%%\n", "x", "%!d(BADINDEX)%\n\n"},
		{"%s %\n", "x\n", "x\\n %!\\n(MISSING)\n"},
	} {
		got := line(t, func(b *Backend) { b.Logger("A").Infof(tt.format, tt.param) })
		check(t, got, "[INF] A: "+tt.want)
	}
}

func TestWithRawText(t *testing.T) {
	got := line(t, func(b *Backend) { b.Logger("A").Info("a\n\x1b\xffb") }, WithRawText())
	check(t, got, "[INF] A: a\n\x1b\xffb\n")
}

func TestCleanTextDoesNotAllocate(t *testing.T) {
	for _, text := range []string{"", "clean", strings.Repeat("clean text ", 100), "größe 中文"} {
		p := []byte(text)
		if n := testing.AllocsPerRun(100, func() { p = escapeTail(p, 0) }); n != 0 {
			t.Errorf("%v allocations for %q", n, text)
		}
	}
}

// One byte that does not belong is found wherever it stands, and no other is.
func TestWords(t *testing.T) {
	for size := 1; size <= 20; size++ {
		for at := range size {
			for c := range 256 {
				p := bytes.Repeat([]byte{'x'}, size)
				p[at] = byte(c)
				want := c > ' ' && c <= '~' && c != '=' && c != '"'
				if got := isWord(p); got != want {
					t.Fatalf("%q: a word %v", p, got)
				}
			}
		}
	}
	for text, want := range map[string]bool{"": false, "größe": true, "größen und mehr": false, "12345678größe": true, `x\y`: true} {
		if got := isWord([]byte(text)); got != want {
			t.Errorf("%q: a word %v", text, got)
		}
	}
}

// checkLine says what is wrong with a line: it must be one, of text.
func checkLine(p []byte) error {
	body, ok := bytes.CutSuffix(p, []byte("\n"))
	switch {
	case !ok:
		return fmt.Errorf("no line feed at the end: %q", p)
	case !utf8.Valid(body):
		return fmt.Errorf("not UTF-8: %q", p)
	case bytes.ContainsFunc(body, unicode.IsControl):
		return fmt.Errorf("a control character: %q", p)
	}
	return nil
}

// FuzzEscape: clean text is untouched, the rest becomes clean text, in one step, and
// wherever it begins.
func FuzzEscape(f *testing.F) {
	for _, tt := range dirtyTexts {
		f.Add([]byte(tt.text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		clean := utf8.Valid(text) && !bytes.ContainsFunc(text, unicode.IsControl)
		got := escapeTail(bytes.Clone(text), 0)
		if clean && !bytes.Equal(got, text) {
			t.Fatalf("clean text %q became %q", text, got)
		}
		if !clean && bytes.Equal(got, text) {
			t.Fatalf("%q is not clean", text)
		}
		if err := checkLine(append(bytes.Clone(got), '\n')); err != nil {
			t.Fatal(err)
		}
		if again := escapeTail(bytes.Clone(got), 0); !bytes.Equal(again, got) {
			t.Fatalf("%q became %q", got, again)
		}
		head := []byte("\n\x00head")
		if p := escapeTail(append(bytes.Clone(head), text...), len(head)); !bytes.Equal(p, append(head, got...)) {
			t.Fatalf("after a head: %q, want %q", p, got)
		}
		if s := appendEscaped(nil, string(text)); !bytes.Equal(s, got) {
			t.Fatalf("as a string: %q, want %q", s, got)
		}
	})
}

// Every character comes back from JSON as it was, and no digit of an escape is wrong,
// wherever it stands: in a message, a key, a value, and a document of the program's own.
// What is not UTF-8 comes back as U+FFFD.
func TestJSONIsReadBack(t *testing.T) {
	for r := range rune(0x300) {
		s := "a" + string(r) + "b"
		sameInJSON(t, s, s)
		if r < 0x100 {
			sameInJSON(t, "a"+string([]byte{byte(r)})+"b", strings.ToValidUTF8("a"+string([]byte{byte(r)})+"b", "\uFFFD"))
		}
	}
	sameInJSON(t, "\xf0\x9f\x98", "\uFFFD\uFFFD\uFFFD")
}

// sameInJSON logs s in many ways and wants it to be read as want.
func sameInJSON(t *testing.T, s, want string) {
	t.Helper()
	raw := []byte{'"'}
	for _, c := range []byte(s) { // what JSON must have escaped, and nothing else
		if c < 0x20 || c == '"' || c == '\\' {
			raw = fmt.Appendf(raw, `\u%04x`, c)
		} else {
			raw = append(raw, c)
		}
	}
	raw = append(raw, '"')
	got := line(t, func(b *Backend) {
		_ = b.Handler("").LogLists(LevelInfo, 0, s, []any{
			"k" + s, 1, "string", s, "error", errors.New(s), "list", []string{s}, "raw", json.RawMessage(raw),
		})
	}, WithJSON())
	if err := checkLine([]byte(got)); err != nil {
		t.Error(err)
	}
	var v struct {
		Msg, String, Error, Raw string
		List                    []string
	}
	var keys map[string]any
	if err := errors.Join(json.Unmarshal([]byte(got), &v), json.Unmarshal([]byte(got), &keys)); err != nil {
		t.Fatalf("%q: %v", got, err)
	}
	for name, text := range map[string]string{"msg": v.Msg, "string": v.String, "error": v.Error, "raw": v.Raw, "list": v.List[0]} {
		if text != want {
			t.Errorf("%s: %q, want %q, of %q", name, text, want, got)
		}
	}
	if keys["k"+want] == nil {
		t.Errorf("no key %q in %q", "k"+want, got)
	}
}

// FuzzLine: whatever the parts are, text is one line and JSON one object.
func FuzzLine(f *testing.F) {
	for _, tt := range dirtyTexts {
		f.Add(tt.text, "key", tt.text)
		f.Add("msg", tt.text, "v")
	}
	f.Fuzz(func(t *testing.T, msg, key, value string) {
		for _, opts := range [][]BackendOption{nil, {WithJSON()}} {
			var r recorder
			b := NewBackend(&r, append(opts, WithFlags(Lshortfile))...)
			b.Logger(key).Info(msg, value)
			b.Logger(key).Infof("%s %q", msg, value)
			h := b.Handler(key).WithPrefix(value)
			_ = h.Logf(LevelInfo, 0, "%s", msg)
			_ = h.LogLists(LevelInfo, 0, msg, []any{key, value, value, []byte(key), key, fmt.Errorf("%s", value), value})
			_ = h.LogLists(LevelInfo, 0, msg, []any{key, map[string]string{key: value}, key, []string{value}})
			_ = h.LogLists(LevelInfo, 0, msg, []any{key, json.RawMessage(msg), key, json.RawMessage(`"` + value + `"`)})
			for _, w := range r.writes {
				if err := checkLine([]byte(w)); err != nil {
					t.Fatal(err)
				}
				if opts != nil && !json.Valid([]byte(w)) {
					t.Fatalf("not JSON: %q", w)
				}
			}
		}
	})
}
