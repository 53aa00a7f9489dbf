// Command bench measures Holdfast's connection manager beside btcd's, doing the
// same work in the same run, and prints one markdown table. See README.md for
// what the rows mean.
package main

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

func main() {
	quick := flag.Bool("quick", false, "measure little, to see that it works; the numbers mean nothing")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "bench: unexpected argument %q\n", flag.Arg(0))
		flag.Usage()
		os.Exit(2)
	}
	sz := fullSize
	if *quick {
		sz = smallSize
	}
	asTest(func(t *testing.T) {
		lines := rows(t, sz)
		fmt.Printf("%s\nMeasured on: %s\n", render(lines), machine())
		if !t.Failed() {
			os.Exit(0) // or testing would print PASS beneath the table
		}
	})
}
