package simnet

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/btcsuite/btcd/wire/v2"
	"github.com/google/go-cmp/cmp"
)

const ourNonce = 4711

// client is the node's end of a connection to a peer.
type client struct {
	t *testing.T
	net.Conn
}

func (c client) send(msgs ...wire.Message) {
	c.t.Helper()
	for _, m := range msgs {
		if err := wire.WriteMessage(c, m, wire.ProtocolVersion, wire.TestNet); err != nil {
			c.t.Fatalf("send %s: %v", m.Command(), err)
		}
	}
}

// receive returns the next message, or the error if none comes within a minute.
func (c client) receive() (wire.Message, error) {
	_ = c.SetReadDeadline(time.Now().Add(time.Minute))
	_, msg, _, err := wire.ReadMessageWithEncodingN(c, wire.ProtocolVersion, wire.TestNet, wire.LatestEncoding)
	return msg, err
}

func (c client) expect(commands ...string) (last wire.Message) {
	c.t.Helper()
	for _, want := range commands {
		msg, err := c.receive()
		if err != nil {
			c.t.Fatalf("want %s, got error %v", want, err)
		}
		if msg.Command() != want {
			c.t.Fatalf("want %s, got %s", want, msg.Command())
		}
		last = msg
	}
	return last
}

// expectError wants the connection to fail with an error that is like want.
func (c client) expectError(want error) {
	c.t.Helper()
	msg, err := c.receive()
	if err == nil {
		c.t.Fatalf("got %s, want error %v", msg.Command(), want)
	}
	if !errors.Is(err, want) {
		c.t.Fatalf("error %v, want %v", err, want)
	}
}

func ourVersion() *wire.MsgVersion {
	me := wire.NewNetAddressIPPort(net.IPv4(10, 0, 0, 1), 18444, 0)
	msg := wire.NewMsgVersion(me, me, ourNonce, 0)
	msg.UserAgent = "/client:1/"
	return msg
}

// shake does the node's part of a handshake that it began.
func (c client) shake() *wire.MsgVersion {
	c.t.Helper()
	c.send(ourVersion())
	version := c.expect(wire.CmdVersion).(*wire.MsgVersion)
	c.expect(wire.CmdSendAddrV2, wire.CmdVerAck)
	c.send(wire.NewMsgSendAddrV2(), wire.NewMsgVerAck())
	return version
}

// withPeer runs body in a bubble with a client connected to a peer of this kind,
// the first of three; the others are honest.
func withPeer(t *testing.T, spec Spec, body func(c client, p *Peer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := NewFabric(FabricConfig{Latency: latency, Seed: 1})
		n, err := New(Config{Transport: f, Seed: 1, Peers: []Spec{spec, {Count: 2}}})
		if err != nil {
			t.Fatal(err)
		}
		if err := n.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		p := n.Peers()[0]
		conn, err := f.Dial(t.Context(), nil, p.Addr())
		if err != nil {
			t.Fatal(err)
		}
		body(client{t, conn}, p)
		conn.Close()
		synctest.Wait()
		if p.Running() && p.Behaviour().Delay == 0 {
			time.Sleep(time.Second)
			if cs := p.Conns(); len(cs) != 0 {
				t.Errorf("peer keeps %v", cs)
			}
		}
		n.Close()
		if s := f.Stats(); s.Open != 0 {
			t.Errorf("%d connections are open after Close", s.Open)
		}
	})
}

func TestHonest(t *testing.T) {
	withPeer(t, Spec{Behaviour: Honest()}, func(c client, p *Peer) {
		v := c.shake()
		if v.Nonce == ourNonce || v.ProtocolVersion != int32(wire.ProtocolVersion) ||
			v.Services != wire.SFNodeNetwork|wire.SFNodeWitness || v.UserAgent != "/simnet:1/honest/" {
			c.t.Errorf("version %+v", v)
		}
		c.send(wire.NewMsgPing(7))
		if pong := c.expect(wire.CmdPong).(*wire.MsgPong); pong.Nonce != 7 {
			c.t.Errorf("pong %d", pong.Nonce)
		}
		// What it does not know, and what it need not answer.
		if _, err := c.Write(rawMessage(wire.TestNet, "sendtxrcncl", make([]byte, 12))); err != nil {
			c.t.Fatal(err)
		}
		c.send(wire.NewMsgSendHeaders(), ourVersion(), wire.NewMsgGetAddr())
		msg := c.expect(wire.CmdAddrV2).(*wire.MsgAddrV2)
		var got []string
		for _, na := range msg.AddrList {
			got = append(got, netip.AddrPortFrom(netip.MustParseAddr(na.Addr.String()), na.Port).String())
			if age := time.Since(na.Timestamp); age < 0 || age > gossipAge+time.Second {
				c.t.Errorf("%v was seen %v ago", na.Addr, age)
			}
		}
		slices.Sort(got)
		want := []string{"11.0.0.1:18444", "11.1.0.1:18444", "11.2.0.1:18444"}
		if diff := cmp.Diff(want, got); diff != "" {
			c.t.Error(diff)
		}
		c.send(wire.NewMsgGetAddr(), wire.NewMsgPing(8))
		c.expect(wire.CmdPong) // and no second list

		for command, want := range map[string]uint64{
			wire.CmdVersion: 2, wire.CmdVerAck: 1, wire.CmdPing: 2, wire.CmdGetAddr: 2, unknownCommand: 1,
		} {
			if got := p.Received(command); got != want {
				c.t.Errorf("received %d %s, want %d", got, command, want)
			}
		}
		info := p.Conns()
		if len(info) != 1 || !info[0].Ready || !info[0].Inbound || info[0].UserAgent != "/client:1/" ||
			info[0].Remote != c.LocalAddr() {
			c.t.Errorf("conns %+v", info)
		}
	})
}

