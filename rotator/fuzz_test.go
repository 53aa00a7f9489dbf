package rotator

import (
	"strings"
	"testing"
)

// FuzzParseName: parseName takes a name if and only if in makes it, so no file of
// somebody else's is ever touched.
func FuzzParseName(f *testing.F) {
	for _, name := range []string{
		"x.log", "x.log.1", "x.log.1.gz", "x.log.1.gz.tmp", "x.log.1.tmp", "x.log.01", "x.log.0", "x.log.-1", "x.log.+1",
		"x.log.9223372036854775807", "x.log.9223372036854775808", "x.log.1.", "x.log..1", "x.log.1.gz.", "x.log.1.gz.tmp.tmp",
		"x.log.1.bak", "x.log.1.zst", "x.log.1.br.tmp", "x.log.2024-01-01", "x.log.1.7", "x.log.lock", "",
	} {
		f.Add("x.log", name, "br")
	}
	f.Add("", ".1", "gz")
	f.Add("a.1", "a.1.1.gz", "gz")
	f.Fuzz(func(t *testing.T, base, name, suffix string) {
		if !validSuffix(suffix) && suffix != "" {
			t.Skip()
		}
		r, ok := parseName(base, name, suffix)
		if !ok {
			return
		}
		if r.n < 1 || r.in(base) != name || strings.ContainsAny(strings.TrimPrefix(name, base), `/\`) {
			t.Errorf("%q for %q is %+v, which is %q", name, base, r, r.in(base))
		}
	})
}

func TestNames(t *testing.T) {
	for _, n := range []int64{1, 17, 1<<63 - 1} {
		for _, suffix := range []string{"", "gz", "zst", "br"} {
			for _, tmp := range []bool{false, suffix != ""} {
				want := rollName{n, suffix, tmp}
				if got, ok := parseName("x.log", want.in("x.log"), "br"); !ok || got != want {
					t.Errorf("%s: %+v, %v", want.in("x.log"), got, ok)
				}
			}
		}
	}
}

// The last number there is: nothing is overwritten, and nothing lost.
func TestNoNumberLeft(t *testing.T) {
	file := tempLog(t)
	put(t, file+".9223372036854775807", "last\n")
	r := open(t, file, Options{MaxSize: 1, Plain: true, OnError: func(error) {}})
	write(t, r, "a", "b")
	checkNames(t, file, "x.log x.log.9223372036854775807")
	checkHistory(t, file, "last", "a", "b")
	if r.Errors() != 1 {
		t.Errorf("%d errors, want 1", r.Errors())
	}
}
