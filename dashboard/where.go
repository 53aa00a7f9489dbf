package dashboard

import (
	"cmp"
	"embed"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"holdfast/geodb"
	"holdfast/netaddr"
	"holdfast/node"
)

// Where in the world the peers are: a map, a table that says the same, and in words those
// that are on neither.

// worldFiles are the outline of the world's land, and the licence that goes with it.
//
//go:embed world/land.path world/LICENSE
var worldFiles embed.FS

// land is that outline, as world/land.go draws it: the d of an SVG path.
var land = func() string {
	text, err := worldFiles.ReadFile("world/land.path")
	if err != nil {
		panic(err) // it is in the program
	}
	return strings.TrimSpace(string(text))
}()

// The map has 10 units a degree, from 84° north to 60° south: no city is beyond, and no
// land but Antarctica and the tips of Greenland and Canada.
const (
	mapWidth, mapHeight = 3600, 1440
	mapNorth            = 84
)

// project is where a position is on the map, at its edge if it is beyond.
func project(lat, lon float64) (x, y int) {
	place := func(degrees float64, most int) int {
		return max(0, min(most, int(math.Round(degrees*10))))
	}
	return place(lon+180, mapWidth), place(mapNorth-lat, mapHeight)
}

// A worldMap is what is drawn on the land.
type worldMap struct {
	// Hidden: places are known, and the position of none, as a database of countries has
	// it. A map without a dot would say that there is nobody.
	Hidden bool  `json:"hidden"`
	Dots   []dot `json:"dots"`
}

// A dot is some peers at one place. Its shape says in which direction they connected.
type dot struct {
	Key   string  `json:"k"`
	X     int     `json:"x"`
	Y     int     `json:"y"`
	Kind  string  `json:"d"` // out, in or both
	Size  float64 `json:"s"`
	Count string  `json:"n"` // empty for one
	Title string  `json:"t"`
}

// nearby is how near peers are one dot, in units of the map: four degrees. A dot has about
// that size; in the middle of Europe, where most nodes are, cities are nearer than that.
const nearby = 40

// maxInTitle is how many peers a dot tells, and maxInCell a cell of the table of each kind.
const (
	maxInTitle = 12
	maxInCell  = 20
)

// locate says where sessions are, as far as the database knows; nil if there is none.
func (s *Server) locate(peers []node.PeerInfo) map[uint64]geodb.Place {
	if s.cfg.Locate == nil {
		return nil
	}
	places := make(map[uint64]geodb.Place)
	for i := range peers {
		p := &peers[i]
		ip, ok := hostOf(p)
		if !ok {
			continue
		}
		if place, known := s.cfg.Locate(ip); known {
			places[p.ID] = place
		}
	}
	return places
}

