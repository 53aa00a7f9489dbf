package rotator

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// lines returns n different lines.
func lines(prefix string, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprint(prefix, " ", i)
	}
	return list
}

// The live file or its directory is removed in the middle of 25,000 lines: it is
// made anew within a second, and the lines of that second are in it.
func TestRemovedWhileRunning(t *testing.T) {
	openUnlinked(t)
	for _, what := range []string{"file", "directory"} {
		t.Run(what, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "logs", "x.log")
			synctest.Test(t, func(t *testing.T) {
				r := open(t, file, Options{})
				write(t, r, lines("before", 5000)...)
				time.Sleep(1500 * time.Millisecond)
				write(t, r, "seen")
				path := file
				if what == "directory" {
					path = filepath.Dir(file)
				}
				if err := os.RemoveAll(path); err != nil {
					t.Fatal(err)
				}
				after := lines("after", 20_000)
				for _, line := range after {
					write(t, r, line)
					time.Sleep(time.Millisecond)
					if line == "after 1001" {
						if _, err := os.Stat(file); err != nil {
							t.Error("not made anew within a second")
						}
					}
				}
				shut(t, r)
				checkHistory(t, file, append([]string{"seen"}, after...)...)
			})
		})
	}
}

// The live file was removed, and before that is seen it is asked to be closed,
// reopened or rotated: the lines that were acknowledged since are there.
func TestRemovedThen(t *testing.T) {
	openUnlinked(t)
	for name, do := range map[string]func(*Rotator) error{
		"Close": (*Rotator).Close, "Reopen": (*Rotator).Reopen, "Rotate": (*Rotator).Rotate,
		"Reopen and Close": func(r *Rotator) error { return errors.Join(r.Reopen(), r.Close()) },
	} {
		for _, what := range []string{"file", "directory"} {
			t.Run(name+" "+what, func(t *testing.T) {
				file := filepath.Join(t.TempDir(), "logs", "x.log")
				synctest.Test(t, func(t *testing.T) {
					var syncs atomic.Int64
					r := open(t, file, Options{SyncEvery: -1, Plain: true, hook: func(step string) error {
						if step == "sync live" {
							syncs.Add(1)
						}
						return nil
					}})
					write(t, r, "old")
					time.Sleep(time.Second)
					write(t, r, "seen")
					path := file
					if what == "directory" {
						path = filepath.Dir(file)
					}
					if err := os.RemoveAll(path); err != nil {
						t.Fatal(err)
					}
					write(t, r, "two", "three")
					before := syncs.Load()
					if err := do(r); err != nil {
						t.Error(err)
					}
					if syncs.Load() == before {
						t.Error("what was brought back is not synced")
					}
					checkHistory(t, file, "seen", "two", "three")
					shut(t, r)
				})
			})
		}
	}
}

// What was in its place when it was last looked at is what somebody wanted to
// have removed: Close does not make the file anew for that.
func TestRemovedThenCloseNothingNew(t *testing.T) {
	openUnlinked(t)
	file := tempLog(t)
	r := open(t, file, Options{})
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	shut(t, r)
	checkNames(t, file, "")
}

// Close says that it could not save the lines.
func TestRemovedThenCloseFails(t *testing.T) {
	openUnlinked(t)
	dir := filepath.Join(t.TempDir(), "logs")
	r, err := Open(filepath.Join(dir, "x.log"), Options{OnError: func(error) {}})
	if err != nil {
		t.Fatal(err)
	}
	write(t, r, "lost")
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	put(t, dir, "a file is in the way")
	var e *Error
	if err := r.Close(); !errors.As(err, &e) || r.Errors() == 0 {
		t.Errorf("Close = %v, %d errors", err, r.Errors())
	}
	shut(t, r)
}

// What was brought back ends in the middle of a line, which goes on.
func TestRemovedMidLine(t *testing.T) {
	openUnlinked(t)
	file := tempLog(t)
	r := open(t, file, Options{Plain: true})
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Write([]byte("one ")); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(r.Reopen(), r.Rotate()); err != nil {
		t.Error(err)
	}
	write(t, r, "line")
	checkNames(t, file, "x.log x.log.1")
	checkFile(t, file+".1", "one line\n")
}

// Somebody has put a file of his own, or none, in the place of ours: Rotate does
// not take it for ours.
func TestReplacedThenRotate(t *testing.T) {
	openUnlinked(t)
	file := tempLog(t)
	r := open(t, file, Options{Plain: true})
	write(t, r, "a")
	if err := os.Rename(file, file+".moved"); err != nil {
		t.Fatal(err)
	}
	if err := r.Rotate(); err != nil {
		t.Error(err)
	}
	checkNames(t, file, "x.log x.log.moved") // there was nothing to rotate
	write(t, r, "b")
	if err := os.Rename(file, file+".moved2"); err != nil {
		t.Fatal(err)
	}
	put(t, file, "")
	if err := r.Rotate(); err != nil {
		t.Error(err)
	}
	write(t, r, "c")
	checkNames(t, file, "x.log x.log.moved x.log.moved2")
	checkFile(t, file+".moved", "a\n")
	checkFile(t, file+".moved2", "b\n")
	checkFile(t, file, "c\n")
}

