package conformance

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/btcsuite/btcd/btcjson"
	"github.com/btcsuite/btcd/rpcclient"
	"github.com/btcsuite/btcd/wire/v2"
)

// newClient returns btcd's client for a daemon: with TLS if there is a certificate.
func newClient(t *testing.T, d *daemon, cert []byte, make func(*rpcclient.ConnConfig) (*rpcclient.Client, error)) *rpcclient.Client {
	t.Helper()
	c, err := make(&rpcclient.ConnConfig{
		Host: d.rpc, User: user, Pass: password,
		HTTPPostMode: true, DisableTLS: cert == nil, Certificates: cert,
	})
	must(t, err)
	t.Cleanup(func() {
		c.Shutdown()
		c.WaitForShutdown()
	})
	return c
}

func single(c *rpcclient.ConnConfig) (*rpcclient.Client, error) { return rpcclient.New(c, nil) }

// socket is what the client opens unless it is told not to. It is not opened again when
// the daemon has gone.
func socket(c *rpcclient.ConnConfig) (*rpcclient.Client, error) {
	c.HTTPPostMode, c.Endpoint, c.DisableAutoReconnect = false, "ws", true
	return rpcclient.New(c, nil)
}

// raw calls what the client has no method for.
func raw(t *testing.T, c *rpcclient.Client, into any, method string, params ...any) {
	t.Helper()
	list := make([]json.RawMessage, len(params))
	for i, p := range params {
		var err error
		list[i], err = json.Marshal(p)
		must(t, err)
	}
	result, err := c.RawRequest(method, list)
	if err == nil && into != nil {
		err = json.Unmarshal(result, into)
	}
	if err != nil {
		t.Fatalf("%s: %v", method, err)
	}
}

// code is that of an error of the client's; 0 if there is none.
func code(err error) btcjson.RPCErrorCode {
	var e *btcjson.RPCError
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}

// TestRPCClient calls all that btcd's client has a method for and that a node without a
// chain can answer: by POST and over a websocket, without TLS and with it, on one port.
func TestRPCClient(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprintf("POST,TLS=%v", secure), func(t *testing.T) { everyMethod(t, secure, single) })
		t.Run(fmt.Sprintf("websocket,TLS=%v", secure), func(t *testing.T) { everyMethod(t, secure, socket) })
	}
}

