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

	"github.com/btcsuite/btcd/wire/v2"

	"holdfast/addrbook"
	"holdfast/netaddr"
	"holdfast/socks"
	"holdfast/torctl"
)

// noTor is a control port at which nobody answers.
var noTor = torctl.Options{
	DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, net.ErrClosed },
}

// dialOnion connects to the node by its onion service, as Tor does.
func (w *world) dialOnion() *remote {
	w.t.Helper()
	to, _ := net.ResolveTCPAddr("tcp", w.node.onionTarget)
	conn, err := w.fabric.Dial(context.Background(), &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}, to)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = conn.Close() })
	return &remote{w.t, conn}
}

// TestOnionInbound: who comes by the onion service is not from this machine, and not one
// host: he has no more rights than others, and is limited with his like.
func TestOnionInbound(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := scripted(t, Config{Onion: &OnionService{Control: noTor}, MaxPeers: 23, TargetOutbound: -1, Feelers: -1})
		const places, limit = 23, 12
		if host, _, _ := net.SplitHostPort(w.node.onionTarget); host != "127.0.0.1" {
			t.Errorf("Tor is to connect to %s, where others can too", w.node.onionTarget)
		}
		if got := w.node.maxOnionInbound(); got != limit {
			t.Fatalf("%d places, want %d", got, limit)
		}
		for range 40 {
			w.dialOnion().shakeSoon()
			wait(time.Second)
			if n := w.onions(); n > limit {
				t.Fatalf("%d peers by the onion service", n)
			}
		}
		if n := w.onions(); n != limit {
			t.Errorf("%d peers by the onion service, want %d", n, limit)
		}
		for _, s := range w.node.sessions() {
			if e := s.evictable(); e.Exempt || e.Local || e.Network != netaddr.Onion {
				t.Errorf("for the eviction it is %+v", e)
			}
		}
		// The other places are free still.
		for i := range places - limit {
			w.dialIn(fmt.Sprintf("8.8.%d.8", i)).shakeSoon()
			wait(time.Second)
		}
		wait(time.Minute)
		if c := w.node.Counts(); c.Inbound < places-1 {
			t.Errorf("%v\n%s", c, w.lines())
		}
		if n := w.onions(); n < 4 {
			t.Errorf("only %d of %d peers by the onion service are left", n, limit)
		}
	})
}

// onions counts the peers by the onion service.
func (w *world) onions() (n int) {
	for _, p := range w.peers() {
		if p.Inbound && p.Network == netaddr.Onion {
			n++
		}
	}
	return n
}

// shakeSoon does the handshake of the side that dialed while the test goes on.
func (r *remote) shakeSoon() {
	go func() {
		if wire.WriteMessage(r.conn, version(), wire.ProtocolVersion, magic) != nil {
			return
		}
		for {
			_, m, _, err := wire.ReadMessageN(r.conn, wire.ProtocolVersion, magic)
			if err != nil {
				return
			}
			switch m := m.(type) {
			case *wire.MsgVersion:
				_ = wire.WriteMessage(r.conn, wire.NewMsgVerAck(), wire.ProtocolVersion, magic)
			case *wire.MsgPing:
				_ = wire.WriteMessage(r.conn, wire.NewMsgPong(m.Nonce), wire.ProtocolVersion, magic)
			}
		}
	}()
}

// TestOnionInboundAllPlaces: where nobody comes from elsewhere, they have all places.
func TestOnionInboundAllPlaces(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, Config{Onion: &OnionService{Control: noTor}, Listen: []string{"127.0.0.1"}, TargetOutbound: -1, Seeds: []Seed{}})
		if got := w.node.maxOnionInbound(); got != DefaultMaxPeers {
			t.Errorf("%d places, want %d", got, DefaultMaxPeers)
		}
	})
}

