package browser

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"

	"holdfast/banlist"
	"holdfast/connmgr"
	"holdfast/dashboard"
	"holdfast/node"
	"holdfast/stream"
)

// live loads the page as who started the node, and waits until it has all peers and is
// live.
func live(b *browser, w *world, peers string) {
	b.t.Helper()
	b.do(chromedp.Navigate(w.URL()))
	b.until(`document.querySelectorAll("#peers tbody tr").length ` + peers)
	b.until(`document.querySelector("#live").dataset.on === "yes"`)
}

// ready waits until the node has so many peers.
func ready(t *testing.T, w *world, peers int) {
	t.Helper()
	sub := w.hub.Subscribe(stream.Filter{Since: 1})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for w.node.Counts().Outbound < peers {
		if _, _, err := sub.Next(ctx); err != nil {
			t.Fatalf("%v, want %d peers", w.node.Counts(), peers)
		}
	}
}

// TestPage: a peer is shown when it is there and not when it is gone, each within a
// second, and so are the events; the page asks nobody else, and nothing complains.
func TestPage(t *testing.T) {
	w := newWorld(t, 3, nil)
	b := open(t, 1280, 800)
	live(b, w, "=== 3")
	if token := eval[string](b, `location.href`); strings.Contains(token, "token") {
		t.Errorf("the token stays in the address: %s", token)
	}
	if cookie := eval[string](b, `document.cookie`); cookie != "" {
		t.Errorf("the script can read the cookie: %q", cookie)
	}

	// The page notes when a row comes and goes, and when the event that says so came:
	// both by one clock.
	b.do(chromedp.Evaluate[chromedp.Void](`
		window.seen = [];
		new MutationObserver((list) => {
			for (const m of list) for (const [what, nodes] of [["came", m.addedNodes], ["went", m.removedNodes]])
				for (const n of nodes) window.seen.push({what, text: n.textContent, at: Date.now()});
		}).observe(document.querySelector("#peers tbody"), {childList: true})`))
	began := time.Now()
	if err := w.net.Peers()[0].Connect(context.Background(), w.node.Listening()[0]); err != nil {
		t.Fatal(err)
	}
	b.until(`window.seen.some((x) => x.what === "came" && x.text.includes("inbound"))`)
	came := eval[int64](b, `window.seen.find((x) => x.what === "came" && x.text.includes("inbound")).at`)
	t.Logf("the peer was shown %d ms after it began to connect", came-began.UnixMilli())
	id := eval[string](b, `[...document.querySelectorAll("#peers tbody tr")].find((tr) => tr.textContent.includes("inbound")).dataset.key`)
	b.until(`document.querySelector("#said").textContent === ""`)

	// The button ends it, and it is gone.
	b.do(chromedp.Evaluate[chromedp.Void](`document.querySelector('#peers tr[data-key="` + id + `"] button').click()`))
	b.until(`!document.querySelector('#peers tr[data-key="` + id + `"]')`)
	b.until(`document.querySelector("#said").textContent.startsWith("Disconnected")`)
	b.do(chromedp.Evaluate[chromedp.Void](`document.querySelector("#filter [name=level]").value = "debug"; document.querySelector("#filter").dispatchEvent(new Event("input"))`))
	b.until(`[...document.querySelectorAll("#events tbody tr")].some((tr) => tr.textContent.includes("by operator"))`)
	b.do(chromedp.Evaluate[chromedp.Void](`document.querySelector("#filter [name=has]").value = "by operator"; document.querySelector("#filter").dispatchEvent(new Event("input"))`))
	b.until(`[...document.querySelectorAll("#events tbody tr")].every((tr) => tr.textContent.includes("by operator"))`)
	b.clean(w.base())
}

// TestBanOnThePage: what is banned on the page is in the list, and what is unbanned is
// not.
func TestBanOnThePage(t *testing.T) {
	w := newWorld(t, 3, nil)
	b := open(t, 1280, 800)
	live(b, w, "=== 3")
	host := eval[string](b, `document.querySelector("#peers tbody tr input[name=subject]").value`)
	b.do(chromedp.Evaluate[chromedp.Void](`document.querySelector("#peers tbody tr button.danger").click()`))
	b.until(`[...document.querySelectorAll("#bans tbody tr")].some((tr) => tr.dataset.key === "` + host + `")`)
	subject, err := banlist.ParseSubject(host)
	if err != nil {
		t.Fatal(err)
	}
	ban, banned := w.node.Bans().Lookup(subject)
	if !banned || ban.Origin != banlist.Operator || ban.Until.Sub(ban.Since).Round(time.Minute) != 24*time.Hour {
		t.Fatalf("in the list: %+v, %v", ban, banned)
	}
	b.until(`[...document.querySelectorAll("#peers tbody tr")].every((tr) => !tr.textContent.includes("` + host + `:"))`)

	b.do(chromedp.Evaluate[chromedp.Void](`document.querySelector("#bans tbody tr button").click()`))
	b.until(`document.querySelectorAll("#bans tbody tr").length === 0`)
	if _, banned := w.node.Bans().Lookup(subject); banned {
		t.Error("it is in the list still")
	}
	b.until(`!document.querySelector('[data-empty="bans"]').hidden`)
	b.clean(w.base())
}

