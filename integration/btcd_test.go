package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// RPC access of every btcd here. It listens on this machine only.
const (
	rpcUser = "user"
	rpcPass = "secret"
)

// btcd is a real node.
type btcd struct {
	t       *testing.T
	name    string
	network string // "regtest"
	dir     string
	addr    string // where it takes peers
	rpc     string
	more    []string // further flags
	program string
	within  []string // the command that runs others in its network namespace
	proc    *process
	client  *http.Client
}

// startBTCD starts a node of a network ("regtest", "simnet") on a loopback address
// of its own.
func startBTCD(ctx context.Context, t *testing.T, network string, more ...string) *btcd {
	t.Helper()
	b := newBTCD(t, btcdPath(t), network, more...)
	b.start(ctx)
	return b
}

// newBTCD is startBTCD without starting it.
func newBTCD(t *testing.T, program, network string, more ...string) *btcd {
	return &btcd{
		t: t, program: program, network: network, more: more,
		dir:  t.TempDir(),
		addr: net.JoinHostPort(loopback(), "0"),
		// One connection a call: none is left open when the node ends.
		client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
	}
}

// btcdArgs are the flags of all nodes: little memory, RPC without TLS, nobody's
// configuration, and nobody asked for addresses.
func btcdArgs(network, dir string, more ...string) []string {
	return append([]string{
		"--" + network, "--configfile=" + noConfig(dir),
		"--datadir=" + filepath.Join(dir, "data"), "--logdir=" + filepath.Join(dir, "logs"),
		"--rpcuser=" + rpcUser, "--rpcpass=" + rpcPass, "--notls",
		"--nodnsseed", "--nocfilters", "--utxocachemaxsize=1", "--debuglevel=PEER=debug,SRVR=debug",
	}, more...)
}

// noConfig is an empty file.
func noConfig(dir string) string { return filepath.Join(dir, "none.conf") }

var (
	listensOn    = regexp.MustCompile(`CMGR: (?:Server l|L)istening on (\S+)\n`)
	listensOnRPC = regexp.MustCompile(`RPCS: RPC server listening on (\S+)\n`)
)

// start starts the node, again after kill: on the same address and with the same
// files. It returns when the node answers.
func (b *btcd) start(ctx context.Context) {
	b.t.Helper()
	if err := os.WriteFile(noConfig(b.dir), nil, 0o600); err != nil {
		b.t.Fatal(err)
	}
	args := btcdArgs(b.network, b.dir, append([]string{"--listen=" + b.addr, "--rpclisten=127.0.0.1:0"}, b.more...)...)
	b.proc = start(b.t, "btcd", slices.Concat(b.within, []string{b.program}, args)...)
	said, err := b.proc.await(ctx, func(said string) bool {
		return listensOn.MatchString(said) && listensOnRPC.MatchString(said)
	})
	if err != nil {
		b.t.Fatalf("btcd did not start: %v", err)
	}
	b.addr = listensOn.FindStringSubmatch(said)[1]
	b.rpc = listensOnRPC.FindStringSubmatch(said)[1]
	b.name = "btcd at " + b.addr
	b.proc.name = b.name
	eventually(ctx, b.t, b.name+" does not answer", func() error {
		return b.call(ctx, "getblockcount", nil)
	})
}

// call calls a method of the node. A result that is nil is not wanted.
func (b *btcd) call(ctx context.Context, method string, result any, params ...any) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if b.within == nil {
		return b.callHTTP(ctx, method, result, params)
	}
	// Its RPC can be reached from within its namespace only.
	args := []string{method}
	for _, p := range params {
		args = append(args, fmt.Sprint(p))
	}
	out, err := b.btcctl(ctx, args...)
	if text, ok := result.(*string); ok && err == nil {
		*text = strings.TrimSpace(out) // btcctl prints a string as it is
		return nil
	}
	if err != nil || result == nil {
		return err
	}
	return json.Unmarshal([]byte(out), result)
}

func (b *btcd) callHTTP(ctx context.Context, method string, result any, params []any) error {
	if params == nil {
		params = []any{}
	}
	body, err := json.Marshal(map[string]any{"jsonrpc": "1.0", "id": 1, "method": method, "params": params})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+b.rpc, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.SetBasicAuth(rpcUser, rpcPass)
	resp, err := b.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	var answer struct {
		Result json.RawMessage
		Error  *struct {
			Code    int
			Message string
		}
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return fmt.Errorf("%s: %s: %q", method, resp.Status, text)
	}
	if answer.Error != nil {
		return fmt.Errorf("%s: %d: %s", method, answer.Error.Code, answer.Error.Message)
	}
	if result == nil {
		return nil
	}
	return json.Unmarshal(answer.Result, result)
}

// btcctl calls a method as an operator does.
func (b *btcd) btcctl(ctx context.Context, args ...string) (string, error) {
	return run(ctx, slices.Concat(b.within, []string{
		btcctlPath(b.t), "--" + b.network, "--configfile=" + noConfig(b.dir),
		"--rpcuser=" + rpcUser, "--rpcpass=" + rpcPass, "--notls", "--rpcserver=" + b.rpc,
	}, args)...)
}

// peer is an entry of getpeerinfo.
type peer struct {
	Addr     string
	SubVer   string
	Version  uint32
	Services string
	Inbound  bool
	V2       bool `json:"v2_connection"`
}

func (b *btcd) peers(ctx context.Context) ([]peer, error) {
	var all []peer
	err := b.call(ctx, "getpeerinfo", &all)
	return all, err
}

// onlyPeer waits until the node has one peer that has shaken hands, and returns
// it.
func (b *btcd) onlyPeer(ctx context.Context) peer {
	b.t.Helper()
	var p peer
	eventually(ctx, b.t, b.name+" has not one peer", func() error {
		all, err := b.peers(ctx)
		if err != nil {
			return err
		}
		if len(all) != 1 || all[0].SubVer == "" {
			return fmt.Errorf("getpeerinfo lists %+v", all)
		}
		p = all[0]
		return nil
	})
	return p
}

// noPeer waits until the node has no peer.
func (b *btcd) noPeer(ctx context.Context) {
	b.t.Helper()
	eventually(ctx, b.t, b.name+" keeps a peer", func() error {
		all, err := b.peers(ctx)
		if err == nil && len(all) != 0 {
			err = fmt.Errorf("getpeerinfo lists %+v", all)
		}
		return err
	})
}

// must is call for what cannot fail.
func (b *btcd) must(ctx context.Context, method string, result any, params ...any) {
	b.t.Helper()
	if err := b.call(ctx, method, result, params...); err != nil {
		b.t.Fatalf("%s: %v", b.name, err)
	}
}

// isBTCD reports whether a user agent is btcd's.
func isBTCD(agent string) bool { return strings.Contains(agent, "/btcd:") }
