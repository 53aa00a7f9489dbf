package rotator

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
)

// zipped returns an archive.
func zipped(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.WriteString(z, text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// content returns what a file holds, unzipped if that can be done.
func content(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if z, err := gzip.NewReader(bytes.NewReader(raw)); err == nil {
		if b, err := io.ReadAll(z); err == nil {
			return string(b)
		}
	}
	return string(raw)
}

// A roll beside an archive of it, after a kill, of jrick/logrotate too, or a power
// cut: one goes if the other holds all of it. If none does, both stay.
func TestRollAndArchive(t *testing.T) {
	var b strings.Builder
	for i := range 100 {
		b.WriteString(fullLine(i))
	}
	all := b.String()
	part := all[:len(all)/2]
	whole := zipped(t, all)
	cut := whole[:len(whole)*3/4]
	if len(whole) <= len(part)/2 || strings.HasPrefix(zipped(t, part), cut) {
		t.Fatal("these texts show nothing")
	}
	zeros := strings.Repeat("\x00", len(all))
	type files map[string]string
	gz, plain := Options{}, Options{Plain: true}
	other := Options{Compressor: gzip.NewWriter(nil), Suffix: "xyz"}
	const both = 1 // errors
	for _, tt := range []struct {
		name         string
		o            Options
		before, want files
		errs         uint64
	}{
		{"killed before the roll was removed", gz, files{"": all, "gz": whole}, files{"gz": all}, 0},
		{"power cut: empty roll", gz, files{"": "", "gz": whole}, files{"gz": all}, 0},
		{"power cut: short roll", gz, files{"": part, "gz": whole}, files{"gz": all}, 0},
		{"power cut: roll of zeros", gz, files{"": zeros, "gz": whole}, files{"": zeros, "gz": all}, both},
		{"empty archive", gz, files{"": all, "gz": ""}, files{"gz": all}, 0},
		{"archive cut short", gz, files{"": all, "gz": cut}, files{"gz": all}, 0},
		{"archive of zeros", gz, files{"": all, "gz": zeros[:99]}, files{"gz": all}, 0},
		{"archive without its end", gz, files{"": all, "gz": whole[:len(whole)-1]}, files{"gz": all}, 0},
		{"archive and more", gz, files{"": all, "gz": whole + "\x00"}, files{"gz": all}, 0},
		{"archive of less", gz, files{"": all, "gz": zipped(t, part)}, files{"gz": all}, 0},
		{"a larger archive of less", gz, files{"": "a\nb\n", "gz": zipped(t, "a\n")}, files{"gz": "a\nb\n"}, 0},
		{"both cut short", gz, files{"": part[:100], "gz": cut}, files{"": part[:100], "gz": cut}, both},
		{"short roll, archive broken behind that", gz, files{"": "a\n", "gz": zipped(t, "a\n") + zeros[:99]}, files{"": "a\n", "gz": zipped(t, "a\n") + zeros[:99]}, both},
		{"empty roll, archive of zeros", gz, files{"": "", "gz": zeros[:99]}, files{"": "", "gz": zeros[:99]}, both},
		{"an archive that cannot be read here", gz, files{"": all, "zst": whole}, files{"gz": all, "zst": all}, 0},

		{"plain: the same", plain, files{"": all, "gz": whole}, files{"": all}, 0},
		{"plain: empty roll", plain, files{"": "", "gz": whole}, files{"gz": all}, 0},
		{"plain: short roll", plain, files{"": part, "gz": whole}, files{"gz": all}, 0},
		{"plain: roll of zeros", plain, files{"": zeros, "gz": whole}, files{"": zeros, "gz": all}, both},
		{"plain: archive cut short", plain, files{"": all, "gz": cut}, files{"": all}, 0},
		{"plain: an archive that cannot be read here", plain, files{"": all, "zst": cut}, files{"": all, "zst": cut}, both},

		{"other: the same", other, files{"": all, "xyz": whole}, files{"xyz": all}, 0},
		{"other: archive cut short", other, files{"": all, "xyz": cut}, files{"xyz": all}, 0},
		{"other: empty archive", other, files{"": all, "xyz": ""}, files{"xyz": all}, 0},
		{"other: empty roll", other, files{"": "", "xyz": whole}, files{"": "", "xyz": all}, both},
		{"other: short roll", other, files{"": part, "xyz": whole}, files{"": part, "xyz": all}, both},
		{"other: gzip, whole", other, files{"": all, "gz": whole}, files{"gz": all}, 0},
		{"other: gzip, cut short", other, files{"": all, "gz": cut}, files{"xyz": all}, 0},
		{"other: gzip, and not the same", other, files{"": zeros, "gz": whole}, files{"xyz": zeros, "gz": all}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := tempLog(t)
			path := func(suffix string) string { return rollName{n: 1, suffix: suffix}.in(file) }
			for suffix, raw := range tt.before {
				put(t, path(suffix), raw)
			}
			for range 2 { // the second start changes nothing
				o := tt.o
				o.OnError = func(err error) {
					if !errors.Is(err, errBoth) {
						t.Error(err)
					}
				}
				r := open(t, file, o)
				shut(t, r)
				if r.Errors() != tt.errs {
					t.Errorf("%d errors, want %d", r.Errors(), tt.errs)
				}
				want := "x.log"
				for _, suffix := range []string{"", "gz", "xyz", "zst"} {
					if all, ok := tt.want[suffix]; ok {
						want += " " + strings.TrimPrefix(path(suffix), strings.TrimSuffix(file, "x.log"))
						if got := content(t, path(suffix)); got != all {
							t.Errorf("%q holds %d bytes, want %d", suffix, len(got), len(all))
						}
					}
				}
				checkNames(t, file, want)
			}
		})
	}
}

// However much of an archive was written, it is repaired, and however much of the
// roll came back, nothing is lost.
func TestRollOrArchiveCutAnywhere(t *testing.T) {
	var all string
	for i := range 20 {
		all += fullLine(i)
	}
	whole := zipped(t, all)
	dir := t.TempDir()
	roll, archive := dir+"/roll", dir+"/archive"
	put(t, roll, all)
	put(t, archive, whole)
	cut := func(path string, n int) {
		if err := os.Truncate(path, int64(n)); err != nil {
			t.Fatal(err)
		}
	}
	for n := len(whole) - 1; n >= 0; n-- {
		cut(archive, n)
		if c, err := compareGzip(roll, archive); err != nil || c != (comparison{inPlain: true}) {
			t.Fatalf("archive cut to %d of %d bytes: %+v, %v", n, len(whole), c, err)
		}
	}
	put(t, archive, whole)
	for n := len(all) - 1; n >= 0; n-- {
		cut(roll, n)
		if c, err := compareGzip(roll, archive); err != nil || c != (comparison{inArchive: true, whole: true}) {
			t.Fatalf("roll cut to %d of %d bytes: %+v, %v", n, len(all), c, err)
		}
	}
}

// A roll that cannot be read to its end is not taken for a short one.
func TestCompareReadError(t *testing.T) {
	bad := errors.New("bad sector")
	for _, archive := range []string{"", "on", "one", "one and two"} {
		plain := io.MultiReader(strings.NewReader("one"), iotest.ErrReader(bad))
		c, err := compare(plain, strings.NewReader(archive))
		if c.inArchive || errors.Is(err, bad) != (len(archive) >= len("one")) {
			t.Errorf("archive %q: %+v, %v", archive, c, err)
		}
	}
}

// An archive that breaks off just where the roll ends is not whole.
func TestCompareBroken(t *testing.T) {
	archive := io.MultiReader(strings.NewReader("one"), iotest.ErrReader(gzip.ErrChecksum))
	if c, err := compare(strings.NewReader("one"), archive); err != nil || c != (comparison{inPlain: true}) {
		t.Errorf("%+v, %v", c, err)
	}
}

// Both stay, which is told once, until somebody removes one of them.
func TestBothStay(t *testing.T) {
	file := tempLog(t)
	put(t, file+".1", "not this\n")
	zip(t, file+".1.gz", "but that\n")
	synctest.Test(t, func(t *testing.T) {
		var e *Error
		r := open(t, file, Options{MaxSize: 1, MaxRolls: 9, OnError: func(err error) {
			if !errors.As(err, &e) || e.Op != OpCompress || e.Path != file+".1" || !errors.Is(err, errBoth) {
				t.Errorf("told %v", err)
			}
		}})
		for i := range 5 {
			write(t, r, fmt.Sprint(i))
			if err := r.Reopen(); err != nil {
				t.Error(err)
			}
			synctest.Wait()
		}
		if err := os.Remove(file + ".1"); err != nil {
			t.Fatal(err)
		}
		if err := r.Reopen(); err != nil {
			t.Error(err)
		}
		shut(t, r)
		if r.Errors() != 1 || e == nil {
			t.Errorf("%d errors, want 1", r.Errors())
		}
	})
	checkHistory(t, file, "but that", "0", "1", "2", "3", "4")
}

// An archive that was removed by hand is made from the roll.
func TestBothStayThenArchiveRemoved(t *testing.T) {
	file := tempLog(t)
	put(t, file+".1", "this\n")
	zip(t, file+".1.gz", "not that\n")
	told := make(chan error, 1)
	r := open(t, file, Options{OnError: func(err error) { told <- err }})
	<-told
	if err := os.Remove(file + ".1.gz"); err != nil {
		t.Fatal(err)
	}
	write(t, r, "live")
	if err := errors.Join(r.Reopen(), r.Rotate()); err != nil {
		t.Error(err)
	}
	shut(t, r)
	checkNames(t, file, "x.log x.log.1.gz x.log.2.gz")
	checkHistory(t, file, "this", "live")
}