// TestKeyboard: with the keyboard alone a peer is reached and disconnected, whoever has
// the focus is seen to have it, and all that is live is named for a screen reader.
func TestKeyboard(t *testing.T) {
	w := newWorld(t, 2, onMap)
	b := open(t, 1280, 800)
	live(b, w, "=== 2")
	var path []string
	for range 60 {
		b.do(chromedp.KeyEvent("\t"))
		at := eval[string](b, `document.activeElement.getAttribute("aria-label") ?? document.activeElement.textContent.trim()`)
		path = append(path, at)
		if eval[string](b, `getComputedStyle(document.activeElement).outlineStyle`) == "none" {
			t.Errorf("%q has the focus, and nobody sees it", at)
		}
		if strings.HasPrefix(at, "Disconnect 127.") {
			break
		}
	}
	if path[0] != "Skip to the state" {
		t.Errorf("the first stop is %q, want the link that skips", path[0])
	}
	last := path[len(path)-1]
	if !strings.HasPrefix(last, "Disconnect ") {
		t.Fatalf("the button is not reached: %q", path)
	}
	b.do(chromedp.KeyEvent("\r"))
	b.until(`document.querySelector("#said").textContent.startsWith("Disconnected")`)
	for _, tt := range []struct{ what, js string }{
		{"a control without a name", `[...document.querySelectorAll("button, input:not([type=hidden]), select")].filter((e) => !(e.labels?.length || e.textContent.trim() || e.getAttribute("aria-label"))).length`},
		{"a head of a table without scope", `[...document.querySelectorAll("th:not([scope])")].filter((e) => !e.closest("[aria-hidden=true]")).length`},
		{"an id that is there twice", `[...document.querySelectorAll("[id]")].length - new Set([...document.querySelectorAll("[id]")].map((e) => e.id)).size`},
		{"a section without a name", `[...document.querySelectorAll("section, [role=region]")].filter((e) => !document.getElementById(e.getAttribute("aria-labelledby"))).length`},
		{"not one main, header and footer", `["main", "header", "footer", "h1"].filter((x) => document.querySelectorAll(x).length !== 1).length`},
		{"no live headline", `document.querySelector("#headline").getAttribute("aria-live") === "polite" ? 0 : 1`},
	} {
		if n := eval[int](b, tt.js); n != 0 {
			t.Errorf("%s: %d", tt.what, n)
		}
	}
	b.clean(w.base())
}

// TestContrast computes the contrast of all text, in light and in dark: 4.5 to 1 at
// least, as WCAG's AA has it.
func TestContrast(t *testing.T) {
	w := newWorld(t, 2, onMap)
	for _, scheme := range []string{"light", "dark"} {
		t.Run(scheme, func(t *testing.T) {
			b := open(t, 1280, 800)
			command(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
			})
			live(b, w, ">= 2")
			bad := eval[[]string](b, `(() => {
				const parse = (s) => s.match(/[\d.]+/g).map(Number);
				const light = (c) => { const f = (v) => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; return .2126 * f(c[0]) + .7152 * f(c[1]) + .0722 * f(c[2]); };
				const back = (e) => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] > 0) return c; } return [255, 255, 255]; };
				const bad = [];
				for (const e of document.querySelectorAll("body *")) {
					if (![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()) || !e.checkVisibility() || e.disabled || e.closest("tr.new, noscript")) continue;
					const a = light(parse(getComputedStyle(e).color)), b = light(back(e));
					const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
					if (ratio < 4.5) bad.push(e.tagName + " " + e.textContent.slice(0, 40) + ": " + ratio.toFixed(2));
				}
				return bad;
			})()`)
			for _, x := range bad {
				t.Error(x)
			}
		})
	}
}

// TestWithoutScript: the page is the same, but stands still; its forms and its links do
// what they do.
func TestWithoutScript(t *testing.T) {
	w := newWorld(t, 3, nil)
	ready(t, w, 3)
	b := open(t, 1280, 800)
	command(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	b.do(chromedp.Navigate(w.URL()))
	text := value(b, chromedp.Text[chromedp.CSS]("body"))
	for _, want := range []string{"Connected", "3 of 3", "/simnet:1/honest/", "ready: ", "Nobody is banned", "there is no script"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q on the page", want)
		}
	}
	b.do(chromedp.Click[chromedp.CSS]("#peers tbody tr:first-child button.danger"), chromedp.WaitVisible[chromedp.CSS](".said"))
	if said := value(b, chromedp.Text[chromedp.CSS](".said")); !strings.Contains(said, "Banned 127.") {
		t.Errorf("the answer is %q", said)
	}
	if n := w.node.Bans().Len(); n != 1 {
		t.Errorf("%d bans, want 1", n)
	}
	b.do(chromedp.Navigate(w.base()+"/?sort=addr&dir=down"), chromedp.WaitVisible[chromedp.CSS](`th[aria-sort="descending"]`))
	b.clean(w.base())
}

