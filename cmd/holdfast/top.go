package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/spf13/cobra"
)

const (
	// refreshEvery is how long top waits between an answer and the next question.
	refreshEvery = time.Second

	// topPatience is how long top waits for an answer.
	topPatience = 10 * time.Second
)

func newTop() *cobra.Command {
	cmd, f := control("top", "Watch the peers, live, on the whole screen",
		`Top shows the daemon's peers and its traffic, anew each second, sorted by any column. Peers
can be disconnected and banned. ? shows the keys, q ends it.`)
	cmd.Args = noArgs
	cmd.RunE = f.run(func(ctx context.Context, c *client, _ []string) error {
		if !isTerminal(c.out) || !isTerminal(os.Stdin) {
			return usagef("top needs a terminal; holdfast peers prints a list, with --json for programs")
		}
		source := liveTop{&liveClient{f, c}}
		first, err := source.sample(ctx)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		m := newTopModel(ctx, source, c.network, newPaint(c.out, os.Getenv))
		m.take(first, nil)
		_, err = tea.NewProgram(m, tea.WithContext(ctx), tea.WithOutput(c.out)).Run()
		if errors.Is(err, tea.ErrInterrupted) || errors.Is(err, tea.ErrProgramKilled) {
			return nil
		}
		return err
	})
	return cmd
}

// topModel is the state of the screen. All of its methods are called by one goroutine,
// and what asks the daemon is done by one at a time.
type topModel struct {
	ctx     context.Context
	source  topSource
	network string
	paint   paint

	width, height int
	history       history
	peers         []peer // as they are shown
	column        int    // that they are sorted by
	reverse       bool
	chosen        uint64 // the ID of the chosen peer
	row           int    // where it is in peers
	from          int    // the first that is shown
	paused, help  bool
	gone          time.Time // since when the daemon does not answer; zero if it does
	cause         error     // why
	status        string
	question      *question
	busy          bool // the daemon is being asked
	due           bool // it is to be asked when that is over
	orders        []func() tea.Msg
}

// question is what has to be confirmed.
type question struct {
	text string
	done string
	do   func(context.Context) error
}

// What comes from asking the daemon.
type (
	sampleMsg struct {
		sample sample
		err    error
	}
	orderMsg struct {
		done string
		err  error
	}
	tickMsg struct{}
)

func newTopModel(ctx context.Context, source topSource, network string, p paint) *topModel {
	return &topModel{ctx: ctx, source: source, network: network, paint: p, width: 80, height: 24}
}

// Init is called first.
func (m *topModel) Init() tea.Cmd { return tick() }

func tick() tea.Cmd {
	return tea.Tick(refreshEvery, func(time.Time) tea.Msg { return tickMsg{} })
}

// Update takes what happened.
func (m *topModel) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		if msg.Width > 0 && msg.Height > 0 { // a terminal that does not know has 0
			m.width, m.height = msg.Width, msg.Height
		}
	case tickMsg:
		m.due = true
	case sampleMsg:
		m.busy = false
		m.take(msg.sample, msg.err)
		return m, tea.Batch(tick(), m.next())
	case orderMsg:
		m.busy = false
		m.status = msg.done
		if msg.err != nil {
			m.status = "Not done: " + msg.err.Error()
		}
		m.due = true // to see what came of it
	case tea.KeyPressMsg:
		if m.question != nil {
			m.answer(msg.String())
		} else if quit := m.key(msg.String()); quit {
			return m, tea.Quit
		}
	}
	return m, m.next()
}

// next asks the daemon what is to be asked, one thing at a time: orders first.
func (m *topModel) next() tea.Cmd {
	switch {
	case m.busy:
		return nil
	case len(m.orders) > 0:
		do := m.orders[0]
		m.orders = m.orders[1:]
		m.busy = true
		return do
	case m.due && m.paused:
		m.due = false
		return tick()
	case m.due:
		m.due, m.busy = false, true
		return func() tea.Msg {
			ctx, cancel := context.WithTimeout(m.ctx, topPatience)
			defer cancel()
			s, err := m.source.sample(ctx)
			return sampleMsg{s, err}
		}
	}
	return nil
}

