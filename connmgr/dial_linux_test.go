package connmgr

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
)

// fullListener returns the address of a real listener on loopback that answers
// no SYN, since its backlog is full.
func fullListener(t *testing.T) *net.TCPAddr {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	addr := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: name.(*syscall.SockaddrInet4).Port}
	// A backlog of 0 takes one connection.
	conn, err := net.DialTCP("tcp", nil, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return addr
}

// synSent counts the sockets of this host that wait for an answer from addr. The
// kernel's list is read in pieces, and while others open and close sockets it
// may name one twice or not at all: it is read again, a hundred times, until the
// count is what is wanted.
func synSent(t *testing.T, addr *net.TCPAddr, want int) int {
	t.Helper()
	remote := fmt.Sprintf("0100007F:%04X", addr.Port)
	var ports map[string]bool
	for range 100 {
		text, err := os.ReadFile("/proc/net/tcp")
		if err != nil {
			t.Fatal(err)
		}
		ports = make(map[string]bool)
		for line := range strings.Lines(string(text)) {
			fields := strings.Fields(line)
			if len(fields) > 3 && fields[2] == remote && fields[3] == "02" {
				ports[fields[1]] = true
			}
		}
		if len(ports) == want {
			break
		}
	}
	return len(ports)
}

// The real thing for defect 7: real sockets that hang in SYN_SENT are gone when
// Remove has returned and the dialer has.
func TestDefect07RealSocketIsGone(t *testing.T) {
	addr := fullListener(t)
	began, ended := make(chan struct{}, 10), make(chan struct{}, 10)
	w := newWorld(t)
	dialer := net.Dialer{Control: func(string, string, syscall.RawConn) error {
		began <- struct{}{}
		return nil
	}}
	cm := w.manager(Config{DialContext: func(ctx context.Context, a net.Addr) (net.Conn, error) {
		defer func() { ended <- struct{}{} }()
		return dialer.DialContext(ctx, a.Network(), a.String())
	}})
	cm.Start()
	reqs := make([]*ConnReq, 10)
	for i := range reqs {
		reqs[i] = &ConnReq{Addr: addr, Permanent: true}
		go cm.Connect(reqs[i])
	}
	for range reqs {
		<-began
	}
	// The sockets exist; the SYNs are sent just after.
	for i := 0; synSent(t, addr, 10) != 10; i++ {
		if i > 1000 {
			t.Fatalf("%d sockets in SYN_SENT, want 10", synSent(t, addr, 10))
		}
	}
	for _, c := range reqs[:5] {
		cm.Remove(c.ID())
		<-ended
	}
	if n := synSent(t, addr, 5); n != 5 {
		t.Errorf("%d sockets in SYN_SENT after 5 of 10 were removed", n)
	}
	cm.Stop()
	cm.Wait()
	if n := synSent(t, addr, 0); n != 0 {
		t.Errorf("%d sockets in SYN_SENT after Wait", n)
	}
}
