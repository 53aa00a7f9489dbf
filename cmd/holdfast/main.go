// Command holdfast is a Bitcoin peer-to-peer daemon: it joins a network, keeps
// its peers, and shows them to its operator. "holdfast --help" says more.
package main

import "os"

func main() { os.Exit(Main()) }
