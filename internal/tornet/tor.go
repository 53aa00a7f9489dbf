package tornet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"holdfast/internal/testenv"
)

// Tor is a tor process of a network, which can be killed and started again. All
// methods are safe for concurrent use, but Start.
type Tor struct {
	// Socks and Control are the host:port of its ports, of a client.
	Socks, Control string

	// CookieFile is the path of the file that opens its control port.
	CookieFile string

	t    testing.TB
	n    *Network
	name string
	dir  string

	mu   sync.Mutex
	proc *testenv.Process // nil before the first start
	cmd  *exec.Cmd        // its command
	log  string           // of earlier processes
}

// clientTorrc is the configuration of a client, and of a host of onion services. The
// targets that its exits connect to are loopback addresses, which tor refuses
// otherwise. It waits for the descriptors of all relays. Vanguards need more relays
// than there are: with them an onion service is sometimes 20 s late.
const clientTorrc = `
SocksPort %s ExtendedErrors
ControlPort %s
CookieAuthentication 1
ClientRejectInternalAddresses 0
ClientDNSRejectInternalAddresses 0
PathsNeededToBuildCircuits 0.95
VanguardsLiteEnabled 0
`

// Client starts another tor of the network, with ports and a data directory of its
// own. It does not wait until that is bootstrapped.
func (n *Network) Client(t testing.TB, name string) *Tor {
	t.Helper()
	c, err := n.tor(t, name)
	if err != nil {
		t.Fatal(err)
	}
	c.CookieFile = filepath.Join(c.dir, "control_auth_cookie")
	for range attempts {
		ports, err := n.ports(2)
		if err != nil {
			t.Fatal(err)
		}
		c.Socks, c.Control = ports[0], ports[1]
		err = c.configure(fmt.Sprintf(clientTorrc, c.Socks, c.Control))
		if err == nil {
			err = c.start(t.Context())
		}
		if err == nil {
			return c
		} else if !errors.Is(err, errInUse) {
			t.Fatal(err)
		}
	}
	t.Fatal("no port is free")
	return nil
}

// attempts is how often other ports are tried, should another process have taken one
// between our finding it free and tor's opening it.
const attempts = 5

var errInUse = errors.New("a port is in use")

// tor makes the data directory of a tor that is not started yet.
func (n *Network) tor(t testing.TB, name string) (*Tor, error) {
	c := &Tor{t: t, n: n, name: name, dir: filepath.Join(t.TempDir(), name)}
	t.Cleanup(func() {
		c.Kill()
		if t.Failed() {
			t.Logf("tor %s said:\n%s", name, lastLines(c.Log(), 60))
		}
	})
	return c, os.MkdirAll(c.dir, 0o700)
}

// commonTorrc is the configuration of all. What TestingTorNetwork allows is above all
// addresses of loopback, several relays at one address, and quick retries. Tor looks
// for the process that started it every 15 s.
const commonTorrc = `
DataDirectory %s
TestingTorNetwork 1
Address %s
Log notice stdout
AvoidDiskWrites 1
ConnLimit 64
__OwningControllerProcess %d
`

// configure writes the torrc: what all have, the authorities, and what is given.
func (c *Tor) configure(torrc string) error {
	var all strings.Builder
	fmt.Fprintf(&all, commonTorrc, c.dir, c.n.ip, os.Getpid())
	for _, r := range c.n.relays {
		fmt.Fprintln(&all, r.dirAuthority)
	}
	all.WriteString(torrc)
	return os.WriteFile(c.torrc(), []byte(all.String()), 0o600)
}

func (c *Tor) torrc() string { return filepath.Join(c.dir, "torrc") }

// Kill ends the process as a power cut would (SIGKILL), and waits for its end. A
// process that does not run is left alone.
func (c *Tor) Kill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.proc != nil {
		c.proc.Kill()
	}
}

// Start starts the process again, after Kill: with the same ports and data directory.
// It returns when the ports are open, and fails the test if they cannot be opened.
func (c *Tor) Start() {
	c.t.Helper()
	if err := c.start(c.t.Context()); err != nil {
		c.t.Fatalf("tor %s: %v", c.name, err)
	}
}

// start starts the process. It returns when the process listens; errInUse if it could
// not.
func (c *Tor) start(ctx context.Context) error {
	cmd := exec.Command(c.n.exe, "-f", c.torrc(), "--defaults-torrc", filepath.Join(c.n.dir, "none"))
	proc, err := testenv.Run(cmd)
	if err != nil {
		return err
	}
	c.mu.Lock()
	if c.proc != nil {
		c.proc.Kill()
		c.log += c.proc.Said()
	}
	c.proc, c.cmd = proc, cmd
	c.mu.Unlock()
	err = proc.Await(ctx, func(said string) bool { return strings.Contains(said, " Bootstrapped 0%") })
	if err != nil && strings.Contains(proc.Said(), "Address already in use") {
		return errInUse
	}
	return err
}

// WaitBootstrapped waits until the process that runs has built a circuit. It returns
// an error if that ends before, or the context does.
func (c *Tor) WaitBootstrapped(ctx context.Context) error {
	c.mu.Lock()
	proc := c.proc
	c.mu.Unlock()
	err := proc.Await(ctx, func(said string) bool { return strings.Contains(said, " Bootstrapped 100%") })
	if err != nil {
		return fmt.Errorf("tor %s is not bootstrapped: %w", c.name, err)
	}
	return nil
}

// Log returns what it has logged, since its first start.
func (c *Tor) Log() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.proc == nil {
		return c.log
	}
	return c.log + c.proc.Said()
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
