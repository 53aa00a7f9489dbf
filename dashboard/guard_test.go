package dashboard

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"holdfast/node"
	"holdfast/stream"
)

// formOf returns the token that the forms of the page have.
func (h *harness) formOf(body string) string {
	h.t.Helper()
	_, rest, ok := strings.Cut(body, `name="form" value="`)
	if !ok {
		h.t.Fatal("the page has no form")
	}
	form, _, _ := strings.Cut(rest, `"`)
	return form
}

// TestConfig shows what New refuses.
func TestConfig(t *testing.T) {
	good := Config{Node: newFake(), Hub: stream.NewHub(1), Meter: NewMeter(), Listen: []string{"127.0.0.1:0"}}
	anyone := func(string, string) bool { return true }
	for _, tt := range []struct {
		name   string
		change func(*Config)
		field  string // "" if it is fine
	}{
		{"as it is", func(*Config) {}, ""},
		{"by name", func(c *Config) { c.Listen = []string{"localhost:0"} }, ""},
		{"no node", func(c *Config) { c.Node = nil }, "node"},
		{"no hub", func(c *Config) { c.Hub = nil }, "hub"},
		{"no meter", func(c *Config) { c.Meter = nil }, "meter"},
		{"no port", func(c *Config) { c.Listen = []string{"127.0.0.1"} }, "dashboard"},
		{"everybody, without a login", func(c *Config) { c.Listen = []string{"0.0.0.0:0"} }, "dashboard"},
		{"everybody, by no host at all", func(c *Config) { c.Listen = []string{":0"} }, "dashboard"},
		{"everybody, by IPv6", func(c *Config) { c.Listen = []string{"[::]:0"}; c.Login = anyone }, "dashboard"},
		{"everybody, without TLS", func(c *Config) { c.Listen = []string{"0.0.0.0:0"}; c.Login = anyone }, "dashboard"},
		{"everybody, with TLS and no login", func(c *Config) { c.Listen = []string{"0.0.0.0:0"}; c.TLS = &tls.Config{} }, "dashboard"},
		{"a name that may be anybody", func(c *Config) { c.Listen = []string{"example.com:0"}; c.Login, c.TLS = anyone, &tls.Config{} }, "dashboard"},
		{"everybody, with both", func(c *Config) { c.Listen = []string{"0.0.0.0:0"}; c.Login, c.TLS = anyone, &tls.Config{} }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := good
			tt.change(&cfg)
			s, err := New(cfg)
			if s != nil {
				_ = s.Close()
			}
			wrong, is := err.(*node.ConfigError)
			if tt.field == "" && err != nil || tt.field != "" && (!is || wrong.Field != tt.field) {
				t.Errorf("New: %v, want an error about %q", err, tt.field)
			}
		})
	}
}

// TestWhoMayOrder: orders are taken with the token and from a form of this page only.
func TestWhoMayOrder(t *testing.T) {
	h := serve(t, func(c *Config) { c.Login = func(u, p string) bool { return u == "ann" && p == "secret" } })
	_, page := h.do(h.trusted(http.MethodGet, "/", ""))
	form := h.formOf(page)
	if _, open := h.get("/"); strings.Contains(open, form) || strings.Contains(open, "<form method=\"post\"") {
		t.Error("who has no token is given a form")
	}
	body := "subject=192.0.2.0/24&form=" + form
	for _, tt := range []struct {
		name   string
		change func(*http.Request)
		body   string
		trust  bool
		want   int
	}{
		{"as the page does it", nil, body, true, 200},
		{"without the token", nil, body, false, 403},
		{"with another token", func(r *http.Request) { r.AddCookie(&http.Cookie{Name: "holdfast", Value: "x"}) }, body, false, 403},
		{"without the form's secret", nil, "subject=192.0.2.0/24", true, 403},
		{"from another site", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, body, true, 403},
		{"from another port of this host", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") }, body, true, 403},
		{"from another origin, in an old browser", func(r *http.Request) { r.Header.Set("Origin", "http://evil.example") }, body, true, 403},
		{"by a name that leads here", func(r *http.Request) { r.Host = "evil.example:8340" }, body, true, 403},
		{"with the password", func(r *http.Request) { r.SetBasicAuth("ann", "secret") }, body, false, 200},
		{"with a wrong password", func(r *http.Request) { r.SetBasicAuth("ann", "wrong") }, body, false, 401},
		{"too long", nil, body + "&reason=" + strings.Repeat("x", maxForm), true, 400},
		{"no such order", func(r *http.Request) { r.URL.Path = "/orders/drop" }, body, true, 404},
		{"by GET", func(r *http.Request) { r.Method = http.MethodGet }, body, true, 405},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := len(h.node.took())
			r := h.request(http.MethodPost, "/orders/ban", tt.body)
			if tt.trust {
				r = h.trusted(http.MethodPost, "/orders/ban", tt.body)
			}
			if tt.change != nil {
				tt.change(r)
			}
			resp, said := h.do(r)
			if resp.StatusCode != tt.want {
				t.Errorf("%d %s, want %d", resp.StatusCode, said, tt.want)
			}
			if did := len(h.node.took()) > before; did != (tt.want == 200) {
				t.Errorf("it was done: %v", did)
			}
		})
	}
}

