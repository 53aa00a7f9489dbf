package rpc

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/btcsuite/btcd/chaincfg/v2"

	"holdfast/node"
	"holdfast/stream"
)

// realNode is a node that runs on loopback, with its events in a Hub.
func realNode(t *testing.T) (*node.Node, *stream.Hub) {
	t.Helper()
	hub := stream.NewHub(0)
	n, err := node.New(node.Config{
		Params:         &chaincfg.RegressionNetParams,
		Listen:         []string{"127.0.0.1:0"},
		TargetOutbound: -1,
		AllowLoopback:  true,
		OnEvent:        hub.Feed,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return n, hub
}

// operator calls a server over the network.
type operator struct {
	t    *testing.T
	call func(body string) (int, string)
	last uint64 // the last event seen
}

// do makes a call that must succeed, and reads its result.
func (o *operator) do(into any, method string, params ...any) {
	o.t.Helper()
	if params == nil {
		params = []any{}
	}
	args, err := json.Marshal(params)
	if err != nil {
		o.t.Fatal(err)
	}
	code, body := o.call(fmt.Sprintf(`{"id":1,"method":%q,"params":%s}`, method, args))
	reply := struct{ Result any }{into}
	if code != 200 {
		o.t.Fatalf("%s: %d %s", method, code, body)
	}
	if err := json.Unmarshal([]byte(body), &reply); err != nil {
		o.t.Fatalf("%s: %v: %s", method, err, body)
	}
}

// await follows the events until there is one of a kind, as a client does.
func (o *operator) await(kind string) {
	o.t.Helper()
	for range 100 {
		var r struct {
			Last   uint64
			Events []struct{ Kind string }
		}
		// From the first event on: without since there is none that can be missed.
		o.do(&r, "events", max(o.last, 1), 1, kind, "trace", 10)
		o.last = r.Last
		if len(r.Events) > 0 {
			return
		}
	}
	o.t.Fatalf("no event %q", kind)
}

// An operator adds a peer, looks at it, bans it, and removes it.
func TestRealNode(t *testing.T) {
	t.Parallel()
	ours, hub := realNode(t)
	theirs, _ := realNode(t)
	cfg := testConfig(ours)
	cfg.Hub = hub
	s := started(t, cfg)
	client, url := newClient(t), "http://"+s.Addrs()[0].String()
	o := &operator{t: t, call: func(body string) (int, string) { return post(t, client, url, "alice", "secret", body) }}
	addr := theirs.Listening()[0].String()

	o.await("listening") // the manager runs: what is added is dialed
	o.do(nil, "addnode", addr, "add")
	o.await("ready")
	var peers []struct {
		ID             uint64
		Addr, SubVer   string
		Version        uint32
		ConnectionType string `json:"connection_type"`
		Services       string
		Sent           map[string]uint64 `json:"bytessent_per_msg"`
	}
	o.do(&peers, "getpeerinfo")
	if len(peers) != 1 || peers[0].Addr != addr || peers[0].ConnectionType != "manual" || peers[0].Version < 70016 || peers[0].Sent["version"] == 0 {
		t.Fatalf("peers: %+v", peers)
	}
	var added []struct {
		AddedNode string
		Connected bool
	}
	o.do(&added, "getaddednodeinfo")
	if len(added) != 1 || added[0].AddedNode != addr || !added[0].Connected {
		t.Errorf("added: %+v", added)
	}
	var totals struct{ TotalBytesSent, TotalBytesRecv uint64 }
	o.do(&totals, "getnettotals")
	if totals.TotalBytesSent == 0 || totals.TotalBytesRecv == 0 {
		t.Errorf("totals: %+v", totals)
	}
	var why struct {
		State, Summary string
		Events         []struct{ Kind string }
	}
	o.do(&why, "explain", addr)
	if why.State != "connected" || !slices.ContainsFunc(why.Events, func(e struct{ Kind string }) bool { return e.Kind == "ready" }) {
		t.Errorf("explain: %+v", why)
	}
	o.do(nil, "disconnectnode", "", peers[0].ID)
	o.await("lost")
	o.do(nil, "addnode", addr, "remove")
	o.await("removed")
	o.do(&why, "explain", addr)
	if why.State == "connected" || why.State == "waiting" {
		t.Errorf("after it was removed: %+v", why)
	}
	var on bool
	if o.do(&on, "setnetworkactive", false); on {
		t.Error("networking is on")
	}
	if code, body := o.call(fmt.Sprintf(`{"id":1,"method":"addnode","params":[%q,"onetry"]}`, addr)); code != 500 {
		t.Errorf("dialed while networking is off: %s", body)
	}
	o.do(&on, "setnetworkactive", true)
	o.do(nil, "setban", "127.0.0.2", "add", 60)
	o.await("banned")
	var bans []struct{ Address string }
	if o.do(&bans, "listbanned"); len(bans) != 1 || bans[0].Address != "127.0.0.2/32" {
		t.Errorf("bans: %+v", bans)
	}
	var info struct {
		Connections   int
		NetworkActive bool
	}
	if o.do(&info, "getnetworkinfo"); !info.NetworkActive || info.Connections != 0 {
		t.Errorf("info: %+v", info)
	}
}