func everyMethod(t *testing.T, secure bool, open func(*rpcclient.ConnConfig) (*rpcclient.Client, error)) {
	ctx := begin(t)
	btcd := startBTCD(ctx, t)
	var files []string
	if secure {
		dir := t.TempDir()
		files = []string{"--rpccert", filepath.Join(dir, "rpc.cert"), "--rpckey", filepath.Join(dir, "rpc.key")}
	}
	d := startHoldfast(ctx, t, files...)
	var cert []byte
	if secure {
		var err error
		cert, err = os.ReadFile(files[1])
		must(t, err)
	}
	c := newClient(t, d, cert, open)

	network, err := c.GetCurrentNet()
	must(t, err)
	if network != wire.TestNet { // regtest's, by its name in wire
		t.Errorf("the network is %v", network)
	}
	version, err := c.BackendVersion()
	must(t, err)
	if _, ok := version.(rpcclient.BtcdVersion); !ok {
		t.Errorf("the client takes us for %T %v", version, version)
	}

	// A peer that is kept.
	must(t, c.AddNode(btcd.peer, rpcclient.ANAdd))
	if got := code(c.AddNode(btcd.peer, rpcclient.ANAdd)); got != -23 {
		t.Errorf("added twice: %d", got)
	}
	d.onlyPeer(ctx, t)
	eventually(ctx, t, func() error { // until it has answered a ping
		must(t, c.Ping())
		all, err := c.GetPeerInfo()
		if err == nil && (len(all) != 1 || all[0].PingTime == 0) {
			err = fmt.Errorf("no answer to a ping: %+v", all)
		}
		return err
	})
	peers, err := c.GetPeerInfo()
	must(t, err)
	if p := peers[0]; p.Addr != btcd.peer || p.Inbound || !strings.Contains(p.SubVer, "btcwire") || p.Version < 70016 ||
		len(p.Services) != 16 || p.BytesSent == 0 || p.BytesRecv == 0 || p.ConnTime == 0 || p.LastSend == 0 || p.LastRecv == 0 || p.PingTime >= patience.Seconds() {
		t.Errorf("the peer: %+v", p)
	}
	added, err := c.GetAddedNodeInfo(btcd.peer)
	must(t, err)
	if len(added) != 1 || added[0].AddedNode != btcd.peer || !*added[0].Connected || (*added[0].Addresses)[0] != (btcjson.GetAddedNodeInfoResultAddr{Address: btcd.peer, Connected: "outbound"}) {
		t.Errorf("added: %+v", added)
	}
	names, err := c.GetAddedNodeInfoNoDNS("")
	must(t, err)
	if !slices.Equal(names, []string{btcd.peer}) {
		t.Errorf("added: %v", names)
	}
	if _, err := c.GetAddedNodeInfo("127.0.0.1:1"); code(err) != -24 {
		t.Errorf("not added: %v", err)
	}

	// The node in its network.
	count, err := c.GetConnectionCount()
	must(t, err)
	totals, err := c.GetNetTotals()
	must(t, err)
	info, err := c.GetNetworkInfo()
	must(t, err)
	old, err := c.GetInfo()
	must(t, err)
	if count != 1 || info.Connections != 1 || info.ConnectionsOut != 1 || info.ConnectionsIn != 0 || old.Connections != 1 {
		t.Errorf("%d connections, %+v, %+v", count, info, old)
	}
	if totals.TotalBytesRecv == 0 || totals.TotalBytesSent == 0 || totals.TimeMillis == 0 {
		t.Errorf("totals: %+v", totals)
	}
	if !info.NetworkActive || !strings.HasPrefix(info.SubVersion, "/holdfast:") || len(info.Networks) != 5 || info.ProtocolVersion < 70016 || old.ProtocolVersion != info.ProtocolVersion {
		t.Errorf("network: %+v", info)
	}
	raw(t, c, nil, "addpeeraddress", "11.0.0.1", 18444, true)
	all := int32(0)
	known, err := c.GetNodeAddresses(&all)
	must(t, err)
	if len(known) != 1 || known[0].Address != "11.0.0.1" || known[0].Port != 18444 || known[0].Services == 0 || known[0].Time == 0 {
		t.Errorf("addresses: %+v", known)
	}
	var book map[string]struct{ New, Tried, Total int }
	if raw(t, c, &book, "getaddrmaninfo"); book["ipv4"].Tried != 1 || book["all_networks"].Total != 1 {
		t.Errorf("the book: %+v", book)
	}

	// The program.
	levels, err := c.DebugLevel("show")
	must(t, err)
	if !strings.Contains(levels, "CMGR") {
		t.Errorf("levels: %s", levels)
	}
	done, err := c.DebugLevel("RPCS=trace")
	must(t, err)
	if done != "Done." {
		t.Errorf("levels: %s", done)
	}
	if _, err := c.DebugLevel("loud"); code(err) != btcjson.ErrRPCInvalidParams.Code {
		t.Errorf("a level that there is not: %v", err)
	}
	var uptime int64
	if raw(t, c, &uptime, "uptime"); uptime < 0 {
		t.Errorf("up for %d s", uptime)
	}
	var logs map[string]bool
	if raw(t, c, &logs, "logging", []string{"RPCS"}, []string{"PEER"}); !logs["RPCS"] || logs["PEER"] {
		t.Errorf("logging: %v", logs)
	}
	var rpcinfo struct {
		Active []struct{ Method string } `json:"active_commands"`
	}
	if raw(t, c, &rpcinfo, "getrpcinfo"); len(rpcinfo.Active) != 1 || rpcinfo.Active[0].Method != "getrpcinfo" {
		t.Errorf("calls: %+v", rpcinfo)
	}
	var help string
	if raw(t, c, &help, "help", "setban"); !strings.HasPrefix(help, `setban "subnet" "command"`) {
		t.Errorf("help: %s", help)
	}

	// Bans.
	raw(t, c, nil, "setban", "192.0.2.0/24", "add", 60)
	var bans []struct{ Address string }
	if raw(t, c, &bans, "listbanned"); len(bans) != 1 || bans[0].Address != "192.0.2.0/24" {
		t.Errorf("bans: %v", bans)
	}
	raw(t, c, nil, "setban", "192.0.2.0/24", "remove")
	raw(t, c, nil, "clearbanned")
	if raw(t, c, &bans, "listbanned"); len(bans) != 0 {
		t.Errorf("bans: %v", bans)
	}

	// Peers come and go.
	must(t, c.AddNode(btcd.peer, rpcclient.ANRemove))
	if got := code(c.AddNode(btcd.peer, rpcclient.ANRemove)); got != -24 {
		t.Errorf("removed twice: %d", got)
	}
	gone(ctx, t, c)
	must(t, c.AddNode(btcd.peer, rpcclient.ANOneTry))
	d.onlyPeer(ctx, t)
	must(t, c.Node(btcjson.NDisconnect, btcd.peer, nil))
	gone(ctx, t, c)
	perm, temp := "perm", "temp"
	must(t, c.Node(btcjson.NConnect, btcd.peer, &temp))
	d.onlyPeer(ctx, t)
	peers, err = c.GetPeerInfo()
	must(t, err)
	if err := c.Node(btcjson.NRemove, fmt.Sprint(peers[0].ID), nil); code(err) == 0 {
		t.Errorf("a peer that is not kept was removed: %v", err)
	}
	must(t, c.Node(btcjson.NDisconnect, fmt.Sprint(peers[0].ID), nil))
	gone(ctx, t, c)
	must(t, c.Node(btcjson.NConnect, btcd.peer, &perm))
	d.onlyPeer(ctx, t)
	raw(t, c, nil, "disconnectnode", btcd.peer)
	must(t, c.Node(btcjson.NRemove, btcd.peer, nil))
	gone(ctx, t, c)
	if err := c.Node(btcjson.NRemove, btcd.peer, nil); code(err) == 0 {
		t.Errorf("a peer that is not there was removed: %v", err)
	}
	raw(t, c, nil, "setnetworkactive", false)
	if got := code(c.AddNode(btcd.peer, rpcclient.ANOneTry)); got != -9 {
		t.Errorf("a peer was tried while networking is off: %d", got)
	}
	raw(t, c, nil, "setnetworkactive", true)

	// What a node without a chain cannot answer.
	if _, err := c.GetBlockCount(); code(err) != btcjson.ErrRPCMethodNotFound.Code {
		t.Errorf("getblockcount: %v", err)
	}
	wrong := &rpcclient.ConnConfig{Host: d.rpc, User: user, Pass: "guessed", HTTPPostMode: true, DisableTLS: cert == nil, Certificates: cert}
	guess, err := open(wrong)
	if err == nil {
		_, err = guess.GetPeerInfo()
		guess.Shutdown()
		guess.WaitForShutdown()
	}
	if err == nil || !strings.Contains(err.Error(), "status code: 401") && err != rpcclient.ErrInvalidAuth {
		t.Errorf("a wrong password: %v", err)
	}

	var stopping string
	if raw(t, c, &stopping, "stop"); !strings.Contains(stopping, "stopping") {
		t.Errorf("stop: %s", stopping)
	}
	must(t, d.proc.Await(ctx, func(said string) bool { return strings.Contains(said, "Stopped after") }))
}

