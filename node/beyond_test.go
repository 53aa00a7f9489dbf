package node

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/connmgr"
	"holdfast/internal/sockstest"
	"holdfast/netaddr"
	"holdfast/simnet"
	"holdfast/socks"
)

// TestJudge says what an answer of a proxy tells.
func TestJudge(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want verdict
	}{
		{nil, verdictWorks},
		{socks.ReplyRefused, verdictWorks},
		{socks.ReplyOnionNotFound, verdictWorks},

		{socks.ErrProxy, verdictOwn},
		{context.Canceled, verdictOwn},
		{socks.ReplyNotAllowed, verdictOwn},
		{socks.ReplyCommandNotSupported, verdictOwn},
		{socks.ReplyAddressNotSupported, verdictOwn},
		{socks.ReplyOnionInvalid, verdictOwn},
		{socks.ReplyOnionAuthMissing, verdictOwn},
		{socks.ReplyOnionAuthWrong, verdictOwn},
		{socks.ReplyOnionBadAddress, verdictOwn},

		{context.DeadlineExceeded, verdictUnsure},
		{socks.ReplyGeneralFailure, verdictUnsure},
		{socks.ReplyNetworkUnreachable, verdictUnsure},
		{socks.ReplyHostUnreachable, verdictUnsure},
		{socks.ReplyTTLExpired, verdictUnsure},
		{socks.ReplyIntroFailed, verdictUnsure},
		{socks.ReplyRendezvousFailed, verdictUnsure},
		{socks.ReplyIntroTimedOut, verdictUnsure},
		{socks.Reply(0xaa), verdictUnsure},
	} {
		for _, err := range []error{tt.err, &socks.Error{Op: "connect", Err: tt.err}} {
			if tt.err == nil {
				err = nil
			}
			if got := judge(err); got != tt.want {
				t.Errorf("%v: %v, want %v", err, got, tt.want)
			}
		}
	}
}

// failing has some targets of a proxy fail, after a while.
func (p *testProxy) failing(how map[string]error, after time.Duration) {
	dial := p.Dial
	p.Dial = func(ctx context.Context, target string) (net.Conn, error) {
		if err := how[target]; err != nil {
			_ = sleep(ctx, after)
			return nil, err
		}
		return dial(ctx, target)
	}
}

// TestDeadBehindProxy: while peers show that what is behind the proxy works, addresses that
// are dead are to blame, whatever the proxy says of them.
func TestDeadBehindProxy(t *testing.T) {
	for _, reply := range []socks.Reply{
		socks.ReplyGeneralFailure, socks.ReplyHostUnreachable, socks.ReplyTTLExpired, socks.ReplyRefused,
		socks.ReplyOnionNotFound, socks.ReplyOnionAuthMissing, socks.ReplyOnionBadAddress, socks.ReplyIntroTimedOut,
	} {
		t.Run(fmt.Sprintf("%#02x", byte(reply)), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				p, dialer := proxied(nil)
				dead := netaddr.Addr{Host: onionHost(1), Port: 18444}
				p.failing(map[string]error{dead.String(): sockstest.Reply(reply)}, time.Second)
				w := newProxiedWorld(t, p, Config{
					Proxy: dialer, Dial: never{t}.dial, Seeds: append(fabricSeeds(3), Seed{Host: dead.String()}), TargetOutbound: 4, Feelers: -1,
				}, honest(3)...)
				wait(15 * time.Minute)
				for _, e := range w.of(KindConnection) {
					if e.Type == connmgr.EventFailed && e.Addr != nil && e.Reason.Local() {
						t.Errorf("it is not blamed: %v", e)
					}
				}
				if e, _ := w.node.book.Lookup(dead); e.Attempts == 0 {
					t.Errorf("it is not blamed: %+v\n%s", e, w.lines())
				}
				if c := w.node.Counts(); c.Outbound != 3 || strings.Contains(w.lines(), "is down") {
					t.Errorf("%v\n%s", c, w.lines())
				}
			})
		})
	}
}

// TestStallerBehindProxy: a peer that begins a handshake and never ends it is blamed as one
// that is dialed directly. What it sent has come through the proxy.
func TestStallerBehindProxy(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p, dialer := proxied(nil)
		staller := simnet.Spec{Behaviour: simnet.Staller()}
		w := newProxiedWorld(t, p, Config{
			Proxy: dialer, Dial: never{t}.dial, Seeds: fabricSeeds(1), TargetOutbound: 1, Feelers: -1,
		}, staller)
		wait(time.Hour)
		if n := w.node.inARow(endpoint("11.0.0.1:18444")); n == 0 {
			t.Errorf("it is not blamed\n%s", w.lines())
		}
	})
}

