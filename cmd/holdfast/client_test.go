package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/spf13/pflag"
)

// clientOf returns what a command line, an environment and a holdfast.conf mean. In args,
// environ and files, @ is the data directory, which has the files.
func clientOf(t *testing.T, args, environ string, files map[string]string) (*client, error) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "@", dir)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f := new(clientFlags)
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	f.add(flags)
	flags.Int("limit", 0, "") // of the command itself
	with := func(text string) []string { return strings.Fields(strings.ReplaceAll(text, "@", dir)) }
	if err := flags.Parse(with(args)); err != nil {
		t.Fatal(err)
	}
	if err := f.configure(flags, with(environ)); err != nil {
		return nil, err
	}
	return f.open()
}

// TestClient: which daemon is asked, and as whom.
func TestClient(t *testing.T) {
	t.Parallel()
	const cookie = "__cookie__:secret"
	for name, tt := range map[string]struct {
		args, environ string
		files         map[string]string
		url, user     string
	}{
		"the cookie": {
			"--datadir @", "",
			map[string]string{"mainnet/.cookie": cookie + "\n"},
			"http://127.0.0.1:8341/", cookie,
		},
		"another network": {
			"--datadir @ --signet", "",
			map[string]string{"signet/.cookie": cookie},
			"http://127.0.0.1:38341/", cookie,
		},
		"the network of the configuration file": {
			"--datadir @", "",
			map[string]string{"regtest/.cookie": cookie, "holdfast.conf": "regtest=1\nrpcuser=a\nrpcpass=b\nnonsense=1\nmaxpeers=x"},
			"http://127.0.0.1:18441/", "a:b",
		},
		"the file's section": {
			"--datadir @ --simnet", "",
			map[string]string{"holdfast.conf": "[simnet]\nrpcuser=a\nrpcpass=b\n[regtest]\nrpcuser=c"},
			"http://127.0.0.1:18561/", "a:b",
		},
		"the data directory of the file": {
			"", "HOLDFAST_CONFIGFILE=@/other.conf",
			map[string]string{"other.conf": "datadir=@/below\nregtest=1", "below/regtest/.cookie": cookie},
			"http://127.0.0.1:18441/", cookie,
		},
		"the environment": {
			"", "HOLDFAST_DATADIR=@ HOLDFAST_REGTEST=1 HOLDFAST_MAXPEERS=x HOLDFAST_LIMIT=x",
			map[string]string{"regtest/.cookie": cookie},
			"http://127.0.0.1:18441/", cookie,
		},
		"the command line before the environment": {
			"--datadir @ --regtest --rpcuser a --rpcpass b", "HOLDFAST_SIGNET=1 HOLDFAST_RPCUSER=c HOLDFAST_RPCPASS=d", nil,
			"http://127.0.0.1:18441/", "a:b",
		},
		"where the daemon says it is": {
			"--datadir @", "",
			map[string]string{"mainnet/.cookie": cookie, "mainnet/.rpcaddress": "127.0.0.1:12345\n"},
			"http://127.0.0.1:12345/", cookie,
		},
		"with TLS": {
			"--datadir @", "",
			map[string]string{"mainnet/.cookie": cookie, "mainnet/.rpcaddress": "192.0.2.1:12345\n@/rpc.cert\n", "rpc.cert": testCert},
			"https://192.0.2.1:12345/", cookie,
		},
		"somewhere else": {
			"--datadir @ --rpcserver 127.0.0.1", "",
			map[string]string{"mainnet/.cookie": cookie, "mainnet/.rpcaddress": "127.0.0.1:12345\n"},
			"http://127.0.0.1:8341/", cookie,
		},
		"somewhere else with TLS": {
			"--rpcserver example.org:1 --rpcuser a --rpcpass b --rpccert @/rpc.cert", "HOLDFAST_DATADIR=@",
			map[string]string{"rpc.cert": testCert},
			"https://example.org:1/", "a:b",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := clientOf(t, tt.args, tt.environ, tt.files)
			if err != nil {
				t.Fatal(err)
			}
			if user := c.user + ":" + c.pass; c.url != tt.url || user != tt.user {
				t.Errorf("%s as %s, want %s as %s", c.url, user, tt.url, tt.user)
			}
		})
	}
}

// TestClientErrors: the error says what to do, and by its type which exit code it has.
func TestClientErrors(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		args, environ string
		files         map[string]string
		code          int
		want          string
	}{
		"no daemon":             {"--datadir @", "", nil, exitAway, "no daemon runs on mainnet"},
		"a cookie that is none": {"--datadir @", "", map[string]string{"mainnet/.cookie/x": ""}, exitAway, "cannot log in"},
		"two networks":          {"--signet --regtest", "", nil, exitUsage, "exclude each other"},
		"no password":           {"--rpcuser a", "HOLDFAST_DATADIR=@", nil, exitUsage, "need each other"},
		"no TLS":                {"--rpcserver 192.0.2.1 --rpcuser a --rpcpass b", "HOLDFAST_DATADIR=@", nil, exitUsage, "for all to read"},
		"no certificate":        {"--datadir @ --rpccert @/none", "", nil, exitUsage, "no such file"},
		"an empty certificate":  {"--datadir @ --rpccert @/a", "", map[string]string{"a": ""}, exitUsage, "no certificate in it"},
		"no such file":          {"--configfile @/none", "", nil, exitUsage, "configuration file"},
		"the environment":       {"--datadir @", "HOLDFAST_SIGNET=maybe", nil, exitUsage, "true or false"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := clientOf(t, tt.args, tt.environ, tt.files)
			if err == nil || !strings.Contains(err.Error(), tt.want) || exitCode(err) != tt.code {
				t.Errorf("%v, code %d; want %q, code %d", err, exitCode(err), tt.want, tt.code)
			}
		})
	}
}

