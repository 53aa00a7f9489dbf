// Package walls holds nothing but the test that keeps the packages of this
// module apart: who may import whom.
package walls

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "holdfast"

// A room says what the packages under a path may import. Paths of this module
// are written without its name; "x/..." is x and all below it.
type room struct {
	path string

	// imports are the rooms that these packages may import, themselves and what
	// is below them excepted.
	imports []string

	// stdOnly: at any depth nothing but the standard library, apart from
	// packages of this module that keep to the same.
	stdOnly bool

	// never are packages of others that may not be imported, at any depth.
	never []string

	why string
}

const (
	bitcoin = "github.com/btcsuite/..."
	oldLog  = "github.com/btcsuite/btclog/..."
)

// below are the rooms below node, in the order of design.
var below = []string{"addrbook/...", "banlist/...", "dnsseed/...", "connmgr/...", "socks/...", "torctl/...", "netaddr/...", "netmon/..."}

const small = "internal/..." // helpers without a room of their own

// rooms are all there are. The first that fits a package is its room.
var rooms = []room{
	{path: "cmd/...", imports: []string{"..."}},
	{path: "rpc/...", imports: append([]string{"stream/...", "node/...", small}, below...)},
	{path: "dashboard/...", imports: append([]string{"stream/...", "node/...", "geodb/...", small}, below...)},
	{path: "stream/...", imports: append([]string{"node/...", small}, below...)},
	{path: "node/...", imports: append([]string{small}, below...)},
	{path: "simnet/...", imports: append([]string{small}, below...)},
	{path: "integration/..."}, // tests only, which import what they test

	{path: "connmgr/...", imports: []string{"socks/..."}, stdOnly: true, why: "any Go program can import it"},
	{path: "rotator/...", imports: []string{small}, stdOnly: true, why: "any Go program can import it"},
	{path: "socks/...", stdOnly: true, why: "any Go program can import it"},
	{path: "netaddr/...", stdOnly: true, why: "any Go program can import it"},
	{path: "netmon/...", stdOnly: true, why: "any Go program can import it"},
	{path: "btclog/...", why: "it shares the Level type of btcsuite/btclog"},

	{path: "addrbook/...", imports: []string{"netaddr/...", small}, never: []string{bitcoin}, why: "it knows addresses, not Bitcoin's messages"},
	{path: "banlist/...", imports: []string{"netaddr/...", small}, never: []string{bitcoin}, why: "it knows addresses, not Bitcoin's messages"},
	{path: "geodb/...", never: []string{bitcoin}, why: "it knows addresses, not Bitcoin's messages"},
	{path: "dnsseed/...", imports: []string{"netaddr/...", small}, never: []string{bitcoin}, why: "it knows host names, not Bitcoin's messages"},
	{path: "torctl/...", imports: []string{"netaddr/...", small}, never: []string{bitcoin}, why: "it knows Tor, not Bitcoin's messages"},
	{path: small, never: []string{bitcoin}, why: "rooms below node use it"},

	{path: "compat/btcd/...", imports: []string{"connmgr/..."}},
	{path: "examples/...", imports: []string{"connmgr/..."}},
}

// only are the packages that few may import directly.
var only = []struct {
	pkg       string
	importers []string
	why       string
}{
	{module + "/simnet/...", []string{"simnet/...", "cmd/holdfast/..."}, "it is for tests and the demo"},
	{module + "/btclog/...", []string{"btclog/...", "cmd/..."}, "logging is wired in cmd"},
	{module + "/rotator/...", []string{"rotator/...", "cmd/..."}, "logging is wired in cmd"},
	{module + "/compat/...", []string{"compat/..."}, "it is for other programs"},
	{oldLog, []string{"btclog/...", "compat/..."}, "everything else logs through log/slog"},
}

// outside are folders that are modules of their own.
var outside = []string{"bench", "conformance", "dashboard/browser", "tools"}

// pkg is what go list says of a package.
type pkg struct {
	ImportPath string
	Imports    []string
	Standard   bool
}