// TestOrders shows what each order does, and what it says to a mistake.
func TestOrders(t *testing.T) {
	h := serve(t, nil)
	_, page := h.do(h.trusted(http.MethodGet, "/", ""))
	form := h.formOf(page)
	for _, tt := range []struct {
		order, body string
		status      int
		did, said   string
	}{
		{"disconnect", "id=1", 200, "disconnect 1", "Disconnected peer 1."},
		{"disconnect", "id=7", 400, "disconnect 7", "that peer is gone already"},
		{"disconnect", "id=-", 400, "", "there is no such peer"},
		{"ban", "subject=192.0.2.7", 200, "ban 192.0.2.7 for 24h0m0s: banned on the dashboard (operator)", "Banned 192.0.2.7 for 1 d 0 h."},
		{"ban", "subject=+2001:db8::/32+&length=ever&reason=crawlers", 200, "ban 2001:db8::/32 for 0s: crawlers (operator)", "Banned 2001:db8::/32 for ever."},
		{"ban", "subject=192.0.2.7&length=-1h", 400, "", "give the length"},
		{"ban", "subject=everybody", 400, "", "not an IP address"},
		{"ban", "subject=0.0.0.0/0", 400, "", "that would ban all addresses"},
		{"unban", "subject=192.0.2.7", 200, "", "The ban of 192.0.2.7 is over."},
		{"unban", "subject=192.0.2.7", 400, "", "192.0.2.7 is not banned"},
		{"add", "addr=192.0.2.9:8333", 200, "add 192.0.2.9:8333", "Added 192.0.2.9:8333"},
		{"add", "addr=bad", 400, "", "it is bad"},
		{"add", "addr=", 400, "", "give an address"},
	} {
		t.Run(tt.order+" "+tt.body, func(t *testing.T) {
			before := h.node.took()
			r := h.trusted(http.MethodPost, "/orders/"+tt.order, tt.body+"&form="+url.QueryEscape(form))
			r.Header.Set("Accept", "application/json")
			resp, said := h.do(r)
			if resp.StatusCode != tt.status || !strings.Contains(said, tt.said) {
				t.Errorf("%d %s, want %d %q", resp.StatusCode, said, tt.status, tt.said)
			}
			did := strings.Join(h.node.took()[len(before):], "; ")
			if did != tt.did {
				t.Errorf("done: %q, want %q", did, tt.did)
			}
		})
	}
}

// TestToken: the address with the token gives a cookie that no script and no other site
// gets at, and another token gives nothing.
func TestToken(t *testing.T) {
	h := serve(t, nil)
	resp, _ := h.do(h.request(http.MethodGet, strings.TrimPrefix(h.URL(), h.base), ""))
	if resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != "/" {
		t.Errorf("%d to %q: the token stays in the address", resp.StatusCode, resp.Header.Get("Location"))
	}
	cookies := resp.Cookies()
	if len(cookies) != 1 || !cookies[0].HttpOnly || cookies[0].SameSite != http.SameSiteStrictMode || !strings.HasPrefix(cookies[0].Name, "holdfast-") {
		t.Errorf("cookies: %v", cookies)
	}
	if resp, _ := h.get("/?token=guess"); len(resp.Cookies()) != 0 {
		t.Errorf("a guess is given %v", resp.Cookies())
	}
}

// TestHeaders: what every answer says to the browser.
func TestHeaders(t *testing.T) {
	h := serve(t, nil)
	for _, path := range []string{"/", "/static/dashboard.js", "/history", "/metrics", "/nothing", "/healthz"} {
		resp, _ := h.get(path)
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; script-src 'self'", "X-Frame-Options": "DENY",
			"Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "same-origin",
		} {
			if got := resp.Header.Get(name); !strings.HasPrefix(got, want) {
				t.Errorf("%s: %s is %q", path, name, got)
			}
		}
		if resp.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: other sites may read it", path)
		}
	}
	if resp, body := h.get("/static/"); resp.StatusCode != http.StatusNotFound {
		t.Errorf("the files are listed: %s", body)
	}
}

