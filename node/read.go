package node

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/btcsuite/btcd/wire/v2"
)

// messageTimeout is how long the payload of a message may take after its header.
const messageTimeout = time.Minute

// idleMargin is by how much the reader is more patient than the pings are.
const idleMargin = 10 * time.Second

// countedConn counts what is read.
type countedConn struct{ s *session }

func (c countedConn) Read(b []byte) (int, error) {
	n, err := c.s.conn.Read(b)
	if n > 0 {
		c.s.bytesIn.Add(uint64(n))
		c.s.lastRecv.Store(time.Now().UnixNano())
	}
	return n, err
}

// read reads and handles messages until the session has ended.
func (s *session) read() {
	if !s.inbound {
		s.queue(s.versionMessage())
	}
	f := newFrames(countedConn{s}, s.n.cfg.Params.Net)
	for s.readOne(f) {
	}
}

// readOne handles one message, and reports whether the session goes on.
func (s *session) readOne(f *frames) bool {
	// A ready peer answers our pings, so it cannot be silent for longer than it
	// may take to answer one. The margin lets the ping's own time-out come first.
	if !s.expect(s.n.cfg.PingInterval + s.n.cfg.PingTimeout + idleMargin) {
		return false
	}
	h, err := f.header()
	if err != nil {
		s.headerFailed(err)
		return false
	}
	if over := charge(&s.budget, time.Now(), h.length); over > 0 {
		s.offendBy(OffenceMessageFlood, 0, over, "")
	}
	if !s.expect(messageTimeout) {
		return false
	}
	msg, err := s.open(f, h)
	if err != nil {
		timeout := ReasonSlowMessage
		if !s.shake.ready {
			timeout = ReasonHandshakeTimeout
		}
		s.fail(err, timeout)
		return false
	}
	if s.live() { // else it may not have been read
		s.received.add(h.command, messageSize(h))
	}
	if msg != nil {
		messages[h.command].handle(s, msg)
	}
	return s.live()
}

// live reports whether the session has not ended.
func (s *session) live() bool {
	select {
	case <-s.done:
		return false
	default:
		return true
	}
}

// expect sets the time limit of what is read next, and reports whether the
// session goes on. The handshake has one limit for all of it.
func (s *session) expect(limit time.Duration) bool {
	if !s.live() {
		return false
	}
	until := time.Now().Add(limit)
	if !s.shake.ready {
		until = s.since.Add(s.n.cfg.HandshakeTimeout)
	}
	if err := s.conn.SetReadDeadline(until); err != nil {
		s.fail(err, ReasonIdle)
		return false
	}
	return true
}

// headerFailed ends the session since no header could be read.
func (s *session) headerFailed(err error) {
	var magic wrongMagicError
	switch {
	case errors.As(err, &magic):
		s.end(&ending{why: ReasonWrongNetwork, text: magic.Error(), err: err})
	case errors.Is(err, errOversize):
		s.offend(OffenceOversize, "")
	case s.shake.ready:
		s.fail(err, ReasonIdle)
	default:
		s.fail(err, ReasonHandshakeTimeout)
	}
}

// open reads the payload of a message and decodes it. It returns no message if
// there is nothing to handle, and an error if the connection failed. What the
// table of messages says against the message is held against the peer.
func (s *session) open(f *frames, h frameHeader) (wire.Message, error) {
	m, isKnown := messages[h.command]
	offence, detail := s.judge(m, isKnown, h)
	if offence != OffenceNone {
		s.offend(offence, detail)
		if !s.live() {
			return nil, nil
		}
	}
	early := !s.shake.ready && !m.early
	if offence != OffenceNone || !isKnown || early || m.handle == nil {
		intact, err := f.body(h).end()
		if err == nil && !intact && isKnown && offence == OffenceNone {
			s.offend(OffenceChecksum, h.command)
		}
		return nil, err
	}
	b := f.body(h)
	msg, malformed := m.read(b, s.pver.Load())
	switch intact, err := b.end(); {
	case err != nil:
		return nil, err
	case !intact:
		s.offend(OffenceChecksum, h.command)
		return nil, nil
	case malformed != nil:
		s.offend(OffenceMalformed, h.command+": "+malformed.Error())
		return nil, nil
	}
	return msg, nil
}

// read decodes a payload off the wire. Its error may also be that of the stream.
func (m treatment) read(b *body, pver uint32) (wire.Message, error) {
	if m.stream {
		return decode(m, b, pver)
	}
	buf, err := b.all()
	if err != nil {
		return nil, err
	}
	return decode(m, buf, pver)
}

// payload is what is decoded: a *body, or a *bytes.Buffer, which version needs.
type payload interface {
	io.Reader
	Len() int // bytes that are left
}

// judge says what is wrong with a message, by its header alone.
func (s *session) judge(m treatment, isKnown bool, h frameHeader) (o Offence, detail string) {
	switch {
	case !s.shake.gotVersion && h.command != wire.CmdVersion:
		return OffenceBeforeVersion, fmt.Sprintf("%.12q", h.command)
	case !isKnown:
		return OffenceNone, ""
	case h.length > m.limit(s.pver.Load()):
		detail = fmt.Sprintf("%s of %d bytes", h.command, h.length)
		if m.tooLong != OffenceNone {
			return m.tooLong, detail
		}
		return OffenceTooLong, detail
	case s.shake.ready:
		return m.offence, h.command
	}
	return OffenceNone, ""
}

// decode decodes a payload. Only version may have more behind it than we know of:
// that is how it has grown.
func decode(m treatment, p payload, pver uint32) (wire.Message, error) {
	msg := m.empty()
	if err := msg.BtcDecode(p, pver, wire.LatestEncoding); err != nil {
		return nil, err
	}
	if _, isVersion := msg.(*wire.MsgVersion); p.Len() > 0 && !isVersion {
		return nil, fmt.Errorf("%d bytes too many", p.Len())
	}
	return msg, nil
}
