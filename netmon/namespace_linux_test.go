package netmon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"holdfast/internal/testenv"
)

// patience bounds each wait. It is far more than any needs, so that a slow
// machine fails none.
const patience = 20 * time.Second

// insideVariable is set in the child that has a network namespace of its own.
const insideVariable = "HOLDFAST_NETMON_INSIDE"

// TestNamespace changes a real network: the one of a child process, which is gone
// with it and leads nowhere.
func TestNamespace(t *testing.T) {
	if os.Getenv(insideVariable) != "" {
		t.Run("Source", insideSource)
		t.Run("IPv6", insideIPv6)
		t.Run("Overflow", insideOverflow)
		t.Run("Run", insideRun)
		t.Run("NoFiles", insideNoFiles)
		return
	}
	const need = "a network to change needs a network namespace: "
	if _, err := exec.LookPath("ip"); err != nil {
		testenv.Cannot(t, need+"install iproute2 (%v)", err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	id := func(n int) []syscall.SysProcIDMap {
		return []syscall.SysProcIDMap{{ContainerID: 0, HostID: n, Size: 1}}
	}
	var why []string
	for _, attr := range []*syscall.SysProcAttr{
		{Cloneflags: syscall.CLONE_NEWNET},
		{
			Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
			UidMappings: id(os.Getuid()), GidMappings: id(os.Getgid()),
		},
	} {
		cmd := exec.CommandContext(t.Context(), exe, "-test.run=^TestNamespace$", "-test.v", "-test.count=1")
		cmd.Env = append(os.Environ(), insideVariable+"=1")
		cmd.SysProcAttr = attr
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		switch {
		case err == nil:
			t.Logf("%s", out)
			if strings.Contains(string(out), "--- SKIP") {
				testenv.Cannot(t, "some of it could not be tested")
			}
			return
		case errors.As(err, &exit):
			t.Fatalf("%v\n%s", err, out)
		}
		why = append(why, err.Error())
	}
	testenv.Cannot(t, need+"run the tests as root (%s)", strings.Join(why, "; "))
}

func ipCommand(t *testing.T, command string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if out, err := exec.CommandContext(ctx, "ip", strings.Fields(command)...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v\n%s", command, err, out)
	}
}

// listening returns a source that listens, until the test ends.
func listening(t *testing.T) *netlink {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	s, err := listen(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return s
}

// told reads all that the kernel has told by now, and returns what counts. What
// an ip command does is told before it ends, apart from what takes time.
func told(t *testing.T, s *netlink) Change {
	t.Helper()
	raw, err := s.file.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var all Change
	for {
		empty := false
		err := raw.Control(func(fd uintptr) {
			_, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
			empty = errors.Is(err, syscall.EAGAIN)
		})
		if err != nil {
			t.Fatal(err)
		}
		if empty {
			return all
		}
		c, err := s.read()
		if err != nil {
			t.Fatal(err)
		}
		all |= c
	}
}

type step struct {
	command string
	want    Change
}

func steps(t *testing.T, steps []step) {
	t.Helper()
	s := listening(t)
	for _, step := range steps {
		ipCommand(t, step.command)
		if got := told(t, s); got != step.want {
			t.Errorf("ip %s: told %v, want %v", step.command, got, step.want)
		}
		// What was learnt bit by bit is what a newcomer is told.
		if fresh := listening(t); diff(fresh.known, s.known)&^Route != 0 {
			t.Errorf("ip %s: known is %v, should be %v", step.command, s.known, fresh.known)
		}
	}
}

// A bridge without ports is a link whose carrier never takes time.
func insideSource(t *testing.T) {
	steps(t, []step{
		{"link set lo up", 0},
		{"link add br0 type bridge", Link},
		{"link set br0 up", Link},
		{"link set br0 up", 0},
		{"link set br0 mtu 1400", 0},
		{"link set br0 alias x", 0},
		{"addr add 127.9.9.9/32 dev lo", 0},
		{"addr add 169.254.7.7/16 dev br0", 0},
		{"addr add 192.0.2.1/24 dev br0", Address},
		{"addr change 192.0.2.1/24 dev br0 valid_lft 1000 preferred_lft 900", 0},
		{"addr add 192.0.2.2/24 dev br0", Address},
		{"addr add 198.51.100.1/32 dev lo", Address}, // lo can have an address that others reach
		{"route add default via 192.0.2.254", Route},
		{"route replace default via 192.0.2.254", 0},
		{"route replace default via 192.0.2.254 mtu 1300", 0},
		{"route replace default via 192.0.2.253", Route},
		{"route replace default via 192.0.2.254", Route},
		{"route add default via 192.0.2.250 metric 7 table 99", Route},
		{"route add 203.0.113.0/24 via 192.0.2.254", 0},
		{"route add 0.0.0.0/1 via 192.0.2.254", Route},
		{"route del 0.0.0.0/1", Route},
		{"route del default", Route},
		{"addr del 192.0.2.2/24 dev br0", Address},
		{"link set br0 down", Link},
		{"link set br0 up", Link},
		{"link add br1 type bridge", Link},
		{"link add v0 type veth peer name v1", Link},
		{"link set v0 master br1", 0},
		{"link set v0 nomaster", 0},
		{"link del v0", Link},
		{"link del br0", Link | Address},
		{"link del br1", Link},
		{"addr del 198.51.100.1/32 dev lo", Address},
	})
}

func insideIPv6(t *testing.T) {
	if _, err := os.Stat("/proc/net/if_inet6"); err != nil {
		testenv.Cannot(t, "IPv6 is off (%v)", err)
	}
	ipCommand(t, "link add br6 type bridge")
	ipCommand(t, "link set br6 up")
	defer ipCommand(t, "link del br6")
	// The kernel makes an address of IPv6 usable in its own time.
	s := listening(t)
	ipCommand(t, "addr add 2001:db8::1/64 dev br6 nodad")
	if c, err := s.next(t.Context(), time.Now().Add(patience)); c != Address || err != nil {
		t.Errorf("told %v (%v), want address", c, err)
	}
	steps(t, []step{
		{"addr change 2001:db8::1/64 dev br6 nodad valid_lft 1000 preferred_lft 900", 0},
		{"route add default via fe80::1 dev br6", Route},
		{"route replace default via fe80::1 dev br6 expires 100", 0}, // as a router advertisement does
		{"route replace default via fe80::2 dev br6", Route},
		{"route add default via fe80::3 dev br6 metric 5", Route},
		{"route add 2001:db8:1::/48 via fe80::1 dev br6", 0},
		{"link set br6 down", Link | Address | Route}, // IPv6 loses its addresses with the link
	})
}

// insideRun is Run as its owner sees it.
func insideRun(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	opened := make(chan struct{})
	calls := make(chan Change, 100)
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, Options{Settle: 50 * ms, Gap: 50 * ms}.withDefaults(), func(ctx context.Context, o Options) (source, error) {
			defer close(opened)
			return open(ctx, o)
		}, time.Now, func(c Change) { calls <- c })
	}()
	<-opened
	for _, step := range []step{
		{"link add br2 type bridge", Link},
		{"addr add 192.0.2.1/24 dev br2", Address},
		{"link set br2 up", Link},
		{"route add default via 192.0.2.254", Route},
		{"link set br2 down", Link},
		{"link set br2 up", Link},
		{"link del br2", Address},
	} {
		began := time.Now()
		ipCommand(t, step.command)
		limit := time.After(patience)
		for got := Change(0); !got.Has(step.want); {
			select {
			case got = <-calls:
				t.Logf("ip %s: told %v after %v", step.command, got, time.Since(began).Round(time.Millisecond))
			case <-limit:
				t.Fatalf("ip %s: not told", step.command)
			}
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if len(calls) > 0 {
		t.Errorf("told %v of nothing", <-calls)
	}
}

// insideOverflow: while the owner is busy, the kernel tells more than it keeps
// for us.
func insideOverflow(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	opened := make(chan struct{}, 100)
	calls := make(chan Change)
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, Options{Settle: -1, Gap: -1}.withDefaults(), func(ctx context.Context, o Options) (source, error) {
			defer func() { opened <- struct{}{} }()
			return open(ctx, o)
		}, time.Now, func(c Change) {
			select {
			case calls <- c:
			case <-ctx.Done():
			}
		})
	}()
	<-opened
	var batch strings.Builder
	ip := netip.MustParseAddr("10.0.0.1")
	for range 2000 {
		fmt.Fprintf(&batch, "addr add %v/32 dev lo\n", ip)
		ip = ip.Next()
	}
	cmd := exec.CommandContext(ctx, "ip", "-batch", "-")
	cmd.Stdin = strings.NewReader(batch.String())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("ip -batch: %v\n%s", err, out)
	}
	limit := time.After(patience)
	for lost := false; !lost; {
		select {
		case c := <-calls:
			lost = c.Has(Lost)
		case <-limit:
			t.Fatal("not told that news were lost")
		}
	}
	// It was opened again before that was told, and hears again.
	<-opened
	ipCommand(t, "link add br3 type bridge")
	defer ipCommand(t, "link del br3")
	select {
	case c := <-calls:
		if c != Link {
			t.Errorf("told %v, want link: the addresses are known", c)
		}
	case <-time.After(patience):
		t.Fatal("not told of a link")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// insideNoFiles: where no socket can be made there is nothing that Run can do.
func insideNoFiles(t *testing.T) {
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	none := old
	none.Cur = 0
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	err := Run(t.Context(), Options{}, func(Change) {})
	if err2 := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old); err2 != nil {
		t.Fatal(err2)
	}
	if !errors.Is(err, syscall.EMFILE) || errors.Is(err, fs.ErrPermission) {
		t.Errorf("error %v, want %v", err, syscall.EMFILE)
	}
	t.Log(err)
}

// Where the kernel does not tell, we ask.
func TestFallBack(t *testing.T) {
	src, err := fallBack(time.Second, interfaces, syscall.EPERM)
	if _, ok := src.(*poller); !ok || err != nil {
		t.Errorf("opened a %T (%v), want a poller", src, err)
	}
	none := func() (facts, error) { return nil, syscall.EMFILE }
	src, err = fallBack(time.Second, none, syscall.EPERM)
	if src == nil || !errors.Is(err, syscall.EPERM) || !errors.Is(err, syscall.EMFILE) {
		t.Errorf("opened a %T, error %v; want both reasons", src, err)
	}
}
