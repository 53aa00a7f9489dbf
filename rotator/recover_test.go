package rotator

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Half a line, left by a process that was killed, gets its end at the start, so
// that the first line of the next process is not glued to it.
func TestTornLine(t *testing.T) {
	for _, tt := range []struct{ before, want string }{
		{"", "new\n"},
		{"whole\n", "whole\nnew\n"},
		{"whole\nto", "whole\nto\nnew\n"},
	} {
		file := tempLog(t)
		put(t, file, tt.before)
		r := open(t, file, Options{})
		if got, err := text(file); err != nil || got != strings.TrimSuffix(tt.want, "new\n") {
			t.Errorf("at the start: %q, %v", got, err)
		}
		write(t, r, "new")
		if got, err := text(file); err != nil || got != tt.want {
			t.Errorf("then: %q, %v", got, err)
		}
	}
}

// What a process left that died in any moment of a compression.
func TestLeftOvers(t *testing.T) {
	for _, plain := range []bool{false, true} {
		file := tempLog(t)
		put(t, file+".1.gz.tmp", "half")
		put(t, file+".1", "one\n")
		put(t, file+".2.gz", "half")
		put(t, file+".2", "two\n")
		put(t, file+".3.zst.tmp", "half")
		put(t, file+".3", "three\n")
		put(t, file+".4.gz.tmp", "half")
		r := open(t, file, Options{Plain: plain})
		shut(t, r)
		if plain {
			checkNames(t, file, "x.log x.log.1 x.log.2 x.log.3")
		} else {
			checkNames(t, file, "x.log x.log.1.gz x.log.2.gz x.log.3.gz")
		}
		if got := strings.Join(history(t, file), ""); got != "one\ntwo\nthree\n" {
			t.Errorf("plain %v: %q", plain, got)
		}
	}
}

// A directory as kills of jrick/logrotate leave it: far more rolls than the
// limit, most of them plain, some beside an archive that was cut short.
func TestJrickDirectory(t *testing.T) {
	file := tempLog(t)
	put(t, file, "live\n")
	for n := 1; n <= 135; n++ {
		line := fmt.Sprintf("roll %d\n", n)
		switch {
		case n%19 == 1: // 7 of them
			put(t, fmt.Sprintf("%s.%d", file, n), line)
			put(t, fmt.Sprintf("%s.%d.gz", file, n), "\x1f\x8b\x08\x00cut")
		case n%10 == 0: // 13
			zip(t, fmt.Sprintf("%s.%d.gz", file, n), line)
		default:
			put(t, fmt.Sprintf("%s.%d", file, n), line)
		}
	}
	r, err := New(file, 1000, false, 3)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(strings.Fields(names(t, strings.TrimSuffix(file, "x.log")))); n != 5 {
		t.Errorf("%d files after New, want 5: the live one, three rolls, and an archive cut short", n)
	}
	write(t, r, "new")
	shut(t, r)
	checkNames(t, file, "x.log x.log.133.gz x.log.134.gz x.log.135.gz")
	checkHistory(t, file, "roll 133", "roll 134", "roll 135", "live", "new")
}

// A roll is removed only when its archive is on disk under its name, and an
// archive gets its name only when its roll is on disk too: the roll may come back.
func TestCompressionOrder(t *testing.T) {
	file := tempLog(t)
	var steps []string
	hook := func(step string) error { steps = append(steps, step); return nil }
	put(t, file+".1", "one\n")
	put(t, file+".1.gz.tmp", "half")
	r := open(t, file, Options{hook: hook})
	shut(t, r)
	const want = "remove, sync roll, compress, sync archive, rename archive, sync dir, remove plain"
	if got := strings.Join(steps, ", "); got != want {
		t.Errorf("steps: %s\nwant:  %s", got, want)
	}
	checkNames(t, file, "x.log x.log.1.gz")

	// An archive that was there before may be jrick's, who syncs nothing.
	steps = nil
	put(t, file+".1", "one\n")
	shut(t, open(t, file, Options{hook: hook}))
	if got := strings.Join(steps, ", "); got != "sync archive, sync dir, remove plain" {
		t.Errorf("steps beside an archive: %s", got)
	}
	steps = nil
	put(t, file+".1", "one\n")
	shut(t, open(t, file, Options{Plain: true, hook: hook}))
	if got := strings.Join(steps, ", "); got != "sync roll, remove plain" {
		t.Errorf("steps beside an archive that is to go: %s", got)
	}
	checkNames(t, file, "x.log x.log.1")
}