// TestOnionInboundMisbehaves: he is disconnected, and nobody is banned.
func TestOnionInboundMisbehaves(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := scripted(t, Config{Onion: &OnionService{Control: noTor}})
		r := w.dialOnion()
		r.shake()
		for range 12 {
			r.send(version())
		}
		e := w.endOf(r)
		if e.Why != ReasonMisbehaved || w.node.bans.Len() != 0 {
			t.Errorf("ended by %v, %d bans\n%s", e.Why, w.node.bans.Len(), w.lines())
		}
	})
}

// TestOnionInboundFlood: all who come by the onion service are one source of addresses.
func TestOnionInboundFlood(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := scripted(t, Config{Onion: &OnionService{Control: noTor}})
		for i := range 20 {
			r := w.dialOnion()
			r.shake()
			for j := range 50 {
				m := wire.NewMsgAddr()
				ip := net.IPv4(byte(30+i), byte(j), 1, 1)
				m.AddrList = append(m.AddrList, wire.NewNetAddressIPPort(ip, 18444, wire.SFNodeNetwork))
				r.send(m)
				wait(11 * time.Second)
			}
			_ = r.conn.Close()
		}
		one, _ := netaddr.ParseAddr("30.0.1.1:18444")
		if e, known := w.node.book.Lookup(one); known && e.Source != onionSource {
			t.Errorf("the source is %v", e.Source)
		}
		for _, k := range w.node.book.Answer(netaddr.IPv4) {
			if e, ok := w.node.book.Lookup(k.Addr); ok && e.Source != onionSource {
				t.Errorf("%v is from %v", k.Addr, e.Source)
			}
		}
	})
}

// TestTellsItself: who sees our IP address is told that, and who does not is told of the
// onion service, and only by addrv2: nobody can tell from us that both are one node.
func TestTellsItself(t *testing.T) {
	onion := netaddr.Addr{Host: onionHost(5), Port: 18444}
	clear, _ := netaddr.ParseAddr("9.9.9.9:18444")
	for _, tt := range []struct {
		name    string
		proxied bool
		v2      bool
		want    []netaddr.Addr
	}{
		{"direct, addrv2", false, true, []netaddr.Addr{clear}},
		{"direct, addr", false, false, []netaddr.Addr{clear}},
		{"proxied, addrv2", true, true, []netaddr.Addr{onion}},
		{"proxied, addr", true, false, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				p, dialer := proxied(nil)
				cfg := Config{Listen: []string{listenAt}, Onion: &OnionService{Control: noTor}, Seeds: []Seed{{Host: "8.8.4.4"}}}
				if tt.proxied {
					cfg.Proxy, cfg.Dial = dialer, never{t}.dial
				}
				w := newProxiedWorld(t, p, Config{Seeds: []Seed{}, Connect: []string{"1.1.1.1"}})
				w.stop()
				l := w.listenFor("8.8.4.4:18444")
				w.start(cfg)
				// It is published between the start and the handshake.
				w.node.onOnion(torctl.Event{Kind: torctl.KindPublished, Addr: onion})
				r := l.accept()
				r.until(wire.CmdVersion)
				r.send(version())
				if tt.v2 {
					r.send(wire.NewMsgSendAddrV2())
				}
				r.send(wire.NewMsgVerAck())
				var told []netaddr.Addr
				for m := r.next(); m.Command() != wire.CmdGetAddr; m = r.next() {
					switch m := m.(type) {
					case *wire.MsgAddr:
						for _, a := range m.AddrList {
							ip, _ := netip.AddrFromSlice(a.IP)
							told = append(told, netaddr.Addr{Host: netaddr.FromIP(ip), Port: a.Port})
						}
					case *wire.MsgAddrV2:
						for _, a := range m.AddrList {
							h, _ := netaddr.Parse(a.Addr.String())
							told = append(told, netaddr.Addr{Host: h, Port: a.Port})
						}
					}
				}
				if !slices.Equal(told, tt.want) {
					t.Errorf("told %v, want %v", told, tt.want)
				}
			})
		})
	}
}

