package rotator

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every row of the README's table names tests, and they exist.
func TestReadmeNamesItsTests(t *testing.T) {
	var code strings.Builder
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		code.Write(b)
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	row, name := regexp.MustCompile(`^\| \d+ \|`), regexp.MustCompile("`(Test\\w+)`")
	rows := 0
	for line := range strings.Lines(string(readme)) {
		if !row.MatchString(line) {
			continue
		}
		rows++
		tests := name.FindAllStringSubmatch(line, -1)
		if len(tests) == 0 {
			t.Errorf("a row without a test: %s", line)
		}
		for _, test := range tests {
			if !strings.Contains(code.String(), "func "+test[1]+"(") {
				t.Errorf("there is no %s", test[1])
			}
		}
	}
	if rows != 19 {
		t.Errorf("%d rows in the table, want 19", rows)
	}
}
