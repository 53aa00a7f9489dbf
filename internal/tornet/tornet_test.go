package tornet

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"holdfast/internal/testenv"
	"holdfast/socks"
	"holdfast/torctl"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var hosts = map[string][]netip.Addr{
	"four.test": {netip.MustParseAddr("127.0.0.4")},
	"six.test":  {netip.MustParseAddr("2001:db8::6")},
	"here.test": {netip.MustParseAddr("127.0.0.1")},
}

// Tests share a network: each is a subtest.
func TestNetwork(t *testing.T) {
	n := Start(t, Options{Hosts: hosts})
	for name, test := range map[string]func(context.Context, *testing.T, *Network){
		"Resolve": testResolve,
		"Connect": testConnect,
		"Onion":   testOnion,
		"Kill":    testKill,
		"Busy":    testBusy,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			test(ctx, t, n)
		})
	}
}

func testResolve(ctx context.Context, t *testing.T, n *Network) {
	d := &socks.Dialer{Proxy: n.Socks()}
	for _, name := range []string{"four.test", "six.test"} {
		if got, err := d.Resolve(ctx, name); err != nil || got != hosts[name][0] {
			t.Errorf("%s is %v, %v; want %v", name, got, err, hosts[name][0])
		}
		if asked := n.DNSQueries(); !slices.Contains(asked, "A "+name) || !slices.Contains(asked, "AAAA "+name) {
			t.Errorf("the exits asked for %q, not for %s", asked, name)
		}
	}
	if got, err := d.Resolve(ctx, "gone.test"); !errors.Is(err, socks.ReplyHostUnreachable) {
		t.Errorf("a name that is not there is %v, %v", got, err)
	}
}

// An exit connects to this machine, by name and by address.
func testConnect(ctx context.Context, t *testing.T, n *Network) {
	ln, port := greet(t)
	d := &socks.Dialer{Proxy: n.Socks()}
	for _, target := range []string{ln, net.JoinHostPort("here.test", port)} {
		if err := greeted(ctx, d, target); err != nil {
			t.Error(err)
		}
	}
}

// The client is the host of an onion service, and calls it. To a second client it is a
// stranger's.
func testOnion(ctx context.Context, t *testing.T, n *Network) {
	ln, _ := greet(t)
	control, err := torctl.Dial(ctx, torctl.Options{Address: n.Control()})
	if err != nil {
		t.Fatal(err)
	}
	defer control.Close()
	onion, err := control.AddOnion(ctx, torctl.Onion{VirtualPort: 8333, Target: ln})
	if err != nil {
		t.Fatal(err)
	}
	other := n.Client(t, "other")
	if err := other.WaitBootstrapped(ctx); err != nil {
		t.Fatal(err)
	}
	for _, proxy := range []string{n.Socks(), other.Socks} {
		if err := greeted(ctx, &socks.Dialer{Proxy: proxy}, onion.ServiceID+".onion:8333"); err != nil {
			t.Error(err)
		}
	}
}

// A client that was killed comes back with its ports.
func testKill(ctx context.Context, t *testing.T, n *Network) {
	c := n.Client(t, "killed")
	d := &socks.Dialer{Proxy: c.Socks}
	for range 2 {
		if err := c.WaitBootstrapped(ctx); err != nil {
			t.Fatal(err)
		}
		if got, err := d.Resolve(ctx, "four.test"); err != nil || got != hosts["four.test"][0] {
			t.Errorf("four.test is %v, %v", got, err)
		}
		c.Kill()
		if err := d.Probe(ctx); !errors.Is(err, socks.ErrProxy) {
			t.Errorf("it serves when it is killed: %v", err)
		}
		if err := c.WaitBootstrapped(ctx); err != nil && !errors.Is(err, testenv.ErrEnded) {
			t.Error(err)
		}
		c.Start()
	}
	if got := strings.Count(c.Log(), "Bootstrapped 0%"); got != 3 {
		t.Errorf("its log tells of %d starts", got)
	}
}

// What cannot listen says so: its ports can be tried anew.
func testBusy(ctx context.Context, t *testing.T, n *Network) {
	ports, err := n.ports(1)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", ports[0])
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c, err := n.tor(t, "busy")
	if err == nil {
		err = c.configure("SocksPort " + ports[0] + "\n")
	}
	if err == nil {
		err = c.start(ctx)
	}
	if !errors.Is(err, errInUse) {
		t.Errorf("started at a port in use: %v", err)
	}
}

const greeting = "hello"

// greet greets who connects to its address.
func greet(t *testing.T) (addr, port string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, greeting) // it is seen by who reads
			conn.Close()
		}
	}()
	t.Cleanup(func() {
		ln.Close()
		<-done
	})
	_, port, _ = net.SplitHostPort(ln.Addr().String())
	return ln.Addr().String(), port
}

// greeted connects until it is greeted: a circuit may fail, and an onion service takes
// a while until others can find it.
func greeted(ctx context.Context, d *socks.Dialer, target string) error {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := d.DialContext(ctx, "tcp", target)
		if err == nil {
			var said []byte
			said, err = io.ReadAll(conn)
			conn.Close()
			if err == nil && string(said) == greeting {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.Join(err, context.Cause(ctx))
		}
	}
}
