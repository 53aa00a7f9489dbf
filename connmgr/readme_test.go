package connmgr

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every row of the README's table of faults names tests, and they exist.
func TestReadmeNamesItsTests(t *testing.T) {
	var code strings.Builder
	for _, dir := range []string{".", "../compat/btcd/connmgr"} {
		files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			code.Write(text)
		}
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var (
		row    = regexp.MustCompile(`^\| \d+ \|`)
		name   = regexp.MustCompile("`(Test\\w+)`")
		faults = make(map[string]bool)
	)
	for line := range strings.Lines(string(readme)) {
		if !row.MatchString(line) {
			continue
		}
		faults[strings.Fields(line)[1]] = true
		names := name.FindAllStringSubmatch(line, -1)
		if len(names) == 0 {
			t.Errorf("a row without a test: %s", line)
		}
		for _, n := range names {
			if !strings.Contains(code.String(), "func "+n[1]+"(") {
				t.Errorf("there is no %s", n[1])
			}
		}
	}
	if len(faults) != 19 { // 1 to 10 and 12 to 20
		t.Errorf("%d faults in the table, want 19", len(faults))
	}
}
