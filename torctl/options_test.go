package torctl

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
)

func TestSecretsAreNotShown(t *testing.T) {
	t.Parallel()
	const password = "correct horse"
	key := fakeKey(3)
	o := Options{Address: "unix:/run/tor/control", Password: password}
	for _, v := range []any{
		o, &o,
		[]Options{o},
		map[string]Options{"x": o},
		Service{Control: o},
		&Service{Control: o},
		Onion{Key: key},
		&Onion{Key: key},
		Published{ServiceID: "x", Key: key},
		&Published{Key: key},
	} {
		var b bytes.Buffer
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&b, verb+"\n", v)
		}
		slog.New(slog.NewTextHandler(&b, nil)).Info("m", "v", v)
		slog.New(slog.NewJSONHandler(&b, nil)).Info("m", "v", v)
		if err := json.NewEncoder(&b).Encode(v); err != nil && !strings.Contains(err.Error(), "func(torctl.Event)") {
			t.Errorf("%T: %v", v, err)
		}
		for _, s := range []string{password, key, key[20:40], fmt.Sprintf("%x", password), "correct"} {
			if strings.Contains(b.String(), s) {
				t.Errorf("%T shows %q:\n%s", v, s, b.String())
			}
		}
	}
	if got := fmt.Sprint(o, Options{}, Onion{Key: "k", VirtualPort: 1, Target: "t"}, Published{ServiceID: "x"}); got !=
		"{Address:/run/tor/control Password:(secret)} {Address:127.0.0.1:9051 Password:} {Key:(secret) VirtualPort:1 Target:t Flags:[]} {ServiceID:x Key:}" {
		t.Error(got)
	}

	// Nor does an error, should Tor repeat what it was told.
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTor{auth: "METHODS=HASHEDPASSWORD"}
		f.answer = func(line string) (string, bool) {
			return "513 What is \x1b[31m" + line + "?\r\n", !strings.HasPrefix(line, "PROTOCOLINFO")
		}
		o := f.options()
		o.Password = password
		_, err := Dial(t.Context(), o)
		if !errors.Is(err, ErrAuth) || strings.Contains(err.Error(), fmt.Sprintf("%x", password)) || strings.Contains(err.Error(), "\x1b") {
			t.Error(err)
		}
		f = &fakeTor{}
		c := open(t, f.options())
		f.set(func() { f.answer = func(line string) (string, bool) { return "513 " + line + "\r\n", true } })
		if _, err = c.AddOnion(t.Context(), Onion{Key: key, VirtualPort: 1, Target: "x"}); !isReply(err, 513) || strings.Contains(err.Error(), key) {
			t.Error(err)
		}
	})
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"": "tcp 127.0.0.1:9051", "127.0.0.1:1": "tcp 127.0.0.1:1", "[::1]:9051": "tcp [::1]:9051", "unix:/run/tor/control": "unix /run/tor/control",
	} {
		dial := func(_ context.Context, network, address string) (net.Conn, error) {
			if got := network + " " + address; got != want {
				t.Errorf("%q: %s", in, got)
			}
			return nil, errRefused
		}
		if _, err := Dial(t.Context(), Options{Address: in, DialContext: dial}); !errors.Is(err, errRefused) {
			t.Error(err)
		}
	}
}
