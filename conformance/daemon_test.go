package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"holdfast/internal/testenv"
)

// Who may call all daemons here. They listen on this machine only.
const (
	user     = "user"
	password = "secret"
)

var (
	listensOn    = regexp.MustCompile(`CMGR: (?:Server l|L)istening on (\S+)\n`)
	listensOnRPC = regexp.MustCompile(`RPCS: (?:RPC server listening|Taking commands) on \[?([^\s\]]+)\]?\n`)
)

// daemon is a node that runs, ours or btcd.
type daemon struct {
	peer string // where it takes peers
	rpc  string // and where calls
	dir  string // of ours: that of the network
	proc *testenv.Process
}

// startHoldfast starts a daemon of this tree that looks for no peers, and waits until
// it takes calls.
func startHoldfast(ctx context.Context, t *testing.T, more ...string) *daemon {
	t.Helper()
	return startHoldfastAt(ctx, t, "127.0.0.1:0", more...)
}

// startHoldfastAt is the same, and says where it takes calls.
func startHoldfastAt(ctx context.Context, t *testing.T, rpc string, more ...string) *daemon {
	t.Helper()
	path, err := built()
	must(t, err)
	dir := t.TempDir()
	return begun(ctx, t, start(t, path, append([]string{
		"run", "--regtest", "--datadir", dir, "--listen", "127.0.0.1:0", "--nodnsseed", "--targetoutbound", "0", "--nodashboard",
		"--rpclisten", rpc, "--rpcuser", user, "--rpcpass", password, "--debuglevel", "debug",
		"--services", "0x9", // btcd hangs up on others
	}, more...)...), filepath.Join(dir, "regtest"))
}

// startBTCD starts a btcd without peers.
func startBTCD(ctx context.Context, t *testing.T) *daemon {
	t.Helper()
	dir := t.TempDir()
	none := filepath.Join(dir, "none.conf")
	must(t, os.WriteFile(none, nil, 0o600))
	return begun(ctx, t, start(t, tool(t, "HOLDFAST_BTCD", "btcd"),
		"--regtest", "--configfile="+none, "--datadir="+dir, "--logdir="+dir,
		"--listen=127.0.0.1:0", "--rpclisten=127.0.0.1:0", "--rpcuser="+user, "--rpcpass="+password, "--notls",
		"--nodnsseed", "--nocfilters", "--utxocachemaxsize=1", "--debuglevel=PEER=debug,SRVR=debug"), dir)
}

func begun(ctx context.Context, t *testing.T, proc *testenv.Process, dir string) *daemon {
	t.Helper()
	must(t, proc.Await(ctx, func(said string) bool {
		return listensOn.MatchString(said) && listensOnRPC.MatchString(said)
	}))
	said := proc.Said()
	return &daemon{listensOn.FindStringSubmatch(said)[1], listensOnRPC.FindStringSubmatch(said)[1], dir, proc}
}

// post sends a body as it is, and returns the answer: one connection for each.
func (d *daemon) post(ctx context.Context, body string, header http.Header) (*http.Response, string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+d.rpc+"/", strings.NewReader(body))
	if err != nil {
		return nil, "", err
	}
	r.SetBasicAuth(user, password)
	for name, values := range header {
		r.Header[name] = values
	}
	r.Close = true
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp, string(text), err
}

// call calls a method, and reads its result into what is not nil.
func (d *daemon) call(ctx context.Context, into any, method string, params ...any) error {
	if params == nil {
		params = []any{}
	}
	body, err := json.Marshal(map[string]any{"jsonrpc": "1.0", "id": 1, "method": method, "params": params})
	if err != nil {
		return err
	}
	_, text, err := d.post(ctx, string(body), nil)
	if err != nil {
		return err
	}
	var reply struct {
		Result json.RawMessage
		Error  json.RawMessage
	}
	if err := json.Unmarshal([]byte(text), &reply); err != nil {
		return fmt.Errorf("%s: %w: %s", method, err, text)
	}
	if len(reply.Error) > 0 && !bytes.Equal(reply.Error, []byte("null")) {
		return fmt.Errorf("%s: %s", method, reply.Error)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(reply.Result, into)
}

// happened is an event of ours.
type happened struct {
	Seq     uint64
	Kind    string
	Address string
	Text    string
}

// events returns what has happened about an address since an event.
func (d *daemon) events(ctx context.Context, t *testing.T, since uint64, addr string) (list []happened, last uint64) {
	t.Helper()
	var r struct {
		Last   uint64
		Lost   uint64
		Events []happened
	}
	must(t, d.call(ctx, &r, "events", max(since, 1), 1000, nil, "trace", 0, addr))
	if r.Lost > 0 {
		t.Fatalf("%d events are lost", r.Lost)
	}
	return r.Events, r.Last
}

// await waits for an event of a kind about an address, and returns it.
func (d *daemon) await(ctx context.Context, t *testing.T, since uint64, kind, addr string) happened {
	t.Helper()
	for {
		var r struct {
			Last   uint64
			Events []happened
		}
		if err := d.call(ctx, &r, "events", max(since, 1), 1, []string{kind}, "trace", 5, addr); err != nil {
			t.Fatalf("no event %q about %s: %v", kind, addr, err)
		}
		if len(r.Events) > 0 {
			return r.Events[0]
		}
		since = r.Last
	}
}

// onlyPeer waits until there is one peer, which has shaken hands, and returns its
// address.
func (d *daemon) onlyPeer(ctx context.Context, t *testing.T) string {
	t.Helper()
	var peers []struct{ Addr, SubVer string }
	eventually(ctx, t, func() error {
		err := d.call(ctx, &peers, "getpeerinfo")
		if err == nil && (len(peers) != 1 || peers[0].SubVer == "") {
			err = fmt.Errorf("there should be one peer: %+v", peers)
		}
		return err
	})
	return peers[0].Addr
}
