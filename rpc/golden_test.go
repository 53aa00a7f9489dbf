package rpc

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write what is answered into testdata")

// Each file of testdata is a talk of one client: "> " is what it sends, what follows is
// the status and the answer, "! " is an order that the node took. Lines with "#" say what
// it is about.
func TestGolden(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { talk(t, file) })
		})
	}
}

func talk(t *testing.T, file string) {
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	n := newFake(t)
	cfg := testConfig(n)
	levels := map[string]string{"CMGR": "info", "PEER": "debug"}
	cfg.Levels = func() map[string]string { return levels }
	cfg.SetLevels = func(spec string) error {
		_ = n.order("levels %s", spec)
		if spec == "loud" {
			return fmt.Errorf("there is no level %q", spec)
		}
		for part := range strings.SplitSeq(spec, ",") {
			if name, level, ok := strings.Cut(part, "="); ok {
				levels[name] = level
			}
		}
		return nil
	}
	cfg.Stop = func() { _ = n.order("stop") }
	cfg.Version = "0.1.2"
	cfg.Magic = 0xd9b4bef9
	cfg.LogPath = "/var/log/holdfast.log"
	cfg.Hub = newHistory()
	cfg.Limits.Batch = 20
	s := handlerOf(t, cfg)

	var got bytes.Buffer
	orders := 0
	lines := bufio.NewScanner(bytes.NewReader(want))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		body, asked := strings.CutPrefix(line, "> ")
		if strings.HasPrefix(line, "#") {
			fmt.Fprintln(&got, line)
		}
		if !asked {
			continue
		}
		fmt.Fprintf(&got, "> %s\n%s", body, pretty(s.ask(body)))
		for _, o := range n.took()[orders:] {
			fmt.Fprintf(&got, "! %s\n", o)
			orders++
		}
		fmt.Fprintln(&got)
	}
	if *update {
		if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("-want +got (go test -update writes it anew):\n%s", diff)
	}
}

// pretty is an answer for people.
func pretty(w *httptest.ResponseRecorder) string {
	text := strings.TrimSuffix(w.Body.String(), "\n")
	var b bytes.Buffer
	if len(text) > 100 && json.Indent(&b, []byte(text), "", "  ") == nil {
		text = b.String()
	}
	if text == "" {
		return fmt.Sprintf("%d\n", w.Code)
	}
	return fmt.Sprintf("%d %s\n", w.Code, text)
}
