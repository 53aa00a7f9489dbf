//go:build unix

package integration

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"holdfast/addrbook"
	"holdfast/banlist"
	"holdfast/internal/testenv"
	"holdfast/netaddr"
)

// nobody is the user that a test as root runs the program as, since root may do all.
const nobody = 65534

// unusable is what can be wrong with a data directory.
type unusable struct {
	name  string
	spoil func(t *testing.T, dir string)

	// says is what the program says, in one line, as "cannot * denied": DIR is the
	// network's directory.
	says string

	// starts says that the node runs all the same.
	starts bool

	// disk says that the directory is on a disk that is read-only.
	disk bool
}

const cannotUse = "holdfast: cannot use the data directory DIR: *; choose another one with --datadir"

var unusables = []unusable{
	{name: "ReadOnly", spoil: chmod("", 0o500), says: strings.Replace(cannotUse, "*", "*permission denied", 1)},
	{name: "NotToEnter", spoil: chmod("", 0o600), says: strings.Replace(cannotUse, "*", "*permission denied", 1)},
	{name: "SomebodyElses", spoil: chownRoot, says: strings.Replace(cannotUse, "*", "*permission denied", 1)},
	{name: "ReadOnlyDisk", disk: true, says: strings.Replace(cannotUse, "*", "*read-only file system", 1)},
	{name: "BookNotToRead", spoil: chmod("addrbook.dat", 0), says: "holdfast: *address book*DIR/addrbook.dat*permission denied*"},
	{name: "BansNotToRead", spoil: chmod("banlist", 0), says: "holdfast: *banlist*DIR/banlist*permission denied*"},
	{name: "AnchorsNotToRead", spoil: chmod("anchors.dat", 0), says: "*[WRN] ADDR: Address book: reading the anchors*DIR/anchors.dat*permission denied", starts: true},
}

func chmod(name string, mode os.FileMode) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		t.Helper()
		if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
			t.Fatal(err)
		}
	}
}

func chownRoot(t *testing.T, dir string) {
	t.Helper()
	if os.Geteuid() != 0 {
		testenv.Cannot(t, "a directory of somebody else takes root")
	}
	if err := os.Chown(dir, 0, 0); err != nil {
		t.Fatal(err)
	}
}

// TestUnusableDataDir: with a data directory that it may not use, or not all of it,
// the program says so in one line, and leaves everything in it as it was.
func TestUnusableDataDir(t *testing.T) {
	for _, u := range unusables {
		t.Run(u.name, u.test)
	}
}

func (u unusable) test(t *testing.T) {
	ctx := begin(t)
	home := publicDir(t)
	daemon := filepath.Join(home, "holdfast")
	copyFile(t, holdfastPath(t), daemon, 0o755)
	data := filepath.Join(home, "data")
	dir := filepath.Join(data, "regtest")
	fillDataDir(t, dir)
	giveAway(t, data)
	if u.spoil != nil {
		u.spoil(t, dir)
	}
	before := contents(t, dir)

	cmd := exec.Command(daemon, "run", "--regtest", "--nofilelogging", "--connect", "127.0.0.1:1", "--nolisten", "--datadir", data)
	if u.disk {
		cmd = onReadOnlyDisk(ctx, t, data, cmd.Args)
	} else {
		asNobody(cmd)
	}
	cmd.Env = append(environ(), "HOME="+home)
	said, err := u.runBriefly(ctx, t, cmd)
	said = strings.ReplaceAll(said, dir, "DIR")
	var lines []string
	for line := range strings.Lines(said) {
		if line = strings.TrimSuffix(line, "\n"); !u.starts || strings.Contains(line, "[WRN]") || strings.Contains(line, "[ERR]") {
			lines = append(lines, line)
		}
	}
	if u.starts != (err == nil) || len(lines) != 1 || !like(lines[0], u.says) {
		t.Errorf("the program ended with %v and said\n%s\nwant the line %q", err, said, u.says)
	} else {
		t.Log(lines[0])
	}
	after := contents(t, dir)
	for name, text := range before {
		if now, ok := after[name]; !ok || now != text && name != "addrbook.dat" {
			t.Errorf("%s is not as it was", name)
		}
	}
	for name := range after {
		if _, ok := before[name]; !ok && !u.starts {
			t.Errorf("%s was made", name)
		}
	}
	// The operator puts it right, and the program runs.
	if u.disk {
		return
	}
	giveAway(t, data)
	for _, name := range append(slices.Collect(maps.Keys(before)), "") {
		mode := os.FileMode(0o600)
		if name == "" {
			mode = 0o700
		}
		chmod(name, mode)(t, dir)
	}
	checkDataDir(t, dir)
}

