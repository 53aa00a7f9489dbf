package banlist

import (
	"net/netip"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"holdfast/internal/testenv"
	"holdfast/netaddr"
)

// childVariable, in the environment, makes the test binary one of children instead,
// which is killed or starved by a test.
const childVariable = "HOLDFAST_BANLIST_CHILD"

var children = map[string]func(){}

func TestMain(m *testing.M) {
	testenv.Main(m, childVariable, children)
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
