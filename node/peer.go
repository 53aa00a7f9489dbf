package node

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/btcsuite/btcd/wire/v2"

	"holdfast/connmgr"
	"holdfast/netaddr"
)

const (
	// sendQueue is how many messages wait for a peer that is slow to read. When
	// it is full nothing more is read from that peer until there is room.
	sendQueue = 32

	// sendTimeout bounds the writing of one message. The largest that we send, 1000
	// addresses, has 45 KB, and there is one of it; a full queue is 130 KB of notfound.
	sendTimeout = time.Minute

	// probePatience is how long a peer may take to answer after our own network
	// changed. A connection that did not survive that says nothing by itself.
	probePatience = 15 * time.Second
)

// session is one connection: a goroutine that reads, which is the one that
// connmgr's callback came in, and one that writes and pings.
type session struct {
	n         *Node
	id        uint64
	req       *connmgr.ConnReq // nil if inbound
	conn      net.Conn
	addr      net.Addr
	host      netaddr.Host // none if it is not known
	inbound   bool
	permanent bool // the operator's choice; of those, the tried ones are not for ever
	since     time.Time
	nonce     uint64
	score     connmgr.DynamicBanScore
	bytesIn   atomic.Uint64
	bytesOut  atomic.Uint64
	received  meter
	sent      meter
	lastRecv  atomic.Int64 // in nanoseconds, as useful
	lastSend  atomic.Int64
	useful    atomic.Int64 // when it last proved useful, in nanoseconds; see reached

	pver    atomic.Uint32 // the lower protocol version of both sides
	out     chan wire.Message
	isReady chan struct{} // closed when the handshake is done
	done    chan struct{} // closed when the session ends
	endOnce sync.Once
	ended   *ending // written before done is closed

	// What follows belongs to the reading goroutine.
	shake     handshake
	budget    bucket // of messages
	addrs     bucket // of told addresses
	toldAddrs bool   // getaddr was answered

	keep  keepalive
	probe chan struct{} // has one when the peer is to be pinged at once

	mu    sync.Mutex // guards facts
	facts PeerInfo   // what the handshake told; the rest is filled in by info
}

func (n *Node) newSession(conn net.Conn, req *connmgr.ConnReq) *session {
	s := &session{
		n: n, conn: conn, req: req,
		inbound: req == nil,
		since:   time.Now(),
		out:     make(chan wire.Message, sendQueue),
		isReady: make(chan struct{}),
		done:    make(chan struct{}),
		probe:   make(chan struct{}, 1),
		budget:  newMessageBucket(),
		addrs:   newAddrBucket(),
		keep:    keepalive{interval: n.cfg.PingInterval, timeout: n.cfg.PingTimeout},

		received: newMeter(),
		sent:     newMeter(),
	}
	s.pver.Store(wire.ProtocolVersion)
	if req != nil {
		s.addr, s.permanent = req.Addr, req.Permanent || req.Class == ClassTry
		s.facts.ReqID, s.facts.Class, s.facts.Permanent = req.ID(), req.Class, s.permanent
	} else {
		s.addr = conn.RemoteAddr()
		if c, ok := conn.(interface{ ConnID() uint64 }); ok { // connmgr's
			s.facts.ReqID = c.ConnID()
		}
	}
	if e, ok := endpointOf(s.addr); ok {
		s.host = e.Host
	} else if e, ok := endpointOf(conn.RemoteAddr()); ok {
		s.host = e.Host // what the name stands for at present
	}
	s.facts.Addr, s.facts.Network = s.addr, s.network()
	s.facts.Inbound, s.facts.Since = s.inbound, s.since
	s.facts.LocalAddr = conn.LocalAddr()
	return s
}

// enter makes the session known to the node, and gives it an ID and a nonce that
// no other session has.
func (n *Node) enter(s *session) {
	for {
		nonce := n.uint64()
		n.mu.Lock()
		if _, taken := n.nonces[nonce]; !taken {
			n.lastID++
			s.id, s.nonce = n.lastID, nonce
			s.facts.ID = s.id
			n.all[s.id], n.nonces[nonce] = s, s
			n.mu.Unlock()
			return
		}
		n.mu.Unlock()
	}
}

