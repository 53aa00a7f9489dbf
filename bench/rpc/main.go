// Rpc measures what callers of Holdfast's JSON-RPC and viewers of its dashboard cost its
// node: a thousand calls a second, with clients beside them that read slowly, send slowly,
// or do nothing, and 200 live pages of which half are not read. README.md has the table as
// it was measured.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"time"
)

// size says how much work is done.
type size struct {
	peers   int
	calls   int // a second
	slow    int // slow clients
	viewers int // of the dashboard; half of them do not read
	rounds  int
	phase   time.Duration // half of a round
}

func main() {
	if os.Getenv(crowdVariable) != "" {
		crowdMain()
		return
	}
	sz := size{slow: 100}
	flag.IntVar(&sz.peers, "peers", 125, "how many peers the node has")
	flag.IntVar(&sz.calls, "calls", 1000, "how many calls a second are made")
	flag.IntVar(&sz.viewers, "viewers", 200, "how many follow the dashboard; half of them do not read")
	flag.IntVar(&sz.rounds, "rounds", 3, "how often each half is measured; the figures are medians over the rounds")
	flag.DurationVar(&sz.phase, "phase", 8*time.Second, "how long each half of a round is")
	flag.Parse()
	if flag.NArg() > 0 || sz.peers < 1 || sz.calls < 1 || sz.viewers < 0 || sz.rounds < 1 || sz.phase <= 0 {
		flag.Usage()
		os.Exit(2)
	}
	fmt.Printf("%s, %s/%s, %d CPUs, %d rounds of 2 x %v, %d peers\n\n", runtime.Version(), runtime.GOOS, runtime.GOARCH,
		runtime.NumCPU(), sz.rounds, sz.phase, sz.peers)
	if err := run(os.Stdout, sz); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
