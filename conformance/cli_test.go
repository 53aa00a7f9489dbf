package conformance

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// cli sends what bitcoin-cli sends, as src/bitcoin-cli.cpp of Bitcoin Core has it, for
// want of a package of the program itself. It logs in with the cookie file.
type cli struct {
	t      *testing.T
	ctx    context.Context
	d      *daemon
	header http.Header

	// marker is how its requests end: with the version of JSON-RPC since 28.0.
	marker string
}

func newCLI(ctx context.Context, t *testing.T, d *daemon, marker string) *cli {
	t.Helper()
	cookie, err := os.ReadFile(filepath.Join(d.dir, ".cookie"))
	must(t, err)
	c := &cli{t: t, ctx: ctx, d: d, marker: marker, header: http.Header{
		"Authorization": {"Basic " + base64.StdEncoding.EncodeToString(cookie)},
		"User-Agent":    nil,
	}}
	if marker != "" {
		c.header.Set("Content-Type", "application/json")
	}
	return c
}

// request is a call as it writes it: with null where there are no arguments.
func (c *cli) request(id int, method, params string) string {
	return fmt.Sprintf(`{"method":%q,"params":%s,"id":%d%s}`, method, params, id, c.marker)
}

// send sends a body, and returns what it takes for an answer: whatever has no status that
// it gives up at, and is JSON.
func (c *cli) send(body string, into any) {
	c.t.Helper()
	resp, text, err := c.d.post(c.ctx, body+"\n", c.header)
	must(c.t, err)
	switch s := resp.StatusCode; {
	case s == http.StatusUnauthorized, s >= 400 && s != 400 && s != 404 && s != 500:
		c.t.Fatalf("%s: it gives up at %s: %s", body, resp.Status, text)
	}
	if err := json.Unmarshal([]byte(text), into); err != nil {
		c.t.Fatalf("%s: %v: %s", body, err, text)
	}
}

type cliReply struct {
	Result json.RawMessage
	Error  *struct {
		Code    int
		Message string
	}
	ID int
}

// do makes one call.
func (c *cli) do(method, params string) cliReply {
	c.t.Helper()
	var r cliReply
	if c.send(c.request(1, method, params), &r); r.ID != 1 {
		c.t.Errorf("%s has the id %d", method, r.ID)
	}
	return r
}

// TestBitcoinCLI has each form of a request that bitcoin-cli makes, before 28.0 and
// since.
func TestBitcoinCLI(t *testing.T) {
	ctx := begin(t)
	btcd := startBTCD(ctx, t)
	d := startHoldfast(ctx, t)
	for _, c := range []*cli{newCLI(ctx, t, d, ""), newCLI(ctx, t, d, `,"jsonrpc":"2.0"`)} {
		for _, x := range []struct {
			method, params string
			code           int
			want           string // what the result begins with
		}{
			{"uptime", `[]`, 0, ""},
			{"addnode", `[` + quote(btcd.peer) + `,"add"]`, 0, "null"},
			{"addnode", `[` + quote(btcd.peer) + `,"remove"]`, 0, "null"},
			{"addnode", `{"args":[` + quote(btcd.peer) + `],"command":"add"}`, 0, "null"}, // -named
			{"getaddednodeinfo", `{"node":` + quote(btcd.peer) + `}`, 0, `[{"addednode"`},
			{"setban", `{"subnet":"192.0.2.1","command":"add","bantime":60,"absolute":false}`, 0, "null"},
			{"listbanned", `[]`, 0, `[{"address":"192.0.2.1/32"`},
			{"setban", `["192.0.2.1","add"]`, -23, ""},
			{"setban", `["192.0.2.1","remove"]`, 0, "null"},
			{"setban", `["192.0.2.1","remove"]`, -30, ""},
			{"setban", `["192.0.2.1"]`, -1, ""},
			{"setban", `["192.0.2.1","add","long"]`, -3, ""},
			{"setban", `{"subnet":"192.0.2.1","command":"add","until":60}`, -8, ""},
			{"disconnectnode", `["","7000"]`, -3, ""}, // it sends numbers, where it knows the method
			{"disconnectnode", `["",7000]`, -29, ""},
			{"debuglevel", `["show"]`, 0, `"Supported`}, // whose arguments it does not know
			{"explain", `["192.0.2.1","5"]`, 0, `{"address"`},
			{"events", `["1","5"]`, 0, `{"last"`},
			{"getnodeaddresses", `[0]`, 0, "[]"}, // -addrinfo
			{"getaddrmaninfo", `[]`, 0, `{"all_networks"`},
			{"getblockcount", `[]`, -32601, ""},
			{"help", `["nosuch"]`, 0, `"help: unknown command: nosuch"`},
			{"addnode", `[` + quote(btcd.peer) + `,"remove"]`, 0, "null"},
		} {
			r := c.do(x.method, x.params)
			switch {
			case x.code != 0:
				if r.Error == nil || r.Error.Code != x.code {
					t.Errorf("%s %s: %+v", x.method, x.params, r)
				}
			case r.Error != nil || !strings.HasPrefix(string(r.Result), x.want):
				t.Errorf("%s %s: %s, %+v", x.method, x.params, r.Result, r.Error)
			}
		}
	}
	wrong := newCLI(ctx, t, d, "")
	wrong.header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("__cookie__:guessed")))
	resp, _, err := d.post(ctx, wrong.request(1, "uptime", "[]"), wrong.header)
	must(t, err)
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("a wrong cookie: %s", resp.Status)
	}
}