// TestProxyWithoutNetwork: a Tor that runs and has no network is our own trouble, though
// it takes all requests. No address is blamed, attempts slow to a probe, and 2 s after the
// first peer is back so are the others.
func TestProxyWithoutNetwork(t *testing.T) {
	for _, gone := range []time.Duration{30 * time.Second, 3 * time.Minute, 20 * time.Minute, 3 * time.Hour} {
		t.Run(gone.String(), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				p, dialer := proxied(nil)
				// More are wanted than there are: something is dialed all the time.
				w := newProxiedWorld(t, p, Config{
					Proxy: dialer, Dial: never{t}.dial, Seeds: append(fabricSeeds(4), fabricSeeds(6)[4:]...), TargetOutbound: 6, Feelers: -1,
					AddPeer: []string{"11.4.0.1", "11.5.0.1"}, PingInterval: 20 * time.Second, PingTimeout: 20 * time.Second,
				}, honest(6)...)
				wait(time.Minute)
				all := w.node.Counts()
				if all.Outbound != 4 || all.Permanent != 2 {
					t.Fatalf("%v\n%s", all, w.lines())
				}
				before := w.attempts()
				p.Cut()
				wait(gone)
				if c := w.node.Counts(); gone > time.Minute && c.Outbound+c.Permanent != 0 {
					t.Errorf("without a network: %v", c)
				}
				if after := w.attempts(); after != before {
					t.Errorf("attempts in the book before: %s, after: %s", before, after)
				}
				if gone >= time.Hour {
					asked := len(p.Targets())
					wait(time.Hour)
					if n := len(p.Targets()) - asked; n > 65 {
						t.Errorf("%d were asked for in an hour without a network", n)
					}
				}
				p.Mend()
				mended := time.Now()
				for w.node.Counts().Outbound+w.node.Counts().Permanent == 0 && time.Since(mended) < time.Hour {
					wait(100 * time.Millisecond)
				}
				t.Logf("the first is back after %v", time.Since(mended))
				if first := time.Since(mended); first > 10*time.Second {
					t.Errorf("the first is back after %v\n%s", first, w.lines())
				}
				wait(2 * time.Second)
				if c := w.node.Counts(); c != all {
					t.Errorf("2 s later there are %v, want %v\n%s", c, all, w.lines())
				}
			})
		})
	}
}

// TestNoBlameWithoutNetwork: nor is an address blamed while it is not known yet that the
// peers are lost.
func TestNoBlameWithoutNetwork(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p, dialer := proxied(nil)
		w := newProxiedWorld(t, p, Config{
			Proxy: dialer, Dial: never{t}.dial, Seeds: fabricSeeds(6), TargetOutbound: 2, Feelers: 20 * time.Second,
		}, honest(6)...)
		wait(5 * time.Second) // some are left for feelers
		before := w.attempts()
		p.Cut()
		wait(5 * time.Minute)
		if c := w.node.Counts(); c.Outbound != 2 {
			t.Fatalf("they were to be silent: %v\n%s", c, w.lines())
		}
		failed := 0
		for _, e := range w.of(KindConnection) {
			if e.Type == connmgr.EventFailed && e.Reason == connmgr.ReasonProxy {
				failed++
			}
		}
		if after := w.attempts(); failed == 0 || after != before {
			t.Errorf("%d failed; attempts in the book before: %s, after: %s", failed, before, after)
		}
	})
}

// TestLookupProves: a lookup that the proxy answers shows that its network is back.
func TestLookupProves(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p, dialer := proxied(map[string]netip.AddrPort{"seed.example": netip.MustParseAddrPort("11.0.0.1:0")})
		connect := []string{"11.1.0.1:18444", "11.2.0.1:18444", "11.3.0.1:18444"}
		dead := make(map[string]error)
		for _, addr := range connect {
			dead[addr] = sockstest.Reply(socks.ReplyGeneralFailure)
		}
		p.failing(dead, 0)
		w := newProxiedWorld(t, p, Config{Proxy: dialer, Dial: never{t}.dial, Connect: connect})
		wait(time.Hour)
		told := func(kind connmgr.EventType) int {
			return len(slices.DeleteFunc(w.of(KindConnection), func(e Event) bool { return e.Type != kind }))
		}
		if told(connmgr.EventNetworkDown) != 1 || told(connmgr.EventNetworkUp) != 0 {
			t.Fatalf("after an hour:\n%s", w.lines())
		}
		failed := 0
		for _, e := range w.of(KindConnection) {
			if e.Type == connmgr.EventNetworkDown {
				break
			} else if e.Type == connmgr.EventFailed {
				failed++
			}
		}
		if failed < 25 {
			t.Errorf("down after %d failures, which might be the peers'", failed)
		}
		resolver := w.node.seedResolver()
		if _, err := resolver.LookupNetIP(t.Context(), "ip", "gone.example"); err == nil || told(connmgr.EventNetworkUp) != 0 {
			t.Errorf("a lookup that failed: %v", err)
		}
		if _, err := resolver.LookupNetIP(t.Context(), "ip", "1.2.3.4"); err != nil || told(connmgr.EventNetworkUp) != 0 {
			t.Errorf("no lookup: %v", err)
		}
		_, err := resolver.LookupNetIP(t.Context(), "ip", "seed.example")
		if wait(time.Second); err != nil || told(connmgr.EventNetworkUp) != 1 {
			t.Errorf("a lookup: %v\n%s", err, w.lines())
		}
	})
}
