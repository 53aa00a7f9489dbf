package dashboard

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
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
	"holdfast/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// *node.Node is what is shown.
var _ Node = (*node.Node)(nil)

// fakeNode is a Node that tells what it was given, and notes its orders.
type fakeNode struct {
	bans *banlist.List

	mu     sync.Mutex
	snap   node.Snapshot
	off    bool
	orders []string
	asked  int           // snapshots
	slow   time.Duration // how long each takes
	err    error
}

func (n *fakeNode) order(format string, args ...any) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.orders = append(n.orders, fmt.Sprintf(format, args...))
	return n.err
}

func (n *fakeNode) took() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.orders)
}

func (n *fakeNode) Snapshot() node.Snapshot {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked++
	time.Sleep(n.slow)
	s := n.snap
	s.Bans = n.bans.List()
	return s
}

func (n *fakeNode) Counts() node.Counts { n.mu.Lock(); defer n.mu.Unlock(); return n.snap.Counts }

func (n *fakeNode) Info() node.Info {
	return node.Info{Network: "regtest", UserAgent: "/holdfast:test/", Started: time.Now().Add(-time.Hour), MaxInbound: 117}
}

func (n *fakeNode) Traffic() node.Traffic {
	return node.Traffic{
		Sent: 3000, Received: 1_234_567,
		SentBy:     map[string]uint64{"ping": 320, "version": 125},
		ReceivedBy: map[string]uint64{"pong": 320, node.OtherMessages: 48},
	}
}

func (n *fakeNode) BookStats() addrbook.Stats {
	return addrbook.Stats{
		Total: addrbook.Count{New: 20, Tried: 5}, Groups: addrbook.Count{New: 9, Tried: 4}, Capacity: addrbook.Count{New: 65536, Tried: 16384},
		Networks: map[netaddr.Network]addrbook.Count{netaddr.IPv4: {New: 20, Tried: 5}, netaddr.IPv6: {}, netaddr.Onion: {}, netaddr.I2P: {}, netaddr.CJDNS: {}},
	}
}

func (n *fakeNode) NetworkActive() bool { n.mu.Lock(); defer n.mu.Unlock(); return !n.off }
func (n *fakeNode) Bans() *banlist.List { return n.bans }

func (n *fakeNode) Disconnect(id uint64) bool {
	_ = n.order("disconnect %d", id)
	return id == 1
}

func (n *fakeNode) Ban(s banlist.Subject, d time.Duration, reason string, o banlist.Origin) error {
	_ = n.order("ban %v for %v: %s (%v)", s, d, reason, o)
	var until time.Time
	if d > 0 {
		until = time.Now().Add(d)
	}
	return n.bans.Ban(s, until, reason, o)
}

func (n *fakeNode) AddPeer(addr string) error {
	if strings.Contains(addr, "bad") {
		return &node.ConfigError{Field: "addpeer", Value: addr, Problem: "it is bad"}
	}
	return n.order("add %s", addr)
}

// hostile is what a stranger may call himself.
const hostile = `/<script>alert(1)</script>"'><img src=x onerror=alert(2)>/`

func tcp(text string) net.Addr {
	a, err := net.ResolveTCPAddr("tcp", text)
	if err != nil {
		panic(err)
	}
	return a
}

// peers are two ready ones, and one that shakes hands.
func peers() []node.PeerInfo {
	now := time.Now()
	return []node.PeerInfo{
		{ID: 1, Addr: tcp("192.0.2.1:8333"), Network: netaddr.IPv4, Class: connmgr.ClassOutbound, State: node.StateReady, UserAgent: "/Satoshi:27.0.0/", Ping: 87 * time.Millisecond, Since: now.Add(-2 * time.Hour), BytesIn: 12_345, BytesOut: 999, Group: "192.0.0.0/16"},
		{ID: 2, Addr: tcp("[2001:db8::7]:50123"), Network: netaddr.IPv6, Inbound: true, State: node.StateReady, UserAgent: hostile, Ping: 2 * time.Second, Since: now.Add(-time.Minute), BanScore: 40, MappedAS: 64500},
		{ID: 3, Addr: tcp("198.51.100.4:8333"), Network: netaddr.IPv4, Class: node.ClassFeeler, Since: now},
	}
}

// newFake returns a node with peers.
func newFake() *fakeNode {
	return &fakeNode{
		bans: banlist.New(banlist.Options{}),
		snap: node.Snapshot{
			Network: "regtest", Listening: []net.Addr{tcp("127.0.0.1:18444")}, Peers: peers(),
			Counts: node.Counts{Outbound: 1, Target: 8, Inbound: 1, Addresses: 25},
			Snapshot: connmgr.Snapshot{
				Outbound: connmgr.Outbound{Target: 8, Connected: 1, Failures: 3, Rate: .25, Why: connmgr.ReasonTooManyFails},
				Networks: []connmgr.NetworkInfo{{Name: "ip4"}, {Name: "ip6", Down: true, Since: time.Now(), Parked: 2}},
				Requests: []connmgr.RequestInfo{
					{ID: 9, Addr: tcp("203.0.113.9:8333"), Class: connmgr.ClassManual, Reason: connmgr.ReasonRefused, Retries: 3, Next: time.Now().Add(time.Minute)},
				},
			},
		},
	}
}

// harness is a Server that serves a fake node.
type harness struct {
	*Server
	t      *testing.T
	node   *fakeNode
	hub    *stream.Hub
	meter  *Meter
	client *http.Client
	base   string
}

func serve(t *testing.T, change func(*Config)) *harness {
	t.Helper()
	h := &harness{t: t, node: newFake(), hub: stream.NewHub(100), meter: NewMeter()}
	cfg := Config{Listen: []string{"127.0.0.1:0"}, Node: h.node, Hub: h.hub, Meter: h.meter, Version: "test"}
	if change != nil {
		change(&cfg)
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	h.Server, h.base = s, "http://"+s.Addrs()[0].String()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx) }()
	transport := &http.Transport{}
	h.client = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return h
}

// feed hands an event to all that a node's OnEvent does.
func (h *harness) feed(e node.Event) {
	h.hub.Feed(e)
	h.meter.Feed(e)
}

// do sends a request, and returns the answer and its body.
func (h *harness) do(r *http.Request) (*http.Response, string) {
	h.t.Helper()
	resp, err := h.client.Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // it was read
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return resp, string(body)
}

func (h *harness) request(method, path, body string) *http.Request {
	h.t.Helper()
	r, err := http.NewRequestWithContext(h.t.Context(), method, h.base+path, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return r
}

func (h *harness) get(path string) (*http.Response, string) {
	h.t.Helper()
	return h.do(h.request(http.MethodGet, path, ""))
}

// trusted is a request by who opened the address with the token.
func (h *harness) trusted(method, path, body string) *http.Request {
	h.t.Helper()
	resp, _ := h.do(h.request(http.MethodGet, strings.TrimPrefix(h.URL(), h.base), ""))
	r := h.request(method, path, body)
	for _, c := range resp.Cookies() {
		r.AddCookie(c)
	}
	return r
}
