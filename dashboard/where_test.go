package dashboard

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/connmgr"
	"holdfast/geodb"
	"holdfast/netaddr"
	"holdfast/node"
)

var (
	frankfurt = geodb.Place{Country: "DE", Name: "Germany", City: "Frankfurt am Main", Located: true, Lat: 50.1, Lon: 8.7}
	mainz     = geodb.Place{Country: "DE", Name: "Germany", City: "Mainz", Located: true, Lat: 50, Lon: 8.3}
	tokyo     = geodb.Place{Country: "JP", Name: "Japan", City: "Tokyo", Located: true, Lat: 35.7, Lon: 139.7}
	gabon     = geodb.Place{Country: "GA", Located: true, Lat: -.7, Lon: 8.7}
	somewhere = geodb.Place{Country: "AU"}
	evil      = geodb.Place{Country: "XX", Name: "</title><script>alert(3)</script>", City: `"><img src=x onerror=alert(4)>`, Located: true, Lat: -33, Lon: 18}
)

// locator knows the places of the peers of this file.
func locator(ip netip.Addr) (geodb.Place, bool) {
	p, known := map[string]geodb.Place{
		"192.0.2.1": frankfurt, "192.0.2.2": frankfurt, "192.0.2.3": mainz, "2001:db8::7": tokyo, "198.51.100.4": somewhere,
		"203.0.113.66": evil, "203.0.113.77": gabon,
	}[ip.String()]
	return p, known
}

// at is a ready outbound peer.
func at(id uint64, addr string) node.PeerInfo {
	return node.PeerInfo{ID: id, Addr: tcp(addr), Network: netaddr.IPv4, Class: connmgr.ClassOutbound, State: node.StateReady}
}

// from is a ready inbound one.
func from(id uint64, addr string) node.PeerInfo {
	p := at(id, addr)
	p.Class, p.Inbound = "", true
	return p
}

func by(n netaddr.Network, p node.PeerInfo) node.PeerInfo { p.Network = n; return p }

// located is a view of peers.
func located(peers ...node.PeerInfo) *view {
	s := &Server{cfg: Config{Locate: locator}}
	v := &view{at: time.Now(), places: s.locate(peers)}
	v.snap.Peers = peers
	return v
}

// TestProject: where positions are on the map.
func TestProject(t *testing.T) {
	for _, tt := range []struct {
		name     string
		lat, lon float64
		x, y     int
	}{
		{"the middle of the map", 12, 0, 1800, 720},
		{"the north west", 84, -180, 0, 0},
		{"the south east", -60, 180, 3600, 1440},
		{"Frankfurt", 50.1169, 8.6837, 1887, 339},
		{"Sydney", -33.8715, 151.2006, 3312, 1179},
		{"north of the map", 90, 0, 1800, 0},
		{"McMurdo, south of it", -77.85, 166.67, 3467, 1440},
	} {
		if x, y := project(tt.lat, tt.lon); x != tt.x || y != tt.y {
			t.Errorf("%s: %d, %d, want %d, %d", tt.name, x, y, tt.x, tt.y)
		}
	}
}

// TestLand: the outline is one path of numbers, in which each ring begins on the map.
func TestLand(t *testing.T) {
	if strings.Trim(land, "Mlz0123456789- ") != "" {
		t.Error("there is more in it than steps")
	}
	rings := strings.Split(land, "M")[1:]
	if len(rings) < 100 {
		t.Errorf("%d pieces of land", len(rings))
	}
	for _, ring := range rings {
		var x, y int
		if _, err := fmt.Sscanf(ring, "%d %d", &x, &y); err != nil || x < 0 || x > mapWidth || y < 0 || y > mapHeight || !strings.HasSuffix(ring, "z") {
			t.Errorf("%.20q is no ring on the map", ring)
		}
	}
}