// leave undoes enter, and what becoming ready did. It returns the numbers that
// are left.
func (n *Node) leave(s *session) Counts {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.all, s.id)
	n.past.add(s)
	if n.nonces[s.nonce] == s {
		delete(n.nonces, s.nonce)
	}
	if s.shake.ready && !s.isShort() {
		*n.ready.of(s)--
		if n.ready.all() == 0 {
			n.alone = time.Now()
		}
	}
	return n.counts()
}

// isFeeler reports whether the session only finds out if an address is good.
func (s *session) isFeeler() bool { return s.req != nil && s.req.Class == ClassFeeler }

// isFetch reports whether the session only asks a seed node for addresses.
func (s *session) isFetch() bool { return s.req != nil && s.req.Class == ClassSeed }

// isShort reports whether the session is not for a peer to keep.
func (s *session) isShort() bool { return s.isFeeler() || s.isFetch() }

// of returns the number that counts peers of the session's sort.
func (c *Counts) of(s *session) *int {
	switch {
	case s.inbound:
		return &c.Inbound
	case s.permanent:
		return &c.Permanent
	}
	return &c.Outbound
}

// onConnection is connmgr's: it runs the session, and hands the request back.
func (n *Node) onConnection(req *connmgr.ConnReq, conn net.Conn) {
	if req.Class == ClassTry {
		defer n.endTry(req.Addr)
	}
	s := n.newSession(conn, req)
	why := s.run()
	if why.why == ReasonShutdown || req.State() != connmgr.ConnEstablished {
		return // connmgr has ended it already, or is about to
	}
	// An order may end it at the same time.
	if req.Permanent && why.why != ReasonSelf && n.isAdded(req) {
		n.cm.Disconnect(req.ID(), connmgr.WithCause(why), connmgr.IfLive())
		return
	}
	n.giveUp(req, why)
	n.cm.RemoveIfLive(req.ID(), why)
}

// onAccept is connmgr's: it turns away who is banned, and runs the session.
func (n *Node) onAccept(conn net.Conn) {
	s := n.newSession(conn, nil)
	if ban, banned := n.bans.Banned(s.host); banned && !n.whitelisted(s.host) {
		if n.turned.due(ban.Subject, time.Now()) {
			n.publish(Event{
				Event: connmgr.Event{Addr: conn.RemoteAddr(), Inbound: true},
				Kind:  KindTurnedAway, Why: ReasonBanned,
			})
		}
		_ = conn.Close() // nothing more is wanted of it
		return
	}
	s.run()
}

// run is the session. It closes the connection, and returns why it ended.
func (s *session) run() *ending {
	s.n.enter(s)
	if s.inbound {
		s.n.makeRoom(s)
	}
	if !s.n.NetworkActive() { // it came while that was switched off
		s.end(&ending{why: ReasonNetworkOff})
	}
	stop := context.AfterFunc(s.n.ctx, func() { s.end(&ending{why: ReasonShutdown}) })
	if s.isFetch() {
		late := time.AfterFunc(fetchTime, func() { s.end(&ending{why: ReasonProbed, text: "it told no addresses"}) })
		defer late.Stop()
	}
	var writer sync.WaitGroup
	writer.Go(s.write)
	s.read()
	writer.Wait()
	stop()
	s.farewell(s.n.leave(s))
	return s.ended
}

// farewell tells the book and the event stream how the session went.
func (s *session) farewell(left Counts) {
	kind := KindLost
	if !s.shake.ready {
		kind = KindUnready
	}
	if e, ok := endpointOf(s.addr); ok && !s.inbound {
		switch why := s.ended.why; {
		case why == ReasonProbed:
			return // it was told when it became ready
		case why == ReasonSelf || why == ReasonMirror && !s.permanent:
			s.n.foundSelf(e)
		case s.shake.ready && why.ours():
			s.n.book.Connected(e)
		case s.shake.ready:
			s.n.left(e, time.Since(s.since))
		case !why.ours() && !s.unproven():
			s.n.attempted(e)
		}
	}
	e := s.event(Event{Kind: kind, Why: s.ended.why, Counts: left})
	e.Err = s.ended
	s.n.publish(e)
}