// TestRPCClientReconnects: the daemon is started anew, and the client has what it asked for
// meanwhile answered by it. Nobody tells it to.
func TestRPCClientReconnects(t *testing.T) {
	ctx := begin(t)
	d := startHoldfast(ctx, t)
	connected := make(chan struct{}, 2)
	c := newClient(t, d, nil, func(cfg *rpcclient.ConnConfig) (*rpcclient.Client, error) {
		cfg.HTTPPostMode, cfg.Endpoint = false, "ws"
		return rpcclient.New(cfg, &rpcclient.NotificationHandlers{OnClientConnected: func() { connected <- struct{}{} }})
	})
	await := func() {
		t.Helper()
		select {
		case <-connected:
		case <-ctx.Done():
			t.Fatal("it does not connect")
		}
	}
	await()
	first, err := c.Session()
	must(t, err)
	again, err := c.Session()
	must(t, err)
	if first.SessionID == 0 || *again != *first {
		t.Errorf("the session is %v, then %v", first, again)
	}
	if _, err := c.RawRequest("notifyblocks", nil); code(err) != btcjson.ErrRPCMethodNotFound.Code {
		t.Errorf("notifyblocks: %v", err)
	}
	raw(t, c, nil, "stop")
	must(t, d.proc.Await(ctx, func(said string) bool { return strings.Contains(said, "Stopped after") }))
	eventually(ctx, t, func() error {
		if !c.Disconnected() {
			return errors.New("it has not noticed")
		}
		return nil
	})
	count := c.GetConnectionCountAsync()
	startHoldfastAt(ctx, t, d.rpc)
	if n, err := count.Receive(); err != nil || n != 0 {
		t.Errorf("asked while it was down: %d, %v", n, err)
	}
	await()
	second, err := c.Session()
	must(t, err)
	if second.SessionID == first.SessionID {
		t.Error("it is the same session")
	}
}

// TestRPCClientBatch has the calls of a batch answered each for itself, errors too.
func TestRPCClientBatch(t *testing.T) {
	ctx := begin(t)
	d := startHoldfast(ctx, t)
	c := newClient(t, d, nil, rpcclient.NewBatch)
	for range 2 { // the client may be used again
		peers, count, none, info := c.GetPeerInfoAsync(), c.GetConnectionCountAsync(), c.GetBlockCountAsync(), c.GetNetworkInfoAsync()
		must(t, c.Send())
		if list, err := peers.Receive(); err != nil || len(list) != 0 {
			t.Errorf("peers: %v, %v", list, err)
		}
		if n, err := count.Receive(); err != nil || n != 0 {
			t.Errorf("connections: %d, %v", n, err)
		}
		if _, err := none.Receive(); err == nil || !strings.Contains(err.Error(), "Method not found") {
			t.Errorf("blocks: %v", err)
		}
		if n, err := info.Receive(); err != nil || n.SubVersion == "" {
			t.Errorf("network: %v, %v", n, err)
		}
	}
}

// TestCertificate: the one that we make is good for this machine's names.
func TestCertificate(t *testing.T) {
	ctx := begin(t)
	dir := t.TempDir()
	cert := filepath.Join(dir, "rpc.cert")
	d := startHoldfast(ctx, t, "--rpccert", cert, "--rpckey", filepath.Join(dir, "rpc.key"))
	pem, err := os.ReadFile(cert)
	must(t, err)
	_, port, err := net.SplitHostPort(d.rpc)
	must(t, err)
	for _, host := range []string{"127.0.0.1", "localhost"} {
		c := newClient(t, &daemon{rpc: net.JoinHostPort(host, port)}, pem, single)
		if _, err := c.GetConnectionCount(); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
}