// TestHosts: by which names this host may be called.
func TestHosts(t *testing.T) {
	h := serve(t, func(c *Config) { c.Hosts = []string{"Node.Example"} })
	for host, want := range map[string]int{
		"127.0.0.1:8340": 200, "localhost": 200, "[::1]:8340": 200, "node.example:1": 200,
		"evil.example": 403, "127.0.0.1.evil.example": 403, "localhost.evil.example:8340": 403,
	} {
		r := h.request(http.MethodGet, "/healthz", "")
		r.Host = host
		if resp, _ := h.do(r); resp.StatusCode != want {
			t.Errorf("%s: %d, want %d", host, resp.StatusCode, want)
		}
	}
}

// TestBeyondLoopback: with TLS nothing is shown without the password, but for what says
// that the node lives.
func TestBeyondLoopback(t *testing.T) {
	s, err := New(Config{
		Listen: []string{"127.0.0.1:0"}, Node: newFake(), Hub: stream.NewHub(1), Meter: NewMeter(),
		Login: func(u, p string) bool { return u == "ann" && p == "secret" },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close() //nolint:errcheck // it returns none
	over := httptest.NewTLSServer(s.handler())
	defer over.Close()
	client := over.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for path, open := range map[string]bool{
		"/": false, "/metrics": false, "/history": false, "/events": false, "/static/dashboard.js": false, "/login": false,
		"/healthz": true, "/readyz": true, "/?token=" + s.token: false,
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, over.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close() // the status is all that is looked at
		if (resp.StatusCode != http.StatusUnauthorized) != open {
			t.Errorf("%s: %d", path, resp.StatusCode)
		}
	}
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, over.URL+"/", nil)
	r.SetBasicAuth("ann", "secret")
	resp, err := client.Do(r)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("with the password: %v, %v", resp, err)
	}
	_ = resp.Body.Close() // as above
}

// TestTooManyOrders: the rest of a burst is refused.
func TestTooManyOrders(t *testing.T) {
	h := serve(t, nil)
	refused := 0
	for range ordersAtOnce + 20 {
		if resp, _ := h.do(h.request(http.MethodPost, "/orders/add", "addr=x")); resp.StatusCode == http.StatusTooManyRequests {
			refused++
		}
	}
	if refused == 0 {
		t.Error("none was refused")
	}
}

// TestCrowdOfGuessers: of a thousand logins that fail at once only so many wait, the others
// are refused at once; one line tells of them; and who has the password waits for nobody.
func TestCrowdOfGuessers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s, err := New(Config{
			Listen: []string{"127.0.0.1:0"}, Node: newFake(), Hub: stream.NewHub(1), Meter: NewMeter(),
			Login: func(u, p string) bool { return u == "ann" && p == "secret" },
			Log:   slog.New(slog.NewTextHandler(&log, nil)),
		})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close() //nolint:errcheck // it returns none
		h := s.handler()
		ask := func(password string, host int) *httptest.ResponseRecorder {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "https://127.0.0.1/", nil)
			r.RemoteAddr, r.TLS = fmt.Sprintf("192.0.2.%d:1", host), &tls.ConnectionState{}
			r.SetBasicAuth("ann", password)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			return w
		}
		for round := range 3 {
			began := time.Now()
			var waited, refused atomic.Int32
			var wg sync.WaitGroup
			for i := range 1000 {
				wg.Go(func() {
					w := ask("guess", i%200)
					switch took := time.Since(began); {
					case w.Code == http.StatusUnauthorized && took == wrongDelay:
						waited.Add(1)
					case w.Code == http.StatusTooManyRequests && took == 0:
						refused.Add(1)
					default:
						t.Errorf("%d after %v", w.Code, took)
					}
					if w.Header().Get("Connection") != "close" {
						t.Error("the next guess may come by the same connection")
					}
				})
			}
			synctest.Wait()
			for _, host := range []int{1, 201} { // one of the crowd, and another
				if w := ask("secret", host); w.Code != http.StatusOK || time.Since(began) != 0 {
					t.Errorf("with the password: %d after %v", w.Code, time.Since(began))
				}
			}
			wg.Wait()
			if waited.Load() != maxWrong || refused.Load() != 1000-maxWrong {
				t.Errorf("%d waited, %d were refused", waited.Load(), refused.Load())
			}
			if n := strings.Count(log.String(), "Login to the dashboard failed"); n != round+1 {
				t.Errorf("%d lines in the log after %d s", n, round)
			}
			time.Sleep(time.Second)
		}
	})
}