// event fills in what all events of a session have.
func (s *session) event(e Event) Event {
	info := s.info()
	e.Peer = &info
	e.ID, e.Addr, e.Class, e.Inbound = info.ReqID, info.Addr, info.Class, info.Inbound
	return e
}

// info returns the facts of the session.
func (s *session) info() PeerInfo {
	s.mu.Lock()
	info := s.facts
	s.mu.Unlock()
	info.Ping = s.keep.roundTrip()
	info.BytesIn, info.BytesOut = s.bytesIn.Load(), s.bytesOut.Load()
	info.BanScore = s.score.Int()
	return info
}

// hasEnded reports whether the session has ended, or is about to.
func (s *session) hasEnded() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// end ends the session. The first call counts.
func (s *session) end(why *ending) {
	s.endOnce.Do(func() {
		s.ended = why
		close(s.done)
		_ = s.conn.Close() // wakes the reader and the writer
	})
}

// test finds out soon whether the connection still works.
func (s *session) test() {
	s.keep.hurry(time.Now(), probePatience)
	select {
	case s.probe <- struct{}{}:
	default: // it is about to
	}
}

// fail ends the session since reading or writing failed with err, which a
// deadline explains as timeout.
func (s *session) fail(err error, timeout Reason) {
	why := &ending{why: ReasonNetworkError, err: err}
	switch {
	case s.n.ctx.Err() != nil:
		why.why = ReasonShutdown
	case errors.Is(err, net.ErrClosed) && !s.n.NetworkActive():
		why.why = ReasonNetworkOff
	case errors.Is(err, os.ErrDeadlineExceeded):
		why.why = timeout
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		why.why = ReasonRemoteClosed
		if s.bytesIn.Load() == 0 {
			why.text = "it said nothing; is it of another network, or full?"
		}
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNABORTED):
		why.why = ReasonReset
	case errors.Is(err, net.ErrClosed):
		why.why = ReasonDropped // not by us, or end had been called
	default:
		why.text = err.Error()
	}
	s.end(why)
}

// queue puts a message behind those that wait to be sent. It waits while the
// queue is full, which the writer's deadline bounds.
func (s *session) queue(msg wire.Message) {
	select {
	case s.out <- msg:
	case <-s.done:
	}
}

// write sends what is queued, and pings, until the session ends. It runs in a
// goroutine of its own.
func (s *session) write() {
	timer := time.NewTimer(0)
	timer.Stop()
	defer timer.Stop()
	ready := s.isReady
	var buf bytes.Buffer
	for {
		var msg wire.Message
		select {
		case <-s.done:
			return
		case msg = <-s.out:
		case <-ready:
			ready = nil
			// What was queued before goes first: our verack is among it.
			for range len(s.out) {
				if !s.send(&buf, <-s.out) {
					return
				}
			}
			timer.Reset(0)
			continue
		case <-s.probe:
			if ready == nil { // else the first ping is still to come
				timer.Reset(0)
			}
			continue
		case <-timer.C:
			wait, ping, late := s.keep.due(time.Now(), s.n.uint64)
			if late {
				s.end(&ending{why: ReasonPingTimeout})
				return
			}
			timer.Reset(wait)
			if ping == nil {
				continue
			}
			msg = ping
		}
		if !s.send(&buf, msg) {
			return
		}
	}
}

// send writes one message, and reports whether it could.
func (s *session) send(buf *bytes.Buffer, msg wire.Message) bool {
	buf.Reset()
	_, err := wire.WriteMessageWithEncodingN(buf, msg, s.pver.Load(), s.n.cfg.Params.Net, wire.LatestEncoding)
	if err != nil {
		s.end(&ending{why: ReasonNetworkError, text: "cannot write " + msg.Command() + ": " + err.Error(), err: err})
		return false
	}
	if err := s.conn.SetWriteDeadline(time.Now().Add(sendTimeout)); err != nil {
		s.fail(err, ReasonSendTimeout)
		return false
	}
	written, err := s.conn.Write(buf.Bytes())
	s.bytesOut.Add(uint64(written))
	if err != nil {
		s.fail(err, ReasonSendTimeout)
		return false
	}
	s.sent.add(msg.Command(), written)
	s.lastSend.Store(time.Now().UnixNano())
	if buf.Cap() > keepPayload {
		*buf = bytes.Buffer{}
	}
	return true
}
