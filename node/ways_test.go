package node

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/btcsuite/btcd/chaincfg/v2"

	"holdfast/addrbook"
	"holdfast/banlist"
	"holdfast/connmgr"
	"holdfast/netaddr"
	"holdfast/simnet"
	"holdfast/socks"
)

// TestWays says by which way an address is reached.
func TestWays(t *testing.T) {
	tor, other := &socks.Dialer{Proxy: "127.0.0.1:9050"}, &socks.Dialer{Proxy: "127.0.0.1:9051"}
	ip4 := net.Addr(&net.TCPAddr{IP: net.IPv4(1, 2, 3, 4), Port: 1})
	ip6 := net.Addr(&net.TCPAddr{IP: net.ParseIP("2001:db8::1"), Port: 1})
	name := net.Addr(hostAddr{"a.example", 1})
	onion := net.Addr(netaddr.Addr{Host: onionHost(1), Port: 1})
	i2p := net.Addr(netaddr.Addr{Host: i2pHost(), Port: 1})

	for _, tt := range []struct {
		name      string
		cfg       Config
		addr      net.Addr
		want      *socks.Dialer
		fails     bool
		network   string
		reachable string
	}{
		{"direct IPv4", Config{}, ip4, nil, false, "ip4", "ipv4 ipv6"},
		{"direct IPv6", Config{}, ip6, nil, false, "ip6", "ipv4 ipv6"},
		{"direct name", Config{}, name, nil, false, "ip by name", "ipv4 ipv6"},
		{"direct onion", Config{}, onion, nil, true, "tcp", "ipv4 ipv6"},
		{"proxy IPv4", Config{Proxy: tor}, ip4, tor, false, "proxy 127.0.0.1:9050", "ipv4 ipv6 onion"},
		{"proxy IPv6", Config{Proxy: tor}, ip6, tor, false, "proxy 127.0.0.1:9050", "ipv4 ipv6 onion"},
		{"proxy name", Config{Proxy: tor}, name, tor, false, "proxy 127.0.0.1:9050", "ipv4 ipv6 onion"},
		{"proxy onion", Config{Proxy: tor}, onion, tor, false, "proxy 127.0.0.1:9050", "ipv4 ipv6 onion"},
		{"onion proxy IPv4", Config{OnionProxy: tor}, ip4, nil, false, "ip4", "ipv4 ipv6 onion"},
		{"onion proxy onion", Config{OnionProxy: tor}, onion, tor, false, "proxy 127.0.0.1:9050", "ipv4 ipv6 onion"},
		{"both IPv4", Config{Proxy: other, OnionProxy: tor}, ip4, other, false, "proxy 127.0.0.1:9051", "ipv4 ipv6 onion"},
		{"both onion", Config{Proxy: other, OnionProxy: tor}, onion, tor, false, "proxy 127.0.0.1:9050", "ipv4 ipv6 onion"},
		{"no onion", Config{Proxy: tor, NoOnion: true}, onion, nil, true, "tcp", "ipv4 ipv6"},
		{"i2p", Config{Proxy: tor}, i2p, nil, true, "tcp", "ipv4 ipv6 onion"},
		{"only onion", Config{Proxy: tor, OnlyNet: addrbook.NetworksOf(netaddr.Onion)}, ip4, tor, false, "proxy 127.0.0.1:9050", "onion"},
		{"only IPv6", Config{OnlyNet: addrbook.NetworksOf(netaddr.IPv6)}, ip4, nil, false, "ip4", "ipv6"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.cfg.Params = &chaincfg.RegressionNetParams
			s, err := tt.cfg.check()
			if err != nil {
				t.Fatal(err)
			}
			got, err := s.ways.to(tt.addr)
			if got != tt.want || (err != nil) != tt.fails {
				t.Errorf("through %v, %v", got, err)
			}
			if got := s.ways.network(tt.addr); got != tt.network {
				t.Errorf("network %q, want %q", got, tt.network)
			}
			var reachable []string
			for _, n := range netaddr.Networks() {
				if s.ways.reachable().Has(n) {
					reachable = append(reachable, n.String())
				}
			}
			if got := strings.Join(reachable, " "); got != tt.reachable {
				t.Errorf("reachable: %s, want %s", got, tt.reachable)
			}
		})
	}
}

func i2pHost() netaddr.Host {
	h, _ := netaddr.FromBytes(netaddr.I2P, make([]byte, 32))
	return h
}

// TestWaysClassify says what a failure by a proxy is.
func TestWaysClassify(t *testing.T) {
	onion := netaddr.Addr{Host: onionHost(1), Port: 1}
	w := newWays(&Config{OnionProxy: &socks.Dialer{Proxy: "127.0.0.1:9050"}})
	for _, tt := range []struct {
		err  error
		want connmgr.Reason
	}{
		{socks.ErrProxy, connmgr.ReasonProxy},
		{fmt.Errorf("dial: %w", socks.ErrProxy), connmgr.ReasonProxy},
		{socks.ReplyRefused, connmgr.ReasonRefused},
		{socks.ReplyTTLExpired, connmgr.ReasonTimedOut},
		{socks.ReplyIntroTimedOut, connmgr.ReasonTimedOut},
		{socks.ReplyGeneralFailure, connmgr.ReasonFailed},
		{socks.ReplyOnionNotFound, connmgr.ReasonFailed},
		{errors.New("what else"), connmgr.ReasonFailed},
	} {
		if got := w.classify(onion, tt.err); got != tt.want {
			t.Errorf("%v: %v, want %v", tt.err, got, tt.want)
		}
	}
}

