// Addrbook measures Holdfast's address book beside btcd's addrmgr: time, memory and
// files of full books, in one run, interleaved; and what an attacker gets of either.
// README.md has the tables as they were measured.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func main() {
	rounds := flag.Int("rounds", 11, "how often everything is measured; the table has medians; 0 for no table")
	seeds := flag.Int("seeds", 3, "how many eclipse simulations there are for each attacker; 0 for none")
	list := flag.String("groups", "1,8,64,512", "how many groups the attackers have")
	large := flag.Bool("large", true, "also measure a book of ours that is ten times as large")
	flag.Parse()
	var groups []int
	for text := range strings.SplitSeq(*list, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			n = -1
		}
		groups = append(groups, n)
	}
	if flag.NArg() > 0 || *rounds < 0 || *seeds < 0 || slices.Contains(groups, -1) {
		flag.Usage()
		os.Exit(2)
	}
	fmt.Printf("%s, %s/%s, %d CPUs, %d rounds\n\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), *rounds)
	if *rounds > 0 {
		if err := speed(os.Stdout, *rounds, *large); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	if *seeds > 0 {
		asTest(func(t *testing.T) {
			for _, dead := range []float64{0, 0.9} {
				attack(t, os.Stdout, *seeds, groups, dead)
			}
		})
	}
}

// asTest calls f with what synctest asks for, which is to be had outside of "go
// test" by this only, and ends the process.
func asTest(f func(*testing.T)) {
	every := func(pat, str string) (bool, error) { return true, nil }
	testing.Main(every, []testing.InternalTest{{Name: "addrbook", F: f}}, nil, nil)
}
