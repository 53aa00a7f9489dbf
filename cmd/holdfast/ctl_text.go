package main

import (
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/term"
)

// plain makes text of others fit for a terminal: what cannot be seen, as the sequences
// that steer a terminal or turn the direction of the text around, is written as Go
// writes it.
func plain(text string) string {
	var b strings.Builder
	for i, r := range text {
		switch {
		case r == unicode.ReplacementChar && !strings.HasPrefix(text[i:], string(unicode.ReplacementChar)):
			fmt.Fprintf(&b, `\x%02x`, text[i]) // no UTF-8
		case unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			quoted := strconv.QuoteRuneToASCII(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
	}
	return b.String()
}

// paint colours text, or does not.
type paint bool

// newPaint paints what goes to a terminal, unless the operator wants no colour
// (https://no-color.org) or the terminal has none.
func newPaint(out io.Writer, getenv func(string) string) paint {
	return paint(isTerminal(out) && getenv("NO_COLOR") == "" && getenv("TERM") != "dumb")
}

// The parameters of SGR that are used. Only the sixteen colours that the operator's
// theme has.
const (
	bold   = "1"
	faint  = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
	cyan   = "36"
	turned = "7" // fore- and background
)

func (p paint) with(sgr, text string) string {
	if !bool(p) || sgr == "" || text == "" {
		return text
	}
	return "\x1b[" + sgr + "m" + text + "\x1b[m"
}

func isTerminal(out any) bool {
	f, ok := out.(*os.File)
	return ok && term.IsTerminal(f.Fd())
}

// lineWidth is how wide a line to out can be; 0 means that there is no bound.
func lineWidth(out io.Writer) int {
	if f, ok := out.(*os.File); ok && isTerminal(out) {
		if width, _, err := term.GetSize(f.Fd()); err == nil {
			return width
		}
	}
	return 0
}

// column is one of a table.
type column struct {
	title string
	right bool // as numbers stand
	least int  // where there is no room it may be cut to this width; 0: never
	rank  int  // where there is no room, the column of the highest is left out first; 0: never
}

const columnGap = "  "

// columnWidths returns how wide each column is, so that a line is no wider than most,
// if that can be; 0 means that it may be as wide as it likes. What is left out has -1.
func columnWidths(cols []column, rows [][]string, most int) []int {
	full, least := make([]int, len(cols)), make([]int, len(cols))
	for i, c := range cols {
		full[i] = ansi.StringWidth(c.title)
		for _, r := range rows {
			full[i] = max(full[i], ansi.StringWidth(r[i]))
		}
		least[i] = full[i]
		if c.least > 0 {
			least[i] = min(c.least, full[i])
		}
	}
	if most <= 0 {
		return full
	}
	widths := append([]int(nil), least...)
	for {
		total := -len(columnGap)
		drop := -1
		for i, w := range widths {
			if w < 0 {
				continue
			}
			total += w + len(columnGap)
			if cols[i].rank > 0 && (drop < 0 || cols[i].rank > cols[drop].rank) {
				drop = i
			}
		}
		if total > most && drop >= 0 {
			widths[drop] = -1
			continue
		}
		for i, w := range widths { // what is left over is theirs that were cut
			if w >= 0 && total < most {
				more := min(full[i]-w, most-total)
				widths[i] += more
				total += more
			}
		}
		return widths
	}
}

// tableLine lays out one line. style, if it is not nil, says how each cell is painted.
func tableLine(cols []column, widths []int, cells []string, p paint, style func(col int) string) string {
	var b strings.Builder
	last := len(widths) - 1
	for last >= 0 && widths[last] < 0 {
		last--
	}
	for i, w := range widths {
		if w < 0 {
			continue
		}
		text := ansi.Truncate(cells[i], w, "…")
		pad := strings.Repeat(" ", max(0, w-ansi.StringWidth(text)))
		if style != nil {
			text = p.with(style(i), text)
		}
		switch {
		case cols[i].right:
			text = pad + text
		case i < last:
			text += pad
		}
		b.WriteString(text)
		if i < last {
			b.WriteString(columnGap)
		}
	}
	return b.String()
}

// writeTable writes a table: a line of titles, and one for each row, aligned. Cells are
// made plain. style says how a cell is painted, nil not at all.
func writeTable(out io.Writer, cols []column, rows [][]string, style func(row, col int) string) error {
	for _, r := range rows {
		for i := range r {
			r[i] = plain(r[i])
		}
	}
	p := newPaint(out, os.Getenv)
	widths := columnWidths(cols, rows, lineWidth(out))
	titles := make([]string, len(cols))
	for i, c := range cols {
		titles[i] = c.title
	}
	var b strings.Builder
	b.WriteString(tableLine(cols, widths, titles, p, func(int) string { return bold }) + "\n")
	for n, r := range rows {
		b.WriteString(tableLine(cols, widths, r, p, func(col int) string {
			if style == nil {
				return ""
			}
			return style(n, col)
		}) + "\n")
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// bytesText is a number of bytes with three digits, as "12.3 kB".
func bytesText(n float64) string {
	const units = "kMGTPE"
	if n < 1000 {
		return fmt.Sprintf("%.0f B", n)
	}
	i := -1
	for n >= 999.5 && i < len(units)-1 {
		n /= 1000
		i++
	}
	digits := 2
	switch {
	case n >= 99.95:
		digits = 0
	case n >= 9.995:
		digits = 1
	}
	return fmt.Sprintf("%.*f %cB", digits, n, units[i])
}

// spanText is a duration in its two largest units, as "3d4h", "2h5m" or "12s".
func spanText(d time.Duration) string {
	s := int64(max(0, d).Seconds())
	const minute, hour, day = 60, 60 * 60, 24 * 60 * 60
	switch {
	case s >= 100*day:
		return fmt.Sprintf("%dd", s/day)
	case s >= day:
		return twoUnits(s/day, "d", s%day/hour, "h")
	case s >= hour:
		return twoUnits(s/hour, "h", s%hour/minute, "m")
	case s >= minute:
		return twoUnits(s/minute, "m", s%minute, "s")
	}
	return fmt.Sprintf("%ds", s)
}

func twoUnits(large int64, unit string, small int64, smallUnit string) string {
	if small == 0 {
		return fmt.Sprintf("%d%s", large, unit)
	}
	return fmt.Sprintf("%d%s%d%s", large, unit, small, smallUnit)
}

// pingText is a round trip, "-" for none.
func pingText(seconds float64) string {
	ms := seconds * 1000
	switch {
	case seconds <= 0:
		return "-"
	case ms < 10:
		return fmt.Sprintf("%.1f ms", ms)
	case ms < 10_000:
		return fmt.Sprintf("%.0f ms", ms)
	}
	return fmt.Sprintf("%.0f s", seconds)
}

// sinceText is how long ago a UNIX time was, "-" for never.
func sinceText(now time.Time, unix int64) string {
	if unix <= 0 {
		return "-"
	}
	return spanText(now.Sub(time.Unix(unix, 0)))
}

// clockText is the time of an event, which has seconds since 1970, as the log writes it.
func clockText(unix float64) string {
	whole, part := math.Modf(unix)
	return time.Unix(int64(whole), int64(part*1e9)).Format("2006-01-02 15:04:05")
}