// TestTellsNewOnion: peers that are there already hear of the onion service when it is
// published.
func TestTellsNewOnion(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p, dialer := proxied(nil)
		w := newProxiedWorld(t, p, Config{Seeds: []Seed{}, Connect: []string{"1.1.1.1"}})
		w.stop()
		l := w.listenFor("8.8.4.4:18444")
		w.start(Config{Proxy: dialer, Dial: never{t}.dial, Onion: &OnionService{Control: noTor}, Seeds: []Seed{{Host: "8.8.4.4"}}})
		r := l.accept()
		r.answer()
		r.until(wire.CmdGetAddr)
		onion := netaddr.Addr{Host: onionHost(5), Port: 18444}
		w.node.onOnion(torctl.Event{Kind: torctl.KindPublished, Addr: onion, Version: "0.4.9.8"})
		m := r.until(wire.CmdAddrV2).(*wire.MsgAddrV2)
		if len(m.AddrList) != 1 || m.AddrList[0].Addr.String() != onion.Host.String() {
			t.Errorf("told %v", m.AddrList)
		}
		wait(time.Second)
		if lines := w.lines(); !strings.Contains(lines, "Reached as "+onion.String()) {
			t.Error(lines)
		}
	})
}

// TestNoSeedsForOnion: where only onion services are wanted, DNS is not asked.
func TestNoSeedsForOnion(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p, dialer := proxied(nil)
		host := onionHost(2).String()
		w := newProxiedWorld(t, p, Config{
			OnionProxy: dialer,
			OnlyNet:    addrbook.NetworksOf(netaddr.Onion),
			Dial:       never{t}.dial,
			Resolver:   neverLookup{t},
			Seeds:      []Seed{{Host: "seed.example"}, {Host: "11.0.0.1"}, {Host: host + ":18444"}},
		})
		wait(time.Minute)
		if asked := p.Targets(); len(asked) == 0 || asked[0] != host+":18444" {
			t.Errorf("dialed %v\n%s", asked, w.lines())
		}
	})
}

// neverLookup is a Resolver that must not be asked.
type neverLookup struct{ t *testing.T }

func (n neverLookup) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	n.t.Errorf("%s was looked up", host)
	return nil, net.ErrClosed
}

// TestOnionAmongOthers: a node that reaches both, and has no peer on Tor, asks for one
// there in one of four choices, though its book is full of others.
func TestOnionAmongOthers(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n := atRest(t, Config{OnionProxy: &socks.Dialer{Proxy: "127.0.0.1:9050"}})
		const choices = 400
		for i := range 100 {
			n.book.Add(netaddr.Host{}, 0, addrbook.Known{Addr: endpoint(fmt.Sprintf("%d.1.0.1:18444", 20+i)), Seen: time.Now()})
		}
		knows(t, n, onionHost(1).String()+":18444")
		onions := 0
		for range choices {
			if a, err := n.newAddress(); err != nil {
				t.Fatal(err)
			} else if e, _ := endpointOf(a); e.Host.Network() == netaddr.Onion {
				onions++
			}
		}
		if onions < choices/8 || onions > choices/2 {
			t.Errorf("%d of %d choices are on Tor", onions, choices)
		}
	})
}

// TestOnionTriedAtOnce: when there is a reason to, Tor's control port is tried at once,
// however long it was away.
func TestOnionTriedAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		tries := 0
		control := torctl.Options{DialContext: func(context.Context, string, string) (net.Conn, error) {
			tries++
			return nil, net.ErrClosed
		}}
		w := scripted(t, Config{Onion: &OnionService{Control: control}})
		wait(time.Hour)
		before := tries
		if wait(time.Second); tries != before {
			t.Fatal("it is tried each second")
		}
		w.node.tryAgain() // as when our network changed
		if wait(100 * time.Millisecond); tries != before+1 {
			t.Errorf("%d tries when our network changed", tries-before)
		}
		before = tries
		w.node.SetNetworkActive(false)
		if wait(100 * time.Millisecond); tries != before {
			t.Errorf("%d tries when networking was switched off", tries-before)
		}
		w.node.SetNetworkActive(true)
		if wait(100 * time.Millisecond); tries != before+1 {
			t.Errorf("%d tries when networking was switched on", tries-before)
		}
	})
}
