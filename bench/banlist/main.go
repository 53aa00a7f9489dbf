// Banlist measures Holdfast's banlist beside other ways to keep bans: btcd's map of
// strings, Bitcoin Core's loop over all, and a routing table alone. README.md has
// the tables as they were measured.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"time"
)

func main() {
	passes := flag.Int("passes", 15, "how often everything is measured; the ratios are medians over the passes")
	sample := flag.Duration("sample", 50*time.Millisecond, "how long each is measured in a pass")
	most := flag.Int("most", 1_000_000, "how many bans the longest list has")
	flag.Parse()
	if flag.NArg() > 0 || *passes < 1 || *sample <= 0 || *most < 100 {
		flag.Usage()
		os.Exit(2)
	}
	fmt.Printf("%s, %s/%s, %d CPUs, %d passes of %v\n\n", runtime.Version(), runtime.GOOS, runtime.GOARCH,
		runtime.NumCPU(), *passes, *sample)
	if err := run(os.Stdout, *passes, *sample, *most); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
