// Logs measures Holdfast's btclog beside other loggers: the same work, in one run,
// interleaved, as ratios. README.md has the table as it was measured. It fails if a goal
// is missed.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"time"
)

func main() {
	passes := flag.Int("passes", 41, "how often everything is measured; the ratios are medians over the passes")
	sample := flag.Duration("sample", 16*time.Millisecond, "how long each logger is measured in a pass")
	flag.Parse()
	if flag.NArg() > 0 || *passes < 1 || *sample <= 0 {
		flag.Usage()
		os.Exit(2)
	}
	fmt.Printf("%s, %s/%s, %d CPUs, %d passes of %v\n\n", runtime.Version(), runtime.GOOS, runtime.GOARCH,
		runtime.NumCPU(), *passes, *sample)
	missed, err := run(os.Stdout, *passes, *sample)
	if err == nil && missed > 0 {
		err = fmt.Errorf("goals missed: %d", missed)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
