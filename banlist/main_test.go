package banlist

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"holdfast/netaddr"
)

// childVariable, in the environment, makes the test binary one of children instead,
// which is killed or starved by a test.
const childVariable = "HOLDFAST_BANLIST_CHILD"

var children = map[string]func(){}

func TestMain(m *testing.M) {
	if child := children[os.Getenv(childVariable)]; child != nil {
		child()
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// child starts the test binary as one of children.
func child(t *testing.T, name string, env ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), append(env, childVariable+"="+name)...)
	cmd.Stderr = os.Stderr
	return cmd
}

// fail ends a child.
func fail(args ...any) {
	fmt.Fprintln(os.Stderr, append([]any{"child:"}, args...)...)
	os.Exit(1)
}

var seedFlag = flag.Uint64("seed", 0, "replay a test with the seed that its failure printed")

// newRand returns a random source, and prints its seed if the test fails.
func newRand(t testing.TB) *rand.Rand {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("replay with -seed=%d", seed)
		}
	})
	return rand.New(rand.NewPCG(seed, 0))
}

// epoch is when the time of the tests begins.
var epoch = time.Unix(1_760_000_000, 0)

// A clock is turned by hand.
type clock struct{ since atomic.Int64 }

func (c *clock) now() time.Time          { return epoch.Add(time.Duration(c.since.Load())) }
func (c *clock) advance(d time.Duration) { c.since.Add(int64(d)) }

const (
	onion = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion"
	i2p   = "ukeu3k5oycgaauneqgtnvselmt4yemvoilkln7jpvamvfx7dnkdq.b32.i2p"
)

// subject is ParseSubject for what can be read.
func subject(text string) Subject {
	s, err := ParseSubject(text)
	if err != nil {
		panic(err)
	}
	return s
}

func host(text string) netaddr.Host {
	if h, err := netaddr.Parse(text); err == nil {
		return h
	}
	return netaddr.FromIP(netip.MustParseAddr(text)) // for zones
}

// cjdnsHost is the CJDNS address that looks like this IPv6 address.
func cjdnsHost(text string) netaddr.Host {
	h, err := netaddr.FromBytes(netaddr.CJDNS, netip.MustParseAddr(text).AsSlice())
	if err != nil {
		panic(err)
	}
	return h
}

func tempFile(t testing.TB) string { return filepath.Join(t.TempDir(), "bans") }

// open opens a list that must not be damaged, and that is closed at the end.
func open(t testing.TB, path string, o Options) *List {
	t.Helper()
	l, d, err := Open(path, o)
	if err != nil || d != nil {
		t.Fatalf("Open: %v, %v", d, err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// texts are the Subjects of a list.
func texts(l *List) []string {
	all := []string{}
	for e := range l.All() {
		all = append(all, e.Subject.String())
	}
	return all
}

// cannot ends a test that lacks what it needs: it skips, but fails where nothing
// may be skipped.
func cannot(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("HOLDFAST_REQUIRE_ALL") == "1" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}
