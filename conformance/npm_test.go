package conformance

import (
	"net"
	"os"
	"os/exec"
	"testing"

	"holdfast/internal/testenv"
)

// TestNPM calls by clients that were written for Bitcoin Core and Node.js: clients.js.
func TestNPM(t *testing.T) {
	ctx := begin(t)
	node := tool(t, "HOLDFAST_NODEJS", "node")
	if _, err := os.Stat("node_modules"); err != nil {
		testenv.Cannot(t, "needs the packages of package.json (npm ci --ignore-scripts, in this folder): %v", err)
	}
	btcd := startBTCD(ctx, t)
	d := startHoldfast(ctx, t)
	host, port, err := net.SplitHostPort(d.rpc)
	must(t, err)
	cmd := exec.CommandContext(ctx, node, "--no-deprecation", "clients.js") // punycode is, of a package of theirs
	cmd.Env = append(environ(t), "RPC_HOST="+host, "RPC_PORT="+port, "RPC_USER="+user, "RPC_PASSWORD="+password, "PEER="+btcd.peer)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}
