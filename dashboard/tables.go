package dashboard

import (
	"cmp"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"holdfast/banlist"
	"holdfast/connmgr"
	"holdfast/node"
)

// The tables of the page. They are made here once: the HTML that is served and the rows
// that the script is sent are views of them.

// A cell is what stands in a table: text, and what it is sorted by if that is not the
// text.
type cell struct {
	Text string   `json:"t"`
	Sort *float64 `json:"v,omitempty"`
}

// A row has a key, which stays while the thing is there, and one more thing that orders
// may be about.
type row struct {
	Key   string `json:"k"`
	Also  string `json:"a,omitempty"`
	Cells []cell `json:"c"`
}

// A column is the head of one.
type column struct {
	Key, Label, Hint string
	Numeric          bool
	Wide             bool // it has long words, which may be broken
}

// Class is the class of the column's cells.
func (c column) Class() string {
	switch {
	case c.Numeric:
		return "num"
	case c.Wide:
		return "wide"
	}
	return ""
}

func text(s string) cell { return cell{Text: s} }

func number(s string, v float64) cell { return cell{s, &v} }

// peerColumns are those of the table of peers.
var peerColumns = []column{
	{Key: "addr", Label: "Address"},
	{Key: "net", Label: "Network"},
	{Key: "dir", Label: "Direction", Hint: "inbound: it came to us; outbound: chosen by the node; manual, connect, try: chosen by you"},
	{Key: "group", Label: "Group", Hint: "who is likely to own the address: its autonomous system, or its part of the network"},
	{Key: "agent", Label: "User agent", Wide: true},
	{Key: "ping", Label: "Ping", Numeric: true},
	{Key: "in", Label: "Received", Numeric: true},
	{Key: "out", Label: "Sent", Numeric: true},
	{Key: "age", Label: "Connected for", Numeric: true},
	{Key: "score", Label: "Score", Hint: "what its offences add up to; a ban at 100 unless configured", Numeric: true},
}

// locatedPeerColumns are those where there is a database of places.
var locatedPeerColumns = slices.Insert(slices.Clone(peerColumns), countryColumn,
	column{Key: "country", Label: "Country", Hint: "where the address is likely to be"})

const countryColumn = 2

func (v *view) peerColumns() []column {
	if v.places == nil {
		return peerColumns
	}
	return locatedPeerColumns
}

// peerRows are the sessions, sorted by a column.
func peerRows(v *view, by string, down bool) []row {
	rows := make([]row, 0, len(v.snap.Peers))
	for i := range v.snap.Peers {
		p := &v.snap.Peers[i]
		rows = append(rows, row{
			Key: strconv.FormatUint(p.ID, 10), Also: banName(p),
			Cells: []cell{
				text(p.Addr.String()),
				text(networkName(p.Network)),
				text(kindOf(p)),
				text(groupOf(p)),
				text(agentOf(p)),
				number(pingText(p.Ping), p.Ping.Seconds()),
				number(bytesText(p.BytesIn), float64(p.BytesIn)),
				number(bytesText(p.BytesOut), float64(p.BytesOut)),
				number(spanText(v.at.Sub(p.Since)), v.at.Sub(p.Since).Seconds()),
				number(strconv.FormatUint(uint64(p.BanScore), 10), float64(p.BanScore)),
			},
		})
		if v.places != nil {
			r := &rows[len(rows)-1]
			r.Cells = slices.Insert(r.Cells, countryColumn, text(v.places[p.ID].Country))
		}
	}
	if i := slices.IndexFunc(v.peerColumns(), func(c column) bool { return c.Key == by }); i >= 0 {
		slices.SortStableFunc(rows, func(a, b row) int {
			order := compare(a.Cells[i], b.Cells[i])
			if down {
				return -order
			}
			return order
		})
	}
	return rows
}

func compare(a, b cell) int {
	if a.Sort != nil && b.Sort != nil {
		return cmp.Compare(*a.Sort, *b.Sort)
	}
	return cmp.Compare(strings.ToLower(a.Text), strings.ToLower(b.Text))
}

// banName is the host of a peer as a ban names it; empty if none could be banned.
func banName(p *node.PeerInfo) string {
	host, _, err := net.SplitHostPort(p.Addr.String())
	if err != nil {
		return ""
	}
	s, err := banlist.ParseSubject(host)
	if err != nil {
		return ""
	}
	return s.String()
}

func kindOf(p *node.PeerInfo) string {
	switch {
	case p.Inbound:
		return "inbound"
	case p.Class == "":
		return "outbound"
	}
	return string(p.Class)
}

func groupOf(p *node.PeerInfo) string {
	if p.MappedAS != 0 {
		return fmt.Sprintf("AS%d", p.MappedAS)
	}
	return p.Group
}

func agentOf(p *node.PeerInfo) string {
	switch {
	case p.State != node.StateReady:
		return "(handshake)"
	case p.UserAgent == "":
		return "(none)"
	}
	return p.UserAgent
}