// runBriefly runs a program to its end, which it is asked for when it has started.
func (u unusable) runBriefly(ctx context.Context, t *testing.T, cmd *exec.Cmd) (string, error) {
	t.Helper()
	out := newOutput()
	cmd.Stdout, cmd.Stderr = out, out
	p := &process{name: u.name, cmd: cmd, out: out, ended: make(chan struct{})}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(p.kill)
	said, err := p.await(ctx, func(said string) bool {
		return strings.Contains(said, "Waiting to connect") || strings.Contains(said, "next try in")
	})
	if err == nil {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		select {
		case <-p.ended:
		case <-ctx.Done():
			t.Fatal(context.Cause(ctx))
		}
		said, _ = out.text()
	} else if !errors.Is(err, errEnded) {
		t.Fatal(err)
	}
	return said, p.err
}

// like reports whether text is pattern, where "*" is anything.
func like(text, pattern string) bool {
	parts := strings.Split(pattern, "*")
	first, last := parts[0], parts[len(parts)-1]
	return strings.HasPrefix(text, first) && strings.HasSuffix(text, last) && hasParts(text, parts)
}

var (
	dataDirPeer = netaddr.FromAddrPort(netip.MustParseAddrPort("11.1.1.1:18444"))
	dataDirBan  = "66.6.0.0/16"
)

// fillDataDir makes files as the program does.
func fillDataDir(t *testing.T, dir string) {
	t.Helper()
	book, warning, err := addrbook.Open(dir, addrbook.Config{})
	if err = errors.Join(warning, err); err == nil {
		book.Add(dataDirPeer.Host, 0, addrbook.Known{Addr: dataDirPeer, Services: 9, Seen: time.Now()})
		err = errors.Join(book.Good(dataDirPeer, 9), book.Save(), addrbook.WriteAnchors(filepath.Join(dir, "anchors.dat"), []netaddr.Addr{dataDirPeer}))
	}
	if err != nil {
		t.Fatal(err)
	}
	list, _, err := banlist.Open(filepath.Join(dir, "banlist"), banlist.Options{})
	if err != nil {
		t.Fatal(err)
	}
	subject, err := banlist.ParseSubject(dataDirBan)
	if err = errors.Join(err, list.Ban(subject, time.Time{}, "test", banlist.Operator), list.Close()); err != nil {
		t.Fatal(err)
	}
}

// checkDataDir reads what fillDataDir made.
func checkDataDir(t *testing.T, dir string) {
	t.Helper()
	book, warning, err := addrbook.Open(dir, addrbook.Config{})
	if err = errors.Join(warning, err); err != nil {
		t.Fatal(err)
	}
	if e, ok := book.Lookup(dataDirPeer); !ok || !e.Tried {
		t.Errorf("the address that was good is %+v, %v", e, ok)
	}
	list, damage, err := banlist.Open(filepath.Join(dir, "banlist"), banlist.Options{})
	if damage != nil || err != nil {
		t.Fatal(damage, err)
	}
	defer list.Close() //nolint:errcheck // it is not changed
	subject, _ := banlist.ParseSubject(dataDirBan)
	if e, ok := list.Lookup(subject); !ok {
		t.Errorf("the ban is %+v", e)
	}
}

// giveAway makes a directory and all in it nobody's, if the test is root's.
func giveAway(t *testing.T, dir string) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Chown(path, nobody, nobody))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// asNobody has a command run as a user like others.
func asNobody(cmd *exec.Cmd) {
	bind(cmd)
	if os.Geteuid() != 0 {
		return
	}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
}

// onReadOnlyDisk returns the command that runs another where a directory cannot be
// written even by root.
func onReadOnlyDisk(ctx context.Context, t *testing.T, dir string, args []string) *exec.Cmd {
	t.Helper()
	mount := []string{
		"unshare", "--mount", "--propagation", "private", "sh", "-ec",
		`mount --bind "$0" "$0"; mount -o remount,bind,ro "$0"; exec "$@"`, dir,
	}
	if _, err := run(ctx, append(slices.Clone(mount), "true")...); err != nil {
		testenv.Cannot(t, "a disk that is read-only takes root on Linux: %v", err)
	}
	args = append(mount, args...)
	cmd := exec.Command(args[0], args[1:]...)
	bind(cmd)
	return cmd
}

// contents returns the files of a directory; the text of those that cannot be read is
// what they are.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := make(map[string]string)
	list, err := os.ReadDir(dir)
	if err != nil && os.Geteuid() == 0 {
		t.Fatal(err)
	}
	for _, f := range list {
		text, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			text = []byte(err.Error())
		}
		files[f.Name()] = string(text)
	}
	return files
}

// publicDir makes a directory that all users may enter and write.
func publicDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "holdfast-test-")
	if err == nil {
		err = os.Chmod(dir, 0o777)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) }) // it is a temporary directory
	return dir
}

func copyFile(t *testing.T, from, to string, mode os.FileMode) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close() //nolint:errcheck // it is only read
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, mode)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(out, in)
	if err = errors.Join(err, out.Close()); err != nil {
		t.Fatal(err)
	}
}