// A failing is a Compressor that fails as often as it is told to.
type failing struct {
	*stuck
	times int
}

func (f *failing) Write(p []byte) (int, error) {
	if f.times--; f.times >= 0 {
		return 0, errors.New("no luck")
	}
	return f.Writer.Write(p)
}

// A compression that fails leaves the roll as it is and no temporary file, is
// told, and is tried again at the next rotation or a minute later.
func TestCompressionFails(t *testing.T) {
	file := tempLog(t)
	synctest.Test(t, func(t *testing.T) {
		z := &failing{stuck: newStuck(), times: 1}
		told := make(chan error, 10)
		r := open(t, file, Options{
			MaxSize: 10, MaxRolls: 9, Compressor: z, Suffix: "gz", OnError: func(err error) { told <- err },
		})
		write(t, r, "full at once")
		var e *Error
		if err := <-told; !errors.As(err, &e) || e.Op != OpCompress || e.Path != file+".1" {
			t.Errorf("told %v", err)
		}
		synctest.Wait()
		checkNames(t, file, "x.log x.log.1")
		time.Sleep(retryCompress - time.Second)
		write(t, r, "small")
		synctest.Wait()
		checkNames(t, file, "x.log x.log.1")
		time.Sleep(2 * time.Second)
		write(t, r, "")
		synctest.Wait()
		checkNames(t, file, "x.log x.log.1.gz")

		z.times = 1
		write(t, r, "full again")
		synctest.Wait()
		checkNames(t, file, "x.log x.log.1.gz x.log.2")
		write(t, r, "and again, full")
		synctest.Wait()
		checkNames(t, file, "x.log x.log.1.gz x.log.2.gz x.log.3.gz")
		if r.Errors() != 2 {
			t.Errorf("%d errors, want 2", r.Errors())
		}
		shut(t, r)
		checkHistory(t, file, "full at once", "small", "", "full again", "and again, full")
	})
}

// A rotation that fails, at its rename or at the new file, loses nothing: all is
// as before, writing goes on, and a second later it is tried again.
func TestRotationFails(t *testing.T) {
	for _, step := range []string{"rename live", "open live"} {
		t.Run(step, func(t *testing.T) { rotationFails(t, step) })
	}
}

func rotationFails(t *testing.T, failing string) {
	file := tempLog(t)
	synctest.Test(t, func(t *testing.T) {
		var told []error
		fail := true
		r := open(t, file, Options{
			MaxSize: 1,
			OnError: func(err error) { told = append(told, err) },
			hook: func(step string) error {
				if fail && step == failing {
					return os.ErrPermission
				}
				return nil
			},
		})
		write(t, r, "a", "b", "c")
		var e *Error
		if len(told) != 1 || !errors.As(told[0], &e) || e.Op != OpRotate || r.Errors() != 1 {
			t.Errorf("told %v, %d errors", told, r.Errors())
		}
		if err := r.Rotate(); !errors.Is(err, os.ErrPermission) {
			t.Errorf("Rotate = %v", err)
		}
		checkNames(t, file, "x.log")
		fail = false
		time.Sleep(time.Second)
		write(t, r, "d")
		shut(t, r)
		checkNames(t, file, "x.log x.log.1.gz")
		checkHistory(t, file, "a", "b", "c", "d")
	})
}

// Between the rename and the new file somebody takes the name: the lines go on
// into the old file, which is a roll now, and then into a new one.
func TestNewFileFails(t *testing.T) {
	file := tempLog(t)
	synctest.Test(t, func(t *testing.T) {
		block := true
		r := open(t, file, Options{MaxSize: 1, Plain: true, OnError: func(error) {}, hook: func(step string) error {
			if block && step == "open live" {
				block = false
				if err := os.Mkdir(file, 0o700); err != nil {
					t.Error(err)
				}
			}
			return nil
		}})
		write(t, r, "a", "b")
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		write(t, r, "c")
		shut(t, r)
		checkNames(t, file, "x.log x.log.1 x.log.2")
		checkHistory(t, file, "a", "b", "c")
	})
}