// TestNoOrdersWithoutToken: who opens the address without the token sees all and has no
// buttons.
func TestNoOrdersWithoutToken(t *testing.T) {
	w := newWorld(t, 2, nil)
	b := open(t, 1280, 800)
	b.do(chromedp.Navigate(w.base() + "/"))
	b.until(`document.querySelectorAll("#peers tbody tr").length === 2`)
	if n := eval[int](b, `document.querySelectorAll("form[method=post], template").length`); n != 0 {
		t.Errorf("%d forms", n)
	}
	b.clean(w.base())
}

// TestOtherSite: a page of another site cannot have a browser that has the token give
// orders.
func TestOtherSite(t *testing.T) {
	w := newWorld(t, 1, nil)
	ready(t, w, 1)
	// A page of another site, to which a browser that has the token is led.
	page := `<form method="post" action="` + w.base() + `/orders/ban"><input name="subject" value="192.0.2.1"></form><script>document.forms[0].submit()</script><iframe src="` + w.base() + `/"></iframe>`
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, page) // the test sees it if nobody reads it
	}))
	defer evil.Close()
	b := open(t, 1280, 800)
	live(b, w, "=== 1")
	b.do(chromedp.Navigate(strings.Replace(evil.URL, "127.0.0.1", "localhost", 1)))
	b.until(`location.pathname.startsWith("/orders/")`)
	if n := w.node.Bans().Len(); n != 0 {
		t.Errorf("another site has banned somebody: %v", w.node.Bans().List())
	}
}

// TestRestart: the page says when the node does not answer, and shows the next run when
// there is one.
func TestRestart(t *testing.T) {
	first := newWorld(t, 2, nil)
	b := open(t, 1280, 800)
	live(b, first, "=== 2")
	addr := first.Addrs()[0].String()
	first.stop()
	b.until(`document.querySelector("#live").dataset.on === "no"`)
	second := newWorld(t, 1, func(cfg *dashboard.Config) { cfg.Listen = []string{addr} })
	ready(t, second, 1)
	b.until(`document.querySelectorAll("#peers tbody tr").length === 1 && document.querySelector("#live").dataset.on === "yes"`)
	if n := eval[int](b, `document.querySelectorAll("form[method=post]").length`); n != 0 {
		t.Errorf("the token of the first run is good for %d forms of the second", n)
	}
}

// TestRowsStay: while the mouse is over the table, a newcomer comes last, whatever it is
// sorted by, and nothing moves; then it is sorted.
func TestRowsStay(t *testing.T) {
	w := newWorld(t, 3, nil)
	b := open(t, 1280, 800)
	live(b, w, "=== 3")
	order := `[...document.querySelectorAll("#peers tbody tr")].map((tr) => tr.cells[2].textContent).join(" ")`
	b.do(chromedp.Evaluate[chromedp.Void](`document.querySelector('#peers a[data-sort="dir"]').click()`))
	x, y := eval[float64](b, `document.querySelector("#peers tbody td").getBoundingClientRect().x + 5`), eval[float64](b, `document.querySelector("#peers tbody td").getBoundingClientRect().y + 5`)
	b.do(chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, x, y))
	b.until(`document.querySelector("#peers").matches(":hover")`)
	if err := w.net.Peers()[0].Connect(context.Background(), w.node.Listening()[0]); err != nil {
		t.Fatal(err)
	}
	b.until(order + ` === "outbound outbound outbound inbound"`)
	b.do(chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, 1, 1))
	b.until(order + ` === "inbound outbound outbound outbound"`)
	b.clean(w.base())
}

// TestStrangersTextInTheBrowser: what strangers write is shown as they wrote it, and
// nothing of it is run or loaded.
func TestStrangersTextInTheBrowser(t *testing.T) {
	w := newWorld(t, 1, nil)
	b := open(t, 1280, 800)
	live(b, w, "=== 1")
	const hostile = `/<img src="/static/icon.svg?evil" onerror="document.title='evil'"><script>document.title='evil'</script>/`
	w.hub.Feed(node.Event{
		Event: connmgr.Event{Seq: w.hub.Last() + 1000, Time: time.Now(), Type: connmgr.EventOwner},
		Kind:  node.KindReady, Peer: &node.PeerInfo{UserAgent: hostile},
	})
	b.until(`document.querySelector("#events tbody tr").textContent.includes("document.title='evil'")`)
	if n := eval[int](b, `document.querySelectorAll("main img, main script").length`); n != 0 {
		t.Errorf("%d of its elements are in the page", n)
	}
	if title := eval[string](b, `document.title`); strings.Contains(title, "evil") {
		t.Errorf("the title is %q", title)
	}
	b.clean(w.base())
}
