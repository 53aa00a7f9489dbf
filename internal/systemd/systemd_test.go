package systemd

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func env(pairs ...string) func(string) string {
	return func(name string) string {
		for _, p := range pairs {
			if key, value, _ := strings.Cut(p, "="); key == name {
				return value
			}
		}
		return ""
	}
}

func TestNew(t *testing.T) {
	for _, tt := range []struct {
		env  []string
		want Manager
		err  string
	}{
		{nil, Manager{}, ""},
		{[]string{"NOTIFY_SOCKET=@x", "WATCHDOG_USEC=30000000", "LISTEN_FDS=2", "LISTEN_PID=7"}, Manager{"@x", 30 * time.Second, 2}, ""},
		{[]string{"WATCHDOG_USEC=30000000", "WATCHDOG_PID=7"}, Manager{"", 30 * time.Second, 0}, ""},
		{[]string{"WATCHDOG_USEC=30000000", "WATCHDOG_PID=8", "LISTEN_FDS=2", "LISTEN_PID=8"}, Manager{}, ""},
		{[]string{"LISTEN_FDS=2"}, Manager{}, ""},
		{[]string{"WATCHDOG_USEC=soon"}, Manager{}, "WATCHDOG_USEC"},
		{[]string{"WATCHDOG_USEC=-1"}, Manager{}, "WATCHDOG_USEC"},
		{[]string{"LISTEN_FDS=1001", "LISTEN_PID=7"}, Manager{}, "LISTEN_FDS"},
	} {
		got, err := New(env(tt.env...), 7)
		if got != tt.want || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%q: %+v, %v", tt.env, got, err)
		}
	}
}

func TestNotify(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Skip("no datagram sockets of the file system here:", err)
	}
	defer l.Close()
	m, err := New(env("NOTIFY_SOCKET="+path), 7)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Notify(Ready); err != nil {
		t.Fatal(err)
	}
	var b [100]byte
	if n, err := l.Read(b[:]); err != nil || string(b[:n]) != Ready {
		t.Errorf("%q, %v", b[:n], err)
	}
	if err := (Manager{socket: path + "x"}).Notify(Ready); err == nil {
		t.Error("nobody was told")
	}
	if err := (Manager{}).Notify(Ready); err != nil {
		t.Error(err)
	}
}