// Without sendaddrv2 from us there is none of it from the peer.
func TestHonestOldAddr(t *testing.T) {
	gossip := []netip.AddrPort{netip.MustParseAddrPort("[2001:db8::1]:1"), netip.MustParseAddrPort("20.0.0.1:2")}
	withPeer(t, Spec{Gossip: gossip}, func(c client, p *Peer) {
		v := ourVersion()
		v.ProtocolVersion = 70015
		c.send(v)
		c.expect(wire.CmdVersion, wire.CmdVerAck)
		c.send(wire.NewMsgVerAck(), wire.NewMsgGetAddr())
		var got []string
		for _, na := range c.expect(wire.CmdAddr).(*wire.MsgAddr).AddrList {
			got = append(got, na.IP.String())
		}
		slices.Sort(got)
		if diff := cmp.Diff([]string{"20.0.0.1", "2001:db8::1"}, got); diff != "" {
			c.t.Error(diff)
		}
	})
}

func TestHandshakeTimesOut(t *testing.T) {
	withPeer(t, Spec{}, func(c client, p *Peer) {
		start := time.Now()
		_, err := c.Read(make([]byte, 1))
		if took := time.Since(start); err != io.EOF || took != handshakeTimeout+latency {
			c.t.Errorf("%v after %v", err, took)
		}
	})
}

func TestSlow(t *testing.T) {
	withPeer(t, Spec{Behaviour: Slow(3 * time.Second)}, func(c client, p *Peer) {
		start := time.Now()
		c.shake()
		if took := time.Since(start); took != 3*time.Second+2*latency {
			c.t.Errorf("handshake took %v", took)
		}
		start = time.Now()
		c.send(wire.NewMsgPing(1))
		c.expect(wire.CmdPong)
		if took := time.Since(start); took != 3*time.Second+2*latency {
			c.t.Errorf("pong took %v", took)
		}
	})
}

func TestSilent(t *testing.T) {
	withPeer(t, Spec{Behaviour: Silent()}, func(c client, p *Peer) {
		c.send(ourVersion())
		c.expectError(os.ErrDeadlineExceeded)
	})
}

func TestStaller(t *testing.T) {
	withPeer(t, Spec{Behaviour: Staller()}, func(c client, p *Peer) {
		c.send(ourVersion())
		c.expect(wire.CmdVersion, wire.CmdSendAddrV2)
		c.send(wire.NewMsgVerAck(), wire.NewMsgPing(1))
		c.expectError(os.ErrDeadlineExceeded)
	})
}

func TestDropper(t *testing.T) {
	withPeer(t, Spec{Behaviour: Dropper()}, func(c client, p *Peer) {
		c.expectError(io.EOF)
	})
}

func TestLateDropper(t *testing.T) {
	withPeer(t, Spec{Behaviour: LateDropper(10 * time.Second)}, func(c client, p *Peer) {
		c.shake()
		start := time.Now()
		c.send(wire.NewMsgPing(1))
		c.expect(wire.CmdPong)
		c.expectError(io.EOF)
		if took := time.Since(start); took != 10*time.Second+2*latency {
			c.t.Errorf("closed after %v", took)
		}
	})
}

func TestNoPong(t *testing.T) {
	withPeer(t, Spec{Behaviour: NoPong()}, func(c client, p *Peer) {
		c.shake()
		c.send(wire.NewMsgPing(1))
		c.expectError(os.ErrDeadlineExceeded)
		c.send(wire.NewMsgGetAddr())
		c.expect(wire.CmdAddrV2)
	})
}

func TestGarbage(t *testing.T) {
	withPeer(t, Spec{Behaviour: Garbage()}, func(c client, p *Peer) {
		_ = c.SetReadDeadline(time.Now().Add(time.Minute))
		got, err := io.ReadAll(c)
		if len(got) != garbageLen || !errors.Is(err, os.ErrDeadlineExceeded) {
			c.t.Errorf("%d bytes, %v", len(got), err)
		}
	})
}

