package browser

import (
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// TestLooks loads the page in light, in dark and on a phone: nothing is wider than the
// screen, and nothing complains. With HOLDFAST_SHOTS=dir it keeps pictures.
func TestLooks(t *testing.T) {
	w := newWorld(t, 6, nil)
	for _, tt := range []struct {
		name, scheme  string
		width, height int64
	}{
		{"light", "light", 1280, 800},
		{"dark", "dark", 1280, 800},
		{"phone", "light", 360, 740},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := open(t, tt.width, tt.height)
			command(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: tt.scheme}},
			})
			b.do(chromedp.Navigate(w.URL()))
			b.until(`document.querySelectorAll("#peers tbody tr").length >= 6`)
			b.until(`document.querySelector("#live").dataset.on === "yes"`)
			b.until(`document.querySelectorAll(".uplot canvas").length === 2`)
			if wide := eval[int64](b, `document.documentElement.scrollWidth`); wide > tt.width {
				t.Errorf("the page is %d wide on a screen of %d", wide, tt.width)
			}
			for _, table := range eval[[]string](b, `[...document.querySelectorAll(".scroll")].filter((e) => e.scrollWidth > e.clientWidth).map((e) => e.querySelector("table").id)`) {
				t.Errorf("the table of %s is wider than the screen", table)
			}
			b.shot(tt.name, false)
			b.shot(tt.name+"-whole", true)
			b.clean(w.base())
		})
	}
}
