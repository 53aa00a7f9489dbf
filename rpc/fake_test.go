package rpc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"holdfast/addrbook"
	"holdfast/banlist"
	"holdfast/connmgr"
	"holdfast/netaddr"
	"holdfast/node"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// *node.Node is what the methods ask.
var _ Node = (*node.Node)(nil)

// fakeNode is a Node that notes its orders and tells what it was given.
type fakeNode struct {
	bans *banlist.List
	snap node.Snapshot
	info node.Info
	book []addrbook.Known

	mu     sync.Mutex
	orders []string
	added  []node.AddedPeer
	off    bool
	err    error // what orders fail with
}

func (n *fakeNode) order(format string, args ...any) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.orders = append(n.orders, fmt.Sprintf(format, args...))
	return n.err
}

// took returns the orders so far.
func (n *fakeNode) took() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.orders)
}

func (n *fakeNode) AddPeer(addr string) error {
	for _, a := range n.added {
		if a.Addr == addr {
			return node.ErrAdded
		}
	}
	if strings.Contains(addr, "bad") {
		return &node.ConfigError{Field: "addpeer", Value: addr, Problem: "it is bad"}
	}
	return n.order("add %s", addr)
}

func (n *fakeNode) RemovePeer(addr string) error {
	for _, a := range n.added {
		if a.Addr == addr {
			return n.order("remove %s", addr)
		}
	}
	return node.ErrNotAdded
}

func (n *fakeNode) TryPeer(addr string) error { return n.order("try %s", addr) }

func (n *fakeNode) Disconnect(id uint64) bool {
	_ = n.order("disconnect %d", id)
	return slices.ContainsFunc(n.snap.Peers, func(p node.PeerInfo) bool { return p.ID == id })
}

func (n *fakeNode) DisconnectAddr(addr string) int {
	_ = n.order("disconnect %s", addr)
	count := 0
	for _, p := range n.snap.Peers {
		if p.Addr.String() == addr {
			count++
		}
	}
	return count
}

func (n *fakeNode) SetNetworkActive(on bool) { _ = n.order("active %v", on); n.off = !on }

func (n *fakeNode) BanUntil(s banlist.Subject, until time.Time, reason string, o banlist.Origin) error {
	var d time.Duration
	if !until.IsZero() {
		d = time.Until(until)
	}
	return errors.Join(n.order("ban %v %v %s %v", s, d, reason, o), n.bans.Ban(s, until, reason, o))
}

func (n *fakeNode) Addresses(limit int, network netaddr.Network) []addrbook.Known {
	var list []addrbook.Known
	for _, k := range n.book {
		if (network == 0 || k.Addr.Host.Network() == network) && (limit == 0 || len(list) < limit) {
			list = append(list, k)
		}
	}
	return list
}

func (n *fakeNode) AddAddress(a netaddr.Addr, tried bool) error {
	return n.order("address %v %v", a, tried)
}

func (n *fakeNode) AddedPeers() []node.AddedPeer { return n.added }
func (n *fakeNode) NetworkActive() bool          { return !n.off }
func (n *fakeNode) Ping()                        { _ = n.order("ping") }
func (n *fakeNode) Bans() *banlist.List          { return n.bans }
func (n *fakeNode) Peers() []node.PeerInfo       { return n.snap.Peers }
func (n *fakeNode) PeerCount() int               { return len(n.snap.Peers) }
func (n *fakeNode) Manager() connmgr.Snapshot    { return n.snap.Snapshot }
func (n *fakeNode) Info() node.Info              { return n.info }
func (n *fakeNode) Reachable() addrbook.Networks {
	return addrbook.NetworksOf(netaddr.IPv4, netaddr.Onion)
}

func (n *fakeNode) Traffic() node.Traffic {
	return node.Traffic{
		Sent: 2000, Received: 1000,
		SentBy:     map[string]uint64{"version": 200, "ping": 1800},
		ReceivedBy: map[string]uint64{"pong": 900, node.OtherMessages: 100},
	}
}

func (n *fakeNode) BookStats() addrbook.Stats {
	return addrbook.Stats{
		Total:    addrbook.Count{New: 12, Tried: 3},
		Networks: map[netaddr.Network]addrbook.Count{netaddr.IPv4: {New: 10, Tried: 3}, netaddr.Onion: {New: 2}},
	}
}

func (n *fakeNode) LocalAddresses() []netaddr.Addr {
	return []netaddr.Addr{mustAddr("198.51.100.7:8333")}
}

func mustAddr(text string) netaddr.Addr {
	a, err := netaddr.ParseAddr(text)
	if err != nil {
		panic(err)
	}
	return a
}