// TestDots: peers that are near each other are one dot, whose shape tells the direction.
func TestDots(t *testing.T) {
	manual := at(6, "203.0.113.66:8333")
	manual.Class = connmgr.ClassManual
	shaking := at(7, "[2001:db8::7]:8333")
	shaking.State = 0
	for _, tt := range []struct {
		name   string
		peers  []node.PeerInfo
		want   string // kind, count and position of each
		hidden bool
	}{
		{name: "nobody"},
		{name: "one", peers: []node.PeerInfo{at(1, "192.0.2.1:8333")}, want: "out  1887,339"},
		{name: "inbound", peers: []node.PeerInfo{from(1, "192.0.2.1:50000")}, want: "in  1887,339"},
		{name: "two, in cities near each other", peers: []node.PeerInfo{at(2, "192.0.2.3:8333"), at(1, "192.0.2.1:8333")}, want: "out 2 1887,339"},
		{name: "one south of the other", peers: []node.PeerInfo{at(1, "192.0.2.1:8333"), at(2, "203.0.113.77:8333")}, want: "out  1887,339; out  1887,847"},
		{name: "both ways", peers: []node.PeerInfo{at(1, "192.0.2.1:8333"), from(2, "192.0.2.2:50000")}, want: "both 2 1887,339"},
		{name: "large ones upon small ones", peers: []node.PeerInfo{from(1, "[2001:db8::7]:50000"), at(2, "192.0.2.1:8333"), at(3, "192.0.2.2:8333")}, want: "in  3197,483; out 2 1887,339"},
		{name: "by the operator", peers: []node.PeerInfo{manual}, want: "out  1980,1170"},
		{name: "in handshake", peers: []node.PeerInfo{shaking}},
		{name: "a country alone", peers: []node.PeerInfo{at(1, "198.51.100.4:8333")}, hidden: true},
		{name: "unknown", peers: []node.PeerInfo{at(1, "198.51.100.5:8333")}},
		{name: "by Tor, from this machine", peers: []node.PeerInfo{by(netaddr.Onion, from(1, "192.0.2.1:50000"))}},
	} {
		m := newMap(located(tt.peers...))
		var got []string
		for _, d := range m.Dots {
			got = append(got, fmt.Sprintf("%s %s %d,%d", d.Kind, d.Count, d.X, d.Y))
		}
		if text := strings.Join(got, "; "); text != tt.want || m.Hidden != tt.hidden {
			t.Errorf("%s: %q, hidden %v, want %q, %v", tt.name, text, m.Hidden, tt.want, tt.hidden)
		}
	}
}

// TestDotTitle: a dot names places and peers, and a hundred of them in twelve lines.
func TestDotTitle(t *testing.T) {
	m := newMap(located(at(1, "192.0.2.1:8333"), from(2, "192.0.2.3:50000")))
	if got, want := m.Dots[0].Title, "Frankfurt am Main, Germany; Mainz, Germany\n192.0.2.1:8333, outbound\n192.0.2.3:50000, inbound"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	var crowd []node.PeerInfo
	for i := range 100 {
		crowd = append(crowd, from(uint64(i), fmt.Sprintf("192.0.2.1:%d", 50000+i)))
	}
	d := newMap(located(crowd...)).Dots[0]
	if n := strings.Count(d.Title, "\n"); n != 12 || !strings.HasSuffix(d.Title, "\nand 89 more") || d.Count != "100" {
		t.Errorf("%s: %d lines: %s", d.Count, n, d.Title)
	}
	if cell := placeRows(located(crowd...))[0].Cells[2].Text; strings.Count(cell, ", ") != 19 || !strings.HasSuffix(cell, ", and 81 more") {
		t.Errorf("in the table: %s", cell)
	}
}

