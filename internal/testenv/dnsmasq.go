package testenv

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// DNSMasq is a real DNS server on loopback.
type DNSMasq struct {
	Addr string // host:port, of UDP and of TCP

	proc *Process
}

// StartDNSMasq starts dnsmasq with the names of zone and their addresses. It asks
// nobody else, unless the further arguments say so. It ends when the test does.
func StartDNSMasq(t testing.TB, zone map[string][]netip.Addr, args ...string) *DNSMasq {
	t.Helper()
	path, err := exec.LookPath("dnsmasq")
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/dnsmasq") // where not everybody's PATH goes
	}
	if err != nil {
		Cannot(t, "needs dnsmasq (on Debian: apt-get install dnsmasq-base): %v", err)
	}
	var hosts strings.Builder
	for name, addrs := range zone {
		for _, a := range addrs {
			fmt.Fprintln(&hosts, a.Unmap(), name)
		}
	}
	file := filepath.Join(t.TempDir(), "hosts")
	if err := os.WriteFile(file, []byte(hosts.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	d := &DNSMasq{}
	t.Cleanup(func() {
		if d.proc == nil {
			return
		}
		d.proc.Kill()
		if t.Failed() {
			t.Logf("dnsmasq said:\n%s", d.proc.Said())
		}
	})
	ready := func(said string) bool {
		_, after, ok := strings.Cut(said, "read ")
		return ok && strings.Contains(after, " names\n")
	}
	// It takes no port 0, so another may get the port that was free. With --no-daemon it
	// stays the user that started it: one that changes its user would outlive us.
	for range 10 {
		port := freePort(t)
		d.Addr = fmt.Sprintf("127.0.0.1:%d", port)
		if d.proc, err = Run(exec.Command(path, append([]string{
			"--no-daemon", "--log-facility=-", "--conf-file=/dev/null", "--pid-file",
			"--listen-address=127.0.0.1", "--bind-interfaces", fmt.Sprintf("--port=%d", port),
			"--no-resolv", "--no-hosts", "--addn-hosts=" + file,
		}, args...)...)); err != nil {
			t.Fatal(err)
		}
		if err := d.proc.Await(t.Context(), ready); err == nil {
			return d
		} else if !strings.Contains(d.proc.Said(), "in use") {
			t.Fatalf("dnsmasq: %v", err)
		}
	}
	t.Fatal("no port is free")
	return nil
}

// Said returns what the server has said until now: with "--log-queries" as an argument,
// all that it was asked.
func (d *DNSMasq) Said() string { return d.proc.Said() }

// freePort returns a port of 127.0.0.1 that UDP and TCP both have free.
func freePort(t testing.TB) int {
	t.Helper()
	for range 20 {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		udp, err := net.ListenPacket("udp", ln.Addr().String())
		ln.Close()
		if err == nil {
			udp.Close()
			return ln.Addr().(*net.TCPAddr).Port
		}
	}
	t.Fatal("no port is free")
	return 0
}