// newFake returns a node with two peers, one that is waited for, and a ban. It has been
// there for an hour.
func newFake(t testing.TB) *fakeNode {
	t.Helper()
	now := time.Now()
	bans := banlist.New(banlist.Options{})
	for text, o := range map[string]banlist.Origin{"192.0.2.0/24": banlist.Operator, "203.0.113.9": banlist.Score} {
		s, err := banlist.ParseSubject(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := bans.BanFor(s, time.Hour, "told so", o); err != nil {
			t.Fatal(err)
		}
	}
	kept := node.PeerInfo{
		ID: 7, ReqID: 3, Addr: mustAddr("8.8.4.4:8333"), Network: netaddr.IPv4, Permanent: true, Class: node.ClassManual,
		State: node.StateReady, UserAgent: "/Satoshi:29.0.0/", Services: 0xc09, Version: 70016, Height: 900000,
		AddrV2: true, Ping: 12345 * time.Microsecond, MinPing: 12 * time.Millisecond, Since: now.Add(-10 * time.Minute),
		BytesIn: 5000, BytesOut: 6000, LocalAddr: mustAddr("198.51.100.7:40000"), AddrLocal: mustAddr("198.51.100.7:8333"),
		TimeOffset: -2 * time.Second, RelayTxes: true, AddrProcessed: 20, AddrRateLimited: 1, AddrRelay: true, MinFee: 100_001_234,
		LastSend: now.Add(-time.Second), LastRecv: now.Add(-2 * time.Second), PingWait: 500 * time.Microsecond,
		SentBy: map[string]uint64{"ping": 32}, ReceivedBy: map[string]uint64{"pong": 32},
		Whitelisted: true, Group: "8.8.0.0/16", MappedAS: 15169,
	}
	guest := node.PeerInfo{
		ID: 9, ReqID: 5, Addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 55555}, Network: netaddr.IPv4, Inbound: true,
		Since: now, LocalAddr: mustAddr("127.0.0.1:8333"),
	}
	next := now.Add(90 * time.Second)
	waiting := connmgr.RequestInfo{ID: 4, Addr: mustAddr("9.9.9.9:8333"), Class: node.ClassManual, Permanent: true, Retries: 2, Next: next, Reason: connmgr.ReasonRefused}
	return &fakeNode{
		bans: bans,
		info: node.Info{
			Network: "mainnet", UserAgent: "/holdfast:0.1.2/", ProtocolVersion: 70016, Services: 9, Started: now.Add(-time.Hour),
			MaxPeers: 125, MaxInbound: 116, TargetOutbound: 8, Proxies: map[netaddr.Network]string{netaddr.Onion: "127.0.0.1:9050"},
		},
		snap: node.Snapshot{
			Snapshot: connmgr.Snapshot{
				Time: now, Running: true, Requests: []connmgr.RequestInfo{waiting},
				Outbound: connmgr.Outbound{Target: 8, Why: connmgr.ReasonNoAddress},
				Networks: []connmgr.NetworkInfo{{Name: "onion", Down: true, Since: now.Add(-time.Minute)}},
			},
			Network: "mainnet", Peers: []node.PeerInfo{kept, guest},
		},
		added: []node.AddedPeer{
			{Addr: "8.8.4.4", Peer: &kept},
			{Addr: "9.9.9.9:8333", Reason: connmgr.ReasonRefused, NextTry: next},
		},
		book: []addrbook.Known{
			{Addr: mustAddr("1.1.1.1:8333"), Services: 9, Seen: now.Add(-time.Hour)},
			{Addr: mustAddr("pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion:8333"), Services: 1033, Seen: now.Add(-2 * time.Hour)},
		},
	}
}

// testConfig is what most tests need.
func testConfig(n Node) Config {
	return Config{Listen: []string{"127.0.0.1:0"}, User: "alice", Password: "secret", Node: n}
}

// handlerOf returns a server that does not listen, for tests in virtual time.
func handlerOf(t *testing.T, cfg Config) *Server {
	t.Helper()
	s, err := newServer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// ask sends a request to a server without a network, as who has logged in.
func (s *Server) ask(body string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "http://127.0.0.1/", strings.NewReader(body))
	r.SetBasicAuth("alice", "secret")
	for _, f := range change {
		f(r)
	}
	w := httptest.NewRecorder()
	s.web.HTTP.Handler.ServeHTTP(w, r)
	return w
}

// serve runs a server until the test ends.
func serve(t testing.TB, s *Server) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
}

// started returns a server that runs on loopback.
func started(t *testing.T, cfg Config) *Server {
	t.Helper()
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	serve(t, s)
	return s
}

// post sends a request over the network.
func post(t *testing.T, client *http.Client, url, user, password, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(user, password)
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, b.String()
}

// newClient returns a client whose connections end with the test.
func newClient(t *testing.T) *http.Client {
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}
