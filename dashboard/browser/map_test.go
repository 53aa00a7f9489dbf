package browser

import (
	"context"
	"net/netip"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"holdfast/dashboard"
	"holdfast/geodb"
)

// cities are where the peers of the tests are, by the second byte of their addresses,
// which simnet counts.
var cities = []geodb.Place{
	{Country: "DE", Name: "Germany", City: "Frankfurt am Main", Located: true, Lat: 50.1, Lon: 8.7},
	{Country: "US", Name: "United States", City: "Ashburn", Located: true, Lat: 39, Lon: -77.5},
	{Country: "SG", Name: "Singapore", City: "Singapore", Located: true, Lat: 1.3, Lon: 103.9},
	{Country: "NL", Name: "Netherlands", City: "Amsterdam", Located: true, Lat: 52.4, Lon: 4.9},
	{Country: "AU", Name: "Australia", City: "Sydney", Located: true, Lat: -33.9, Lon: 151.2},
	{Country: "BR", Name: "Brazil", City: "São Paulo", Located: true, Lat: -23.5, Lon: -46.6},
	{Country: "FI", Name: "Finland", City: "Helsinki", Located: true, Lat: 60.2, Lon: 24.9},
}

// onMap has a dashboard know where its peers are.
func onMap(cfg *dashboard.Config) {
	cfg.Locate = func(ip netip.Addr) (geodb.Place, bool) {
		return cities[int(ip.As4()[1])%len(cities)], true
	}
}

// TestMap: a dot and a row come with a peer, and go with it, drawn as the server draws
// them; what a database calls a city is text.
func TestMap(t *testing.T) {
	const hostile = `</title><img src="/static/icon.svg?evil" onerror="document.title='evil'">`
	w := newWorld(t, 1, func(cfg *dashboard.Config) {
		cfg.Locate = func(ip netip.Addr) (geodb.Place, bool) {
			p := cities[0]
			if !ip.IsLoopback() {
				return p, false
			}
			p.City += hostile
			return p, true
		}
	})
	ready(t, w, 1)
	b := open(t, 1280, 800)
	live(b, w, "=== 1")
	drawn := `[...document.querySelectorAll("#dots > g")].map((g) => g.outerHTML).join()`
	b.until(`document.querySelectorAll("#dots > .out").length === 1`)
	if text := eval[string](b, `document.querySelector("#dots .out title").textContent`); !strings.HasPrefix(text, "Frankfurt am Main"+hostile+", Germany\n127.") {
		t.Errorf("the dot says %q", text)
	}
	before := eval[string](b, drawn)

	if err := w.net.Peers()[0].Connect(context.Background(), w.node.Listening()[0]); err != nil {
		t.Fatal(err)
	}
	b.until(`document.querySelector("#dots > .both text")?.textContent === "2"`)
	b.until(`document.querySelector("#places tbody tr").cells[2].textContent.includes("; inbound: 127.")`)
	if text := eval[string](b, `document.querySelector('[data-text="places-note"]').textContent`); text != "2 peers in 1 country." {
		t.Errorf("in words: %q", text)
	}

	// The inbound one goes, then the other.
	b.do(chromedp.Evaluate[chromedp.Void](`[...document.querySelectorAll("#peers tbody tr")].find((tr) => tr.textContent.includes("inbound")).querySelector("button").click()`))
	b.until(`document.querySelectorAll("#dots > .out").length === 1`)
	if after := eval[string](b, drawn); after != before {
		t.Errorf("the script draws %s, the server %s", after, before)
	}
	w.node.SetNetworkActive(false)
	b.until(`document.querySelectorAll("#dots > g").length === 0 && !document.querySelector('[data-empty="places"]').hidden`)
	if n := eval[int](b, `document.querySelectorAll("main img").length`); n != 0 {
		t.Errorf("%d pictures of the hostile city", n)
	}
	b.clean(w.base())
}

// TestMapDrawnByBoth: a dot that the script adds to an empty map is that of the server.
func TestMapDrawnByBoth(t *testing.T) {
	w := newWorld(t, 3, onMap)
	ready(t, w, 3)
	drawn := `[...document.querySelectorAll("#dots > g")].map((g) => g.outerHTML).sort().join("\n")`
	b := open(t, 1280, 800)
	live(b, w, "=== 3")
	b.do(chromedp.Evaluate[chromedp.Void](`document.querySelector("#dots").replaceChildren()`))
	b.until(`document.querySelectorAll("#dots > g").length > 0`)
	script := eval[string](b, drawn)

	b = open(t, 1280, 800)
	command(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	b.do(chromedp.Navigate(w.URL()))
	command(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: false})
	if server := eval[string](b, drawn); server != script {
		t.Errorf("the script draws\n%s\nthe server\n%s", script, server)
	}
}

// TestMapLooks is TestLooks for the map. The marks have the size of a letter on each
// screen, and the land is seen on the card.
func TestMapLooks(t *testing.T) {
	w := newWorld(t, 6, onMap)
	ready(t, w, 6)
	for _, p := range w.net.Peers()[:3] {
		if err := p.Connect(context.Background(), w.node.Listening()[0]); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name, scheme  string
		width, height int64
	}{
		{"map-light", "light", 1280, 800},
		{"map-dark", "dark", 1280, 800},
		{"map-wide", "light", 1900, 1000},
		{"map-tablet", "dark", 768, 1024},
		{"map-phone", "light", 360, 740},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := open(t, tt.width, tt.height)
			command(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: tt.scheme}},
			})
			b.do(chromedp.Navigate(w.URL()))
			b.until(`document.querySelectorAll("#peers tbody tr").length >= 9`)
			b.until(`document.querySelector("#live").dataset.on === "yes"`)
			b.until(`document.querySelectorAll("#dots > g").length >= 5`)
			if wide := eval[int64](b, `document.documentElement.scrollWidth`); wide > tt.width {
				t.Errorf("the page is %d wide on a screen of %d", wide, tt.width)
			}
			for _, table := range eval[[]string](b, `[...document.querySelectorAll(".scroll")].filter((e) => e.scrollWidth > e.clientWidth).map((e) => e.querySelector("table").id)`) {
				t.Errorf("the table of %s is wider than the screen", table)
			}
			for _, size := range eval[[]float64](b, `[...document.querySelectorAll("#dots use")].map((e) => e.getBoundingClientRect().width)`) {
				if size < 8 || size > 40 {
					t.Errorf("a dot is %.1f pixels wide", size)
				}
			}
			b.shot(tt.name, false)
			b.do(chromedp.Evaluate[chromedp.Void](`document.querySelector("#places-h").scrollIntoView()`))
			b.shot(tt.name+"-itself", false)
			b.clean(w.base())
		})
	}
}