func TestWalls(t *testing.T) {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	touchAll(t, root)
	// Each system has files of its own.
	for _, goos := range []string{"linux", "windows", "darwin", "freebsd"} {
		pkgs := list(t, root, goos)
		for _, problem := range check(pkgs) {
			t.Errorf("GOOS=%s: %s", goos, problem)
		}
	}
	for _, dir := range outside {
		if _, err := os.Stat(filepath.Join(root, dir)); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if _, err := os.Stat(filepath.Join(root, dir, "go.mod")); err != nil {
			t.Errorf("%s must be a module of its own: %v", dir, err)
		}
	}
}

// touchAll looks at every folder of the module. go test then knows that this
// test depends on them, and takes no old result for a new tree.
func touchAll(t *testing.T, root string) {
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && path != root && strings.HasPrefix(d.Name(), ".") {
			return fs.SkipDir
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// list returns the packages of the module and all they import, without tests.
// A package that is not at hand comes without imports: it is judged by its name.
func list(t *testing.T, root, goos string) []pkg {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e", "-deps", "-test=false",
		"-json=ImportPath,Imports,Standard", "./...")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOOS="+goos, "CGO_ENABLED=0", "GOWORK=off", "GOPROXY=off", "PWD="+root)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	var pkgs []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); err == io.EOF {
			return pkgs
		} else if err != nil {
			t.Fatalf("go list: %v", err)
		}
		pkgs = append(pkgs, p)
	}
}

// check returns a line for every import that the tables above forbid.
func check(pkgs []pkg) []string {
	byPath := make(map[string]pkg)
	for _, p := range pkgs {
		byPath[p.ImportPath] = p
	}
	var problems []string
	for _, p := range pkgs {
		problems = append(problems, checkOnly(p)...)
		name, ours := inModule(p.ImportPath)
		if !ours {
			continue
		}
		i := slices.IndexFunc(rooms, func(r room) bool { return match(r.path, name) })
		if i < 0 {
			problems = append(problems, p.ImportPath+" has no room: add it to the table of this test")
			continue
		}
		problems = append(problems, checkRoom(rooms[i], p, byPath)...)
	}
	slices.Sort(problems)
	return problems
}

func checkRoom(r room, p pkg, byPath map[string]pkg) []string {
	var problems []string
	forbid := func(by []string) {
		line := strings.Join(append([]string{p.ImportPath}, by...), " imports ") + ": not allowed"
		if r.why != "" {
			line += " (" + r.why + ")"
		}
		problems = append(problems, line)
	}
	for _, imp := range p.Imports {
		name, ours := inModule(imp)
		if ours && !match(r.path, name) && !matchAny(r.imports, name) {
			forbid([]string{imp})
		}
	}
	walk(p, byPath, func(way []string) {
		last := way[len(way)-1]
		_, ours := inModule(last)
		if r.stdOnly && !ours && !byPath[last].Standard || matchAny(r.never, last) {
			forbid(way)
		}
	})
	return problems
}

func checkOnly(p pkg) []string {
	name, ours := inModule(p.ImportPath)
	if !ours {
		return nil // what others import is theirs
	}
	var problems []string
	for _, o := range only {
		for _, imp := range p.Imports {
			if match(o.pkg, imp) && !matchAny(o.importers, name) {
				problems = append(problems, fmt.Sprintf("%s imports %s: not allowed (%s)", p.ImportPath, imp, o.why))
			}
		}
	}
	return problems
}

// walk calls visit once for each package that p imports, at any depth, with a
// way to it.
func walk(p pkg, byPath map[string]pkg, visit func(way []string)) {
	seen := make(map[string]bool)
	var from func(p pkg, way []string)
	from = func(p pkg, way []string) {
		for _, imp := range p.Imports {
			if imp == "C" || seen[imp] {
				continue
			}
			seen[imp] = true
			next := append(slices.Clone(way), imp)
			visit(next)
			from(byPath[imp], next)
		}
	}
	from(p, nil)
}

func inModule(path string) (name string, ours bool) {
	if path == module {
		return ".", true
	}
	return strings.CutPrefix(path, module+"/")
}

func match(pattern, path string) bool {
	if pattern == "..." {
		return true
	}
	if dir, all := strings.CutSuffix(pattern, "/..."); all {
		return path == dir || strings.HasPrefix(path, dir+"/")
	}
	return path == pattern
}

