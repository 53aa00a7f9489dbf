package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"holdfast/connmgr"
	"holdfast/node"
)

// colour is the number of an ANSI colour; 0 is none.
type colour int

const (
	plain  colour = 0
	red    colour = 31
	green  colour = 32
	yellow colour = 33
	blue   colour = 34
	grey   colour = 90
	bold   colour = 1
)

// Lines about single connections are told at most so many in so long, so that a
// storm of them does not hide the rest.
const (
	burstOfLines = 12
	burstTime    = 5 * time.Second
)

// printer shows a node's events as lines on a terminal.
type printer struct {
	out     io.Writer
	colours bool

	mu     sync.Mutex
	began  time.Time
	ended  time.Time // when the end began
	window time.Time // when the present burst began
	minor  int       // minor lines in it
	hidden int       // of these, not printed
	sum    summary
}

// summary counts what the demo tells at its end.
type summary struct {
	ready, lost, unready, failed, banned, refused int
}

func newPrinter(out io.Writer, colours bool) *printer {
	return &printer{out: out, colours: colours, began: time.Now()}
}

// style says how an event is shown: under which word, and whether it is one of
// many.
type style struct {
	word  string
	col   colour
	minor bool
}

// styleOf returns how an event is shown; an empty word means not at all.
func styleOf(e node.Event) style {
	switch e.Kind {
	case node.KindStarted:
		return style{"start", blue, false}
	case node.KindSeed:
		return style{"found", blue, false}
	case node.KindAddresses:
		if e.New > 0 {
			return style{"found", blue, true}
		}
	case node.KindNoSeed:
		return style{"seeds", yellow, false}
	case node.KindReady:
		return style{"connected", green, false}
	case node.KindLost:
		if e.Why == node.ReasonShutdown {
			return style{}
		}
		return style{"lost", yellow, false}
	case node.KindUnready:
		if e.Why == node.ReasonShutdown || e.Why == node.ReasonDropped {
			return style{}
		}
		return style{"failed", grey, true}
	case node.KindBanned:
		return style{"banned", red, false}
	case node.KindTurnedAway:
		return style{"refused", red, false}
	case node.KindConnection:
		return connStyle(e)
	}
	return style{}
}

func connStyle(e node.Event) style {
	switch e.Type {
	case connmgr.EventListening:
		return style{"listening", blue, false}
	case connmgr.EventFailed:
		if e.Addr != nil {
			return style{"failed", grey, true}
		}
	case connmgr.EventRefused:
		if e.Inbound {
			return style{"refused", red, true}
		}
	case connmgr.EventNetworkDown, connmgr.EventNetworkUp:
		return style{"network", yellow, false}
	}
	return style{}
}

// event prints an event, if it is one to show.
func (p *printer) event(e node.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count(e)
	s := styleOf(e)
	if s.word == "" {
		return
	}
	if now := time.Now(); now.Sub(p.window) > burstTime {
		p.tellHidden()
		p.window, p.minor = now, 0
	}
	if s.minor {
		if p.minor++; p.minor > burstOfLines {
			p.hidden++
			return
		}
	}
	p.line(s.col, s.word, e.String())
}

// count counts an event for the summary. The lock must be held.
func (p *printer) count(e node.Event) {
	switch e.Kind {
	case node.KindReady:
		p.sum.ready++
	case node.KindLost:
		if e.Why != node.ReasonShutdown {
			p.sum.lost++
		}
	case node.KindUnready:
		p.sum.unready++
	case node.KindBanned:
		p.sum.banned++
	case node.KindTurnedAway:
		p.sum.refused++
	case node.KindConnection:
		switch {
		case e.Type == connmgr.EventFailed && e.Addr != nil:
			p.sum.failed++
		case e.Type == connmgr.EventRefused && e.Inbound:
			p.sum.refused++
		}
	}
}

// tellHidden says how many lines were left out. The lock must be held.
func (p *printer) tellHidden() {
	if p.hidden > 0 {
		p.line(grey, "...", fmt.Sprintf("and %d more like these", p.hidden))
		p.hidden = 0
	}
}

// line prints one line, with the time since the start. The lock must be held.
func (p *printer) line(c colour, word, text string) {
	at := fmt.Sprintf("%6.1fs", time.Since(p.began).Seconds())
	fmt.Fprintf(p.out, "%s  %s  %s\n", p.paint(grey, at), p.paint(c, fmt.Sprintf("%-9s", word)), text)
}

func (p *printer) paint(c colour, text string) string {
	if !p.colours || c == plain {
		return text
	}
	return fmt.Sprintf("\x1b[%dm%s\x1b[0m", c, text)
}

// welcome says what is about to happen.
func (p *printer) welcome(peers int, who string, seed uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.out, `%s
%s on the loopback interface: %s.
They come and go. Nothing leaves this machine. Ctrl-C ends it; --seed %d gives the same peers again.

`, p.paint(bold, "A Bitcoin network in a box, and a holdfast node in it"), plural(peers, "simulated peer"), who, seed)
	p.began = time.Now()
}

// statusUntil prints the node's numbers now and then, until ctx ends.
func (p *printer) statusUntil(ctx context.Context, n *node.Node) {
	for pauseFor(ctx, demoStatusEvery) {
		p.mu.Lock()
		p.tellHidden()
		p.line(bold, "status", p.paint(bold, n.Counts().String()))
		p.mu.Unlock()
	}
}

// stopping marks the beginning of the end.
func (p *printer) stopping() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = time.Now()
}

// goodbye sums up.
func (p *printer) goodbye() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tellHidden()
	s := p.sum
	fmt.Fprintf(p.out, "\n%s\n", p.paint(bold, "Ended after "+p.ended.Sub(p.began).Round(100*time.Millisecond).String()))
	fmt.Fprintf(p.out, "%s connected, %d lost; %s and %s failed; %s banned; %s refused.\n",
		plural(s.ready, "peer"), s.lost, plural(s.failed, "dial"), plural(s.unready, "handshake"),
		plural(s.banned, "host"), plural(s.refused, "connection"))
	fmt.Fprintf(p.out, "Everything was closed within %v.\n", max(time.Since(p.ended).Round(time.Millisecond), time.Millisecond))
}
