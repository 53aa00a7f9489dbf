//go:build darwin || linux

package rotator

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
)

// lockNamesProcess: ErrLocked says which process has the log.
const lockNamesProcess = true

func init() { children["limited"] = limitedChild }

// limitedChild writes until the system refuses to make the file longer, then
// with more room.
func limitedChild() {
	signal.Ignore(syscall.SIGXFSZ)
	refused := 0
	r, err := Open(os.Getenv("LOG"), Options{OnError: func(error) { refused++ }})
	if err != nil {
		fail(err)
	}
	var lim syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &lim); err != nil {
		fail(err)
	}
	free := lim
	lim.Cur = 10_007 // in the middle of a line
	set := func(l syscall.Rlimit) {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &l); err != nil {
			fail(err)
		}
	}
	set(lim)
	var kept []string
	for i := range 300 {
		line := fullLine(i)
		n, err := r.Write([]byte(line))
		switch {
		case err == nil && n == len(line):
			kept = append(kept, line)
		case !errors.Is(err, syscall.EFBIG) || n != 0:
			fail("Write:", n, err)
		}
		got, err := os.ReadFile(os.Getenv("LOG"))
		if err != nil || string(got) != strings.Join(kept, "") {
			fail("half a line after", i, err)
		}
		if i == 250 {
			if len(kept) == i+1 || refused == 0 {
				fail("nothing was refused")
			}
			set(free)
		}
	}
	if err := r.Close(); err != nil {
		fail(err)
	}
	if last := kept[len(kept)-1]; last != fullLine(299) {
		fail("the last line is", last)
	}
}

// fullLine is a line that does not compress well.
func fullLine(i int) string {
	rnd := rand.New(rand.NewPCG(uint64(i), 0))
	b := fmt.Appendf(nil, "%d", i)
	for range 1 + rnd.IntN(10) {
		b = fmt.Appendf(b, " %016x", rnd.Uint64())
	}
	return string(append(b, '\n'))
}

// The system takes only a part of a line: the part is taken back, Write returns
// the system's error, and when there is room again all goes on. No rights are
// needed for this: the limit of a process stands for a full disk.
func TestShortWrite(t *testing.T) {
	cmd := child(t, "limited", "LOG="+tempLog(t))
	cmd.Stderr = nil
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
