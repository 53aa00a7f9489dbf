// Package tornet runs a Tor network of its own on this machine's loopback, for tests:
// real tor processes that know of nobody else, and a real DNS server that the exits
// ask. It needs tor and dnsmasq, and works for any user, several times at once, and
// where loopback is the only network.
//
// Four relays do everything: each is a directory authority, an exit, and a directory
// of onion services. One client may do for all tests: it may host an onion service and
// call it too. So there are five tors, and they take about 10 s to start.
package tornet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"holdfast/internal/testenv"
)

// patience bounds the start of a network. It is ten times what it takes, so that a
// slow machine fails no test.
const patience = 3 * time.Minute

// Options is what a network may be told. The zero value is a network whose exits know
// no names.
type Options struct {
	// Hosts are all names that the exits can resolve. IPv6 is answered too.
	Hosts map[string][]netip.Addr
}

// Network is a Tor network that runs, and a client of it. All methods are safe for
// concurrent use, but those that take a test.
type Network struct {
	exe    string // tor
	ip     string
	dir    string
	dns    *testenv.DNSMasq
	relays []*relay
	client *Tor
}

// Start starts a network, and returns when its client has built a circuit and knows
// all relays. That takes about 10 s, so it skips the test if tests shall be short. Every
// process ends with the test, or with the test's process; what they said is told if
// the test failed.
//
// Tests that share a network are subtests of the one that starts it.
func Start(t testing.TB, opts Options) *Network {
	t.Helper()
	if testing.Short() {
		t.Skip("a Tor network takes long to start")
	}
	exe, err := exec.LookPath("tor")
	if err != nil {
		testenv.Cannot(t, "needs tor (on Debian: apt-get install tor): %v", err)
	}
	ctx, cancel := context.WithTimeoutCause(t.Context(), patience, errors.New("it takes too long"))
	defer cancel()
	n := &Network{
		exe: exe, ip: loopback(), dir: t.TempDir(),
		dns: testenv.StartDNSMasq(t, opts.Hosts, "--log-queries", "--local=/#/"), // nobody else is asked
	}
	for _, f := range []struct{ name, text string }{
		{"resolv.conf", "nameserver " + n.dns.Addr + "\n"},
		{"none", ""},
	} {
		if err := os.WriteFile(filepath.Join(n.dir, f.name), []byte(f.text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.startRelays(ctx, t); err != nil {
		t.Fatalf("the relays of the Tor network: %v", err)
	}
	n.client = n.Client(t, "client")
	if err := n.client.WaitBootstrapped(ctx); err != nil {
		t.Fatalf("the client of the Tor network: %v", err)
	}
	return n
}

// Socks returns the host:port of the client's SOCKS port.
func (n *Network) Socks() string { return n.client.Socks }

// Control returns the host:port of the client's control port.
func (n *Network) Control() string { return n.client.Control }

// CookieFile returns the path of the file that opens the client's control port.
func (n *Network) CookieFile() string { return n.client.CookieFile }

// Log returns what the client has logged.
func (n *Network) Log() string { return n.client.Log() }

// DNSQueries returns what the exits have asked, in order, each as "A seed.example".
func (n *Network) DNSQueries() []string {
	var all []string
	for line := range strings.Lines(n.dns.Said()) {
		if _, query, ok := strings.Cut(line, " query["); ok {
			kind, rest, _ := strings.Cut(query, "] ")
			name, _, _ := strings.Cut(rest, " ")
			all = append(all, kind+" "+strings.ToLower(name)) // tor mixes the case
		}
	}
	return all
}

var networks atomic.Uint32

// loopback returns an address of this machine alone. On Linux it is nobody else's,
// and so are its ports: all of 127.0.0.0/8 is loopback, and the address has the number
// of this process in it.
func loopback() string {
	if runtime.GOOS != "linux" {
		return "127.0.0.1"
	}
	pid := os.Getpid()
	return fmt.Sprintf("127.%d.%d.%d", 1+pid>>8%254, pid%256, 1+networks.Add(1)%254)
}

// ports returns n addresses that are free.
func (n *Network) ports(count int) ([]string, error) {
	var all []string
	for range count {
		ln, err := net.Listen("tcp", net.JoinHostPort(n.ip, "0"))
		if err != nil {
			return nil, err
		}
		defer ln.Close() // only when all are known: none is given twice
		all = append(all, ln.Addr().String())
	}
	return all, nil
}
