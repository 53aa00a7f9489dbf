package connmgr

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	theirPath  = "github.com/btcsuite/btcd/connmgr" // in the version that tools/go.mod names
	corePath   = "holdfast/connmgr"
	compatPath = "holdfast/compat/btcd/connmgr"
)

// TestAPICompatible is the promise of this package, kept by apidiff: whatever
// compiles against btcd's connmgr compiles against this one.
//
// apidiff does not follow an alias into another package: it says that Config
// "changed from Config to holdfast/connmgr.Config" and looks no further. So two
// comparisons are made. The aliases' targets are compared with btcd's types in
// full; and what is said of this package must be nothing but that kind of
// change. Values of constants behind an alias are left to TestConstants.
func TestAPICompatible(t *testing.T) {
	root, err := filepath.Abs(filepath.Join("..", "..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	tools := filepath.Join(root, "tools")
	// Read, so that a change of versions is a reason to run this test anew.
	if _, err := os.ReadFile(filepath.Join(tools, "go.mod")); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }

	// Everything that may have to be downloaded comes first.
	apidiff := file("apidiff.exe")
	for _, args := range [][]string{
		{"go", "build", "-o", apidiff, "golang.org/x/exp/cmd/apidiff"},
		{apidiff, "-w", file("theirs"), theirPath},
	} {
		if out, err := run(t, tools, args...); err != nil {
			cannot(t, "%v: %v\n%s", args, err, out)
		}
	}
	for _, args := range [][]string{
		{apidiff, "-w", file("core"), corePath},
		{apidiff, "-w", file("compat"), compatPath},
	} {
		if out, err := run(t, root, args...); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	compare := func(name string) []string {
		out, err := run(t, root, apidiff, "-incompatible", file("theirs"), file(name))
		if err != nil {
			t.Fatalf("apidiff of %s: %v\n%s", name, err, out)
		}
		return strings.Split(strings.TrimSpace(out), "\n")
	}
	for _, problem := range incompatible(compare("core"), compare("compat")) {
		t.Error(problem)
	}
}

// cannot ends a test that lacks what it needs: it skips, but fails where
// nothing may be skipped.
func cannot(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("HOLDFAST_REQUIRE_ALL") == "1" {
		t.Fatalf(format, args...)
	}
	t.Logf(format, args...)
	t.Skip("apidiff and btcd are not at hand; get them with: go -C tools mod download")
}

// run runs a command in dir and returns what it said. Nothing is downloaded
// unless nothing may be skipped.
func run(t *testing.T, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "PWD="+dir)
	if os.Getenv("HOLDFAST_REQUIRE_ALL") != "1" {
		cmd.Env = append(cmd.Env, "GOPROXY=off")
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

var (
	removedName = regexp.MustCompile(`^- \w+: removed$`)
	changedName = regexp.MustCompile(`^- \w+: changed from (.*)$`)
)

// incompatible returns those lines of two reports that are not explained by the
// aliases: the report on the targets of the aliases, and that on the package
// that has them.
func incompatible(core, compat []string) []string {
	var problems []string
	for _, line := range core {
		// A name that only the other package has is judged there.
		if line != "" && !removedName.MatchString(line) {
			problems = append(problems, corePath+": "+line)
		}
	}
	for _, line := range compat {
		if m := changedName.FindStringSubmatch(line); m != nil {
			// "X to X", once the targets go by the names of the aliases.
			was, is, found := strings.Cut(strings.ReplaceAll(m[1], corePath+".", ""), " to ")
			if found && was == is {
				continue
			}
		}
		if line != "" {
			problems = append(problems, compatPath+": "+line)
		}
	}
	return problems
}

func TestIncompatible(t *testing.T) {
	const prefix = "changed from ConnState to holdfast/connmgr."
	tests := []struct {
		name         string
		core, compat string
		problems     int
	}{
		{"nothing", "", "", 0},
		{"aliases", "- OnSeed: removed", "- Config: changed from Config to holdfast/connmgr.Config", 0},
		{"alias in a signature", "", "- New: changed from func(*Config) (*ConnManager, error) to func(*Config) (*ConnManager, error)", 0},
		{"target in a signature", "", "- F: changed from func(*ConnReq) to func(*holdfast/connmgr.ConnReq)", 0},
		{"name missing", "- Lifetime: removed", "- Lifetime: removed", 1},
		{"alias of something else", "", "- ConnState: " + prefix + "EventType", 1},
		{"alias of another package's type", "", "- Config: changed from Config to other/connmgr.Config", 1},
		{"other signature", "", "- New: changed from func(*Config) (*ConnManager, error) to func(Config) (*ConnManager, error)", 1},
		{"field missing", "- Config.MaxInbound: removed", "", 1},
		{"method missing", "- (*ConnManager).Wait: removed", "", 1},
		{"other value", "- Lifetime: value changed from 1800 to 1801", "- Lifetime: value changed from 1800 to 1801", 2},
		{"not comparable", "- ConnReq: old is comparable, new is not", "", 1},
	}
	for _, tt := range tests {
		got := incompatible(strings.Split(tt.core, "\n"), strings.Split(tt.compat, "\n"))
		if len(got) != tt.problems || slices.Contains(got, "") {
			t.Errorf("%s: problems %q, want %d", tt.name, got, tt.problems)
		}
	}
}
