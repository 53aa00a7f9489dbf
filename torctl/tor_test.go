package torctl

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"holdfast/internal/testenv"
)

// realTor is a Tor that sends nothing to anybody.
type realTor struct {
	t       *testing.T
	dir     string
	address string // of its control port
	cmd     *exec.Cmd
	log     *bufio.Scanner
	options []string
}

var controlListener = regexp.MustCompile(`Opened Control listener connection \(ready\) on (127\.0\.0\.1:\d+|/\S+)`)

// startTor starts a Tor with its network off, and waits until its control port is open.
func startTor(t *testing.T, options ...string) *realTor {
	t.Helper()
	if _, err := exec.LookPath("tor"); err != nil {
		testenv.Cannot(t, "needs the program tor (Debian: apt-get install tor)")
	}
	// Short, as the name of a socket must be.
	dir, err := os.MkdirTemp("", "tor é")
	if err != nil {
		t.Fatal(err)
	}
	r := &realTor{t: t, dir: dir, options: options}
	t.Cleanup(func() {
		r.kill()
		_ = os.RemoveAll(dir)
	})
	port := "auto"
	if slices.Contains(options, "--ControlSocket") {
		port = "0"
	}
	r.start(port)
	return r
}

func (r *realTor) start(controlPort string) {
	r.t.Helper()
	empty := filepath.Join(r.dir, "empty")
	put(r.t, empty, "", 0o600)
	args := []string{
		"-f", empty, "--defaults-torrc", empty,
		"--DataDirectory", r.dir, "--ControlPort", controlPort, "--Log", "notice stdout",
		// Should we die, it goes.
		"--__OwningControllerProcess", strconv.Itoa(os.Getpid()),
	}
	if !slices.Contains(r.options, "--DisableNetwork") {
		args = append(args, "--DisableNetwork", "1", "--SocksPort", "0")
	}
	r.cmd = exec.Command("tor", append(args, r.options...)...)
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	var seen bytes.Buffer
	r.log = bufio.NewScanner(out)
	for r.log.Scan() {
		fmt.Fprintln(&seen, r.log.Text())
		if m := controlListener.FindStringSubmatch(r.log.Text()); m != nil {
			if r.address = m[1]; strings.HasPrefix(m[1], "/") {
				r.address = "unix:" + m[1]
			}
			return // what it says besides fits the pipe
		}
	}
	r.t.Fatalf("tor does not open its control port:\n%s", seen.String())
}

// kill is kill -9. What Tor said besides is shown if the test fails.
func (r *realTor) kill() {
	_ = r.cmd.Process.Kill()
	for r.log.Scan() {
		r.t.Log(r.log.Text())
	}
	_ = r.cmd.Wait()
}

func (r *realTor) control() Options { return Options{Address: r.address} }

// ownDir is a directory that nobody else may enter, as Tor wants it for sockets.
func ownDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// hashed is what Tor wants to know of a password.
func hashed(t *testing.T, password string) string {
	t.Helper()
	if _, err := exec.LookPath("tor"); err != nil {
		testenv.Cannot(t, "needs the program tor (Debian: apt-get install tor)")
	}
	out, err := exec.CommandContext(t.Context(), "tor", "--quiet", "--hash-password", password).Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Fields(string(out))
	return lines[len(lines)-1]
}