// hostOf is the IP address of a peer, if that is where it is: not for networks that hide
// it, whose inbound peers come from this machine.
func hostOf(p *node.PeerInfo) (netip.Addr, bool) {
	if hiding(p.Network) != "" || p.Addr == nil {
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddrPort(p.Addr.String())
	return a.Addr().Unmap().WithZone(""), err == nil
}

// hiding is how a peer is reached whose place nobody knows, empty for others.
func hiding(n netaddr.Network) string {
	switch n {
	case netaddr.Onion:
		return "by Tor"
	case netaddr.I2P:
		return "by I2P"
	case netaddr.CJDNS:
		return "by CJDNS"
	}
	return ""
}

// newMap draws the ready peers, those that are near each other as one dot, which is where
// the oldest of them is.
func newMap(v *view) *worldMap {
	type spot struct {
		x, y  int
		peers []*node.PeerInfo
	}
	var spots []*spot
	list := placed(v)
	for _, p := range list {
		place := v.places[p.ID]
		if !place.Located {
			continue
		}
		x, y := project(place.Lat, place.Lon)
		near := func(s *spot) bool { return abs(s.x-x) < nearby && abs(s.y-y) < nearby }
		i := slices.IndexFunc(spots, near)
		if i < 0 {
			i = len(spots)
			spots = append(spots, &spot{x: x, y: y})
		}
		spots[i].peers = append(spots[i].peers, p)
	}
	m := &worldMap{Hidden: len(list) > 0 && len(spots) == 0, Dots: make([]dot, 0, len(spots))}
	for _, s := range spots {
		d := newDot(v, s.peers)
		d.Key, d.X, d.Y = fmt.Sprintf("%d,%d", s.x, s.y), s.x, s.y
		m.Dots = append(m.Dots, d)
	}
	// Large dots are drawn later, upon small ones, which do not cover their numbers so.
	slices.SortFunc(m.Dots, func(a, b dot) int { return cmp.Or(cmp.Compare(a.Size, b.Size), cmp.Compare(a.Key, b.Key)) })
	return m
}

func abs(n int) int { return max(n, -n) }

// placed are the ready peers whose place is known, the oldest session first.
func placed(v *view) []*node.PeerInfo {
	var list []*node.PeerInfo
	for i := range v.snap.Peers {
		p := &v.snap.Peers[i]
		if _, known := v.places[p.ID]; known && p.State == node.StateReady {
			list = append(list, p)
		}
	}
	slices.SortFunc(list, func(a, b *node.PeerInfo) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

// newDot is one for some peers.
func newDot(v *view, peers []*node.PeerInfo) dot {
	d := dot{Size: dotSize(len(peers))}
	var names, lines []string
	in, out := 0, 0
	for _, p := range peers {
		if p.Inbound {
			in++
		} else {
			out++
		}
		if name := placeName(v.places[p.ID]); !slices.Contains(names, name) && len(names) < maxInTitle {
			names = append(names, name)
		}
		lines = append(lines, p.Addr.String()+", "+kindOf(p))
	}
	switch {
	case in == 0:
		d.Kind = "out"
	case out == 0:
		d.Kind = "in"
	default:
		d.Kind = "both"
	}
	if len(peers) > 1 {
		d.Count = strconv.Itoa(len(peers))
	}
	d.Title = strings.Join(names, "; ") + "\n" + strings.Join(capped(lines, maxInTitle), "\n")
	return d
}

// dotSize has room for the digits of a number.
func dotSize(peers int) float64 {
	switch {
	case peers == 1:
		return 1
	case peers < 10:
		return 1.4
	case peers < 100:
		return 1.7
	}
	return 2.2
}

// capped is a list of at most so many, the last of which says how many more there are.
func capped(list []string, most int) []string {
	if len(list) <= most {
		return list
	}
	return append(slices.Clone(list[:most-1]), fmt.Sprintf("and %d more", len(list)-most+1))
}

// placeName is "Frankfurt am Main, Germany".
func placeName(p geodb.Place) string {
	if p.City == "" {
		return countryName(p)
	}
	return p.City + ", " + countryName(p)
}

func countryName(p geodb.Place) string { return cmp.Or(p.Name, p.Country, "(unknown)") }

var placeColumns = []column{
	{Label: "Country"}, {Label: "City"}, {Label: "Peers", Hint: "outbound, if nothing else is said", Wide: true},
}

// placeRows are the cities with peers, those with the most first. They say in words what
// the map shows.
func placeRows(v *view) []row {
	type city struct {
		geodb.Place
		peers []*node.PeerInfo
	}
	cities := make(map[string]*city)
	for _, p := range placed(v) {
		place := v.places[p.ID]
		key := place.Country + "/" + place.City
		if cities[key] == nil {
			cities[key] = &city{Place: place}
		}
		cities[key].peers = append(cities[key].peers, p)
	}
	rows := make([]row, 0, len(cities))
	for key, c := range cities {
		n := float64(len(c.peers))
		rows = append(rows, row{Key: key, Cells: []cell{
			{countryName(c.Place), &n}, text(c.City), text(byKind(c.peers)),
		}})
	}
	slices.SortFunc(rows, func(a, b row) int {
		return cmp.Or(-cmp.Compare(*a.Cells[0].Sort, *b.Cells[0].Sort), cmp.Compare(a.Key, b.Key))
	})
	return rows
}

// byKind is the addresses of peers: "192.0.2.1:8333; inbound: 192.0.2.2:50001".
func byKind(peers []*node.PeerInfo) string {
	kinds := []string{"outbound"}
	addrs := make(map[string][]string)
	for _, p := range peers {
		kind := kindOf(p)
		if !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
		addrs[kind] = append(addrs[kind], p.Addr.String())
	}
	var parts []string
	for i, kind := range kinds {
		list := strings.Join(capped(addrs[kind], maxInCell), ", ")
		if i > 0 {
			list = kind + ": " + list
		}
		if list != "" {
			parts = append(parts, list)
		}
	}
	return strings.Join(parts, "; ")
}

// placesNote says how many peers are placed, and what is known of the others: "12 peers
// in 5 countries. Without a place: 3 by Tor, 1 unknown."
func placesNote(v *view, m *worldMap) string {
	list := placed(v)
	countries := make(map[string]bool)
	for _, p := range list {
		countries[countryName(v.places[p.ID])] = true
	}
	var parts []string
	if len(list) > 0 {
		parts = append(parts, fmt.Sprintf("%s in %s.", plural(len(list), "peer", "peers"), plural(len(countries), "country", "countries")))
	}
	if m.Hidden {
		parts = append(parts, "The database has no positions, so there is no map.")
	}
	if rest := unplaced(v); rest != "" {
		parts = append(parts, "Without a place: "+rest+".")
	}
	return strings.Join(parts, " ")
}

// unplaced counts the ready peers whose place is not known, by why.
func unplaced(v *view) string {
	count := make(map[string]int)
	for i := range v.snap.Peers {
		p := &v.snap.Peers[i]
		if _, known := v.places[p.ID]; !known && p.State == node.StateReady {
			count[whyUnplaced(p)]++
		}
	}
	var parts []string
	for _, why := range []string{"by Tor", "by I2P", "by CJDNS", "with private addresses", "unknown"} {
		if n := count[why]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, why))
		}
	}
	return strings.Join(parts, ", ")
}

func whyUnplaced(p *node.PeerInfo) string {
	if way := hiding(p.Network); way != "" {
		return way
	}
	if ip, ok := hostOf(p); ok && (ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast()) {
		return "with private addresses"
	}
	return "unknown"
}

func plural(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}
