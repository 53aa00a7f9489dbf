package banlist

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"holdfast/internal/testenv"
)

// kills is how often TestKilled kills.
const kills = 60

func init() { children["killed"] = killedChild }

// killWorkers is how many goroutines of a child change the list.
const killWorkers = 3

// killSubject is what a worker changes at step i of a round. Every fourth is unbanned
// again at the step that follows.
func killSubject(round, worker, i int) Subject {
	if i%4 == 3 {
		i--
	}
	switch i % 3 {
	case 0:
		return subject(fmt.Sprintf("10.%d.%d.%d", round, worker, i%256))
	case 1:
		return subject(fmt.Sprintf("2001:db8:%x:%x::%x", round, worker, i))
	}
	return subject(fmt.Sprintf("2001:db9:%x:%x:%x::/80", round, worker, i))
}

// killedChild changes the list for ever, and says of each change when it has
// returned. If it is told so, it dies at a step of its work on the file.
func killedChild() {
	number := func(name string) int {
		n, err := strconv.Atoi(os.Getenv(name))
		if err != nil {
			testenv.Fail(name, err)
		}
		return n
	}
	round, dieAt, steps := number("ROUND"), number("DIE_AT"), 0
	o := Options{spare: 30, hook: func(string) error { // called with List.saving held
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
		return nil
	}}
	l, d, err := Open(os.Getenv("BANS"), o)
	if err != nil || d != nil && !errors.Is(d, ErrTorn) {
		testenv.Fail(d, err)
	}
	var wg sync.WaitGroup
	for worker := range killWorkers {
		wg.Go(func() {
			for i := 0; ; i++ {
				s := killSubject(round, worker, i)
				if i%4 == 3 {
					if _, err := l.Unban(s); err != nil {
						testenv.Fail(err)
					}
				} else if err := l.Ban(s, time.Time{}, fmt.Sprint("round ", round), Operator); err != nil {
					testenv.Fail(err)
				}
				if _, err := fmt.Printf("%d %d\n", worker, i); err != nil {
					testenv.Fail(err)
				}
			}
		})
	}
	wg.Wait()
}

// killAndCheck runs a child until it has made so many changes and kills it, or until
// it dies by itself at a step. Then all is there that was acknowledged.
func killAndCheck(t *testing.T, file string, round, changes, dieAt int) (acked int, torn bool) {
	t.Helper()
	cmd := testenv.Child(t, childVariable, "killed", "BANS="+file, fmt.Sprint("ROUND=", round), fmt.Sprint("DIE_AT=", dieAt))
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	var done [killWorkers]int // how many changes were acknowledged
	for in := bufio.NewReader(out); ; {
		line, err := in.ReadString('\n')
		if err != nil {
			break // at the death of the child
		}
		var worker, i int
		if n, err := fmt.Sscanf(line, "%d %d\n", &worker, &i); n != 2 || done[worker] != i {
			t.Fatalf("child said %q, %v", line, err)
		}
		done[worker]++
		if acked++; acked == changes {
			must(t, cmd.Process.Kill())
		}
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.Exited() {
		t.Fatalf("child: %v", err)
	}
	l, d, err := Open(file, Options{})
	must(t, err)
	if d != nil && (!errors.Is(d, ErrTorn) || d.SetAside != "") {
		t.Fatal(d)
	}
	defer l.Close()
	for worker, n := range done {
		for i := range n {
			s := killSubject(round, worker, i)
			e, banned := l.Lookup(s)
			switch {
			case i%4 == 3:
				if banned {
					t.Errorf("round %d: %v was unbanned", round, s)
				}
			case i%4 == 2: // its unban may be on disk without having been acknowledged
			case !banned || e.Reason != fmt.Sprint("round ", round):
				t.Errorf("round %d: %v was banned: %+v", round, s, e)
			}
		}
	}
	return acked, d != nil
}

// A process that is killed at any moment loses nothing that was acknowledged.
func TestKilled(t *testing.T) {
	rnd := testenv.NewRand(t)
	file := tempFile(t)
	acked, torn := 0, 0
	for round := range kills {
		n, wasTorn := killAndCheck(t, file, round, 1+rnd.IntN(150), 0)
		acked += n
		if wasTorn {
			torn++
		}
	}
	t.Logf("%d kills, %d changes acknowledged, none lost; %d torn lines", kills, acked, torn)
}

// The same, with the deaths where they hurt most: at each step of the work on the
// file, appending and writing it anew.
func TestKilledAtEachStep(t *testing.T) {
	file := tempFile(t)
	for step := range 30 {
		killAndCheck(t, file, step, 1<<30, 1+step)
	}
	for step := range 10 { // of writing it anew
		killAndCheck(t, file, 100+step, 1<<30, 100+step)
	}
}
