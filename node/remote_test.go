package node

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/wire/v2"
)

const magic = wire.TestNet // regtest's

// listenAt is where the node of a scripted test listens.
const listenAt = "9.9.9.9:18444"

// remote is the other side of a session, played by a test.
type remote struct {
	t    *testing.T
	conn net.Conn
}

// scripted makes a node that listens and knows nobody.
func scripted(t *testing.T, cfg Config) *world {
	t.Helper()
	cfg.Listen = []string{listenAt}
	if cfg.Seeds == nil {
		cfg.Seeds = []Seed{}
	}
	if cfg.TargetOutbound == 0 {
		cfg.TargetOutbound = 1 // each free slot asks for addresses every few seconds
	}
	return newWorld(t, cfg)
}

// dialIn connects to the node from a host.
func (w *world) dialIn(host string) *remote {
	w.t.Helper()
	conn, err := w.tryDialIn(host)
	if err != nil {
		w.t.Fatal(err)
	}
	return conn
}

func (w *world) tryDialIn(host string) (*remote, error) {
	to, _ := net.ResolveTCPAddr("tcp", listenAt)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := w.fabric.Dial(ctx, &net.TCPAddr{IP: net.ParseIP(host)}, to)
	if err != nil {
		return nil, err
	}
	w.t.Cleanup(func() { _ = conn.Close() })
	return &remote{w.t, conn}, nil
}

// listenFor listens where the node will dial.
func (w *world) listenFor(addr string) *remoteListener {
	w.t.Helper()
	at, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		w.t.Fatal(err)
	}
	l, err := w.fabric.Listen(at)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = l.Close() })
	return &remoteListener{w.t, l}
}

type remoteListener struct {
	t *testing.T
	l net.Listener
}

func (l *remoteListener) accept() *remote {
	l.t.Helper()
	conn, err := l.l.Accept()
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = conn.Close() })
	return &remote{l.t, conn}
}

// version is a good version message.
func version() *wire.MsgVersion {
	nobody := wire.NewNetAddressIPPort(net.IPv4zero, 0, 0)
	m := wire.NewMsgVersion(nobody, nobody, 4711, 100)
	m.UserAgent = "/remote:1/"
	m.Services = wire.SFNodeNetwork | wire.SFNodeWitness
	return m
}

func (r *remote) send(msgs ...wire.Message) {
	r.t.Helper()
	for _, m := range msgs {
		if err := wire.WriteMessage(r.conn, m, wire.ProtocolVersion, magic); err != nil {
			r.t.Logf("send %s: %v", m.Command(), err)
		}
	}
}

// frame makes a message of any bytes.
func frame(command string, payload []byte) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(magic))
	var cmd [12]byte
	copy(cmd[:], command)
	b = append(b, cmd[:]...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(payload)))
	b = append(b, chainhash.DoubleHashB(payload)[:4]...)
	return append(b, payload...)
}

func (r *remote) raw(b []byte) {
	r.t.Helper()
	if _, err := r.conn.Write(b); err != nil {
		r.t.Logf("write: %v", err)
	}
}

// next returns the next message, or nil when the node has closed the connection.
func (r *remote) next() wire.Message {
	r.t.Helper()
	if err := r.conn.SetReadDeadline(time.Now().Add(24 * time.Hour)); errors.Is(err, net.ErrClosed) {
		return nil // by the test itself
	}
	_, m, _, err := wire.ReadMessageN(r.conn, wire.ProtocolVersion, magic)
	switch {
	case err == nil:
		return m
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, new(*net.OpError)):
		return nil
	}
	r.t.Fatalf("read: %v", err)
	return nil
}

// until reads until a message with the command has come, and returns it.
func (r *remote) until(command string) wire.Message {
	r.t.Helper()
	for {
		m := r.next()
		if m == nil {
			r.t.Fatalf("the connection was closed, %s had been expected", command)
		}
		if m.Command() == command {
			return m
		}
	}
}

// payload reads until a message with the command has come, and returns its bytes.
func (r *remote) payload(command string) []byte {
	r.t.Helper()
	for {
		_, m, payload, err := wire.ReadMessageN(r.conn, wire.ProtocolVersion, magic)
		if err != nil {
			r.t.Fatalf("%v; %s had been expected", err, command)
		}
		if m.Command() == command {
			return payload
		}
	}
}

// shake does the handshake of the side that dialed.
func (r *remote) shake() {
	r.t.Helper()
	r.send(version())
	r.until(wire.CmdVersion)
	r.send(wire.NewMsgSendAddrV2(), wire.NewMsgVerAck())
	r.until(wire.CmdVerAck)
	r.until(wire.CmdPing) // the node's handshake is done
}

// answer does the handshake of the side that was dialed.
func (r *remote) answer() {
	r.t.Helper()
	r.until(wire.CmdVersion)
	r.send(version(), wire.NewMsgSendAddrV2(), wire.NewMsgVerAck())
	r.until(wire.CmdVerAck)
}

// endOf waits until the node has closed the connection, and returns the event.
func (w *world) endOf(r *remote) Event {
	w.t.Helper()
	for r.next() != nil {
	}
	wait(time.Second)
	found := append(w.of(KindUnready), w.of(KindLost)...)
	if len(found) != 1 {
		w.t.Fatalf("%d sessions ended, want 1:\n%s", len(found), w.lines())
	}
	return found[0]
}

// peers returns the sessions of the node.
func (w *world) peers() []PeerInfo { return w.node.Snapshot().Peers }

// payloadOf encodes a message's payload.
func payloadOf(t *testing.T, m wire.Message) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := m.BtcEncode(&b, wire.ProtocolVersion, wire.LatestEncoding); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
