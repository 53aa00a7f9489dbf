package torctl

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
)

const testCookie = "0123456789abcdef\x00\r\n\"\\\xff0123456789"

// cookieFile writes a file with a name that must be escaped.
func cookieFile(t testing.TB, cookie string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "t or é")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "control.authcookie")
	put(t, file, cookie, 0o600)
	return file
}

// quoted is a string as Tor writes it.
func quoted(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		switch {
		case c == '"' || c == '\\':
			b.WriteString(`\` + string(rune(c)))
		case c < ' ' || c > '~':
			fmt.Fprintf(&b, `\%03o`, c)
		default:
			b.WriteByte(c)
		}
	}
	return `"` + b.String() + `"`
}

// Which way is taken of those that Tor offers, and what is said when none is left.
func TestAuthentication(t *testing.T) {
	t.Parallel()
	file := cookieFile(t, testCookie)
	cookie := " COOKIEFILE=" + quoted(file)
	for _, tt := range []struct {
		name     string
		auth     string
		torWants string // its password
		ours     string
		said     string // the commands, but for PROTOCOLINFO
		err      string // with ErrAuth
	}{
		{name: "nothing", auth: "", said: "AUTHENTICATE"},
		{name: "nothing, with a password", auth: "", ours: "p", said: "AUTHENTICATE"},
		{name: "password", auth: "METHODS=HASHEDPASSWORD", torWants: "p \"\\\r\n\x00é", ours: "p \"\\\r\n\x00é", said: "AUTHENTICATE"},
		{name: "password before cookie", auth: "METHODS=COOKIE,SAFECOOKIE,HASHEDPASSWORD" + cookie, torWants: "p", ours: "p", said: "AUTHENTICATE"},
		{name: "wrong password", auth: "METHODS=COOKIE,SAFECOOKIE,HASHEDPASSWORD" + cookie, torWants: "p", ours: "q", said: "AUTHENTICATE", err: "--torpassword"},
		{name: "no password", auth: "METHODS=HASHEDPASSWORD", torWants: "p", err: "--torpassword"},
		{name: "cookie", auth: "METHODS=COOKIE,SAFECOOKIE" + cookie, said: "AUTHCHALLENGE AUTHENTICATE"},
		{name: "cookie, for want of a password", auth: "METHODS=COOKIE,SAFECOOKIE,HASHEDPASSWORD" + cookie, said: "AUTHCHALLENGE AUTHENTICATE"},
		{name: "cookie, with a password that is not asked for", auth: "METHODS=SAFECOOKIE" + cookie, ours: "p", said: "AUTHCHALLENGE AUTHENTICATE"},
		{name: "plain cookie", auth: "METHODS=COOKIE" + cookie, err: "0.2.3.13"},
		{name: "no file", auth: "METHODS=SAFECOOKIE", err: "no cookie file"},
		{name: "new ways", auth: "METHODS=X,Y", err: "X,Y"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := &fakeTor{auth: tt.auth, password: tt.torWants, cookie: []byte(testCookie)}
				o := f.options()
				o.Password = tt.ours
				c, err := Dial(t.Context(), o)
				if tt.err == "" && err == nil {
					_ = c.Close()
				} else if tt.err == "" || !errors.Is(err, ErrAuth) || !strings.Contains(err.Error(), tt.err) {
					t.Error(err)
				}
				var said []string
				for _, line := range f.said()[1:] {
					word, _, _ := strings.Cut(line, " ")
					said = append(said, word)
				}
				if got := strings.Join(said, " "); got != tt.said {
					t.Errorf("said %q", got)
				}
			})
		})
	}
}

// Who names a file that he cannot read himself learns nothing of it.
func TestFalseTor(t *testing.T) {
	t.Parallel()
	file := cookieFile(t, testCookie)
	for name, answer := range map[string]string{
		"another cookie": "",
		"no hash":        "250 AUTHCHALLENGE SERVERNONCE=" + strings.Repeat("00", 32) + "\r\n",
		"no nonce":       "250 AUTHCHALLENGE SERVERHASH=" + strings.Repeat("00", 32) + "\r\n",
		"zeros":          "250 AUTHCHALLENGE SERVERHASH=" + strings.Repeat("00", 32) + " SERVERNONCE=" + strings.Repeat("00", 32) + "\r\n",
		"short":          "250 AUTHCHALLENGE SERVERHASH=00 SERVERNONCE=00\r\n",
		"no digits":      "250 AUTHCHALLENGE SERVERHASH=" + strings.Repeat("zz", 32) + " SERVERNONCE=" + strings.Repeat("00", 32) + "\r\n",
		"nothing":        "250 OK\r\n",
		"refused":        "515 Cookie authentication is disabled\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := &fakeTor{auth: "METHODS=SAFECOOKIE COOKIEFILE=" + quoted(file), cookie: []byte("something else")}
				if answer != "" {
					f.answer = func(line string) (string, bool) { return answer, strings.HasPrefix(line, "AUTHCHALLENGE") }
				}
				_, err := Dial(t.Context(), f.options())
				want := ErrProtocol
				if name == "another cookie" || name == "zeros" || name == "refused" {
					want = ErrAuth
				}
				if !errors.Is(err, want) {
					t.Error(err)
				}
				said := f.said()
				if len(said) != 2 || slices.ContainsFunc(said, func(s string) bool { return strings.HasPrefix(s, "AUTHENTICATE") }) {
					t.Errorf("said %q", said)
				}
			})
		})
	}
}

// What was answered once does not help who listened.
func TestNonces(t *testing.T) {
	t.Parallel()
	file := cookieFile(t, testCookie)
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTor{auth: "METHODS=SAFECOOKIE COOKIEFILE=" + quoted(file), cookie: []byte(testCookie)}
		open(t, f.options())
		open(t, f.options())
		if said := f.said(); said[1] == said[4] || said[2] == said[5] {
			t.Errorf("%q", said)
		}
	})
}

// Tor names the file: it may be anything.
func TestCookieFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	put(t, in("good"), testCookie, 0o600)
	put(t, in("short"), testCookie[1:], 0o600)
	put(t, in("long"), testCookie+"x", 0o600)
	put(t, in("empty"), "", 0o600)
	put(t, in("closed"), testCookie, 0)
	tests := []struct {
		file string
		err  string
		is   error
	}{
		{file: in("good")},
		{file: in("short"), err: "31 bytes"},
		{file: in("long"), is: errTooLarge},
		{file: in("empty"), err: "0 bytes"},
		{file: in("none"), err: "--torpassword", is: fs.ErrNotExist},
		{file: dir, is: errNotRegular},
		{file: "", err: "names no cookie file"},
		{file: "good", err: "not absolute"},
	}
	if runtime.GOOS != "windows" {
		if err := os.Symlink(os.DevNull, in("device")); err != nil {
			t.Fatal(err)
		}
		tests = append(tests, struct {
			file, err string
			is        error
		}{in("device"), "", errNotRegular})
		if os.Getuid() != 0 { // root may read all
			tests = append(tests, struct {
				file, err string
				is        error
			}{in("closed"), "debian-tor", fs.ErrPermission})
		}
	}
	for _, tt := range tests {
		b, err := readCookie(tt.file)
		switch {
		case tt.err == "" && tt.is == nil:
			if err != nil || string(b) != testCookie {
				t.Errorf("%s: %v", tt.file, err)
			}
		case err == nil || !strings.Contains(err.Error(), tt.err) || tt.is != nil && !errors.Is(err, tt.is):
			t.Errorf("%s: %v", tt.file, err)
		}
	}
}
