package node

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/btcsuite/btcd/chaincfg/v2"
	"github.com/btcsuite/btcd/wire/v2"

	"holdfast/addrbook"
	"holdfast/netaddr"
	"holdfast/socks"
)

// TestPeerInfo: what an inbound peer tells, and what we see of it.
func TestPeerInfo(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := scripted(t, Config{Whitelist: []netip.Prefix{netip.MustParsePrefix("8.8.0.0/16")}})
		wait(time.Hour) // so that times differ from zero
		r := w.dialIn("8.8.8.8")
		v := version()
		v.AddrYou = *wire.NewNetAddressIPPort(net.IPv4(9, 9, 9, 9), 18444, 0)
		v.Timestamp = time.Now().Add(-90 * time.Second)
		r.send(v)
		r.until(wire.CmdVersion)
		r.send(wire.NewMsgSendAddrV2(), wire.NewMsgVerAck())
		r.until(wire.CmdPing)
		wait(time.Second)
		var list []*wire.NetAddress
		for i := range byte(100) {
			list = append(list, wire.NewNetAddressTimestamp(time.Now(), wire.SFNodeNetwork, net.IPv4(40, i, 1, 1), 18444))
		}
		addrs := wire.NewMsgAddr()
		must(t, addrs.AddAddresses(list...))
		r.send(addrs)
		received := time.Now()
		wait(time.Minute)
		p := w.peers()[0]
		if p.LocalAddr.String() != listenAt || p.AddrLocal != endpoint("9.9.9.9:18444") {
			t.Errorf("we are at %v, it says %v", p.LocalAddr, p.AddrLocal)
		}
		if p.TimeOffset < -91*time.Second || p.TimeOffset > -89*time.Second || !p.RelayTxes {
			t.Errorf("%v ahead, relay %v", p.TimeOffset, p.RelayTxes)
		}
		if d := p.LastRecv.Sub(received); d < 0 || d > time.Second || !p.LastSend.Before(received) || p.LastSend.Before(p.Since) {
			t.Errorf("received at %v, %v; sent at %v", p.LastRecv, received, p.LastSend)
		}
		if p.AddrProcessed != 100 || p.AddrRateLimited != 0 { // it is trusted
			t.Errorf("%d addresses, %d too many", p.AddrProcessed, p.AddrRateLimited)
		}
		if !p.Whitelisted || p.Group != "8.8.0.0/16" || p.MappedAS != 0 {
			t.Errorf("%+v", p)
		}
		for _, e := range w.of(KindReady) {
			if e.Peer.SentBy != nil || e.Peer.Group != "" {
				t.Error("an event has what takes time to find out")
			}
		}
		w.dialIn("7.7.7.7").send(version(), wire.NewMsgVerAck())
		w.dialIn("6.6.6.6").send(version()) // which does not get ready
		wait(time.Second)
		if n := w.node.PeerCount(); n != 3 || w.node.Counts().Inbound != 2 {
			t.Errorf("%d peers", n)
		}
		if all := w.node.Peers(); len(all) != 3 || all[0].Group == "" || all[1].ID < all[0].ID || all[2].State != StateHandshake {
			t.Errorf("%+v", all)
		}
		if p := w.peers()[1]; p.Whitelisted || p.AddrLocal.IsValid() {
			t.Errorf("%+v", p)
		}
	})
}

// TestToldLocal: only an address of the Internet could be ours.
func TestToldLocal(t *testing.T) {
	n, err := New(Config{Params: &chaincfg.RegressionNetParams})
	must(t, err)
	defer n.Close()
	for text, want := range map[string]string{
		"9.9.9.9": "9.9.9.9:5", "::ffff:9.9.9.9": "9.9.9.9:5", "2a00:1::1": "[2a00:1::1]:5",
		"0.0.0.0": "", "::": "", "127.0.0.1": "", "192.168.0.1": "", "::1": "", "fe80::1": "",
	} {
		got := n.toldLocal(*wire.NewNetAddressIPPort(net.ParseIP(text), 5, 0))
		if got.IsValid() != (want != "") || want != "" && got.String() != want {
			t.Errorf("%s: %v, want %q", text, got, want)
		}
	}
	if got := n.toldLocal(wire.NetAddress{}); got.IsValid() {
		t.Errorf("nothing: %v", got)
	}
}

// TestInfo: what the node is, which added peers change.
func TestInfo(t *testing.T) {
	tor := &socks.Dialer{Proxy: "127.0.0.1:9050"}
	n, err := New(Config{
		Params: &chaincfg.RegressionNetParams, OnionProxy: tor, UserAgent: "/x:1/", Services: wire.SFNodeWitness,
		Listen: []string{"127.0.0.1:0"}, AllowLoopback: true,
	})
	must(t, err)
	defer n.Close()
	i := n.Info()
	if i.Network != "regtest" || i.UserAgent != "/x:1/" || i.Services != wire.SFNodeWitness || i.ProtocolVersion != wire.ProtocolVersion ||
		i.Started.IsZero() || i.MaxPeers != 125 || i.MaxInbound != 116 || i.TargetOutbound != 8 {
		t.Errorf("%+v", i)
	}
	if len(i.Proxies) != 1 || i.Proxies[netaddr.Onion] != tor.Proxy {
		t.Errorf("%v", i.Proxies)
	}
	must(t, n.AddPeer("11.0.0.1"))
	if got := n.Info().MaxInbound; got != 115 {
		t.Errorf("%d inbound beside an added one", got)
	}
	if want := addrbook.NetworksOf(netaddr.IPv4, netaddr.IPv6, netaddr.Onion); n.Reachable() != want {
		t.Errorf("%v", n.Reachable())
	}
	local := n.LocalAddresses()
	if len(local) != 1 || local[0].String() != n.Listening()[0].String() {
		t.Errorf("we are at %v", local)
	}
	local[0].Port = 1
	n.onion, _ = netaddr.ParseAddr("pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion:8333")
	if again := n.LocalAddresses(); len(again) != 2 || again[0].Port == 1 || again[1] != n.onion {
		t.Errorf("with an onion service at %v", again)
	}
	all, err := New(Config{Params: &chaincfg.RegressionNetParams, Proxy: tor, NoOnion: true})
	must(t, err)
	defer all.Close()
	if p := all.Info().Proxies; len(p) != 2 || p[netaddr.IPv4] != tor.Proxy || p[netaddr.IPv6] != tor.Proxy {
		t.Errorf("%v", p)
	}
}

