package integration

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	ossignal "os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/btcsuite/btcd/chaincfg/v2"

	"holdfast/internal/sockstest"
	"holdfast/node"
	"holdfast/socks"
)

// The machine of the node has one neighbour, which is its proxy, its router and its DNS
// server. Whatever it sends crosses the neighbour's link, where it is seen.
const (
	leakNode  = "11.10.0.1"
	leakNode6 = "2a00:1110::1"
	leakHub   = "11.0.0.1" // the neighbour
	leakHub6  = "2a00:1110::ffff"
	leakProxy = leakHub + ":9050"
	leakPeers = 6 // two fixed ones, an onion service, and those that signet's seeds give
)

// TestNoLeak: with --proxy, from the start to the end and without the proxy too, at the
// start and later, not one packet goes anywhere but to the proxy.
func TestNoLeak(t *testing.T) {
	ctx := begin(t)
	l := newLeakLAN(ctx, t)
	begin := func() *process {
		return start(t, "holdfast", slices.Concat(l.node, []string{
			holdfastPath(t), "run", "--signet", "--datadir", t.TempDir(), "--nofilelogging", "--proxy", leakProxy,
			"--addpeer", "fixed.example", "--addpeer", "22.1.2.3", "--debuglevel", "debug", "--logformat", "json",
		})...)
	}
	proxy := l.play(ctx, "proxy")
	hf := begin()
	awaitOutbound(ctx, t, hf, leakPeers)

	proxy.kill()
	hf.says(ctx, t, "Network proxy "+leakProxy+" is down")
	awaitOutbound(ctx, t, hf, 0)
	proxy = l.play(ctx, "proxy")
	back := time.Now()
	awaitOutbound(ctx, t, hf, leakPeers)
	t.Logf("%v after the proxy is back so are %d peers", time.Since(back).Round(10*time.Millisecond), leakPeers)
	hf.stop(ctx, t)

	proxy.kill()
	hf = begin()
	hf.says(ctx, t, "The proxy "+leakProxy+" does not work")
	hf.stop(ctx, t)

	seen, fine := l.leaks(ctx, t)
	if len(seen) > 0 {
		t.Errorf("%d packets did not go to the proxy:\n%s", len(seen), strings.Join(seen, "\n"))
	}
	if fine == 0 {
		t.Error("nothing was captured")
	}
	t.Logf("%d packets to the proxy and back", fine)
}

// TestLeakIsSeen: a node that leaks on purpose is caught by what TestNoLeak looks at, up to
// its verdict.
func TestLeakIsSeen(t *testing.T) {
	for _, tt := range []struct{ role, want string }{
		{"leak-lookup", "udp to " + leakHub + ":53"},
		{"leak-dial", "tcp to 22.1.2.3:38333"},
		{"leak-dial6", "tcp to [2a00:2222::1]:38333"},
	} {
		t.Run(tt.role, func(t *testing.T) {
			ctx := begin(t)
			l := newLeakLAN(ctx, t)
			l.play(ctx, "proxy")
			leaky := l.playIn(ctx, l.node, tt.role)
			eventually(ctx, t, "a leak", func() error {
				if text, _ := l.capture.out.text(); !strings.Contains(text, tt.want) {
					return fmt.Errorf("not seen: %s", tt.want)
				}
				return nil
			})
			leaky.kill()
			seen, _ := l.leaks(ctx, t)
			if !slices.ContainsFunc(seen, func(line string) bool { return strings.HasPrefix(line, "leak: "+tt.want) }) {
				t.Errorf("of the leak to %s nothing is in %q", tt.want, seen)
			}
		})
	}
}

// leakLAN is the node's machine and its neighbour.
type leakLAN struct {
	t       *testing.T
	node    []string // runs a command on the node's machine
	proxy   []string // and on the neighbour
	capture *process
}

