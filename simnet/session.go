package simnet

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/btcsuite/btcd/wire/v2"
)

const (
	// handshakeTimeout is how long an honest node waits for a handshake, as Core.
	handshakeTimeout = time.Minute

	// unknownCommand counts the messages with a command that wire does not know.
	unknownCommand = "unknown"
)

// errVerackFirst ends a session whose other side acknowledges a version that it has
// not got.
var errVerackFirst = errors.New("simnet: verack before version")

// session is one connection of a peer. One goroutine reads and answers; a second
// one floods, if the behaviour says so. Each message is one Write, so theirs do not
// mix.
type session struct {
	peer   *Peer
	b      *Behaviour
	conn   net.Conn
	r      *bufio.Reader
	rng    *rand.Rand // of the reading goroutine
	serial uint64
	nonce  uint64

	info ConnInfo // guarded by Peer.mu

	pver      uint32 // the lower of both versions
	addrV2    bool   // the other side wants addrv2
	addrsSent bool
}

func newSession(p *Peer, conn net.Conn, inbound bool, serial uint64) *session {
	rng := rand.New(rand.NewPCG(p.net.cfg.Seed, uint64(p.index)<<32|serial))
	return &session{
		peer:   p,
		b:      &p.spec.Behaviour,
		conn:   conn,
		r:      bufio.NewReader(conn),
		rng:    rng,
		serial: serial,
		nonce:  rng.Uint64(),
		info:   ConnInfo{Remote: conn.RemoteAddr(), Inbound: inbound, Since: time.Now()},
		pver:   ownVersion(&p.spec.Behaviour),
	}
}

// run acts as the behaviour says until the connection ends. It returns nil if it
// ended it itself, as the behaviour says. The caller closes the connection.
func (s *session) run(ctx context.Context) error {
	switch {
	case s.b.CloseOnAccept:
		return nil
	case s.b.Garbage > 0:
		return s.garbage()
	case s.b.Mute:
		return s.drain()
	case s.b.Magic != 0 && s.b.Magic != s.peer.net.cfg.Params.Net:
		if err := s.sendVersion(ctx, s.nonce); err != nil {
			return err
		}
		return s.drain()
	}
	if err := s.handshake(ctx); err != nil {
		return err
	}
	if s.b.NoVerack {
		return s.drain()
	}
	return s.talk(ctx)
}

// drain reads until the connection ends.
func (s *session) drain() error {
	_, err := io.Copy(io.Discard, s.r)
	if err == nil {
		err = io.EOF
	}
	return err
}

func (s *session) garbage() error {
	buf := make([]byte, s.b.Garbage)
	fill(buf, s.rng)
	if _, err := s.conn.Write(buf); err != nil {
		return err
	}
	return s.drain()
}

// handshake exchanges version, sendaddrv2 and verack.
func (s *session) handshake(ctx context.Context) error {
	inbound := s.info.Inbound
	limit := handshakeTimeout + 4*s.b.Delay
	if err := s.conn.SetDeadline(time.Now().Add(limit)); err != nil {
		return err
	}
	if !inbound {
		if err := s.sendVersion(ctx, s.nonce); err != nil {
			return err
		}
	}
	gotVersion, gotVerack := false, false
	for !gotVersion || !gotVerack {
		msg, err := s.read()
		if err != nil {
			return err
		}
		switch msg := msg.(type) {
		case *wire.MsgVersion:
			if gotVersion {
				continue
			}
			gotVersion = true
			s.theirs(msg)
			if inbound {
				nonce := s.nonce
				if s.b.EchoNonce {
					nonce = msg.Nonce
				}
				if err := s.sendVersion(ctx, nonce); err != nil {
					return err
				}
			} else if !sleep(ctx, s.b.Delay) {
				return ErrStopped
			}
			if err := s.acknowledge(); err != nil {
				return err
			}
		case *wire.MsgSendAddrV2:
			s.addrV2 = true
		case *wire.MsgVerAck:
			if !gotVersion {
				return errVerackFirst
			}
			gotVerack = true
		}
	}
	return s.conn.SetDeadline(time.Time{})
}

// theirs takes what is needed from the other side's version.
func (s *session) theirs(msg *wire.MsgVersion) {
	s.pver = min(s.pver, uint32(max(msg.ProtocolVersion, 0)))
	s.peer.mu.Lock()
	s.info.UserAgent = msg.UserAgent
	s.peer.mu.Unlock()
}

func (s *session) acknowledge() error {
	if s.pver >= wire.AddrV2Version {
		if err := s.send(wire.NewMsgSendAddrV2()); err != nil {
			return err
		}
	}
	if s.b.NoVerack {
		return nil
	}
	return s.send(wire.NewMsgVerAck())
}