// Somebody renames the live file, as logrotate(8) does, without a signal.
func TestRenamedWhileRunning(t *testing.T) {
	openUnlinked(t)
	file := tempLog(t)
	synctest.Test(t, func(t *testing.T) {
		r := open(t, file, Options{})
		write(t, r, "a")
		if err := os.Rename(file, file+".moved"); err != nil {
			t.Fatal(err)
		}
		write(t, r, "b")
		time.Sleep(time.Second)
		write(t, r, "c")
		checkFile(t, file+".moved", "a\nb\n")
		checkFile(t, file, "c\n")
	})
}

// Reopen for no reason does no harm, not even in the middle of a line.
func TestReopenMidLine(t *testing.T) {
	file := tempLog(t)
	r := open(t, file, Options{})
	if _, err := r.Write([]byte("one ")); err != nil {
		t.Fatal(err)
	}
	if err := r.Reopen(); err != nil {
		t.Fatal(err)
	}
	write(t, r, "line")
	checkHistory(t, file, "one line")
}

// And with a signal: Reopen.
func TestReopen(t *testing.T) {
	openUnlinked(t)
	file := tempLog(t)
	r := open(t, file, Options{})
	write(t, r, "a")
	if err := os.Rename(file, file+".moved"); err != nil {
		t.Fatal(err)
	}
	if err := r.Reopen(); err != nil {
		t.Fatal(err)
	}
	write(t, r, "b")
	checkFile(t, file+".moved", "a\n")
	checkFile(t, file, "b\n")
}

