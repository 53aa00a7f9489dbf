package integration

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// switched are the imports that a program changes to be built on Holdfast.
var switched = []struct{ theirs, ours string }{
	{"github.com/btcsuite/btcd/connmgr", "holdfast/compat/btcd/connmgr"},
	{"github.com/btcsuite/btclog", "holdfast/btclog"},
	{"github.com/jrick/logrotate/rotator", "holdfast/rotator"},
}

// TestSwitchedBTCD: the real btcd, of which nothing is changed but import paths, runs on
// our connection manager, logger and log files. It connects to a real one, finds it again
// after its death, is found by it, logs to its file, and stops when it is asked to.
func TestSwitchedBTCD(t *testing.T) {
	ctx := beginFor(t, 5*time.Minute) // btcd is built
	real := startBTCD(ctx, t, "regtest")
	ours := newBTCD(t, buildSwitched(ctx, t), "regtest", "--addpeer="+real.addr)
	ours.start(ctx)
	for range 2 {
		if p := ours.onlyPeer(ctx); p.Addr != real.addr || p.Inbound || !isBTCD(p.SubVer) {
			t.Errorf("it lists %+v", p)
		}
		real.onlyPeer(ctx)
		real.proc.kill()
		ours.noPeer(ctx)
		real.start(ctx)
	}
	ours.onlyPeer(ctx)
	real.must(ctx, "addnode", nil, ours.addr, "onetry")
	eventually(ctx, t, "it is not connected to", func() error {
		all, err := ours.peers(ctx)
		if err == nil && !slices.ContainsFunc(all, func(p peer) bool { return p.Inbound && isBTCD(p.SubVer) }) {
			err = fmt.Errorf("getpeerinfo lists %+v", all)
		}
		return err
	})

	ours.proc.stop(ctx, t)
	file := filepath.Join(ours.dir, "logs", "regtest", "btcd.log")
	log, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	said, _ := ours.proc.out.text()
	if string(log) != said {
		t.Errorf("%s has %d bytes, standard output %d, and they are not the same", file, len(log), len(said))
	}
	line := regexp.MustCompile(`^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \[[A-Z]{3}\] [A-Z]{4}: `)
	for text := range strings.Lines(string(log)) {
		if !line.MatchString(text) {
			t.Errorf("in the log: %q", text)
		}
	}
	for _, want := range []string{"CMGR: ", "SYNC: New valid peer " + real.addr, "Shutdown complete"} {
		if !strings.Contains(string(log), want) {
			t.Errorf("no %q in the log", want)
		}
	}
}

// buildSwitched builds a copy of btcd's source whose imports are changed.
func buildSwitched(ctx context.Context, t *testing.T) string {
	t.Helper()
	btcdPath(t) // what cannot be had is told
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "btcd")
	command := func(in string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Dir, cmd.Env = in, append(os.Environ(), "GOWORK=off", "GOFLAGS=-buildvcs=false")
		var complaint bytes.Buffer
		cmd.Stderr = &complaint
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, complaint.String())
		}
		return strings.TrimSpace(string(out))
	}
	source := command(filepath.Join(root, "tools"), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/btcsuite/btcd")
	if err := os.CopyFS(dir, os.DirFS(source)); err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if strings.HasSuffix(path, ".go") && filepath.Dir(path) != filepath.Join(dir, "connmgr") {
			for _, s := range switched {
				text = bytes.ReplaceAll(text, []byte(`"`+s.theirs+`"`), []byte(`"`+s.ours+`"`))
			}
		}
		if err := os.Remove(path); err != nil { // in the module cache it was read-only
			return err
		}
		return os.WriteFile(path, text, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	command(dir, "go", "mod", "edit", "-require=holdfast@v0.0.0", "-replace=holdfast="+root)
	program := filepath.Join(dir, "btcd")
	command(dir, "go", "build", "-mod=mod", "-o", program, ".")
	imports := command(dir, "go", "list", "-mod=mod", "-f", `{{join .Imports "\n"}}`, ".")
	for _, s := range switched {
		if !slices.Contains(strings.Fields(imports), s.ours) {
			t.Fatalf("it does not import %s:\n%s", s.ours, imports)
		}
	}
	return program
}
