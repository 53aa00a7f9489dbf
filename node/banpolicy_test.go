package node

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/btcsuite/btcd/wire/v2"

	"holdfast/netaddr"
)

// TestSetBanPolicy changes the policy while the node runs, and has a peer misbehave
// under each: 10 points for each verack too many.
func TestSetBanPolicy(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("8.3.0.0/16"), netip.MustParsePrefix("::ffff:8.4.0.0/112")}
	rounds := []struct {
		policy      BanPolicy
		host        string
		offences    int
		score       uint32        // of who stays
		banned      time.Duration // 0: not at all
		discouraged bool
	}{
		{BanPolicy{}, "8.1.0.1", 9, 90, 0, false},
		{BanPolicy{}, "8.1.0.2", 10, 0, 24 * time.Hour, false},
		{BanPolicy{Threshold: 30, Duration: time.Hour}, "8.2.0.1", 2, 20, 0, false},
		{BanPolicy{Threshold: 30, Duration: time.Hour}, "8.2.0.2", 3, 0, time.Hour, false},
		{BanPolicy{Threshold: 30, NoBanning: true}, "8.2.0.3", 3, 0, 0, true},
		{BanPolicy{Whitelist: trusted}, "8.3.0.1", 12, 120, 0, false},
		{BanPolicy{Whitelist: trusted}, "8.4.0.1", 12, 120, 0, false},
		{BanPolicy{Whitelist: trusted}, "8.5.0.1", 10, 0, 24 * time.Hour, false},
		{BanPolicy{}, "8.3.0.2", 10, 0, 24 * time.Hour, false},
	}
	inBubble(t, func(t *testing.T) {
		w := scripted(t, Config{BanThreshold: 50, NoBanning: true})
		for i, round := range rounds {
			if err := w.node.SetBanPolicy(round.policy); err != nil {
				t.Fatal(err)
			}
			what := fmt.Sprintf("round %d (%+v)", i, round.policy)
			r := w.dialIn(round.host)
			r.shake()
			for range round.offences {
				r.send(wire.NewMsgVerAck())
			}
			wait(time.Second)
			host := netaddr.FromIP(netip.MustParseAddr(round.host))
			if got, stays := scoreOf(w, round.host); stays != (round.score > 0) || got != round.score {
				t.Errorf("%s: score %d, stays %v", what, got, stays)
			}
			ban, banned := w.node.Bans().Banned(host)
			if got := ban.Until.Sub(ban.Since).Round(time.Minute); banned != (round.banned > 0) || got != round.banned {
				t.Errorf("%s: banned %v for %v", what, banned, got)
			}
			if got := w.node.discouraged.Has(host); got != round.discouraged {
				t.Errorf("%s: discouraged %v", what, got)
			}
		}
		// Who was there before is judged by the new policy at his next offence.
		if err := w.node.SetBanPolicy(BanPolicy{Threshold: 20}); err != nil {
			t.Fatal(err)
		}
		wait(time.Second)
		if _, stays := scoreOf(w, "8.2.0.1"); !stays {
			t.Error("he is gone without an offence")
		}
	})
}

// scoreOf returns the ban score of the peer from a host, if it is there.
func scoreOf(w *world, host string) (uint32, bool) {
	for _, p := range w.peers() {
		if h, ok := endpointOf(p.Addr); ok && h.Host.String() == host {
			return p.BanScore, true
		}
	}
	return 0, false
}

// TestBanPolicyRefused: what New refuses is refused, and changes nothing.
func TestBanPolicyRefused(t *testing.T) {
	for _, list := range []string{"0.0.0.0/0", "::/0", "::ffff:0.0.0.0/96", "none"} {
		prefix, _ := netip.ParsePrefix(list) // "none" is the zero value
		inBubble(t, func(t *testing.T) {
			w := scripted(t, Config{NoBanning: true})
			before := w.node.policy.Load()
			for _, err := range []error{
				w.node.SetBanPolicy(BanPolicy{Whitelist: []netip.Prefix{prefix}}),
				Config{Params: w.node.cfg.Params, Whitelist: []netip.Prefix{prefix}}.Check(),
			} {
				var wrong *ConfigError
				if !errors.As(err, &wrong) || wrong.Field != "whitelist" {
					t.Errorf("%s: %v", list, err)
				}
			}
			if w.node.policy.Load() != before {
				t.Errorf("%s: the policy has changed", list)
			}
		})
	}
}

// TestTrustLater: whom the operator trusts from now on is not limited by host from now
// on, until he is not trusted any more.
func TestTrustLater(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := scripted(t, Config{})
		trusted := BanPolicy{Whitelist: []netip.Prefix{netip.MustParsePrefix("8.8.8.8/32")}}
		for i, round := range []struct {
			policy BanPolicy
			want   int // peers, after 5 more have come
		}{
			{BanPolicy{}, maxInboundPerHost},
			{BanPolicy{}, maxInboundPerHost},
			{trusted, maxInboundPerHost + 5},
			{trusted, maxInboundPerHost + 10},
			{BanPolicy{}, maxInboundPerHost + 10},
		} {
			if err := w.node.SetBanPolicy(round.policy); err != nil {
				t.Fatal(err)
			}
			for range 5 {
				w.dialIn("8.8.8.8").send(version(), wire.NewMsgVerAck())
			}
			wait(time.Second)
			if got := len(w.peers()); got != round.want {
				t.Errorf("round %d: %d peers, want %d", i, got, round.want)
			}
		}
	})
}