// logrotate(8) with copytruncate: the file is cut to nothing in its place.
func TestTruncatedWhileRunning(t *testing.T) {
	openUnlinked(t)
	file := tempLog(t)
	synctest.Test(t, func(t *testing.T) {
		r := open(t, file, Options{MaxSize: 8})
		write(t, r, "a", "b")
		if err := os.Truncate(file, 0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		write(t, r, "c", "d", "e")
		checkNames(t, file, "x.log") // its size is known again
		checkFile(t, file, "c\nd\ne\n")
	})
}

// While the file cannot be made anew, Write says so; when it can, it is, and the
// lines that were acknowledged before are in it.
func TestRemovedForLonger(t *testing.T) {
	openUnlinked(t)
	dir := filepath.Join(t.TempDir(), "logs")
	file := filepath.Join(dir, "x.log")
	synctest.Test(t, func(t *testing.T) {
		r := open(t, file, Options{OnError: func(error) {}})
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		put(t, dir, "a file is in the way")
		write(t, r, "a")
		for range 3 {
			time.Sleep(time.Second)
			if n, err := r.Write([]byte("refused\n")); n != 0 || err == nil {
				t.Errorf("Write = %d, %v", n, err)
			}
		}
		if err := r.Rotate(); err == nil {
			t.Error("Rotate did not fail")
		}
		if err := os.Remove(dir); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		write(t, r, "b")
		checkHistory(t, file, "a", "b")
		if r.Errors() < 4 {
			t.Errorf("%d errors", r.Errors())
		}
	})
}

// While the log was removed another process began it anew: it is theirs.
func TestRemovedAndTaken(t *testing.T) {
	openUnlinked(t)
	dir := filepath.Join(t.TempDir(), "logs")
	file := filepath.Join(dir, "x.log")
	synctest.Test(t, func(t *testing.T) {
		r := open(t, file, Options{OnError: func(error) {}})
		write(t, r, "a")
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		other := open(t, file, Options{})
		write(t, other, "theirs")
		time.Sleep(time.Second)
		if _, err := r.Write([]byte("b\n")); !errors.Is(err, ErrLocked) {
			t.Errorf("Write = %v", err)
		}
		checkHistory(t, file, "theirs")
		shut(t, other)
		time.Sleep(time.Second)
		write(t, r, "c")
		checkHistory(t, file, "theirs", "a", "c")
	})
}

// The lock file was removed: it is made anew.
func TestLockRemoved(t *testing.T) {
	openUnlinked(t)
	file := tempLog(t)
	synctest.Test(t, func(t *testing.T) {
		r := open(t, file, Options{})
		if err := os.Remove(file + ".lock"); err != nil {
			t.Skip("no lock file on this system")
		}
		time.Sleep(time.Second)
		write(t, r, "a")
		if _, err := Open(file, Options{}); !errors.Is(err, ErrLocked) {
			t.Errorf("a second Open = %v", err)
		}
	})
}

// With SyncEvery a line is synced no later than that, and with one sync however
// many there are; below zero, each is.
func TestSyncEvery(t *testing.T) {
	file := tempLog(t)
	for _, tt := range []struct {
		every time.Duration
		want  []int // syncs after 100 lines at once, just before and after 5 s, after the last line and Close
	}{
		{0, []int{0, 0, 0, 0}},
		{5 * time.Second, []int{0, 0, 1, 2}},
		{-1, []int{100, 100, 100, 102}},
	} {
		synctest.Test(t, func(t *testing.T) {
			var syncs atomic.Int64
			r := open(t, file, Options{SyncEvery: tt.every, hook: func(step string) error {
				if step == "sync live" {
					syncs.Add(1)
				}
				return nil
			}})
			var got []int
			count := func() { synctest.Wait(); got = append(got, int(syncs.Load())) }
			write(t, r, lines("x", 100)...)
			count()
			time.Sleep(5*time.Second - 1)
			count()
			time.Sleep(time.Second)
			count()
			write(t, r, "last")
			shut(t, r)
			count()
			if !slices.Equal(got, tt.want) {
				t.Errorf("SyncEvery %v: syncs %v, want %v", tt.every, got, tt.want)
			}
		})
	}
}

// What is rotated away before its sync is synced then.
func TestSyncEveryRotated(t *testing.T) {
	file := tempLog(t)
	synctest.Test(t, func(t *testing.T) {
		var syncs atomic.Int64
		r := open(t, file, Options{MaxSize: 1, SyncEvery: time.Hour, Plain: true, hook: func(step string) error {
			if step == "sync live" {
				syncs.Add(1)
			}
			return nil
		}})
		write(t, r, "a")
		synctest.Wait()
		if n := syncs.Load(); n != 1 {
			t.Errorf("%d syncs, want 1", n)
		}
		began := time.Now()
		write(t, r, "b")
		shut(t, r)
		if time.Since(began) != 0 {
			t.Error("Close waited for a timer")
		}
	})
}

// Each line has its sync in time, also after a rotation and after a sync.
func TestSyncEveryAgain(t *testing.T) {
	file := tempLog(t)
	synctest.Test(t, func(t *testing.T) {
		var syncs atomic.Int64
		r := open(t, file, Options{SyncEvery: time.Hour, Plain: true, hook: func(step string) error {
			if step == "sync live" {
				syncs.Add(1)
			}
			return nil
		}})
		write(t, r, "a")
		time.Sleep(time.Minute)
		if err := r.Rotate(); err != nil {
			t.Fatal(err)
		}
		write(t, r, "b")
		synctest.Wait()
		before := syncs.Load() // that of the roll
		time.Sleep(time.Hour)
		synctest.Wait()
		after := syncs.Load()
		write(t, r, "c")
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := syncs.Load(); before != 1 || after != 2 || n != 3 {
			t.Errorf("%d syncs, then %d, then %d, want 1, 2 and 3", before, after, n)
		}
	})
}

// OnError hears of each kind of error at most once a second, so it may write to
// this very log; Errors counts all.
func TestOnErrorMayWrite(t *testing.T) {
	openUnlinked(t)
	dir := filepath.Join(t.TempDir(), "logs")
	synctest.Test(t, func(t *testing.T) {
		var r *Rotator
		told := 0
		r = open(t, filepath.Join(dir, "x.log"), Options{OnError: func(error) {
			told++
			_, _ = r.Write([]byte("could not write\n"))
		}})
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		put(t, dir, "a file is in the way")
		for range 10 {
			time.Sleep(time.Second)
			for range 100 {
				if _, err := r.Write([]byte("x\n")); err == nil {
					t.Fatal("written")
				}
			}
		}
		// Each second one of the attempt to make the file, one of Write.
		if told > 2*10 || r.Errors() < 1000 {
			t.Errorf("told %d times of %d errors", told, r.Errors())
		}
	})
}

func checkFile(t *testing.T, path, want string) {
	t.Helper()
	if got, err := text(path); got != want || err != nil {
		t.Errorf("%s holds %q, %v; want %q", filepath.Base(path), got, err, want)
	}
}

func TestErrorText(t *testing.T) {
	_, err := os.Open(filepath.Join(t.TempDir(), "none"))
	e := newError(OpWrite, "/logs/x.log", err)
	if got := e.Error(); !strings.HasPrefix(got, "rotator: write /logs/x.log: ") || strings.Contains(got, "none") {
		t.Error(got)
	}
	if !errors.Is(e, os.ErrNotExist) {
		t.Error("the cause is lost")
	}
}