// sendVersion sends the version, after the behaviour's delay.
func (s *session) sendVersion(ctx context.Context, nonce uint64) error {
	if !sleep(ctx, s.b.Delay) {
		return ErrStopped
	}
	return s.send(s.version(nonce))
}

func (s *session) version(nonce uint64) *wire.MsgVersion {
	spec := &s.peer.spec
	me := netAddress(s.peer.Addr(), spec.Services)
	you := netAddress(s.conn.RemoteAddr(), 0)
	msg := wire.NewMsgVersion(me, you, nonce, s.peer.net.cfg.Height)
	msg.ProtocolVersion = int32(ownVersion(s.b))
	msg.Services = spec.Services
	msg.UserAgent = spec.UserAgent
	msg.Timestamp = time.Unix(time.Now().Unix(), 0)
	return msg
}

// talk is the session after the handshake.
func (s *session) talk(ctx context.Context) error {
	s.peer.mu.Lock()
	s.info.Ready = true
	s.peer.mu.Unlock()
	s.event(EventReady, "", nil)

	// Whatever ends the reading ends the flood too, and the reverse is not so: a
	// flooder stays until it is dropped.
	var flood sync.WaitGroup
	ctx, cancel := context.WithCancel(ctx)
	defer func() {
		cancel()
		_ = s.conn.Close() // wakes a flood that waits for a full buffer
		flood.Wait()
	}()
	if s.b.CloseAfter > 0 {
		if err := s.conn.SetDeadline(time.Now().Add(s.b.CloseAfter)); err != nil {
			return err
		}
	}
	if s.b.Flood.Count > 0 {
		flood.Go(func() { s.flood(ctx) })
	}
	if !s.info.Inbound {
		if err := s.announce(); err != nil {
			return err
		}
	}
	for {
		msg, err := s.read()
		if err == nil {
			err = s.answer(ctx, msg)
		}
		var ne net.Error
		if s.b.CloseAfter > 0 && errors.As(err, &ne) && ne.Timeout() {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// announce is what a node says first to a peer that it dialed: where it is itself,
// and that it wants addresses.
func (s *session) announce() error {
	if own, ok := addrPort(s.peer.Addr()); ok {
		if err := s.sendAddrs([]gossip{{own, s.peer.spec.Services, time.Now()}}); err != nil {
			return err
		}
	}
	return s.send(wire.NewMsgGetAddr())
}

// answer handles one message after the handshake.
func (s *session) answer(ctx context.Context, msg wire.Message) error {
	switch msg := msg.(type) {
	case *wire.MsgPing:
		if s.b.NoPong || s.pver <= wire.BIP0031Version {
			return nil
		}
		if !sleep(ctx, s.b.Delay) {
			return ErrStopped
		}
		return s.send(wire.NewMsgPong(msg.Nonce))
	case *wire.MsgGetAddr:
		// Like Core: only for those who dialed us, and once, so that nobody can
		// draw out all that is known.
		if !s.info.Inbound || s.addrsSent {
			return nil
		}
		s.addrsSent = true
		if !sleep(ctx, s.b.Delay) {
			return ErrStopped
		}
		return s.sendAddrs(s.peer.gossip(s.rng))
	}
	return nil
}

// read returns the next message with a known command, and counts all.
func (s *session) read() (wire.Message, error) {
	for {
		_, msg, _, err := wire.ReadMessageWithEncodingN(s.r, s.pver, s.peer.net.cfg.Params.Net, wire.LatestEncoding)
		switch {
		case err == nil:
			s.received(msg.Command())
			return msg, nil
		case errors.Is(err, wire.ErrUnknownMessage):
			s.received(unknownCommand)
		default:
			return nil, err
		}
	}
}

func (s *session) received(command string) {
	s.peer.mu.Lock()
	s.peer.counts[command]++
	s.peer.mu.Unlock()
	s.event(EventReceived, command, nil)
}

// send sends one message in one Write.
func (s *session) send(msg wire.Message) error {
	var buf bytes.Buffer
	if err := wire.WriteMessage(&buf, msg, s.pver, s.magic()); err != nil {
		return err
	}
	_, err := s.conn.Write(buf.Bytes())
	return err
}

func (s *session) magic() wire.BitcoinNet {
	if s.b.Magic != 0 {
		return s.b.Magic
	}
	return s.peer.net.cfg.Params.Net
}

func (s *session) event(kind EventKind, command string, err error) {
	s.peer.net.event(Event{
		Kind: kind, Peer: s.peer, Remote: s.conn.RemoteAddr(),
		Inbound: s.info.Inbound, Command: command, Err: err,
	})
}

func ownVersion(b *Behaviour) uint32 {
	if b.Version != 0 {
		return uint32(b.Version)
	}
	return wire.ProtocolVersion
}
