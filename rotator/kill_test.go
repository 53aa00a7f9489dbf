package rotator

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"holdfast/internal/testenv"
)

// kills is how often TestKilled kills, for each of its limits.
const kills = 30

func init() { children["killed"] = killedChild }

func envInt(name string) int {
	n, err := strconv.Atoi(os.Getenv(name))
	if err != nil {
		testenv.Fail(name, err)
	}
	return n
}

// killLine is line i of a round. Some are so long that a kill can cut them.
func killLine(round, i int) string {
	rnd := rand.New(rand.NewPCG(uint64(round), uint64(i)))
	n := 5 + rnd.IntN(15)
	if rnd.IntN(100) == 0 {
		n = 1500
	}
	b := fmt.Appendf(nil, "%d %d", round, i)
	for range n {
		b = fmt.Appendf(b, " %019d", rnd.Uint64()>>1)
	}
	return string(b)
}

// killedChild writes lines for ever, and says of each when Write has returned. If
// it is told so, it dies at a step of its rotations and compressions.
func killedChild() {
	round, dieAt, steps := envInt("ROUND"), envInt("DIE_AT"), 0
	o := Options{MaxSize: int64(envInt("MAX_SIZE")), MaxRolls: envInt("MAX_ROLLS"), OnError: func(err error) { testenv.Fail(err) }}
	if dieAt > 0 {
		stepped := make(chan struct{}, 1)
		stepped <- struct{}{}
		o.hook = func(string) error {
			<-stepped
			if steps++; steps == dieAt {
				self, err := os.FindProcess(os.Getpid())
				if err == nil {
					err = self.Kill()
				}
				if err != nil {
					testenv.Fail(err)
				}
				select {}
			}
			stepped <- struct{}{}
			return nil
		}
	}
	r, err := Open(os.Getenv("LOG"), o)
	if err != nil {
		testenv.Fail(err)
	}
	for i := 0; ; i++ {
		if _, err := r.Write([]byte(killLine(round, i) + "\n")); err != nil {
			testenv.Fail(err)
		}
		if _, err := fmt.Fprintln(os.Stdout, i); err != nil {
			testenv.Fail(err)
		}
	}
}

// A killing runs children on one log, one after another.
type killing struct {
	t     *testing.T
	file  string
	o     Options // MaxSize and MaxRolls
	acked []int   // of each round, how many lines
	most  int     // rolls seen
	torn  int     // lines that a kill cut
}

// round runs a child until it has written so many lines, and kills it, or until
// it dies by itself at a step.
func (k *killing) round(lines, dieAt int) {
	k.t.Helper()
	cmd := testenv.Child(k.t, childVariable, "killed", "LOG="+k.file, fmt.Sprint("ROUND=", len(k.acked)), fmt.Sprint("DIE_AT=", dieAt),
		fmt.Sprint("MAX_SIZE=", k.o.MaxSize), fmt.Sprint("MAX_ROLLS=", k.o.MaxRolls))
	out, err := cmd.StdoutPipe()
	if err != nil {
		k.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		k.t.Fatal(err)
	}
	acked := 0
	in := bufio.NewReader(out)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			break // at the death of the child
		}
		if line != fmt.Sprintln(acked) {
			k.t.Fatalf("child said %q after %d lines", line, acked)
		}
		if acked++; acked == lines && dieAt == 0 {
			if err := cmd.Process.Kill(); err != nil {
				k.t.Fatal(err)
			}
		}
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.Exited() {
		k.t.Fatalf("child: %v", err)
	}
	k.acked = append(k.acked, acked)
	l, err := list(k.file, "gz")
	if err != nil {
		k.t.Fatal(err)
	}
	k.most = max(k.most, len(l.rolls))
	if k.o.MaxRolls > 0 && len(l.rolls) > k.o.MaxRolls+1 {
		k.t.Errorf("%d rolls after kill %d, the limit is %d", len(l.rolls), len(k.acked), k.o.MaxRolls)
	}
}