// TestAddressFile: clients find the daemon wherever it listens.
func TestAddressFile(t *testing.T) {
	t.Parallel()
	cert, err := filepath.Abs("rpc.cert")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ listening, address, cert string }{
		{"127.0.0.1:1", "127.0.0.1:1", ""},
		{"192.0.2.1:1 [::1]:2", "[::1]:2", ""},
		{"192.0.2.1:1", "192.0.2.1:1", cert},
		{"0.0.0.0:3", "127.0.0.1:3", cert},
		{"[::]:3", "127.0.0.1:3", cert},
	} {
		dir := t.TempDir()
		var addrs []net.Addr
		for text := range strings.FieldsSeq(tt.listening) {
			a, err := net.ResolveTCPAddr("tcp", text)
			if err != nil {
				t.Fatal(err)
			}
			addrs = append(addrs, a)
		}
		if err := writeAddress(dir, addrs, "rpc.cert"); err != nil {
			t.Fatal(err)
		}
		address, cert, ok := readAddress(dir)
		if address != tt.address || cert != tt.cert || !ok {
			t.Errorf("%s: %q, %q, %v, want %q, %q", tt.listening, address, cert, ok, tt.address, tt.cert)
		}
		forgetAddress(dir)
		if _, _, ok := readAddress(dir); ok {
			t.Error("it is not forgotten")
		}
	}
}

// answering is an http.RoundTripper that gives these answers: "200 text".
type answering []string

func (a *answering) RoundTrip(r *http.Request) (*http.Response, error) {
	if len(*a) == 0 {
		return nil, errors.New("connection refused")
	}
	next := (*a)[0]
	*a = (*a)[1:]
	resp := &http.Response{Request: r, Header: make(http.Header), StatusCode: 200}
	var text string
	_, err := fmt.Sscanf(next, "%d", &resp.StatusCode)
	if _, text, _ = strings.Cut(next, " "); err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(strings.NewReader(text))
	return resp, nil
}

// TestCall: what an answer means.
func TestCall(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		answers answering
		want    string // of the error; "" for none
		code    int
	}{
		"a result":    {answering{`200 {"result":7,"error":null,"id":0}`}, "", exitOK},
		"an error":    {answering{`500 {"result":null,"error":{"code":-29,"message":"Error: no \u001b[2Jsuch\npeer"},"id":0}`}, `no \x1b[2Jsuch peer`, exitError},
		"the usage":   {answering{`500 {"error":{"code":-1,"message":"stop ( wait )\n\nEnds it."}}`}, "it is called as: stop ( wait )", exitError},
		"another":     {answering{`200 {"result":"seven"}`}, "not understood", exitError},
		"no JSON":     {answering{"403 go \x1b[2J away"}, `403 Forbidden: go \x1b[2J away`, exitError},
		"no login":    {answering{"401 "}, "refuses the login", exitError},
		"busy":        {answering{"429 later", "503 later", `200 {"result":7}`}, "", exitOK},
		"always busy": {append(make(answering, 0), strings.Split(strings.Repeat("503 later,", 20), ",")[:patience]...), "503 Service Unavailable", exitError},
		"nobody":      {nil, "no daemon answers at 127.0.0.1:1: connection refused", exitAway},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // a second between tries
				c := &client{url: "http://127.0.0.1:1/", http: &http.Client{Transport: &tt.answers}}
				var n int
				err := c.call(t.Context(), &n, "test")
				if exitCode(err) != tt.code || (err == nil) != (n == 7) || err != nil && !strings.Contains(err.Error(), tt.want) {
					t.Errorf("%d, %v (code %d), want %q (code %d)", n, err, exitCode(err), tt.want, tt.code)
				}
			})
		})
	}
}

// testCert is a certificate of nobody.
const testCert = `-----BEGIN CERTIFICATE-----
MIIBdTCCARugAwIBAgIUB4KxaiIXitpdXWNw9cZsvGpGsyYwCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEdGVzdDAgFw0yNjExMjMwMjA1MDhaGA8yMTI2MTAzMDAyMDUw
OFowDzENMAsGA1UEAwwEdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABKGG
nLtNjqkSl8Q/NDSAFo/Xb9E9XQehmIJOpREdqlNkFIIRsBiAURpwBeu1Dp5ipVsL
Akv9qBcPf9KdRoTREvyjUzBRMB0GA1UdDgQWBBR0t89BXvW+RjzUdW0hvMr2lb7I
7jAfBgNVHSMEGDAWgBR0t89BXvW+RjzUdW0hvMr2lb7I7jAPBgNVHRMBAf8EBTAD
AQH/MAoGCCqGSM49BAMCA0gAMEUCIQCH/8HZwatsaxsQ6Udq6q4nvlR5OzoGe1dP
70Dr/q+OLgIgQbs/X5xGO7waheTMkXph6q0C35wcMNOvOFDQm8kpe2o=
-----END CERTIFICATE-----`