// TestPlaces: the table and the words have what the map has, and what it has not.
func TestPlaces(t *testing.T) {
	onion := by(netaddr.Onion, from(9, "127.0.0.1:50009"))
	onion.Addr = stringAddr("abcdefghijklmnopqrstuvwxyz234567abcdefghijklmnopqrstuvwx.onion:8333")
	v := located(
		from(1, "[2001:db8::7]:50000"), at(2, "192.0.2.1:8333"), from(3, "192.0.2.2:50001"), at(4, "198.51.100.4:8333"),
		onion, by(netaddr.Onion, from(5, "127.0.0.1:50005")), by(netaddr.I2P, at(6, "127.0.0.1:1")), by(netaddr.CJDNS, at(7, "[fc00::1]:8333")),
		from(8, "10.0.0.1:8333"), from(10, "[::1]:8333"), at(11, "203.0.113.5:8333"),
	)
	var rows []string
	for _, r := range placeRows(v) {
		var cells []string
		for _, c := range r.Cells {
			cells = append(cells, c.Text)
		}
		rows = append(rows, strings.Join(cells, "|"))
	}
	want := []string{"Germany|Frankfurt am Main|192.0.2.1:8333; inbound: 192.0.2.2:50001", "AU||198.51.100.4:8333", "Japan|Tokyo|inbound: [2001:db8::7]:50000"}
	if !slices.Equal(rows, want) {
		t.Errorf("%q, want %q", rows, want)
	}
	if got, want := placesNote(v, newMap(v)), "4 peers in 3 countries. Without a place: 2 by Tor, 1 by I2P, 1 by CJDNS, 2 with private addresses, 1 unknown."; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	v = located(at(4, "198.51.100.4:8333"))
	if got, want := placesNote(v, newMap(v)), "1 peer in 1 country. The database has no positions, so there is no map."; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	v = located()
	if got := placesNote(v, newMap(v)); got != "" {
		t.Errorf("of nobody: %q", got)
	}
}

type stringAddr string

func (stringAddr) Network() string  { return "onion" }
func (a stringAddr) String() string { return string(a) }

var _ net.Addr = stringAddr("")

// TestMapOnThePage: without a database there is nothing of it; with one there are dots,
// the table, and the country of each peer.
func TestMapOnThePage(t *testing.T) {
	marks := []string{"<svg", "Where they are", `id="places"`, `>Country<`, "#places-h", "data-dot"}
	_, plain := serve(t, nil).get("/")
	for _, never := range marks {
		if strings.Contains(plain, never) {
			t.Errorf("%q is on the page, and there is no database", never)
		}
	}
	h := serve(t, func(cfg *Config) { cfg.Locate = locator })
	_, page := h.get("/?sort=country")
	for _, want := range append(marks,
		`<g class="dot out" data-key="`, `transform="translate(1887 339)"`, "<title>Frankfurt am Main, Germany\n192.0.2.1:8333, outbound</title>",
		`<g class="dot in" data-key="`, `<td data-label="City">Tokyo</td>`, "2 peers in 2 countries.",
		`<td data-label="Country">JP</td>`, `aria-sort="ascending"><a href="?sort=country`,
		land,
	) {
		if !strings.Contains(page, want) {
			t.Errorf("no %.100q on the page", want)
		}
	}
	for _, never := range []string{"style=", "http://www", "https://", "figure id=\"map\" hidden"} {
		if strings.Contains(page, never) {
			t.Errorf("%q is on the page", never)
		}
	}
	if heads, cells := strings.Count(page, `data-sort="country"`), strings.Count(page, `data-label="Country"`); heads != 2 || cells != 3+2 {
		t.Errorf("%d heads and %d cells of countries", heads, cells)
	}
}

// TestHostilePlaces: what a database has is text, whatever it is.
func TestHostilePlaces(t *testing.T) {
	h := serve(t, func(cfg *Config) {
		cfg.Locate = locator
		cfg.Node.(*fakeNode).snap.Peers = []node.PeerInfo{at(1, "203.0.113.66:8333")}
	})
	_, page := h.get("/")
	if strings.Contains(page, "<script>alert") || strings.Contains(page, "<img") {
		t.Error("it is HTML")
	}
	if strings.Count(page, "&lt;script&gt;alert(3)") < 2 {
		t.Error("it is not shown in the map and the table")
	}
}

// TestMapIsLive: the stream has the dots, and nothing of them without a database.
func TestMapIsLive(t *testing.T) {
	for _, tt := range []struct {
		locate func(netip.Addr) (geodb.Place, bool)
		want   bool
	}{{nil, false}, {locator, true}} {
		h := serve(t, func(cfg *Config) { cfg.Locate = tt.locate })
		state := string(message("state", 0, h.state(h.view())))
		for _, text := range []string{`"map":{"hidden":false,"dots":[{"k":"`, `"places-note":`, `"places":[{`} {
			if strings.Contains(state, text) != tt.want {
				t.Errorf("with a database %v: %q is sent %v", tt.want, text, !tt.want)
			}
		}
	}
}