func newLeakLAN(ctx context.Context, t *testing.T) *leakLAN {
	lan := newLAN(ctx, t)
	l := &leakLAN{t: t, node: lan.host(ctx, leakNode)}
	nodeSpace := l.node[len(l.node)-1]
	l.proxy = []string{"ip", "netns", "exec", lan.hub}
	for _, command := range []string{
		"-n HUB link set lo up",
		"-n HUB addr add " + leakHub + "/8 dev br0",
		"-n HUB addr add " + leakHub6 + "/64 dev br0 nodad",
		"-n NODE addr add " + leakNode6 + "/64 dev eth0 nodad",
		"-n NODE route add default via " + leakHub,
		"-n NODE -6 route add default via " + leakHub6,
	} {
		command = strings.NewReplacer("HUB", lan.hub, "NODE", nodeSpace).Replace(command)
		lan.ip(ctx, strings.Fields(command)...)
	}
	// ip netns exec shows this file to what runs there.
	etc := filepath.Join("/etc/netns", nodeSpace)
	if err := os.MkdirAll(etc, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(etc) })
	if err := os.WriteFile(filepath.Join(etc, "resolv.conf"), []byte("nameserver "+leakHub+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	// Whom the proxy connects to, whoever was asked for.
	peer := start(t, "peer", slices.Concat(l.proxy, []string{
		holdfastPath(t), "run", "--signet", "--datadir", t.TempDir(), "--nofilelogging", "--nodnsseed",
		"--listen", "127.0.0.1", "--services", "9", "--targetoutbound", "0",
	})...)
	peer.says(ctx, t, "Listening on 127.0.0.1")
	l.capture = l.playIn(ctx, l.proxy, "capture")
	return l
}

// play begins a part on the neighbour.
func (l *leakLAN) play(ctx context.Context, role string) *process {
	l.t.Helper()
	return l.playIn(ctx, l.proxy, role)
}

// playIn begins a part, which this program plays when it is called with its name, and
// waits until it is ready.
func (l *leakLAN) playIn(ctx context.Context, within []string, role string) *process {
	l.t.Helper()
	self, err := os.Executable()
	if err != nil {
		l.t.Fatal(err)
	}
	p := start(l.t, role, slices.Concat(within, []string{"env", roleVariable + "=" + role, self})...)
	p.says(ctx, l.t, "ready")
	return p
}

// leaks ends the capture, and returns what did not go to the proxy, and how many packets
// did or came from there.
func (l *leakLAN) leaks(ctx context.Context, t *testing.T) (seen []string, fine int) {
	t.Helper()
	l.capture.stop(ctx, t)
	text, _ := l.capture.out.text()
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "leak: ") {
			seen = append(seen, line)
		}
	}
	total, _ := lineWith(text, []string{"to the proxy: "})
	if _, err := fmt.Sscanf(total, "to the proxy: %d", &fine); err != nil {
		t.Errorf("the capture did not come to its end: %v: %q", err, text)
	}
	return seen, fine
}

// roleVariable has this program play a part in a test instead of running tests.
const roleVariable = "INTEGRATION_ROLE"

var roles = map[string]func(context.Context) error{
	"proxy":       playProxy,
	"capture":     playCapture,
	"leak-lookup": func(ctx context.Context) error { return leak(ctx, node.Config{Resolver: net.DefaultResolver}) },
	"leak-dial": func(ctx context.Context) error {
		return leak(ctx, node.Config{Connect: []string{"22.1.2.3"}, Dial: directly})
	},
	"leak-dial6": func(ctx context.Context) error {
		return leak(ctx, node.Config{Connect: []string{"2a00:2222::1"}, Dial: directly})
	},
}

// directly is a dialer that ignores the proxy.
func directly(ctx context.Context, addr net.Addr) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "tcp", addr.String())
}

// leak runs a node with a proxy and a hole.
func leak(ctx context.Context, cfg node.Config) error {
	cfg.Params = &chaincfg.SigNetParams
	cfg.Proxy = &socks.Dialer{Proxy: leakProxy}
	if cfg.Dial != nil { // it is asked where the proxy should be
		cfg.Proxy.DialProxy = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort(cfg.Connect[0], cfg.Params.DefaultPort))
		}
	}
	n, err := node.New(cfg)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	return n.Run(ctx)
}

// playProxy is a proxy that knows every name, and connects to the peer on this machine
// whoever is asked for.
func playProxy(ctx context.Context) error {
	l, err := net.Listen("tcp", leakProxy)
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { _ = l.Close() })
	p := sockstest.Proxy{
		Resolve: func(host string) (netip.Addr, bool) {
			return netip.AddrFrom4([4]byte{23, byte(len(host)), host[0], host[1]}), true
		},
		Dial: func(ctx context.Context, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", "127.0.0.1:"+chaincfg.SigNetParams.DefaultPort)
		},
	}
	fmt.Println("ready")
	p.Serve(l)
	return nil
}

