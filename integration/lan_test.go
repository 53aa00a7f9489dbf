package integration

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"holdfast/internal/testenv"
)

// lan is a network of its own with a way to nowhere else: hosts, each a network
// namespace, on one bridge. Nodes there can have addresses like those of the
// Internet, which are the only ones that real nodes tell each other.
type lan struct {
	t     *testing.T
	hub   string
	hosts int
}

// namespace begins the names of all namespaces here. The number of the process
// follows.
const namespace = "holdfast-test-"

var lastNamespace atomic.Uint32

func newLAN(ctx context.Context, t *testing.T) *lan {
	t.Helper()
	const need = "a network of real nodes with addresses like those of the Internet needs network namespaces: "
	if runtime.GOOS != "linux" {
		testenv.Cannot(t, need+"this is no Linux")
	}
	if os.Geteuid() != 0 {
		testenv.Cannot(t, need+"run the tests as root")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		testenv.Cannot(t, need+"install iproute2 (%v)", err)
	}
	forgetDead(ctx)
	l := &lan{t: t}
	var err error
	if l.hub, err = l.add(ctx); err != nil {
		testenv.Cannot(t, need+"%v", err)
	}
	l.ip(ctx, "-n", l.hub, "link", "add", "br0", "type", "bridge")
	l.ip(ctx, "-n", l.hub, "link", "set", "br0", "up")
	return l
}

// add makes a namespace, which is gone when the test ends.
func (l *lan) add(ctx context.Context) (string, error) {
	name := fmt.Sprintf("%s%d-%d", namespace, os.Getpid(), lastNamespace.Add(1))
	if _, err := run(ctx, "ip", "netns", "add", name); err != nil {
		return "", err
	}
	l.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if _, err := run(ctx, "ip", "netns", "del", name); err != nil {
			l.t.Error(err)
		}
	})
	return name, nil
}

// forgetDead removes the namespaces of test runs that were killed.
func forgetDead(ctx context.Context) {
	list, _ := run(ctx, "ip", "netns", "list") // without a list there is nothing to do
	for line := range strings.Lines(list) {
		name, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		rest, ours := strings.CutPrefix(name, namespace)
		pid, _, _ := strings.Cut(rest, "-")
		if _, err := strconv.Atoi(pid); !ours || err != nil {
			continue
		}
		if _, err := os.Stat(filepath.Join("/proc", pid)); os.IsNotExist(err) {
			_, _ = run(ctx, "ip", "netns", "del", name) // somebody else may have done it
		}
	}
}

// host adds a host with an address, and returns the command that runs others
// there.
func (l *lan) host(ctx context.Context, ip string) []string {
	l.t.Helper()
	name, err := l.add(ctx)
	if err != nil {
		l.t.Fatal(err)
	}
	l.hosts++
	port := fmt.Sprintf("port%d", l.hosts)
	l.ip(ctx, "link", "add", "eth0", "netns", name, "type", "veth", "peer", "name", port, "netns", l.hub)
	l.ip(ctx, "-n", l.hub, "link", "set", port, "master", "br0", "up")
	l.ip(ctx, "-n", name, "addr", "add", ip+"/8", "dev", "eth0")
	l.ip(ctx, "-n", name, "link", "set", "eth0", "up")
	l.ip(ctx, "-n", name, "link", "set", "lo", "up")
	return []string{"ip", "netns", "exec", name}
}

func (l *lan) ip(ctx context.Context, args ...string) {
	l.t.Helper()
	if _, err := run(ctx, append([]string{"ip"}, args...)...); err != nil {
		l.t.Fatal(err)
	}
}

// btcd starts a node of regtest on a host of its own.
func (l *lan) btcd(ctx context.Context, ip string, more ...string) *btcd {
	l.t.Helper()
	b := &btcd{
		t: l.t, program: btcdPath(l.t), network: "regtest", more: more,
		dir:    l.t.TempDir(),
		addr:   net.JoinHostPort(ip, "18444"),
		within: l.host(ctx, ip),
	}
	b.start(ctx)
	return b
}
