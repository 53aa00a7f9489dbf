//go:build unix

package main

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"holdfast/internal/systemd"
	"holdfast/node"
)

// TestService: the program takes the socket that a service manager has opened, and
// tells it that it is ready, that it is alive, and that it stops.
func TestService(t *testing.T) {
	notify := filepath.Join(t.TempDir(), "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: notify, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	socket, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cmd := exec.Command("sh", "-c", "LISTEN_PID=$$ exec holdfast run --regtest --nodnsseed --nofilelogging")
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+notify, "WATCHDOG_USEC=100000", "LISTEN_FDS=1", "HOLDFAST_DATADIR="+t.TempDir(),
		"HOLDFAST_RPCLISTEN=127.0.0.1:0", "HOLDFAST_DASHBOARD=127.0.0.1:0")
	cmd.ExtraFiles = []*os.File{socket}
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill() // if it is still there
		if t.Failed() {
			t.Logf("it said:\n%s", out.String())
		}
	}()
	_, _ = socket.Close(), l.Close() // it is the program's now

	told := func(want string) {
		t.Helper()
		_ = manager.SetReadDeadline(time.Now().Add(20 * time.Second))
		var b [100]byte
		for {
			n, err := manager.Read(b[:])
			if err != nil {
				t.Fatalf("%s was not told: %v", want, err)
			}
			if string(b[:n]) == want {
				return
			}
		}
	}
	told(systemd.Ready)
	told(systemd.Watchdog)
	told(systemd.Watchdog)
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Errorf("it does not listen: %v", err)
	} else {
		_ = c.Close()
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	told(systemd.Stopping)
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if !strings.Contains(out.String(), "Listening on "+l.Addr().String()) {
		t.Error("it listens elsewhere")
	}
}

// TestTakeSockets: a node listens for peers on the sockets that are open, and opens those
// that it needs besides. A socket that is none of TCP is refused.
func TestTakeSockets(t *testing.T) {
	open, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	cfg := node.Config{Listen: []string{"127.0.0.1:8333"}}
	if err := takeSockets([]net.Listener{open}, &cfg); err != nil || !slices.Equal(cfg.Listen, []string{open.Addr().String()}) {
		t.Fatalf("%q, %v", cfg.Listen, err)
	}
	if l, err := cfg.NewListener(open.Addr()); l != open || err != nil {
		t.Errorf("%v, %v", l, err)
	}
	own, err := cfg.NewListener(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	_ = own.Close()
	local, err := net.Listen("unix", filepath.Join(t.TempDir(), "socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer local.Close()
	if err := takeSockets([]net.Listener{local}, &cfg); err == nil || !strings.Contains(err.Error(), "a node listens on TCP") {
		t.Error(err)
	}
}

// TestSocketsOrListen: who says where to listen, and has the service manager open sockets
// too, is told.
func TestSocketsOrListen(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	socket, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	for _, flag := range []string{"--nolisten", "--listen=127.0.0.1"} {
		cmd := exec.Command("sh", "-c", "LISTEN_PID=$$ exec holdfast run --regtest --nodnsseed --nofilelogging "+flag)
		cmd.Env = append(os.Environ(), "LISTEN_FDS=1", "HOLDFAST_DATADIR="+t.TempDir(), "HOLDFAST_RPCLISTEN=127.0.0.1:0", "HOLDFAST_DASHBOARD=127.0.0.1:0")
		cmd.ExtraFiles = []*os.File{socket}
		out, err := cmd.CombinedOutput()
		name, _, _ := strings.Cut(flag, "=")
		if cmd.ProcessState.ExitCode() != exitUsage || !strings.Contains(string(out), name+": the service manager has opened sockets") {
			t.Errorf("%v: %s", err, out)
		}
	}
}

// TestServiceVariables that make no sense are refused.
func TestServiceVariables(t *testing.T) {
	t.Setenv("WATCHDOG_USEC", "soon")
	if _, err := newService(nil, nil, nil); err == nil || !strings.Contains(err.Error(), "WATCHDOG_USEC") {
		t.Error(err)
	}
}