// TestProxyTakesAll: with a proxy nothing is dialed and no name is looked up around it,
// and a name is not resolved at all.
func TestProxyTakesAll(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p, dialer := proxied(map[string]netip.AddrPort{
			"seed.example":  netip.MustParseAddrPort("11.0.0.1:0"),
			"fixed.example": netip.MustParseAddrPort("11.4.0.1:18444"),
		})
		w := newProxiedWorld(t, p, Config{
			Proxy:          dialer,
			Dial:           never{t}.dial,
			Seeds:          append(fabricSeeds(4)[1:], Seed{Host: "seed.example"}),
			AddPeer:        []string{"fixed.example"},
			TargetOutbound: 4,
		}, honest(5)...)
		wait(2 * time.Minute)
		if c := w.node.Counts(); c.Outbound != 4 || c.Permanent != 1 {
			t.Fatalf("%v\n%s", c, w.lines())
		}
		if asked := p.Targets(); !slices.Contains(asked, "seed.example") || !slices.Contains(asked, "fixed.example:18444") {
			t.Errorf("the proxy was asked for %v", asked)
		}
	})
}

// TestOnionPeer: an onion service is reached by its own proxy, and others directly.
func TestOnionPeer(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		host := onionHost(3)
		p, dialer := proxied(map[string]netip.AddrPort{host.String(): netip.MustParseAddrPort("11.0.0.1:18444")})
		w := newProxiedWorld(t, p, Config{
			OnionProxy: dialer,
			Connect:    []string{host.String(), "11.1.0.1"},
		}, honest(2)...)
		wait(time.Minute)
		if c := w.node.Counts(); c.Permanent != 2 {
			t.Fatalf("%v\n%s", c, w.lines())
		}
		if asked := p.Targets(); !slices.Equal(asked, []string{host.String() + ":18444"}) {
			t.Errorf("the proxy was asked for %v", asked)
		}
		for _, info := range w.peers() {
			if want := info.Addr.String() == host.String()+":18444"; want != (info.Network == netaddr.Onion) {
				t.Errorf("%v is on %v", info.Addr, info.Network)
			}
		}
		// It can be banned by its key.
		for _, s := range w.node.sessions() {
			if s.network() == netaddr.Onion && !s.isHost() {
				t.Error("an onion service that was dialed is no host")
			}
		}
		if err := w.node.Ban(banlist.SubjectOf(host), time.Hour, "", banlist.Operator); err != nil {
			t.Fatal(err)
		}
		wait(10 * time.Minute)
		if c := w.node.Counts(); c.Permanent != 1 || len(p.Targets()) != 1 {
			t.Errorf("the onion service is banned: %v, dialed %v", c, p.Targets())
		}
	})
}

// TestProxyDown: the loss of a proxy is our own trouble. No address is blamed, next to
// nothing is dialed, and when it is back so are the peers.
func TestProxyDown(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p, dialer := proxied(nil)
		w := newProxiedWorld(t, p, Config{
			Proxy: dialer, Dial: never{t}.dial, Seeds: fabricSeeds(6), TargetOutbound: 4, Feelers: -1,
		}, honest(6)...)
		wait(time.Minute)
		if c := w.node.Counts(); c.Outbound != 4 {
			t.Fatalf("%v\n%s", c, w.lines())
		}
		before := w.attempts()
		asked := len(p.Targets())
		p.kill()
		wait(10 * time.Minute)
		if c := w.node.Counts(); c.Outbound != 0 {
			t.Errorf("without the proxy: %v", c)
		}
		if after := w.attempts(); after != before {
			t.Errorf("attempts in the book before: %s, after: %s", before, after)
		}
		failed := 0
		for _, e := range w.of(KindConnection) {
			if e.Type == connmgr.EventFailed && e.Reason == connmgr.ReasonProxy {
				failed++
			}
		}
		if failed == 0 || failed > 40 {
			t.Errorf("%d dials failed in 10 minutes without the proxy", failed)
		}
		p.start()
		wait(2 * time.Second)
		if c := w.node.Counts(); c.Outbound != 4 {
			t.Errorf("2 s after the proxy is back: %v\n%s", c, w.lines())
		}
		if len(p.Targets()) == asked {
			t.Error("nobody asked the new proxy")
		}
		// Also those that had not been there for long.
		wait(3 * time.Second)
		p.kill()
		wait(10 * time.Second)
		p.start()
		wait(2 * time.Second)
		if c := w.node.Counts(); c.Outbound != 4 {
			t.Errorf("2 s after the proxy is back again: %v\n%s", c, w.lines())
		}
	})
}