// check starts and closes the log once more. Then it must be in order, and hold
// the newest of the lines, all of them if there is no limit.
func (k *killing) check() {
	k.t.Helper()
	r := open(k.t, k.file, k.o)
	shut(k.t, r)
	l, err := list(k.file, "gz")
	if err != nil {
		k.t.Fatal(err)
	}
	if len(l.tmps) > 0 || k.o.MaxRolls > 0 && len(l.rolls) > k.o.MaxRolls {
		k.t.Errorf("%d temporary files, %d rolls", len(l.tmps), len(l.rolls))
	}
	for _, roll := range l.rolls {
		if roll.plain() {
			k.t.Errorf("roll %d is not compressed", roll.n)
		}
	}
	round, i := -1, 0 // the next line
	k.torn = 0
	for _, line := range history(k.t, k.file) {
		line, ended := strings.CutSuffix(line, "\n")
		var atRound, at int
		n, _ := fmt.Sscanf(line, "%d %d ", &atRound, &at)
		switch {
		case !ended:
			k.t.Errorf("the log ends in %.30q", line)
		case n == 2 && atRound < len(k.acked) && line == killLine(atRound, at):
			if round >= 0 && (atRound != round || at != i) {
				// A new round begins when the one before is complete: all its
				// acknowledged lines, and maybe one more.
				if atRound <= round || at != 0 || i < k.acked[round] {
					k.t.Fatalf("line %d of round %d comes where line %d of round %d belongs (%d acknowledged)",
						at, atRound, i, round, k.acked[round])
				}
				for between := round + 1; between < atRound; between++ {
					if k.acked[between] > 0 {
						k.t.Fatalf("round %d is missing", between)
					}
				}
			} else if round < 0 && k.o.MaxRolls < 0 && at != 0 {
				k.t.Fatalf("the log begins with line %d of round %d", at, atRound)
			}
			round, i = atRound, at+1
		default:
			k.torn++ // then it is not an acknowledged one, or one would be missing
		}
	}
	last := len(k.acked) - 1
	for last > 0 && k.acked[last] == 0 {
		last--
	}
	if round < last || i < k.acked[round] {
		k.t.Fatalf("the log ends with line %d of round %d; %d of round %d are acknowledged", i, round, k.acked[last], last)
	}
	if k.torn > len(k.acked) {
		k.t.Errorf("%d torn lines after %d kills", k.torn, len(k.acked))
	}
}

func (k *killing) report() {
	lines := 0
	for _, n := range k.acked {
		lines += n
	}
	k.t.Logf("%d kills, %d acknowledged lines, none of those kept lost; most rolls seen %d; %d torn lines",
		len(k.acked), lines, k.most, k.torn)
}

// A process that is killed at any moment loses no line that it was told is
// written, and leaves nothing that its successor does not put in order.
func TestKilled(t *testing.T) {
	for _, rolls := range []int{-1, 3} {
		t.Run(fmt.Sprint("limit ", rolls), func(t *testing.T) {
			rnd := testenv.NewRand(t)
			k := killing{t: t, file: tempLog(t), o: Options{MaxSize: 100_000, MaxRolls: rolls}}
			for range kills {
				k.round(1+rnd.IntN(500), 0)
			}
			k.check()
			k.report()
		})
	}
}

// The same, with the deaths where they hurt most: at each step of rotations and
// compressions.
func TestKilledAtEachStep(t *testing.T) {
	for _, rolls := range []int{-1, 2} {
		t.Run(fmt.Sprint("limit ", rolls), func(t *testing.T) {
			k := killing{t: t, file: tempLog(t), o: Options{MaxSize: 2000, MaxRolls: rolls}}
			for step := range 20 {
				k.round(0, 1+step)
				k.check()
			}
			k.report()
		})
	}
}

func init() { children["holder"] = holderChild }

// holderChild opens a log and holds it until it is killed.
func holderChild() {
	if _, err := Open(os.Getenv("LOG"), Options{}); err != nil {
		testenv.Fail(err)
	}
	fmt.Println("open")
	_, _ = os.Stdin.Read(make([]byte, 1)) // never comes
}

// Two processes on one file: the second is refused, and is told why. When the
// first has been killed, the file is free.
func TestTwoProcesses(t *testing.T) {
	file := tempLog(t)
	cmd := testenv.Child(t, childVariable, "holder", "LOG="+file)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "open\n" {
		t.Fatalf("child said %q, %v", line, err)
	}
	_, err = Open(file, Options{})
	var e *Error
	if !errors.Is(err, ErrLocked) || !errors.As(err, &e) || e.Op != OpLock || e.Path != file {
		t.Fatalf("a second Open = %v", err)
	}
	t.Log(err)
	if pid := fmt.Sprint(cmd.Process.Pid); lockNamesProcess && !strings.HasSuffix(err.Error(), "in use by process "+pid) {
		t.Errorf("%v; does not name process %s", err, pid)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	r := open(t, file, Options{})
	write(t, r, "mine now")
	checkHistory(t, file, "mine now")
	if _, err := New(filepath.Join(filepath.Dir(file), ".", "x.log"), 1, false, 1); !errors.Is(err, ErrLocked) ||
		lockNamesProcess && !strings.Contains(err.Error(), fmt.Sprintf("in use by process %d, which is this one", os.Getpid())) {
		t.Errorf("a second New in this process = %v", err)
	}
	shut(t, r)
	shut(t, open(t, file, Options{}))
}