func TestBadMagic(t *testing.T) {
	withPeer(t, Spec{Behaviour: BadMagic(wire.MainNet)}, func(c client, p *Peer) {
		_ = c.SetReadDeadline(time.Now().Add(time.Minute))
		_, msg, _, err := wire.ReadMessageN(c, wire.ProtocolVersion, wire.MainNet)
		if err != nil || msg.Command() != wire.CmdVersion {
			c.t.Fatalf("%v, %v", msg, err)
		}
		c.send(ourVersion())
		c.expectError(os.ErrDeadlineExceeded)
	})
}

func TestOldVersion(t *testing.T) {
	withPeer(t, Spec{Behaviour: OldVersion()}, func(c client, p *Peer) {
		c.send(ourVersion())
		if v := c.expect(wire.CmdVersion).(*wire.MsgVersion); v.ProtocolVersion != oldVersion {
			c.t.Errorf("version %d", v.ProtocolVersion)
		}
		c.expect(wire.CmdVerAck)
	})
}

func TestSelfEcho(t *testing.T) {
	withPeer(t, Spec{Behaviour: SelfEcho()}, func(c client, p *Peer) {
		if v := c.shake(); v.Nonce != ourNonce {
			c.t.Errorf("nonce %d", v.Nonce)
		}
	})
}

func TestDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewFabric(FabricConfig{})
		n, err := New(Config{Transport: f, Peers: []Spec{{Behaviour: Dead()}}})
		if err != nil {
			t.Fatal(err)
		}
		if err := n.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer n.Close()
		if _, err := f.Dial(t.Context(), nil, n.Peers()[0].Addr()); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("dial: %v", err)
		}
	})
}

func TestFlooder(t *testing.T) {
	tests := []struct {
		flood   Flood
		command string
		check   func(wire.Message) bool
		err     string // where wire refuses to read it
	}{
		{flood: Flood{Kind: FloodPings, Count: 5}, command: wire.CmdPing},
		{
			flood: Flood{Kind: FloodAddrs, Count: 3}, command: wire.CmdAddrV2,
			check: func(m wire.Message) bool { return len(m.(*wire.MsgAddrV2).AddrList) == 1000 },
		},
		{
			flood: Flood{Kind: FloodAddrs, Count: 3, Size: 9}, command: wire.CmdAddrV2,
			check: func(m wire.Message) bool { return len(m.(*wire.MsgAddrV2).AddrList) == 9 },
		},
		{flood: Flood{Kind: FloodOversize, Count: 1}, err: "payload exceeds max length - header indicates 30033"},
		{flood: Flood{Kind: FloodOversize, Count: 1, Size: 70000}, err: "indicates 2100005"},
		{
			flood: Flood{Kind: FloodInv, Count: 2}, command: wire.CmdInv,
			check: func(m wire.Message) bool { return len(m.(*wire.MsgInv).InvList) == 1000 },
		},
		{flood: Flood{Kind: FloodUnknown, Count: 1}, err: wire.ErrUnknownMessage.Error()},
		{flood: Flood{Kind: FloodVersion, Count: 4}, command: wire.CmdVersion},
	}
	for _, tt := range tests {
		withPeer(t, Spec{Behaviour: Flooder(tt.flood)}, func(c client, p *Peer) {
			c.shake()
			if tt.err != "" {
				if _, err := c.receive(); err == nil || !strings.Contains(err.Error(), tt.err) {
					c.t.Errorf("%+v: error %v", tt.flood, err)
				}
				return
			}
			for range tt.flood.Count {
				if m := c.expect(tt.command); tt.check != nil && !tt.check(m) {
					c.t.Errorf("%+v: message %+v", tt.flood, m)
				}
			}
			c.send(wire.NewMsgPing(1))
			c.expect(wire.CmdPong) // the flood is over, and the peer still honest
		})
	}
}

// A slow flood goes on while the peer answers.
func TestFloodPace(t *testing.T) {
	withPeer(t, Spec{Behaviour: Flooder(Flood{Count: 3, Every: 10 * time.Second})}, func(c client, p *Peer) {
		c.shake()
		c.expect(wire.CmdPing)
		start := time.Now()
		c.send(wire.NewMsgPing(1))
		c.expect(wire.CmdPong, wire.CmdPing, wire.CmdPing)
		if took := time.Since(start); took != 20*time.Second {
			c.t.Errorf("two more came in %v", took)
		}
	})
}

// Stop ends a flooder whose flood nobody reads.
func TestStopEndsStuckFlood(t *testing.T) {
	withPeer(t, Spec{Behaviour: Flooder(Flood{Kind: FloodAddrs, Count: 1e6})}, func(c client, p *Peer) {
		c.shake()
		time.Sleep(time.Hour)
		p.Stop()
	})
}