func matchAny(patterns []string, path string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return match(p, path) })
}

// TestCheck: the walls hold, and are not so high that nobody can live here.
func TestCheck(t *testing.T) {
	const (
		wire   = "github.com/btcsuite/btcd/wire/v2"
		btclog = "github.com/btcsuite/btclog"
	)
	others := []pkg{
		{ImportPath: "net", Standard: true, Imports: []string{"vendor/golang.org/x/net/dns"}},
		{ImportPath: "vendor/golang.org/x/net/dns", Standard: true},
		{ImportPath: wire, Imports: []string{"net", btclog}},
		{ImportPath: btclog, Imports: []string{"net"}},
		{ImportPath: "other.example/bart", Imports: []string{"net"}},
		{ImportPath: "other.example/sly", Imports: []string{wire}},
		{ImportPath: "holdfast/internal/thirdparty", Imports: []string{"other.example/bart"}},
	}
	tests := []struct {
		pkg     string
		imports []string
		wrong   bool
	}{
		{"connmgr", []string{"net"}, false},
		{"connmgr", []string{"other.example/bart"}, true},
		{"connmgr", []string{wire}, true},
		{"connmgr", []string{btclog}, true},
		{"connmgr", []string{"holdfast/node"}, true},
		{"connmgr", []string{"holdfast/internal/thirdparty"}, true},
		{"connmgr/sub", []string{"other.example/bart"}, true},
		{"connmgr/sub", []string{"holdfast/connmgr"}, false},
		{"rotator", []string{"other.example/bart"}, true},
		{"socks", []string{"other.example/bart"}, true},
		{"banlist", []string{"other.example/bart"}, false},
		{"banlist", []string{"other.example/sly"}, true},
		{"banlist", []string{"holdfast/internal/thirdparty"}, false},
		{"addrbook", []string{wire}, true},
		{"addrbook", []string{"holdfast/banlist"}, true},
		{"dnsseed", []string{"github.com/btcsuite/btcd/chaincfg/v2"}, true},
		{"torctl", []string{"holdfast/node"}, true},
		{"internal/x", []string{wire}, true},
		{"node", []string{wire, "holdfast/connmgr", "holdfast/addrbook", "holdfast/internal/x"}, false},
		{"node", []string{"holdfast/rpc"}, true},
		{"node", []string{"holdfast/simnet"}, true},
		{"node", []string{btclog}, true},
		{"node", []string{"holdfast/btclog"}, true},
		{"rpc", []string{"holdfast/node", "holdfast/connmgr"}, false},
		{"rpc", []string{"holdfast/dashboard"}, true},
		{"rpc", []string{"holdfast/simnet"}, true},
		{"dashboard", []string{"holdfast/node"}, false},
		{"dashboard", []string{"holdfast/cmd/holdfast"}, true},
		{"cmd/holdfast", []string{"holdfast/simnet", "holdfast/rpc", "holdfast/btclog", "holdfast/rotator"}, false},
		{"cmd/other", []string{"holdfast/simnet"}, true},
		{"cmd/holdfast", []string{btclog}, true},
		{"cmd/holdfast", []string{"holdfast/compat/btcd/connmgr"}, true},
		{"btclog", []string{btclog}, false},
		{"compat/btcd/connmgr", []string{wire, btclog, "holdfast/connmgr"}, false},
		{"compat/btcd/connmgr", []string{"holdfast/node"}, true},
		{"simnet", []string{wire, "holdfast/connmgr"}, false},
		{"simnet", []string{"holdfast/cmd/holdfast"}, true},
		{"tools/x", nil, true},
		{"bench", nil, true},
		{"connmgrx", nil, true},
	}
	for _, tt := range tests {
		p := pkg{ImportPath: module + "/" + tt.pkg, Imports: tt.imports}
		problems := check(append([]pkg{p}, others...))
		if (len(problems) != 0) != tt.wrong {
			t.Errorf("%s importing %v: problems %q, want some: %v", tt.pkg, tt.imports, problems, tt.wrong)
		}
	}
}
