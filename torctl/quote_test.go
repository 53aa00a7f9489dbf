package torctl

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestUnquote(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in, want, rest string
		wrong          bool
	}{
		{in: `""`},
		{in: `"a b" c`, want: "a b", rest: " c"},
		{in: `"\"\\\x\'"`, want: `"\x'`},
		{in: `"\n\t\r"`, want: "\n\t\r"},
		{in: `"\0\7\101\377\1234"`, want: "\x00\x07A\xffS4"},
		{in: `"\8\18"`, want: "8\x018"},
		{in: `"/tmp/\303\251t\303\251"`, want: "/tmp/été"},
		{in: "\"é\xff\"", want: "é\xff"},
		{in: `"\400"`, wrong: true},
		{in: ``, wrong: true},
		{in: `a`, wrong: true},
		{in: `"`, wrong: true},
		{in: `"a`, wrong: true},
		{in: `"a\`, wrong: true},
		{in: `"a\"`, wrong: true},
	} {
		got, rest, err := unquote(tt.in)
		if got != tt.want || rest != tt.rest || (err != nil) != tt.wrong {
			t.Errorf("%s: %q, %q, %v; want %q, %q", tt.in, got, rest, err, tt.want, tt.rest)
		}
	}
}

func TestPairs(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in    string
		want  []pair
		wrong bool
	}{
		{in: ""},
		{in: "  "},
		{in: `METHODS=COOKIE,SAFECOOKIE COOKIEFILE="/a b/c"`, want: []pair{{key: "METHODS", value: "COOKIE,SAFECOOKIE"}, {key: "COOKIEFILE", value: "/a b/c"}}},
		{in: `NOTICE BOOTSTRAP PROGRESS=85`, want: []pair{{key: "NOTICE", alone: true}, {key: "BOOTSTRAP", alone: true}, {key: "PROGRESS", value: "85"}}},
		{in: `a= b`, want: []pair{{key: "a"}, {key: "b", alone: true}}},
		{in: `=x a==`, want: []pair{{value: "x"}, {key: "a", value: "="}}},
		{in: `a=x"y`, want: []pair{{key: "a", value: `x"y`}}},
		{in: `a="x"b`, wrong: true},
		{in: `a="x`, wrong: true},
	} {
		got, err := pairs(tt.in)
		if !slices.Equal(got, tt.want) || (err != nil) != tt.wrong {
			t.Errorf("%s: %+v, %v", tt.in, got, err)
		}
	}
	if v, ok := lookup([]pair{{key: "a", alone: true}, {key: "a", value: "1"}, {key: "a", value: "2"}}, "a"); v != "1" || !ok {
		t.Error(v, ok)
	}
}

// Whatever is quoted is read again, in both ways that Tor may have; and whatever is read
// does not grow.
func FuzzQuoted(f *testing.F) {
	for _, s := range []string{``, `"a b" c`, `"\303\251"`, `"\400"`, `a="b\"" c`, `"a\`, "\x00\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		var octal, plain strings.Builder
		for _, b := range []byte(in) {
			fmt.Fprintf(&octal, `\%03o`, b)
			if b == '"' || b == '\\' {
				plain.WriteByte('\\')
			}
			plain.WriteByte(b)
		}
		for _, body := range []string{octal.String(), plain.String()} {
			got, rest, err := unquote(`"` + body + `" x`)
			if err != nil || got != in || rest != " x" {
				t.Errorf("%q: %q, %q, %v", body, got, rest, err)
			}
		}
		if got, rest, err := unquote(in); err == nil && len(got)+len(rest)+2 > len(in) {
			t.Errorf("%q, %q of %q", got, rest, in)
		}
		if got, err := pairs(in); err == nil {
			n := 0
			for _, p := range got {
				n += len(p.key) + len(p.value)
			}
			if n > len(in) {
				t.Errorf("%+v of %q", got, in)
			}
		}
		_, _ = parseListeners(in)
	})
}
