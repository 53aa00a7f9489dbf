//go:build darwin || linux

package rotator

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"holdfast/internal/testenv"
)

// lockNamesProcess: ErrLocked says which process has the log.
const lockNamesProcess = true

func init() {
	children["limited"] = limitedChild
	children["limited start"] = limitedStartChild
	children["limited and cut"] = limitedAndCutChild
	children["limited for good"] = limitedForGoodChild
	children["limited restore"] = limitedRestoreChild
}

// limit has the system refuse to make a file longer than size, until it is told
// otherwise.
func limit(size int) (lift func()) {
	signal.Ignore(syscall.SIGXFSZ)
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		testenv.Fail(err)
	}
	set := func(l syscall.Rlimit) {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &l); err != nil {
			testenv.Fail(err)
		}
	}
	now := before
	now.Cur = uint64(size)
	set(now)
	return func() { set(before) }
}

// expect fails unless the log holds this.
func expect(want string) {
	if got, err := os.ReadFile(os.Getenv("LOG")); err != nil || string(got) != want {
		testenv.Fail(fmt.Sprintf("the log holds %.99q, %v; want %.99q", got, err, want))
	}
}

// limitedStartChild begins with half a line that cannot get its end yet.
func limitedStartChild() {
	const half = "half a line of a process that was killed"
	if err := os.WriteFile(os.Getenv("LOG"), []byte(half), 0o600); err != nil {
		testenv.Fail(err)
	}
	lift := limit(len(half))
	refused := 0
	r, err := Open(os.Getenv("LOG"), Options{OnError: func(error) { refused++ }})
	if err != nil {
		testenv.Fail(err)
	}
	if _, err := r.Write([]byte("refused\n")); !errors.Is(err, syscall.EFBIG) {
		testenv.Fail("Write:", err)
	}
	expect(half)
	lift()
	if _, err := r.Write([]byte("whole\n")); err != nil || refused == 0 {
		testenv.Fail("Write:", err, "refused", refused)
	}
	expect(half + "\nwhole\n")
}

// limitedAndCutChild writes a part of a line after others have cut the file.
func limitedAndCutChild() {
	r, err := Open(os.Getenv("LOG"), Options{OnError: func(error) {}})
	if err != nil {
		testenv.Fail(err)
	}
	if _, err := r.Write([]byte(strings.Repeat("before\n", 500))); err != nil {
		testenv.Fail(err)
	}
	if err := os.Truncate(os.Getenv("LOG"), 7); err != nil {
		testenv.Fail(err)
	}
	lift := limit(10)
	if _, err := r.Write([]byte("refused\n")); !errors.Is(err, syscall.EFBIG) {
		testenv.Fail("Write:", err)
	}
	lift()
	expect("before\n")
	if _, err := r.Write([]byte("after\n")); err != nil {
		testenv.Fail(err)
	}
	expect("before\nafter\n")
}

// limitedForGoodChild cannot take back a part of a line: it stays, and is ended.
func limitedForGoodChild() {
	r, err := Open(os.Getenv("LOG"), Options{OnError: func(error) {}, hook: func(step string) error {
		if step == "cut" {
			return syscall.EIO
		}
		return nil
	}})
	if err != nil {
		testenv.Fail(err)
	}
	lift := limit(len("a par"))
	if _, err := r.Write([]byte("a part\n")); !errors.Is(err, syscall.EFBIG) {
		testenv.Fail("Write:", err)
	}
	lift()
	if _, err := r.Write([]byte("whole\n")); err != nil || r.Errors() != 2 {
		testenv.Fail("Write:", err, "errors", r.Errors())
	}
	expect("a par\nwhole\n")
}

// limitedRestoreChild has no room for the lines of a file that was removed: that is told
// as what it is.
func limitedRestoreChild() {
	r, err := Open(os.Getenv("LOG"), Options{OnError: func(error) {}})
	if err == nil {
		_, err = r.Write([]byte("removed\n"))
	}
	if err == nil {
		err = os.Remove(os.Getenv("LOG"))
	}
	if err != nil {
		testenv.Fail(err)
	}
	lift := limit(3)
	var e *Error
	if err := r.Reopen(); !errors.As(err, &e) || e.Op != OpRestore || !errors.Is(err, syscall.EFBIG) {
		testenv.Fail("Reopen:", err)
	}
	lift()
	if _, err := r.Write([]byte("after\n")); err != nil {
		testenv.Fail(err)
	}
	expect("after\n")
}

// limitedChild writes until the system refuses to make the file longer, then
// with more room.
func limitedChild() {
	refused := 0
	r, err := Open(os.Getenv("LOG"), Options{OnError: func(error) { refused++ }})
	if err != nil {
		testenv.Fail(err)
	}
	lift := limit(10_007) // in the middle of a line
	var kept []string
	for i := range 300 {
		line := fullLine(i)
		n, err := r.Write([]byte(line))
		switch {
		case err == nil && n == len(line):
			kept = append(kept, line)
		case !errors.Is(err, syscall.EFBIG) || n != 0:
			testenv.Fail("Write:", n, err)
		}
		got, err := os.ReadFile(os.Getenv("LOG"))
		if err != nil || string(got) != strings.Join(kept, "") {
			testenv.Fail("half a line after", i, err)
		}
		if i == 250 {
			if len(kept) == i+1 || refused == 0 {
				testenv.Fail("nothing was refused")
			}
			lift()
		}
	}
	if err := r.Close(); err != nil {
		testenv.Fail(err)
	}
	if last := kept[len(kept)-1]; last != fullLine(299) {
		testenv.Fail("the last line is", last)
	}
}

// The system takes only a part of a line: the part is taken back, Write returns
// the system's error, and when there is room again all goes on. No rights are
// needed for this: the limit of a process stands for a full disk.
func TestShortWrite(t *testing.T) {
	for _, name := range []string{"limited", "limited start", "limited and cut", "limited for good", "limited restore"} {
		cmd := testenv.Child(t, childVariable, name, "LOG="+tempLog(t))
		cmd.Stderr = nil
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}