// TestOnionProxyDown: while other peers show that our network works, a failure would count
// in the book; but not one that is the proxy's.
func TestOnionProxyDown(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p, dialer := proxied(nil)
		onion := netaddr.Addr{Host: onionHost(1), Port: 18444}
		seeds := append(fabricSeeds(6), Seed{Host: onion.String()})
		w := newProxiedWorld(t, p, Config{OnionProxy: dialer, Seeds: seeds, TargetOutbound: 6, Feelers: time.Minute}, honest(6)...)
		p.kill()
		wait(time.Hour)
		if c := w.node.Counts(); c.Outbound != 6 {
			t.Fatalf("%v\n%s", c, w.lines())
		}
		failed := slices.ContainsFunc(w.of(KindConnection), func(e Event) bool {
			return e.Type == connmgr.EventFailed && e.Reason == connmgr.ReasonProxy
		})
		if e, known := w.node.book.Lookup(onion); !failed || !known || !e.LastTry.IsZero() || e.Attempts != 0 {
			t.Errorf("dialed %v; in the book: %v, %+v", failed, known, e)
		}
	})
}

// TestProxyLateForSeeds: a proxy that is not there at the start holds up the first lookups
// no longer than it is away.
func TestProxyLateForSeeds(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p, dialer := proxied(map[string]netip.AddrPort{"seed.example": netip.MustParseAddrPort("11.0.0.1:0")})
		w := newWorld(t, Config{Seeds: []Seed{}}, honest(1)...)
		w.stop()
		p.w = w
		w.start(Config{Proxy: dialer, Dial: never{t}.dial, Seeds: []Seed{{Host: "seed.example"}}})
		wait(5 * time.Minute)
		lost := w.of(KindProxyLost)
		if len(lost) != 1 || !strings.Contains(lost[0].String(), "The proxy 127.0.0.1:9050 does not work: ") {
			t.Errorf("told %v", lost)
		}
		p.start()
		defer p.kill()
		wait(3 * time.Second)
		if c := w.node.Counts(); c.Outbound != 1 || len(w.of(KindProxyBack)) != 1 {
			t.Errorf("3 s after the proxy is there: %v\n%s", c, w.lines())
		}
	})
}

// TestProxyServesNobody: one that takes connections and serves none is not asked over
// and over, whether it refuses the login or hangs up later.
func TestProxyServesNobody(t *testing.T) {
	for _, tt := range []struct {
		name  string
		reply []byte
		says  string
	}{
		{"hangs up at the request", []byte{5, 0}, ""},
		{"refuses the login", []byte{5, 0xff}, "; see proxyuser, proxypass and torisolation"},
		{"is no proxy", []byte("HTTP/1.1 400 Bad Request"), "does not speak SOCKS5"},
		{"says nothing", nil, "did not answer in time"},
		{"says half of an answer", []byte{5}, "did not answer in time"},
		{"never ends", bytes.Repeat([]byte{5, 0}, 1<<20), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				p, dialer := proxied(nil)
				w := newProxiedWorld(t, p, Config{Proxy: dialer, Seeds: fabricSeeds(6), TargetOutbound: 4, Feelers: -1})
				p.kill()
				l, err := w.fabric.Listen(p.at)
				if err != nil {
					t.Fatal(err)
				}
				defer l.Close()
				taken := 0
				go func() {
					for {
						conn, err := l.Accept()
						if err != nil {
							return
						}
						taken++
						go func() {
							defer conn.Close()
							var b [3]byte
							_, _ = conn.Read(b[:])
							_, _ = conn.Write(tt.reply)
							if _, err := conn.Read(b[:1]); len(tt.reply) < 2 && err == nil {
								t.Error("it goes on without an answer")
							}
						}()
					}
				}()
				wait(time.Hour)
				if taken == 0 || taken > 1000 {
					t.Errorf("%d connections in an hour to a proxy that does not work", taken)
				}
				if tt.says != "" && !strings.Contains(w.lines(), tt.says) {
					t.Errorf("not told: %s\n%s", tt.says, w.lines())
				}
			})
		})
	}
}

// newProxiedWorld is newWorld with a proxy, which listens when the node begins.
func newProxiedWorld(t *testing.T, p *testProxy, cfg Config, specs ...simnet.Spec) *world {
	t.Helper()
	w := newWorld(t, Config{Seeds: []Seed{}}, specs...)
	w.stop()
	w.events = nil
	p.w = w
	p.start()
	t.Cleanup(p.kill)
	w.start(cfg)
	return w
}

// attempts is what the book knows of failures.
func (w *world) attempts() string {
	var b strings.Builder
	for _, seed := range fabricSeeds(6) {
		a, _ := netaddr.ParseAddr(seed.Host)
		e, _ := w.node.book.Lookup(a)
		fmt.Fprintf(&b, "%d ", e.Attempts)
	}
	return b.String()
}