// playCapture tells each packet on the node's link that is not between the node and its
// proxy.
func playCapture(ctx context.Context) error {
	fd, err := syscall.Socket(syscall.AF_PACKET, syscall.SOCK_RAW, int(networkOrder(syscall.ETH_P_ALL)))
	if err != nil {
		return err
	}
	device, err := net.InterfaceByName("port1") // the node's, on the bridge
	if err != nil {
		return err
	}
	at := syscall.SockaddrLinklayer{Protocol: networkOrder(syscall.ETH_P_ALL), Ifindex: device.Index}
	if err := syscall.Bind(fd, &at); err != nil {
		return err
	}
	if err := syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &syscall.Timeval{Usec: 100_000}); err != nil {
		return err
	}
	fmt.Println("ready")
	frame, fine := make([]byte, 1<<16), 0
	for {
		n, _, err := syscall.Recvfrom(fd, frame, 0)
		if err != nil { // the time is over, so all is read that had come
			if ctx.Err() != nil {
				break
			}
			continue
		}
		switch what := describe(frame[:n]); what {
		case "":
		case "proxy":
			fine++
		default:
			fmt.Println("leak: " + what)
		}
	}
	if lost, err := missed(fd); err != nil || lost > 0 {
		fmt.Printf("leak: %d packets were not captured, of which nobody knows: %v\n", lost, err)
	}
	fmt.Printf("to the proxy: %d\n", fine)
	return nil
}

// missed is how many packets came faster than they were read (packet(7),
// PACKET_STATISTICS): two numbers of four bytes, as an IPMreq has them, packets and drops.
func missed(fd int) (uint32, error) {
	const solPacket, packetStatistics = 263, 6
	stats, err := syscall.GetsockoptIPMreq(fd, solPacket, packetStatistics)
	if err != nil {
		return 0, err
	}
	return binary.NativeEndian.Uint32(stats.Interface[:]), nil
}

func networkOrder(n uint16) uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, n))
}

// describe says where a packet goes: "proxy" is between the node and its proxy, "" is what
// the kernels say by themselves: who has which address (ARP, ICMPv6), and who listens to
// which group (IGMP, MLD).
func describe(frame []byte) string {
	if len(frame) < 14 {
		return "a frame that is too short"
	}
	kind, packet := binary.BigEndian.Uint16(frame[12:]), frame[14:]
	var protocol byte
	var from, to netip.Addr
	var payload []byte
	switch {
	case kind == syscall.ETH_P_ARP:
		return ""
	case kind == syscall.ETH_P_IP && len(packet) >= 20:
		protocol = packet[9]
		from, to = netip.AddrFrom4([4]byte(packet[12:])), netip.AddrFrom4([4]byte(packet[16:]))
		payload = packet[min(len(packet), int(packet[0]&15)*4):]
		if protocol == syscall.IPPROTO_IGMP {
			return ""
		}
	case kind == syscall.ETH_P_IPV6 && len(packet) >= 40:
		protocol = packet[6]
		from, to = netip.AddrFrom16([16]byte(packet[8:])), netip.AddrFrom16([16]byte(packet[24:]))
		payload = packet[40:]
		if protocol == 0 && to.IsMulticast() || protocol == syscall.IPPROTO_ICMPV6 && len(payload) > 0 && payload[0] >= 133 && payload[0] <= 136 {
			return ""
		}
	default:
		return fmt.Sprintf("a frame of type %#04x", kind)
	}
	if len(payload) < 4 {
		return fmt.Sprintf("protocol %d to %v", protocol, to)
	}
	source := netip.AddrPortFrom(from, binary.BigEndian.Uint16(payload))
	target := netip.AddrPortFrom(to, binary.BigEndian.Uint16(payload[2:]))
	switch protocol {
	case syscall.IPPROTO_TCP:
		proxy, node := netip.MustParseAddrPort(leakProxy), netip.MustParseAddr(leakNode)
		if target == proxy && from == node || source == proxy && to == node {
			return "proxy"
		}
		return fmt.Sprintf("tcp to %v", target)
	case syscall.IPPROTO_UDP:
		return fmt.Sprintf("udp to %v", target)
	}
	return fmt.Sprintf("protocol %d to %v", protocol, to)
}

// init plays the part that the environment asks for, until SIGTERM.
func init() {
	if role := roles[os.Getenv(roleVariable)]; role != nil {
		os.Exit(play(role))
	}
}

func play(role func(context.Context) error) int {
	ctx, stop := ossignal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := role(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
