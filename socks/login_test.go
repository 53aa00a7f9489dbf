package socks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
)

// Isolation: Tor's user name and a token, without another way to log in.
func TestIsolation(t *testing.T) {
	t.Parallel()
	ways := map[string]func(context.Context, *Dialer) error{
		"connect": func(ctx context.Context, d *Dialer) error { _, err := d.DialContext(ctx, "tcp", "a:80"); return err },
		"resolve": func(ctx context.Context, d *Dialer) error { _, err := d.Resolve(ctx, "a"); return err },
		"lookup":  func(ctx context.Context, d *Dialer) error { _, err := d.LookupNetIP(ctx, "ip", "a"); return err },
		"probe":   func(ctx context.Context, d *Dialer) error { return d.Probe(ctx) },
	}
	seen := make(map[string]bool)
	for name, ask := range ways {
		for range 2 {
			d, c := answers(Dialer{Isolate: true}, wantLogin, loggedIn, okIPv4)
			if err := ask(t.Context(), d); err != nil {
				t.Fatal(err)
			}
			if c.sent[0] != "\x05\x01\x02" {
				t.Errorf("%s: offered %q", name, c.sent[0])
			}
			token, ok := strings.CutPrefix(c.sent[1], "\x01\x09<torS0X>0\x1a")
			if !ok || len(token) != 26 {
				t.Errorf("%s: logged in with %q", name, c.sent[1])
			}
			if seen[token] {
				t.Errorf("%s: the token %s came twice", name, token)
			}
			seen[token] = true
		}
		for _, given := range []string{"peer 17", "\x00", strings.Repeat("t", 255)} {
			d, c := answers(Dialer{Isolate: true}, wantLogin, loggedIn, okIPv4)
			if err := ask(WithToken(t.Context(), given), d); err != nil {
				t.Fatal(err)
			}
			if want := fmt.Sprintf("\x01\x09<torS0X>0%s%s", []byte{byte(len(given))}, given); c.sent[1] != want {
				t.Errorf("%s: logged in with %q, want %q", name, c.sent[1], want)
			}
		}
		for _, given := range []string{"", strings.Repeat("t", 256)} {
			if err := ask(WithToken(t.Context(), given), never(t, Dialer{Isolate: true})); err == nil || !strings.Contains(err.Error(), "1 to 255 bytes") {
				t.Errorf("%s: a token of %d bytes: %v", name, len(given), err)
			}
		}
		d, c := answers(Dialer{}, noLogin, okIPv4)
		if err := ask(WithToken(t.Context(), "peer 17"), d); err != nil || c.sent[0] != "\x05\x01\x00" {
			t.Errorf("%s: a token without Isolate: %q, %v", name, c.sent, err)
		}
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 255)
	good := []Dialer{
		{Proxy: "127.0.0.1:9050"},
		{Proxy: "[::1]:9050"},
		{Proxy: "tor.example:1"},
		{Proxy: "unix:/run/tor/socks"},
		{Proxy: "unix:@tor"},
		{Proxy: "[fe80::1%eth0]:9050"},
		{Proxy: "my_tor-1.Example.:1"},
		{Proxy: "p:1", Isolate: true},
		{Proxy: "p:1", Username: "u"},
		{Proxy: "p:1", Username: long, Password: long},
	}
	bad := []Dialer{
		{},
		{Proxy: "127.0.0.1"},
		{Proxy: ":9050"},
		{Proxy: "p:0"},
		{Proxy: "p:socks"},
		{Proxy: "p:65536"},
		{Proxy: "::1:9050"},
		{Proxy: "unix:"},
		{Proxy: "socks5://127.0.0.1:9050"},
		{Proxy: "[socks5://127.0.0.1:9050]:9050"},
		{Proxy: "user:xx@127.0.0.1:9050"},
		{Proxy: "user:x@xx@127.0.0.1:9050"},
		{Proxy: "socks5://user:xx@127.0.0.1:9050"},
		{Proxy: "[user:xx@127.0.0.1:9050]:9050"},
		{Proxy: "a b c:9050"},
		{Proxy: "tör:9050"},
		{Proxy: "[a:b:c]:9050"},
		{Proxy: "p:1", Password: "p"},
		{Proxy: "p:1", Username: long + "x"},
		{Proxy: "p:1", Username: "u", Password: long + "x"},
		{Proxy: "p:1", Isolate: true, Username: "u"},
		{Proxy: "p:1", Isolate: true, Password: "p"},
	}
	for _, d := range good {
		if err := d.Check(); err != nil {
			t.Errorf("%v: %v", d, err)
		}
	}
	for _, d := range bad {
		check := d.Check()
		d.DialProxy = never(t, Dialer{}).DialProxy
		_, dial := d.DialContext(t.Context(), "tcp", "a:80")
		_, resolve := d.Resolve(t.Context(), "a")
		for _, err := range []error{check, dial, resolve, d.Probe(t.Context())} {
			var e *Error
			if !errors.As(err, &e) || errors.Is(err, ErrProxy) || strings.Contains(err.Error(), "xx") {
				t.Errorf("%v: %v", d, err)
			}
		}
	}
}

// TestCheckHints: who has a URL, or a login, in Proxy is told where else that goes.
func TestCheckHints(t *testing.T) {
	t.Parallel()
	for proxy, want := range map[string]string{
		"socks5://127.0.0.1:9050":  `socks: check "socks5://127.0.0.1:9050": a proxy is set as host:port: leave out "://" and what is before it`,
		"user:hush@127.0.0.1:9050": `socks: check "...@127.0.0.1:9050": a proxy is set as host:port: what is before the '@' goes into Username and Password`,
	} {
		if err := (&Dialer{Proxy: proxy}).Check(); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// However a Dialer gets into print, its password does not; nor does a token.
func TestSecretsStayOut(t *testing.T) {
	t.Parallel()
	d := Dialer{Proxy: "p:1", Username: "user", Password: "hush"}
	type config struct {
		Dialer  Dialer
		Pointer *Dialer
	}
	var out strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%T%v"} {
		fmt.Fprintf(&out, verb+"\n", d, d)
		fmt.Fprintf(&out, verb+"\n", &d, &d)
		fmt.Fprintf(&out, verb+"\n", config{d, &d}, config{d, &d})
	}
	var log bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(h).Info("x", "value", d, "pointer", &d, "within", config{d, &d})
	}
	text, err := json.Marshal(config{d, &d})
	if err != nil {
		t.Error(err)
	}
	fmt.Fprintf(&out, "%s%s%+v", &log, text, WithToken(t.Context(), "hush"))

	secret := []string{"hush", fmt.Sprintf("%x", "hush"), fmt.Sprint([]byte("hush"))}
	for line := range strings.Lines(out.String()) {
		if slices.ContainsFunc(secret, func(s string) bool { return strings.Contains(line, s) }) {
			t.Errorf("the password is in %q", line)
		}
	}
	if got := d.String(); got != "socks5://user@p:1" {
		t.Errorf("String is %q", got)
	}
	if got := (&Dialer{Proxy: "user:hush@p:1"}).String(); got != "socks5://...@p:1" {
		t.Error("a Dialer that Check refuses is shown as", got)
	}
	if got := (&Dialer{Proxy: "p:1", Isolate: true}).String(); got != "socks5://p:1 (isolated)" {
		t.Errorf("String is %q", got)
	}
}