// TestAddresses are some of those of the book, in no order, without who is banned.
func TestAddresses(t *testing.T) {
	n, err := New(Config{Params: &chaincfg.RegressionNetParams})
	must(t, err)
	defer n.Close()
	// By chance, of which the book has its own, some get no place.
	inBook, tried := 0, 0
	for i := 0; inBook < 50 && i < 100; i++ {
		if n.AddAddress(endpoint(fmt.Sprintf("11.%d.0.1:18444", i)), inBook%2 == 0) == nil {
			tried += 1 - inBook%2
			inBook++
		}
	}
	banned := n.Addresses(1, 0)[0].Addr
	must(t, n.AddAddress(endpoint("[2a00:1::1]:18444"), false))
	s := n.BookStats()
	if s.Total.Tried+s.Collisions != tried || s.Total.Tried+s.Total.New != 51 || s.Networks[netaddr.IPv6].New != 1 {
		t.Errorf("%+v", s)
	}
	ban(t, n, banned.Host.String())
	for _, tt := range []struct {
		most    int
		network netaddr.Network
		want    int
	}{{0, 0, 50}, {-1, 0, 50}, {10, 0, 10}, {1000, 0, 50}, {0, netaddr.IPv4, 49}, {0, netaddr.IPv6, 1}, {5, netaddr.IPv6, 1}, {0, netaddr.Onion, 0}} {
		list := n.Addresses(tt.most, tt.network)
		seen := make(map[netaddr.Addr]bool)
		for _, k := range list {
			if seen[k.Addr] || k.Addr == banned || k.Seen.IsZero() || k.Services == 0 {
				t.Errorf("%+v", k)
			}
			seen[k.Addr] = true
		}
		if len(list) != tt.want {
			t.Errorf("%d of %v: %d, want %d", tt.most, tt.network, len(list), tt.want)
		}
	}
	first := make(map[netaddr.Addr]bool)
	for range 100 {
		first[n.Addresses(1, 0)[0].Addr] = true
	}
	if len(first) < 20 {
		t.Errorf("only %d come first", len(first))
	}
	for _, text := range []string{"[2a00:1::1]:18444", "127.0.0.1:18444", "0.0.0.0:1"} {
		var e *ConfigError
		if err := n.AddAddress(endpoint(text), false); !errors.As(err, &e) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if err := n.AddAddress(netaddr.Addr{}, false); err == nil {
		t.Error("no address was taken")
	}
}

// TestMinFee: the last amount that a peer told, if it is one.
func TestMinFee(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := scripted(t, Config{})
		r := w.dialIn("8.8.8.8")
		r.shake()
		for _, tt := range []struct{ told, want int64 }{
			{1000, 1000},
			{-1, 1000},
			{maxMoney + 1, 1000},
			{maxMoney, maxMoney},
			{0, 0},
			{250, 250},
		} {
			r.send(wire.NewMsgFeeFilter(tt.told))
			wait(time.Second)
			if p := w.peers()[0]; p.MinFee != tt.want || p.BanScore != 0 {
				t.Errorf("it told %d, and we have %d; its score is %d", tt.told, p.MinFee, p.BanScore)
			}
		}
	})
}

// TestAddrRelay: addresses are exchanged with whom we dialed, and with who came by himself
// once he begins.
func TestAddrRelay(t *testing.T) {
	for name, tt := range map[string]struct {
		cfg  Config
		send wire.Message
		want bool
	}{
		"silent":                        {Config{}, nil, false},
		"asks":                          {Config{}, wire.NewMsgGetAddr(), true},
		"tells":                         {Config{}, addrMsg(1), true},
		"tells in the other form":       {Config{}, wire.NewMsgAddrV2(), true},
		"pings":                         {Config{}, wire.NewMsgPing(1), false},
		"tells one who looks for none":  {Config{Connect: []string{"8.8.4.4"}}, addrMsg(1), false},
		"asks one who looks for nobody": {Config{Connect: []string{"8.8.4.4"}}, wire.NewMsgGetAddr(), true},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				tt.cfg.Listen = []string{listenAt}
				w := newWorld(t, tt.cfg)
				r := w.dialIn("8.8.8.8")
				r.shake()
				if tt.send != nil {
					r.send(tt.send)
				}
				wait(time.Second)
				for _, p := range w.peers() {
					if p.Inbound && p.AddrRelay != tt.want {
						t.Errorf("addresses are exchanged: %v", p.AddrRelay)
					}
				}
			})
		})
	}
	inBubble(t, func(t *testing.T) {
		w, r := outboundTo(t, Config{})
		r.until(wire.CmdGetAddr)
		if p := w.peers()[0]; !p.AddrRelay {
			t.Error("not with whom we dialed")
		}
	})
}
