package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// maxConfFile bounds a configuration file: more is some other file.
const maxConfFile = 1 << 20

// A confLine is one setting in a configuration file, or the head of a section.
type confLine struct {
	section    string // in lower case; empty before the first
	key, value string // no key: it is the head
	line       int
}

// allNetworks is the section of btcd's files, whose settings are for all networks,
// like those before any section.
const allNetworks = "application options"

// readConf reads a configuration file in btcd's form:
//
//	; a comment, as is # this
//	[section]
//	key=value
//	key
//
// A key alone is true. A key may come again. A value may stand in double quotes, and is
// a Go string then. Nothing is a comment behind a value.
func readConf(path string) ([]confLine, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: it is no file", path) // to open a pipe may take for ever
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxConfFile+1))
	if err != nil {
		return nil, err
	}
	lines, err := parseConf(text)
	if err != nil {
		return nil, fmt.Errorf("%s:%w", path, err)
	}
	return lines, nil
}

// parseConf is readConf without the file. Its errors begin with the number of the
// line.
func parseConf(text []byte) ([]confLine, error) {
	if len(text) > maxConfFile {
		return nil, fmt.Errorf("1: longer than %d bytes: it is no configuration file", maxConfFile)
	}
	var all []confLine
	section, number := "", 0
	scanner := bufio.NewScanner(bytes.NewReader(text))
	scanner.Buffer(nil, maxConfFile+1)
	for scanner.Scan() {
		number++
		line := strings.TrimSpace(strings.TrimPrefix(scanner.Text(), "\ufeff"))
		switch {
		case line == "" || line[0] == ';' || line[0] == '#':
			continue
		case line[0] == '[':
			name, ok := strings.CutSuffix(line[1:], "]")
			if !ok {
				return nil, fmt.Errorf("%d: %.60q: a section ends in ]", number, line)
			}
			section = strings.ToLower(strings.TrimSpace(name))
			all = append(all, confLine{section: section, line: number})
			continue
		}
		key, value, hasValue := strings.Cut(line, "=")
		if !hasValue {
			value = "true"
		}
		key = strings.TrimSpace(key)
		if key == "" || strings.ContainsAny(key, " \t") {
			return nil, fmt.Errorf("%d: %.60q: it must be key=value", number, line)
		}
		if value = strings.TrimSpace(value); strings.HasPrefix(value, `"`) {
			plain, err := strconv.Unquote(value)
			if err != nil {
				return nil, fmt.Errorf("%d: %.60q: what begins with a quote ends with one", number, line)
			}
			value = plain
		}
		all = append(all, confLine{section, strings.ToLower(key), value, number})
	}
	return all, scanner.Err()
}
