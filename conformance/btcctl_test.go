package conformance

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestBtcctl calls by btcd's own command, as an operator does: with TLS, which it takes
// for granted, and without.
func TestBtcctl(t *testing.T) {
	ctx := begin(t)
	path := tool(t, "HOLDFAST_BTCCTL", "btcctl")
	btcd := startBTCD(ctx, t)
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	must(t, os.WriteFile(file("none.conf"), nil, 0o600)) // else it makes one of btcd's
	startHoldfast(ctx, t, "--rpccert", file("other.cert"), "--rpckey", file("other.key"))
	d := startHoldfast(ctx, t, "--rpccert", file("rpc.cert"), "--rpckey", file("rpc.key"))
	flags := []string{"--regtest", "--configfile=" + file("none.conf"), "--rpcserver=" + d.rpc, "--rpcuser=" + user, "--rpcpass=" + password}
	open, secure := append(flags, "--notls"), append(flags, "--rpccert="+file("rpc.cert"))
	open = open[:len(open):len(open)]

	for _, c := range []struct {
		args []string
		want string // a regular expression; "^$" is what btcctl prints for null
	}{
		{[]string{"getcurrentnet"}, `^\d+$`},
		{[]string{"getinfo"}, `"protocolversion": 70016`},
		{[]string{"uptime"}, `^\d+$`},
		{[]string{"addnode", btcd.peer, "add"}, `^(null)?$`},
		{nil, ""}, // until it is connected
		{[]string{"ping"}, `^(null)?$`},
		{[]string{"getconnectioncount"}, `^1$`},
		{[]string{"getpeerinfo"}, `"subver": "/btcwire:`},
		{[]string{"getaddednodeinfo", "true"}, `"connected": true`},
		{[]string{"getaddednodeinfo", "false"}, regexp.QuoteMeta(`"` + btcd.peer + `"`)},
		{[]string{"getaddednodeinfo", "true", btcd.peer}, `"addednode": "` + regexp.QuoteMeta(btcd.peer)},
		{[]string{"getnettotals"}, `"totalbytessent": [1-9]`},
		{[]string{"getnetworkinfo"}, `"subversion": "/holdfast:`},
		{[]string{"getnodeaddresses"}, `^\[\s*\]$`},
		{[]string{"debuglevel", "show"}, `^Supported subsystems \[.*CMGR.*\]\nLevels .*CMGR=debug`},
		{[]string{"debuglevel", "debug,RPCS=trace"}, `^Done\.$`},
		{[]string{"node", "disconnect", btcd.peer}, `^(null)?$`},
		{[]string{"addnode", btcd.peer, "remove"}, `^(null)?$`},
		{[]string{"node", "connect", btcd.peer, "perm"}, `^(null)?$`},
		{nil, ""},
		{[]string{"node", "remove", btcd.peer}, `^(null)?$`},
		{[]string{"help", "node"}, `(?s)^node "subcmd" "target" \( "connectsubcmd" \)\n`},
		{[]string{"stop"}, `stopping`},
	} {
		if c.args == nil {
			d.onlyPeer(ctx, t)
			continue
		}
		how := [][]string{open, secure}
		if c.args[0] != "help" && !strings.HasPrefix(c.args[0], "get") {
			how = how[:1] // it is an order, which counts once
		}
		for _, flags := range how {
			out, err := run(ctx, t, path, append(flags, c.args...)...)
			if err != nil || !regexp.MustCompile(c.want).MatchString(out) {
				t.Errorf("btcctl %v: %v\n%s", c.args, err, out)
			}
		}
	}
	must(t, d.proc.Await(ctx, func(said string) bool { return strings.Contains(said, "Stopped after") }))

	d = startHoldfast(ctx, t, "--rpccert", file("rpc.cert"), "--rpckey", file("rpc.key")) // the same files again
	// It prints the answer as it came, since the status is that of an error, as Core's.
	for _, c := range []struct{ args, want string }{
		{"--rpccert=" + file("other.cert") + " --rpcuser=" + user + " --rpcpass=" + password + " getpeerinfo", "x509: "},
		{"--notls --rpcuser=" + user + " --rpcpass=guessed getpeerinfo", "log in with "},
		{"--notls --rpcuser=" + user + " --rpcpass=" + password + " getblockcount", `"code":-32601,"message":"Method not found`},
		{"--notls --rpcuser=" + user + " --rpcpass=" + password + " addnode 127.0.0.1:1 remove", `"code":-24,`},
	} {
		args := append([]string{"--regtest", "--configfile=" + file("none.conf"), "--rpcserver=" + d.rpc}, strings.Fields(c.args)...)
		out, err := run(ctx, t, path, args...)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("btcctl %s: %v\n%s", c.args, err, out)
		}
	}
}
