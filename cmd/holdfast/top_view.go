package main

import (
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
)

// topKeys are the keys, as the help has them.
var topKeys = [][2]string{
	{"↑ ↓  k j", "choose a peer; also page up and down, home, end"},
	{"← →  < >", "sort by another column"},
	{"1 … 9 0", "sort by this column; again: the other way round"},
	{"r", "the other way round"},
	{"d", "disconnect the chosen peer"},
	{"b", "ban its host for the daemon's time, 24 h if it was not told another"},
	{"p", "pause, and go on"},
	{"?", "these keys, and back"},
	{"q", "end"},
}

// View draws the screen.
func (m *topModel) View() tea.View {
	v := tea.NewView(strings.Join(m.screen(time.Now()), "\n"))
	v.AltScreen = true
	v.WindowTitle = "holdfast top"
	return v
}

// screen returns the lines of the screen: none is wider than it is, and there are no
// more than it has.
func (m *topModel) screen(now time.Time) []string {
	s := divide(m.height, len(m.peers))
	lines := m.head(now)
	if m.help {
		lines = append(lines, "")
		for _, k := range topKeys {
			lines = append(lines, fmt.Sprintf("  %-10s %s", k[0], k[1]))
		}
	} else {
		if s.graphs > 0 {
			lines = append(lines, "")
			lines = append(lines, m.graphs()...)
			lines = append(lines, "")
		}
		lines = append(lines, m.table(now, s.rows)...)
	}
	bottom := []string{m.statusLine(now)}
	if s.keys {
		bottom = append(bottom, m.paint.with(faint, "q end  ? keys  ↑↓ choose  ←→ sort  d disconnect  b ban  p pause"))
	}
	room := max(0, m.height-len(bottom))
	lines = lines[:min(len(lines), room)]
	for len(lines) < room {
		lines = append(lines, "")
	}
	lines = append(lines, bottom...)
	for i := range lines {
		lines[i] = ansi.Truncate(lines[i], m.width, "…")
	}
	return lines[:min(len(lines), m.height)]
}

// head is the two lines at the top.
func (m *topModel) head(now time.Time) []string {
	s := &m.history.last
	state := m.paint.with(green, "networking on")
	switch {
	case !m.gone.IsZero():
		state = m.paint.with(red, "no daemon")
	case !s.info.Active:
		state = m.paint.with(red, "networking off")
	}
	first := fmt.Sprintf("%s  %s  up %s  %s", m.paint.with(bold, "holdfast"), plain(m.network), spanText(s.up), state)
	if m.paused {
		first += "  " + paint(true).with(turned, " paused, as of "+agoText(now, s.at)+" ")
	}
	second := fmt.Sprintf("Peers %s   Traffic %s in, %s out", s.info.counts(),
		bytesText(float64(s.totals.Received)), bytesText(float64(s.totals.Sent)))
	return []string{first, second}
}

// graphs are the three lines with the graphs.
func (m *topModel) graphs() []string {
	line := func(name string, values []float64, text func(float64) string, sgr string) string {
		last, most := rate(values)
		head := fmt.Sprintf("%-5s %10s  ", name, text(last))
		tail := "  most " + text(most)
		width := m.width - ansi.StringWidth(head) - 17 // the tails are of one width
		return head + m.paint.with(sgr, sparkline(values, width)) + tail
	}
	perSecond := func(v float64) string { return bytesText(v) + "/s" }
	return []string{
		line("In", m.history.in, perSecond, green),
		line("Out", m.history.out, perSecond, cyan),
		line("Peers", m.history.counts, func(v float64) string { return fmt.Sprintf("%.0f", v) }, yellow),
	}
}

// table is the titles and the rows that are seen.
func (m *topModel) table(now time.Time, rows int) []string {
	cols := peerColumns()
	mark := "↑"
	if m.reverse {
		mark = "↓"
	}
	titles := make([]string, len(cols))
	for i := range cols {
		if i == m.column {
			cols[i].title += mark
			cols[i].rank = 0 // what is sorted by is seen
		}
		titles[i] = cols[i].title
	}
	cells := make([][]string, len(m.peers))
	for i := range m.peers {
		cells[i] = m.peers[i].cells(now)
		for k, text := range cells[i] {
			cells[i][k] = plain(text)
		}
	}
	widths := columnWidths(cols, cells, m.width)
	lines := []string{tableLine(cols, widths, titles, m.paint, func(int) string { return bold })}
	var end int
	m.from, end = visible(len(m.peers), rows, m.row, m.from)
	for i := m.from; i < end; i++ {
		line := tableLine(cols, widths, cells[i], false, nil)
		sgr := ""
		switch p := &m.peers[i]; {
		case i == m.row:
			sgr = turned
			line += strings.Repeat(" ", max(0, m.width-ansi.StringWidth(line)))
		case p.Score > 0:
			sgr = red
		case p.State == "handshake":
			sgr = faint
		}
		lines = append(lines, (m.paint || i == m.row).with(sgr, line)) // the chosen one is seen without colours too
	}
	if len(m.peers) == 0 {
		lines = append(lines, "There are no peers.")
	}
	return lines
}

// statusLine is the question, or what is wrong, or what was done.
func (m *topModel) statusLine(now time.Time) string {
	switch {
	case m.question != nil:
		return paint(true).with(turned, "y/n: "+plain(m.question.text)) // what is cut is not what to press
	case !m.gone.IsZero():
		return m.paint.with(red, plain(fmt.Sprintf("Nothing heard of the daemon for %s (%s); trying again", spanText(now.Sub(m.gone)), oneLine(m.cause.Error()))))
	case m.status != "":
		return plain(m.status)
	case len(m.history.last.info.Warnings) > 0:
		return m.paint.with(yellow, plain(m.history.last.info.Warnings[0]))
	}
	return ""
}