// take takes an answer of the daemon.
func (m *topModel) take(s sample, err error) {
	if err != nil {
		if m.gone.IsZero() {
			m.gone = time.Now()
		}
		m.cause = err
		return
	}
	was := m.gone
	m.gone, m.cause = time.Time{}, nil
	switch restarted := m.history.add(s); {
	case restarted:
		m.status = "The daemon was started anew"
	case !was.IsZero():
		m.status = "The daemon answers again"
	}
	m.peers = slices.Clone(s.peers)
	m.sort()
}

// sort sorts the peers, and finds the chosen one again. If it is gone, the one in its
// place is chosen.
func (m *topModel) sort() {
	sortPeers(m.peers, m.column, m.reverse)
	if i := slices.IndexFunc(m.peers, func(p peer) bool { return p.ID == m.chosen }); i >= 0 {
		m.row = i
	}
	m.choose(m.row)
}

// choose chooses the peer in a row.
func (m *topModel) choose(row int) {
	m.row = max(0, min(row, len(m.peers)-1))
	m.chosen = 0
	if m.row < len(m.peers) {
		m.chosen = m.peers[m.row].ID
	}
}

// key does what a key means, and reports whether that is the end.
func (m *topModel) key(key string) (quit bool) {
	m.status = ""
	page := max(1, divide(m.height, len(m.peers)).rows-1)
	switch key {
	case "q", "ctrl+c":
		return true
	case "?", "h":
		m.help = !m.help
	case "esc":
		m.help = false
	case "up", "k":
		m.choose(m.row - 1)
	case "down", "j":
		m.choose(m.row + 1)
	case "pgup":
		m.choose(m.row - page)
	case "pgdown", "space":
		m.choose(m.row + page)
	case "home", "g":
		m.choose(0)
	case "end", "G":
		m.choose(len(m.peers) - 1)
	case "left", "<":
		m.sortBy(m.column - 1)
	case "right", ">":
		m.sortBy(m.column + 1)
	case "r":
		m.reverse = !m.reverse
		m.sort()
	case "p":
		m.paused = !m.paused
	case "d":
		m.ask(false)
	case "b":
		m.ask(true)
	default:
		if len(key) == 1 && key[0] >= '0' && key[0] <= '9' {
			m.sortBy(int(key[0]-'0'+9) % 10) // 1 is the first, 0 the tenth
		}
	}
	return false
}

// sortBy sorts by another column, and the other way round by the same.
func (m *topModel) sortBy(column int) {
	n := len(peerOrders)
	column = (column + n) % n
	m.reverse = column == m.column && !m.reverse
	m.column = column
	m.sort()
}

// ask has an order confirmed.
func (m *topModel) ask(ban bool) {
	if m.row >= len(m.peers) {
		m.status = "There is no peer"
		return
	}
	p := m.peers[m.row]
	if !ban {
		m.question = &question{
			text: fmt.Sprintf("Disconnect %s (peer %d)?", p.Addr, p.ID),
			done: "Disconnected " + p.Addr,
			do:   func(ctx context.Context) error { return m.source.disconnect(ctx, p.ID) },
		}
		return
	}
	host, loopback := hostOf(p.Addr)
	text := fmt.Sprintf("Ban %s?", host)
	if loopback {
		text = fmt.Sprintf("Ban %s? That is this machine, and all peers that come by Tor.", host)
	}
	m.question = &question{text, "Banned " + host, func(ctx context.Context) error { return m.source.ban(ctx, host) }}
}

// answer takes the key that answers the question. Anything but y is no.
func (m *topModel) answer(key string) {
	q := m.question
	m.question = nil
	if key != "y" && key != "Y" {
		m.status = "Nothing was done"
		return
	}
	m.status = "…"
	m.orders = append(m.orders, func() tea.Msg {
		ctx, cancel := context.WithTimeout(m.ctx, topPatience)
		defer cancel()
		return orderMsg{q.done, q.do(ctx)}
	})
}