// netinfoPeer and netinfoNetwork are the fields that -netinfo reads of getpeerinfo and
// getnetworkinfo, by their types; it gives up if one is not there or has another, unless
// it is a pointer here.
type netinfoPeer struct {
	ID             int32    `json:"id"`
	Addr           string   `json:"addr"`
	Network        string   `json:"network"`
	MappedAS       *uint32  `json:"mapped_as"`
	ServicesNames  []string `json:"servicesnames"`
	RelayTxes      bool     `json:"relaytxes"`
	LastSend       int64    `json:"lastsend"`
	LastRecv       int64    `json:"lastrecv"`
	LastTx         int64    `json:"last_transaction"`
	LastBlock      int64    `json:"last_block"`
	ConnTime       int64    `json:"conntime"`
	PingTime       *float64 `json:"pingtime"`
	MinPing        *float64 `json:"minping"`
	Version        int32    `json:"version"`
	SubVer         string   `json:"subver"`
	Inbound        bool     `json:"inbound"`
	HBTo           bool     `json:"bip152_hb_to"`
	HBFrom         bool     `json:"bip152_hb_from"`
	AddrRelay      *bool    `json:"addr_relay_enabled"`
	Processed      *int64   `json:"addr_processed"`
	RateLimited    *int64   `json:"addr_rate_limited"`
	ConnectionType string   `json:"connection_type"`
	Transport      *string  `json:"transport_protocol_type"`
}

type netinfoNetwork struct {
	Version         int32    `json:"version"`
	SubVersion      string   `json:"subversion"`
	ProtocolVersion int32    `json:"protocolversion"`
	ServicesNames   []string `json:"localservicesnames"`
	Networks        []struct {
		Name      string `json:"name"`
		Reachable bool   `json:"reachable"`
	} `json:"networks"`
	LocalAddresses []struct {
		Address string `json:"address"`
		Port    int32  `json:"port"`
		Score   int32  `json:"score"`
	} `json:"localaddresses"`
}

// whole reports which fields of a struct a JSON object lacks, pointers excepted.
func whole(text json.RawMessage, of any) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return err
	}
	for _, f := range reflect.VisibleFields(reflect.TypeOf(of).Elem()) {
		name := f.Tag.Get("json")
		if v, ok := fields[name]; f.Type.Kind() != reflect.Pointer && (!ok || string(v) == "null") {
			return fmt.Errorf("%s is not there", name)
		}
	}
	return json.Unmarshal(text, of)
}

// TestNetInfo has all that bitcoin-cli -netinfo reads. With -getinfo, which begins with
// the chain, it prints the error of getblockchaininfo.
func TestNetInfo(t *testing.T) {
	ctx := begin(t)
	btcd := startBTCD(ctx, t)
	d := startHoldfast(ctx, t, "--addpeer", btcd.peer)
	d.onlyPeer(ctx, t)
	for _, c := range []*cli{newCLI(ctx, t, d, ""), newCLI(ctx, t, d, `,"jsonrpc":"2.0"`)} {
		var batch []cliReply
		c.send("["+c.request(0, "getpeerinfo", "null")+","+c.request(1, "getnetworkinfo", "null")+"]", &batch)
		if len(batch) != 2 || batch[0].Error != nil || batch[1].Error != nil || batch[0].ID != 0 || batch[1].ID != 1 {
			t.Fatalf("-netinfo: %+v", batch)
		}
		var peers []json.RawMessage
		must(t, json.Unmarshal(batch[0].Result, &peers))
		for _, p := range peers {
			var peer netinfoPeer
			if err := whole(p, &peer); err != nil {
				t.Errorf("getpeerinfo: %v: %s", err, p)
			}
			if peer.Network != "not_publicly_routable" || peer.ConnectionType != "manual" || peer.ConnTime == 0 {
				t.Errorf("the peer: %+v", peer)
			}
		}
		var network netinfoNetwork
		if err := whole(batch[1].Result, &network); err != nil {
			t.Errorf("getnetworkinfo: %v: %s", err, batch[1].Result)
		}
		if network.Version < 209900 { // it gives up at less
			t.Errorf("version %d", network.Version)
		}
		if len(peers) != 1 || len(network.Networks) != 5 {
			t.Errorf("%d peers, %d networks", len(peers), len(network.Networks))
		}

		var info []cliReply
		c.send("["+c.request(0, "getnetworkinfo", "null")+","+c.request(1, "getblockchaininfo", "null")+","+
			c.request(2, "getwalletinfo", "null")+","+c.request(3, "getbalances", "null")+"]", &info)
		if len(info) != 4 || info[0].Error != nil || info[1].Error == nil || info[1].Error.Code != -32601 || info[3].ID != 3 {
			t.Errorf("-getinfo: %+v", info)
		}
	}
}

func quote(text string) string { return `"` + text + `"` }
