package addrbook

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"holdfast/netaddr"
)

// victimDir is the environment variable that makes the test program the victim of
// TestKill: it promotes addresses, and says so, until it is killed.
const victimDir = "ADDRBOOK_VICTIM_DIR"

func victim(dir string) {
	b, warning, err := Open(dir, Config{})
	if warning != nil || err != nil {
		fmt.Println("error", warning, err)
		return
	}
	for i := 0; ; i++ {
		a := onNetwork(netaddr.IPv4, int(time.Now().UnixNano()>>10)&0xffffff)
		b.Add(a.Host, 0, Known{a, 1, time.Now()})
		err := b.Good(a, 1)
		if e, ok := b.Lookup(a); ok && e.Tried && err == nil {
			fmt.Println(a) // unbuffered: the pipe has it when Println returns
		}
		if i%100 == 99 { // so that it is killed while it saves, too
			if err := b.Save(); err != nil {
				fmt.Println("error", err)
				return
			}
		}
	}
}

// What Good has acknowledged is there after kill -9, at whatever moment that comes.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	acknowledged := make(map[netaddr.Addr]bool)
	rounds := 50
	if testing.Short() {
		rounds = 5
	}
	for round := range rounds {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), victimDir+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// It is killed after so many lines, which is as random as the time, and does
		// not depend on how quick the machine is.
		lines, last := 0, 1+round*7%173
		for in := bufio.NewScanner(out); in.Scan(); {
			if strings.HasPrefix(in.Text(), "error") {
				t.Error(in.Text())
				break
			}
			a, err := netaddr.ParseAddr(in.Text())
			if err != nil {
				break // the last line may be cut
			}
			acknowledged[a] = true
			if lines++; lines == last {
				cmd.Process.Kill() // what is in the pipe is read too
			}
		}
		cmd.Process.Kill()
		cmd.Wait()

		b, warning, err := Open(dir, Config{})
		if warning != nil || err != nil {
			t.Fatal(warning, err)
		}
		if err := b.check(); err != nil {
			t.Fatal(err)
		}
		for a := range acknowledged {
			if e, ok := b.Lookup(a); !ok || !e.Tried {
				t.Fatalf("round %d: %v was acknowledged, and is %+v", round, a, e)
			}
		}
	}
	if len(acknowledged) < rounds {
		t.Errorf("%d acknowledged in %d rounds", len(acknowledged), rounds)
	}
	t.Logf("%d acknowledged", len(acknowledged))
}
