package simnet

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/btcsuite/btcd/wire/v2"
	"golang.org/x/net/dns/dnsmessage"
)

// scriptConn is a connection on which data comes, and then the end.
type scriptConn struct {
	io.Reader
}

func (scriptConn) Write(b []byte) (int, error) {
	return len(b), nil
}

func (scriptConn) LocalAddr() net.Addr {
	return &net.TCPAddr{IP: net.IPv4(11, 0, 0, 1), Port: 1}
}

func (scriptConn) RemoteAddr() net.Addr {
	return &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 2}
}

func (scriptConn) Close() error                     { return nil }
func (scriptConn) SetDeadline(time.Time) error      { return nil }
func (scriptConn) SetReadDeadline(time.Time) error  { return nil }
func (scriptConn) SetWriteDeadline(time.Time) error { return nil }

// FuzzPeer feeds any bytes to a peer of any kind: it neither panics nor hangs.
func FuzzPeer(f *testing.F) {
	var hello bytes.Buffer
	for _, m := range []wire.Message{
		ourVersion(), wire.NewMsgSendAddrV2(), wire.NewMsgVerAck(), wire.NewMsgPing(1), wire.NewMsgGetAddr(),
	} {
		if err := wire.WriteMessage(&hello, m, wire.ProtocolVersion, wire.TestNet); err != nil {
			f.Fatal(err)
		}
	}
	for kind := range Behaviours() {
		f.Add(uint8(kind), true, hello.Bytes())
	}
	f.Add(uint8(0), false, hello.Bytes())
	f.Add(uint8(0), true, []byte{})
	f.Add(uint8(0), true, rawMessage(wire.TestNet, wire.CmdVerAck, nil))
	f.Add(uint8(0), true, rawMessage(wire.TestNet, "nonsense", []byte{1}))

	f.Fuzz(func(t *testing.T, kind uint8, inbound bool, data []byte) {
		kinds := Behaviours()
		b := kinds[int(kind)%len(kinds)]
		b.Delay = 0
		b.Flood.Count = min(b.Flood.Count, 3)
		n, err := New(Config{Transport: NewFabric(FabricConfig{}), Peers: []Spec{{Behaviour: b}}})
		if err != nil {
			t.Fatal(err)
		}
		p := n.peers[0]
		p.setAddr(fabricAddr(0, 18444))
		s := newSession(p, scriptConn{bytes.NewReader(data)}, inbound, 1)
		if err := s.run(context.Background()); err == nil && !b.CloseOnAccept {
			t.Error("session ended without an error, though the data did")
		}
	})
}

// FuzzDNS feeds any packet to the DNS server: every answer can be read, fits, and
// carries the query's number.
func FuzzDNS(f *testing.F) {
	for _, name := range []string{"seed.simnet.test.", "X1c.sEEd.simnet.test.", "other.test.", "."} {
		f.Add(packQuery(f, name, dnsmessage.TypeA, nil), true)
		f.Add(packQuery(f, name, dnsmessage.TypeAAAA, edns(4096)), false)
	}
	f.Add([]byte{}, true)
	s := &DNSServer{queries: make(map[string]uint64), zones: []Zone{{
		Name: seedName, Addrs: func(services uint64) []netip.Addr { return nAddrs(int(services%100) + 50) },
	}}}
	f.Fuzz(func(t *testing.T, packet []byte, udp bool) {
		answer := s.handle(context.Background(), packet, udp)
		if answer == nil {
			return
		}
		var m dnsmessage.Message
		if err := m.Unpack(answer); err != nil {
			t.Fatalf("answer %x: %v", answer, err)
		}
		if !bytes.Equal(answer[:2], packet[:2]) || !m.Response {
			t.Errorf("answer %x to %x", answer, packet)
		}
		if len(answer) > maxTCPSize || udp && len(answer) > maxUDPSize {
			t.Errorf("answer of %d bytes", len(answer))
		}
	})
}