// maxBanRows bounds the page: a ban list can have 100,000 entries.
const maxBanRows = 200

var banColumns = []column{
	{Label: "Who"}, {Label: "Why", Wide: true}, {Label: "By"}, {Label: "Since"}, {Label: "Until"},
}

// banRows are the newest bans.
func banRows(v *view) []row {
	bans := slices.Clone(v.snap.Bans)
	slices.SortStableFunc(bans, func(a, b banlist.Entry) int { return b.Since.Compare(a.Since) })
	bans = bans[:min(len(bans), maxBanRows)]
	rows := make([]row, 0, len(bans))
	for _, b := range bans {
		until := number("for ever", 1e18)
		if !b.Until.IsZero() {
			until = number(clockText(b.Until, v.at), float64(b.Until.Unix()))
		}
		rows = append(rows, row{Key: b.Subject.String(), Cells: []cell{
			text(b.Subject.String()), text(b.Reason), text(b.Origin.String()),
			number(clockText(b.Since, v.at), float64(b.Since.Unix())), until,
		}})
	}
	return rows
}

var refusalColumns = []column{
	{Label: "What"}, {Label: "Why"}, {Label: "Times", Numeric: true}, {Label: "Last", Numeric: true},
}

// refusalRows are what was refused and what failed, the most frequent first.
func refusalRows(list []refusal, now time.Time) []row {
	rows := make([]row, 0, len(list))
	for _, r := range list {
		rows = append(rows, row{Key: r.What + "/" + r.Why, Cells: []cell{
			text(r.What), text(strings.ReplaceAll(r.Why, "-", " ")),
			number(strconv.FormatUint(r.Count, 10), float64(r.Count)),
			number(clockText(r.Last, now), float64(r.Last.Unix())),
		}})
	}
	return rows
}

var groupColumns = []column{
	{Label: "Group"}, {Label: "Network"}, {Label: "Peers", Numeric: true}, {Label: "Addresses", Wide: true},
}

// groupRows say where the outbound peers sit. Two in a group are one too many: who owns
// one address of a group may own all.
func groupRows(v *view) []row {
	type group struct {
		network string
		peers   []string
	}
	groups := make(map[string]*group)
	for i := range v.snap.Peers {
		p := &v.snap.Peers[i]
		if p.Inbound || p.State != node.StateReady {
			continue
		}
		name := groupOf(p)
		g := groups[name]
		if g == nil {
			g = &group{network: networkName(p.Network)}
			groups[name] = g
		}
		g.peers = append(g.peers, p.Addr.String())
	}
	rows := make([]row, 0, len(groups))
	for name, g := range groups {
		rows = append(rows, row{Key: name, Cells: []cell{
			text(cmp.Or(name, "(unknown)")), text(g.network),
			number(strconv.Itoa(len(g.peers)), float64(len(g.peers))),
			text(strings.Join(g.peers, ", ")),
		}})
	}
	slices.SortFunc(rows, func(a, b row) int {
		return cmp.Or(-compare(a.Cells[2], b.Cells[2]), cmp.Compare(a.Key, b.Key))
	})
	return rows
}

var bookColumns = []column{
	{Label: "Network"}, {Label: "New", Hint: "told, not tried yet", Numeric: true}, {Label: "Tried", Hint: "reached at least once", Numeric: true},
}

// bookRows are the networks of which addresses are known.
func bookRows(v *view) []row {
	var rows []row
	for network, n := range v.book.Networks {
		if n.New+n.Tried > 0 {
			rows = append(rows, row{Key: network.String(), Cells: []cell{
				text(network.String()),
				number(strconv.Itoa(n.New), float64(n.New)), number(strconv.Itoa(n.Tried), float64(n.Tried)),
			}})
		}
	}
	slices.SortFunc(rows, func(a, b row) int { return cmp.Compare(a.Key, b.Key) })
	return rows
}

var waitColumns = []column{
	{Label: "Address"}, {Label: "Class"}, {Label: "Why"}, {Label: "Failures", Numeric: true}, {Label: "Next try"},
}

// maxWaitRows bounds the page: there are as many as places for outbound peers, and
// feelers.
const maxWaitRows = 50

// waitRows are the requests that are not connected.
func waitRows(v *view) []row {
	var rows []row
	for i := range v.snap.Requests {
		r := &v.snap.Requests[i]
		if r.State == connmgr.ConnEstablished || r.Addr == nil || len(rows) == maxWaitRows {
			continue
		}
		why, next := "", "not planned"
		if r.Reason != connmgr.ReasonNone {
			why = r.Reason.Error()
		}
		switch {
		case r.Dialing:
			next = "dialing now"
		case !r.Next.IsZero():
			next = "in " + spanText(r.Next.Sub(v.at)+time.Second-1)
		}
		rows = append(rows, row{Key: strconv.FormatUint(r.ID, 10), Cells: []cell{
			text(r.Addr.String()), text(string(r.Class)), text(why),
			number(strconv.Itoa(r.Retries), float64(r.Retries)), text(next),
		}})
	}
	return rows
}