func TestTorAuthentication(t *testing.T) {
	t.Parallel()
	const password = `p "\ é`
	cookie := []string{"--CookieAuthentication", "1"}
	pass := []string{"--HashedControlPassword", hashed(t, password)}
	for _, tt := range []struct {
		name     string
		options  []string
		password string
		spoil    func(t *testing.T, r *realTor)
		err      string // with ErrAuth
	}{
		{name: "none"},
		{name: "none, with a password", password: password},
		{name: "cookie", options: cookie},
		{name: "password", options: pass, password: password},
		{name: "both", options: slices.Concat(cookie, pass)},
		{name: "both, with a password", options: slices.Concat(cookie, pass), password: password},
		{name: "wrong password", options: slices.Concat(cookie, pass), password: "x", err: "--torpassword"},
		{name: "no password", options: pass, err: "--torpassword"},
		{name: "wrong cookie", options: cookie, spoil: func(t *testing.T, r *realTor) {
			put(t, filepath.Join(r.dir, "control_auth_cookie"), testCookie, 0o600)
		}, err: "nothing was told to it"},
		{name: "no cookie", options: cookie, spoil: func(t *testing.T, r *realTor) {
			if err := os.Remove(filepath.Join(r.dir, "control_auth_cookie")); err != nil {
				t.Fatal(err)
			}
		}, err: "is not there"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := startTor(t, tt.options...)
			if tt.spoil != nil {
				open(t, r.control()) // it has written its cookie
				tt.spoil(t, r)
			}
			o := r.control()
			o.Password = tt.password
			c, err := Dial(t.Context(), o)
			if tt.err != "" {
				if !errors.Is(err, ErrAuth) || !strings.Contains(err.Error(), tt.err) {
					t.Error(err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if v, err := c.GetInfo(t.Context(), "version"); v == "" || !strings.HasPrefix(v, c.Version()) || err != nil {
				t.Errorf("%q, %q, %v", v, c.Version(), err)
			}
		})
	}
}

func TestTorOnion(t *testing.T) {
	t.Parallel()
	r := startTor(t, "--CookieAuthentication", "1")
	c := open(t, r.control())
	ctx := t.Context()
	o := Onion{VirtualPort: 8333, Target: "127.0.0.1:8334"}
	p, err := c.AddOnion(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	if ids, err := c.GetInfo(ctx, "onions/current"); ids != p.ServiceID || err != nil {
		t.Error(ids, err)
	}
	second, err := c.AddOnion(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	if ids, err := c.GetInfo(ctx, "onions/current"); len(strings.Split(ids, "\n")) != 2 || err != nil {
		t.Errorf("%q, %v", ids, err)
	}
	if err := alive(ctx, c, second.ServiceID); err != nil {
		t.Error(err)
	}

	// Its key gives the same address, but not twice at a time.
	o.Key = p.Key
	other := open(t, r.control())
	if _, err := other.AddOnion(ctx, o); !isReply(err, 550) {
		t.Error(err)
	}
	if err := other.DelOnion(ctx, p.ServiceID); !isReply(err, 552) {
		t.Error(err)
	}
	if err := c.DelOnion(ctx, p.ServiceID); err != nil {
		t.Error(err)
	}
	if again, err := other.AddOnion(ctx, o); err != nil || again.ServiceID != p.ServiceID || again.Key != p.Key {
		t.Error(again.ServiceID, err)
	}
	if err := alive(ctx, c, p.ServiceID); err == nil {
		t.Error("alive, but that of another connection")
	}

	// It goes with its connection, some time after that has ended.
	_ = other.Close()
	third := open(t, r.control())
	again, err := third.AddOnion(ctx, o)
	for isReply(err, 550) && ctx.Err() == nil {
		again, err = third.AddOnion(ctx, o)
	}
	if err != nil || again.ServiceID != p.ServiceID {
		t.Error(again.ServiceID, err)
	}

	// What Tor makes of what is wrong.
	if _, err := c.AddOnion(ctx, Onion{VirtualPort: 1, Target: "nowhere"}); !isReply(err, 512) {
		t.Error(err)
	}
	if _, err := c.GetInfo(ctx, "nothing"); !isReply(err, 552) {
		t.Error(err)
	}
	if err := c.SetEvents(ctx, "NOTHING"); !isReply(err, 552) {
		t.Error(err)
	}
	if text, err := c.GetInfo(ctx, "config-text"); !strings.Contains(text, "\nDisableNetwork 1") || err != nil {
		t.Errorf("%q, %v", text, err)
	}
	if n, err := c.Bootstrapped(ctx); n != 0 || err != nil {
		t.Error(n, err)
	}
	if l, err := c.SocksListeners(ctx); len(l) != 0 || err != nil {
		t.Errorf("%q, %v", l, err)
	}
}

// A Tor whose network is one authority on loopback, where nobody listens.
func TestTorListeners(t *testing.T) {
	t.Parallel()
	f40 := strings.Repeat("f", 40)
	socket := filepath.Join(ownDir(t), `a "b`)
	r := startTor(t, "--DisableNetwork", "0", "--TestingTorNetwork", "1", "--UseDefaultFallbackDirs", "0",
		"--DirAuthority", "x orport=1 no-v2 v3ident="+f40+" 127.0.0.1:1 "+f40,
		"--SocksPort", "127.0.0.1:auto", "--+SocksPort", `unix:"`+strings.ReplaceAll(socket, `"`, `\"`)+`"`)
	c := open(t, r.control())
	l, err := c.SocksListeners(t.Context())
	if err != nil || len(l) != 2 || !slices.ContainsFunc(l, func(s string) bool { return strings.HasPrefix(s, "127.0.0.1:") }) || !slices.Contains(l, "unix:"+socket) {
		t.Errorf("%q, %v", l, err)
	}
	if n, err := c.Bootstrapped(t.Context()); n > 50 || err != nil {
		t.Error(n, err)
	}
	if err := c.SetEvents(t.Context(), "CONF_CHANGED"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.command(t.Context(), "", "SETCONF", "MaxCircuitDirtiness=700"); err != nil {
		t.Fatal(err)
	}
	if n := <-c.Notices(); n.Name != "CONF_CHANGED" || n.Data != "MaxCircuitDirtiness=700" {
		t.Errorf("%q", n)
	}
}

func TestTorUnixSocket(t *testing.T) {
	t.Parallel()
	r := startTor(t, "--ControlSocket", filepath.Join(ownDir(t), "control"), "--CookieAuthentication", "1")
	if !strings.HasPrefix(r.address, "unix:/") {
		t.Fatal(r.address)
	}
	if c := open(t, r.control()); c.Version() == "" {
		t.Error("no version")
	}
}

// A Service outlives its Tor, and keeps its address; so does the next one.
func TestTorService(t *testing.T) {
	t.Parallel()
	r := startTor(t, "--CookieAuthentication", "1")
	file := keyFile(t)
	events := make(chan Event, 1000)
	serve := func() (stop func()) {
		s := &Service{
			Control: r.control(), KeyFile: file, VirtualPort: 8333, Target: "127.0.0.1:8334",
			BackoffMin: time.Millisecond, BackoffMax: 20 * time.Millisecond,
			OnEvent: func(e Event) { events <- e },
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- s.Run(ctx) }()
		return func() {
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	}
	stop := serve()
	first := <-events
	if first.Kind != KindPublished {
		t.Fatalf("%+v", first)
	}
	r.kill()
	if e := <-events; e.Kind != KindLost || e.Addr != first.Addr {
		t.Fatalf("%+v", e)
	}
	if e := <-events; e.Kind != KindFailed {
		t.Fatalf("%+v", e)
	}
	r.start(r.address)
	next := func() Event {
		for {
			if e := <-events; e.Kind != KindFailed {
				return e
			}
		}
	}
	if e := next(); e.Kind != KindPublished || e.Addr != first.Addr {
		t.Fatalf("%+v", e)
	}
	stop()

	// What ends has its service removed.
	c := open(t, r.control())
	onion := Onion{Key: read(t, file), VirtualPort: 8333, Target: "127.0.0.1:8334"}
	var p Published
	var err error
	var refused *ReplyError
	for range 1000 { // Tor sees the end of a connection a moment later
		if p, err = c.AddOnion(t.Context(), onion); !errors.As(err, &refused) || refused.Code != 550 {
			break
		}
	}
	if err != nil || p.ServiceID+".onion" != first.Addr.Host.String() {
		t.Error(p.ServiceID, err)
	}
	_ = c.Close()

	stop = serve()
	if e := next(); e.Kind != KindPublished || e.Addr != first.Addr {
		t.Errorf("%+v", e)
	}
	stop()
}
