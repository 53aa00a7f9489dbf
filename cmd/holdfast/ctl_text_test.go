package main

import (
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
)

// TestPlain: what peers say steers no terminal.
func TestPlain(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"/Satoshi:27.0.0/":        "/Satoshi:27.0.0/",
		"":                        "",
		"\x1b[2J\x1b]0;title\a":   `\x1b[2J\x1b]0;title\a`,
		"a\nb\tc\r":               `a\nb\tc\r`,
		"\u009b31m":               `\u009b31m`, // CSI in one character
		"abc\u202ecba":            `abc\u202ecba`,
		"zero\u200bwidth\ufeff":   `zero\u200bwidth\ufeff`,
		"bad \xff\xfe utf-8":      `bad \xff\xfe utf-8`,
		"a replacement \ufffd":    "a replacement \ufffd",
		"grüße 你好":                "grüße 你好",
		"\x00\x7f":                `\x00\x7f`,
		"back\\slash is as it is": "back\\slash is as it is",
	} {
		if got := plain(text); got != want {
			t.Errorf("plain(%q) = %q, want %q", text, got, want)
		}
	}
}

// TestTexts: numbers as people read them.
func TestTexts(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ got, want string }{
		{bytesText(0), "0 B"},
		{bytesText(999), "999 B"},
		{bytesText(1000), "1.00 kB"},
		{bytesText(9999), "10.0 kB"},
		{bytesText(123_456), "123 kB"},
		{bytesText(999_499), "999 kB"},
		{bytesText(999_500), "1.00 MB"},
		{bytesText(1.5e19), "15.0 EB"},
		{spanText(-time.Second), "0s"},
		{spanText(59 * time.Second), "59s"},
		{spanText(time.Minute), "1m"},
		{spanText(61 * time.Second), "1m1s"},
		{spanText(2*time.Hour + 5*time.Minute + 9*time.Second), "2h5m"},
		{spanText(24 * time.Hour), "1d"},
		{spanText(76 * time.Hour), "3d4h"},
		{spanText(1000 * time.Hour), "41d16h"},
		{spanText(100*24*time.Hour + time.Hour), "100d"},
		{pingText(0), "-"},
		{pingText(0.0004), "0.4 ms"},
		{pingText(0.0123), "12 ms"},
		{pingText(9.9), "9900 ms"},
		{pingText(61), "61 s"},
		{sinceText(time.Unix(100, 0), 40), "1m"},
		{sinceText(time.Unix(100, 0), 0), "-"},
	} {
		if tt.got != tt.want {
			t.Errorf("%q, want %q", tt.got, tt.want)
		}
	}
}

// TestColumnWidths: who gives way where there is little room.
func TestColumnWidths(t *testing.T) {
	t.Parallel()
	cols := []column{{title: "ID", right: true, rank: 1}, {title: "NAME", least: 6}, {title: "SCORE", right: true, rank: 2}}
	rows := [][]string{{"1", "a long name", "0"}, {"22", "你好", "100"}}
	for _, tt := range []struct {
		most int
		want [3]int
		line string
	}{
		{0, [3]int{2, 11, 5}, " 1  a long name      0"},
		{80, [3]int{2, 11, 5}, " 1  a long name      0"},
		{22, [3]int{2, 11, 5}, " 1  a long name      0"},
		{21, [3]int{2, 10, 5}, " 1  a long na…      0"},
		{17, [3]int{2, 6, 5}, " 1  a lon…      0"},
		{16, [3]int{2, 11, -1}, " 1  a long name"},
		{10, [3]int{2, 6, -1}, " 1  a lon…"},
		{9, [3]int{-1, 9, -1}, "a long n…"},
		{1, [3]int{-1, 6, -1}, "a lon…"}, // the last stays
	} {
		got := columnWidths(cols, rows, tt.most)
		if [3]int(got) != tt.want {
			t.Errorf("%d columns: %v, want %v", tt.most, got, tt.want)
		}
		if line := tableLine(cols, got, rows[0], false, nil); line != tt.line {
			t.Errorf("%d columns: %q, want %q", tt.most, line, tt.line)
		}
	}
}

// TestWriteTable: aligned, no colour where there is no terminal, nothing that steers one.
func TestWriteTable(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	err := writeTable(&b, []column{{title: "WHO"}, {title: "N", right: true}, {title: "WHY"}},
		[][]string{{"你好", "7", "\x1b[31mred"}, {"somebody", "123", ""}},
		func(int, int) string { return red })
	want := "WHO         N  WHY\n你好        7  \\x1b[31mred\nsomebody  123  \n"
	if got := b.String(); got != want || err != nil {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
}

// TestPaint: colours do not change how wide a text is, and can be left out.
func TestPaint(t *testing.T) {
	t.Parallel()
	if got := paint(true).with(red, "text"); got != "\x1b[31mtext\x1b[m" || ansi.StringWidth(got) != 4 {
		t.Errorf("%q", got)
	}
	for _, got := range []string{paint(false).with(red, "text"), paint(true).with("", "text")} {
		if got != "text" {
			t.Errorf("%q", got)
		}
	}
	if newPaint(new(strings.Builder), func(string) string { return "" }) {
		t.Error("what is no terminal is painted")
	}
}
