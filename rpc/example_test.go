package rpc_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/btcsuite/btcd/chaincfg/v2"

	"holdfast/node"
	"holdfast/rpc"
	"holdfast/stream"
)

// A node that is asked how many peers it has, by somebody who can read the cookie file.
func Example() {
	dir, err := os.MkdirTemp("", "rpc")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	hub := stream.NewHub(0)
	n, err := node.New(node.Config{Params: &chaincfg.RegressionNetParams, TargetOutbound: -1, OnEvent: hub.Feed})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer n.Close()
	cookie := filepath.Join(dir, ".cookie")
	s, err := rpc.New(rpc.Config{Listen: []string{"127.0.0.1:0"}, CookieFile: cookie, Node: n, Hub: hub})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()

	login, _ := os.ReadFile(cookie)
	user, password, _ := strings.Cut(string(login), ":")
	r, _ := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.Addrs()[0].String(),
		bytes.NewReader([]byte(`{"jsonrpc":"2.0","id":1,"method":"getconnectioncount"}`)))
	r.SetBasicAuth(user, password)
	r.Close = true
	if resp, err := http.DefaultClient.Do(r); err == nil {
		_, _ = io.Copy(os.Stdout, resp.Body)
		_ = resp.Body.Close()
	}
	cancel()
	fmt.Println("ended:", <-served)
	// Output:
	// {"jsonrpc":"2.0","result":0,"id":1}
	// ended: <nil>
}
