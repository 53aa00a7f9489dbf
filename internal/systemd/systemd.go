// Package systemd speaks with the service manager that started the process, if one
// did, by the protocols of sd_notify(3), sd_watchdog_enabled(3) and
// sd_listen_fds(3). Where no service manager asks for it, nothing is done.
package systemd

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"time"
)

// The states for Notify. Several are sent at once with line feeds between them.
const (
	Ready    = "READY=1"
	Stopping = "STOPPING=1"
	Watchdog = "WATCHDOG=1"
)

// notifyTimeout bounds the writing of one message, which no manager that works keeps
// waiting.
const notifyTimeout = 2 * time.Second

// firstListener is the descriptor of the first listener: SD_LISTEN_FDS_START.
const firstListener = 3

// A Manager is how to reach the service manager, as its environment says. The zero
// Manager is none, and does nothing.
type Manager struct {
	socket   string        // NOTIFY_SOCKET
	interval time.Duration // WATCHDOG_USEC
	fds      int           // LISTEN_FDS
}

// New reads the environment of the process. getenv is os.Getenv, and pid os.Getpid():
// what was meant for another process is not taken.
func New(getenv func(string) string, pid int) (Manager, error) {
	var m Manager
	m.socket = getenv("NOTIFY_SOCKET")
	own := func(name string) bool { return getenv(name) == strconv.Itoa(pid) }
	if text := getenv("WATCHDOG_USEC"); text != "" && (getenv("WATCHDOG_PID") == "" || own("WATCHDOG_PID")) {
		usec, err := strconv.ParseInt(text, 10, 64)
		if err != nil || usec <= 0 || usec > int64(24*time.Hour/time.Microsecond) {
			return Manager{}, fmt.Errorf("WATCHDOG_USEC %q is no number of microseconds up to a day", text)
		}
		m.interval = time.Duration(usec) * time.Microsecond
	}
	if text := getenv("LISTEN_FDS"); text != "" && own("LISTEN_PID") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n > 1000 {
			return Manager{}, fmt.Errorf("LISTEN_FDS %q is no number of sockets", text)
		}
		m.fds = n
	}
	return m, nil
}

// WatchdogInterval is how often the manager wants to hear Watchdog at least; 0 if it
// does not.
func (m Manager) WatchdogInterval() time.Duration { return m.interval }

// Notify tells the manager a state.
func (m Manager) Notify(state string) error {
	if m.socket == "" {
		return nil
	}
	addr := &net.UnixAddr{Name: m.socket, Net: "unixgram"} // net takes a leading @ for an abstract name
	conn, err := net.DialUnix("unixgram", nil, addr)
	if err != nil {
		return fmt.Errorf("systemd: %w", err)
	}
	defer conn.Close()
	// A manager that does not read must not hold us up.
	if err := conn.SetWriteDeadline(time.Now().Add(notifyTimeout)); err != nil {
		return fmt.Errorf("systemd: %w", err)
	}
	if _, err := conn.Write([]byte(state)); err != nil {
		return fmt.Errorf("systemd: %w", err)
	}
	return nil
}

// Listeners returns the listening sockets that the manager has opened for the
// process. It is called once; the caller closes them.
func (m Manager) Listeners() ([]net.Listener, error) {
	var all []net.Listener
	for i := range m.fds {
		f := os.NewFile(uintptr(firstListener+i), "socket "+strconv.Itoa(i+1)+" of systemd")
		l, err := net.FileListener(f) // it has a descriptor of its own
		_ = f.Close()
		if err != nil {
			for _, l := range all {
				_ = l.Close()
			}
			return nil, fmt.Errorf("systemd: %w", err)
		}
		all = append(all, l)
	}
	return all, nil
}
