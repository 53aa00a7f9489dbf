// Package readmetest holds the README of a package to its word: each row of its
// table "What this fixes" names tests, and they exist. It is for tests.
package readmetest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	row  = regexp.MustCompile(`^\| [^-]`)
	name = regexp.MustCompile("`((?:Test|Fuzz)\\w+)`")
)

// Check fails the test unless the table in README.md of the working directory has
// so many rows, and each names tests or fuzz targets that are in the test files of
// dirs.
func Check(t *testing.T, rows int, dirs ...string) {
	t.Helper()
	var code strings.Builder
	for _, dir := range dirs {
		files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no tests in %s: %v", dir, err)
		}
		for _, file := range files {
			code.WriteString(read(t, file))
		}
	}
	_, table, found := strings.Cut(read(t, "README.md"), "\n## What this fixes\n")
	if !found {
		t.Fatal("README.md has no part \"What this fixes\"")
	}
	_, table, _ = strings.Cut(table, "\n|")  // the head of the first table
	table, _, _ = strings.Cut(table, "\n\n") // what comes behind
	got := 0
	for line := range strings.Lines(table) {
		if !row.MatchString(line) {
			continue
		}
		got++
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
	if got != rows {
		t.Errorf("%d rows in the table, want %d", got, rows)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
